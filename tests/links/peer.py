"""One end of a connection through a link: what it sent, what came, and how it ended."""

from __future__ import annotations

import asyncio
import itertools
import socket
import statistics
import struct
from typing import Any, Literal

_LINGER_0 = struct.pack("ii", 1, 0)

End = Literal["FIN", "RST"]


def now() -> float:
    """Of the running loop."""
    return asyncio.get_running_loop().time()


class Peer(asyncio.Protocol):
    """An end on an asyncio transport, which answers a FIN with its own; with `last_word` it keeps
    its end open, says so many bytes, and then closes."""

    def __init__(self, last_word: int = 0) -> None:
        self._last_word = last_word
        self.transport: asyncio.Transport
        self.sent = bytearray()
        self.sent_at: list[tuple[float, int]] = []  # when, and how much in all
        self.got = bytearray()
        self.got_at: list[tuple[float, int]] = []
        self.end: End | None = None
        self.end_at = 0.0
        self.answered = False  # a FIN, with a last word
        self.left = False  # it ended the connection itself
        self.lost = False
        self.made = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        # What is written is sent at once, as it is; with this each piece is one segment.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.got_at.append((now(), len(self.got)))

    def eof_received(self) -> bool:
        self._ends("FIN")
        if self._last_word and not self.left:
            self.say(self._last_word)
            self.answered = True
            self.leave("close")
            return True
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True
        if isinstance(exc, ConnectionResetError):
            self._ends("RST")
        elif isinstance(exc, BrokenPipeError):  # a FIN came, and the answer to what was written
            self._ends("FIN")
        elif exc is not None:
            raise AssertionError(f"lost by {exc!r}")

    def _ends(self, how: End) -> None:
        if self.end is None and not self.left:
            self.end, self.end_at = how, now()

    def say(self, count: int) -> None:
        """Write `count` bytes, none of which is like its neighbours."""
        if self.lost or self.transport.is_closing():
            return
        start = len(self.sent)
        data = bytes((start + i) * 31 % 251 for i in range(count))
        self.sent += data
        self.sent_at.append((now(), len(self.sent)))
        self.transport.write(data)

    def leave(self, act: str) -> None:
        """End the connection, if it is there."""
        if self.lost or self.transport.is_closing():
            return
        if act == "half-close":
            self._last_word = 0
            self.transport.write_eof()
            return
        self.left = True
        if act == "reset":
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self.transport.abort()
        else:
            self.transport.close()

    def drop(self) -> None:
        """It is over."""
        if not self.lost:
            self.left = True
            self.transport.abort()

    # --- when ---

    def gone_by(self, when: float) -> bool:
        """It had seen the connection end."""
        return self.end is not None and self.end_at <= when

    def came_at(self, offset: int) -> float | None:
        """When the byte at this place in the stream arrived."""
        return next((at for at, count in self.got_at if count > offset), None)

    def was_sent_at(self, offset: int) -> float:
        """When the byte at this place in the stream was written."""
        return next(at for at, count in self.sent_at if count > offset)

    def pieces(self) -> int:
        """How many bytes most often arrived at once: pieces meet on a machine that is busy."""
        counts = [0, *(count for _, count in self.got_at)]
        return statistics.mode(after - before for before, after in itertools.pairwise(counts))
