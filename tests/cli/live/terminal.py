"""A terminal that a test looks at: a pty, read by pyte."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

import pyte


class Terminal:
    """A pty, and what a person would see on it."""

    def __init__(self, columns: int = 40, lines: int = 10) -> None:
        self.near, self.far = pty.openpty()
        self.raw = b""
        self.seen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.seen)
        self._set(columns, lines)

    def _set(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self._set(columns, lines)
        self.seen.resize(lines, columns)

    def read(self, within_s: float = 0) -> bytes:
        """What was written since the last time, and, if that is nothing, comes within a time."""
        new = b""
        while select.select([self.near], [], [], 0 if new else within_s)[0]:
            try:
                new += os.read(self.near, 65_536)
            except OSError:  # nobody holds the far end any more
                break
        self.raw += new
        self._stream.feed(new)
        return new

    def text(self) -> list[str]:
        """All that was written, as it stands there; of each line what is to be seen."""
        self.read()
        return [line.rstrip() for line in self.seen.display if line.strip()]

    def until(self, pattern: str, within_s: float = 20) -> str:
        """Wait until the text that stands there matches; that text."""
        ends = time.monotonic() + within_s
        while not re.search(pattern, "\n".join(self.text()), re.MULTILINE):
            left = ends - time.monotonic()
            assert left > 0, "\n".join(["not to be seen: " + pattern, *self.text()])
            self.read(within_s=left)
        return "\n".join(self.text())

    def close(self) -> None:
        os.close(self.near)
        os.close(self.far)
