"""A part of a terminal that is written anew, below lines that scroll away.

Nothing of the terminal is changed that would have to be restored: no other screen, no hidden
cursor, no mode of the keyboard. It is written without ever waiting for it: who stops his terminal
(Ctrl-S) must not stop the exchange.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"  # shown at once, by terminals that can
CLEAR_ALL = "\x1b[2J\x1b[H"
CLEAR_BELOW = "\x1b[J"
MOST_KEPT = 200  # lines above, for when all is written anew


class Screen:
    """The terminal of a file descriptor, whose lines `kept` stand there already."""

    def __init__(self, descriptor: int, encoding: str, kept: Sequence[str] = ()) -> None:
        self._encoding = encoding
        self._own = _opened_anew(descriptor)
        self._descriptor = descriptor if self._own is None else self._own
        self._kept = deque(kept, MOST_KEPT)
        self._below = 0  # lines that are written anew
        self._size = self.size()
        self._waiting = b""
        self._disturbed = False

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        try:
            columns, lines = os.get_terminal_size(self._descriptor)
        except OSError:  # it has gone away
            columns, lines = 0, 0
        return columns or 80, lines or 24

    def disturbed(self) -> None:
        """Somebody else wrote to the terminal: write all of it anew."""
        self._disturbed = True

    def ready(self) -> bool:
        """Whether what was shown last has been taken by the terminal."""
        self._write()
        return not self._waiting

    def show(self, lines: Sequence[str], below: Sequence[str]) -> None:
        """Add lines, and put `below` in the place of what was below. Only when `ready`."""
        self._kept.extend(lines)
        size = self.size()
        if size != self._size or self._disturbed:
            # What the terminal made of lines that no longer fit is its own affair.
            room = max(size[1] - len(below) - 1, 0)
            begin, lines = CLEAR_ALL, list(self._kept)[-room:] if room else []
        else:
            up = f"\x1b[{self._below - 1}A" if self._below > 1 else ""
            begin = f"\r{up}{CLEAR_BELOW}" if self._below else ""
        self._size, self._disturbed, self._below = size, False, len(below)
        text = BEGIN + begin + "".join(f"{line}\r\n" for line in lines) + "\r\n".join(below) + END
        self._waiting = text.encode(self._encoding, "replace")
        self._write()

    def close(self) -> None:
        """Leave what is shown, and begin a new line."""
        with suppress(OSError):
            if self._below and not self._waiting:
                self._waiting = b"\r\n"
                self._write()
            if self._own is not None:
                os.close(self._own)

    def _write(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._descriptor, self._waiting)
            except BlockingIOError:
                return
            except OSError:  # it has gone away: nobody looks
                self._waiting = b""
                return
            self._waiting = self._waiting[written:]


def _opened_anew(descriptor: int) -> int | None:
    """The same terminal, opened for us alone: not to wait is a flag that others would share."""
    try:
        return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
