"""One timer for everything that has a deadline: requests, upgrades, closes, lingering, sessions.

A heap of deadlines and one handle of the loop, armed for the earliest: no task, no handle and no
queue for each connection. Cancelling is forgetting; a forgotten entry is skipped when it comes up.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class Timer:
    """A deadline that can be cancelled."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never call; harmless when it was called already."""
        self.callback = None


class Timers:
    """Calls back at loop times. The owner calls `close` at the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._armed: asyncio.TimerHandle | None = None

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at loop time `when`."""
        timer = Timer(when, callback)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        self._arm()
        return timer

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in `seconds` of the loop's time."""
        return self.at(self._loop.time() + seconds, callback)

    def close(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None

    def _arm(self) -> None:
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._armed is not None:
            if self._armed.when() <= when:
                return
            self._armed.cancel()
        self._armed = self._loop.call_at(when, self._fire)

    def _fire(self) -> None:
        self._armed = None
        now = self._loop.time()
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for timer in due:  # what they set for this very moment comes in the loop's next turn
            if timer.callback is not None:
                timer.callback()
        self._arm()
