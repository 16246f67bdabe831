"""Programs that a test starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import AnyStr


@contextmanager
def ending(program: Popen[AnyStr]) -> Iterator[Popen[AnyStr]]:
    """Ended with the block: one that serves would be waited for without end if a test failed."""
    with program:
        try:
            yield program
        finally:
            program.kill()
