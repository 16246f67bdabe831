"""SIGINT and SIGTERM while workers are forked: noted, and raised where it is safe.

An exception that comes wherever the signal happens to find us is lost in the hooks of a fork, and
cuts a line of the record in the middle of a write. So a handler notes the signal, and whoever is
between two such things asks. From then on everything is being ended and nothing is forked any
more: a second signal is raised where it comes, and no further one.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class AtOnce(KeyboardInterrupt):
    """Interrupted a second time: nobody waits for a tidy end any more."""


class Interrupts:
    """Handles both signals inside its `with` block. For the main thread."""

    def __init__(self) -> None:
        self._came = 0
        self._ending = False
        self._at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _signum: int, _frame: FrameType | None) -> None:
        self._came += 1
        if self._ending and self._came == 2:  # a third would cut short what ends all at once
            raise AtOnce
        if self._at_once:
            self._ending = True
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came, AtOnce if two did."""
        if self._came:
            self._ending = True
            raise KeyboardInterrupt if self._came == 1 else AtOnce

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a signal also interrupts what waits for a program of somebody else."""
        self.check()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False
        self.check()
