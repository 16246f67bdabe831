"""Frames in: bytes of a client into messages, sans-I/O.

Read by the frame parser of `websockets`, whose own replies are thrown away: what is answered, and
when, is said by the session and may be withheld by a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from mockex.server.extensions import Deflate
from mockex.session.effects import CloseCode

MAX_MESSAGE_BYTES = 1 << 20  # inflated; beyond it close 1009 (I)
_NO_CODE, _NO_FRAME = 1005, 1006  # never on the wire (RFC 6455, 7.4.1)


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text message; `size` in bytes, inflated."""

    text: str
    size: int


@dataclass(frozen=True, slots=True)
class Binary:
    """A whole binary message."""

    size: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping frame."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong frame."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """A close frame, after which nothing is read. `code` None: an empty body."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """What breaks the protocol, and the code that it is answered with."""

    code: int
    why: str
    size: int = 0


Message = Text | Binary | Ping | Pong | CloseFrame | Broken


class Incoming:
    """What one client has sent, as far as it makes whole messages."""

    def __init__(self, deflate: Deflate | None) -> None:
        self._parser = Protocol(SERVER, state=State.OPEN, max_size=MAX_MESSAGE_BYTES)
        if deflate is not None:
            self._parser.extensions = [deflate.decoder()]
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._broken = False

    def receive(self, data: bytes) -> Iterator[Message]:
        """Take in bytes; the messages that are now complete, in order."""
        self._parser.receive_data(data)
        frames = self._parser.events_received()
        self._parser.data_to_send()  # discarded
        for frame in frames:
            assert isinstance(frame, Frame)  # the other events are of a handshake
            message = self._read(frame)
            if message is not None:
                yield message
        failure = self._parser.close_sent
        if self._parser.parser_exc is None or failure is None or self._broken:
            return
        self._broken = True
        if failure.code != _NO_FRAME:
            yield Broken(failure.code, str(self._parser.parser_exc))

    def _read(self, frame: Frame) -> Message | None:
        match frame.opcode:
            case Opcode.PING:
                return Ping(bytes(frame.data))
            case Opcode.PONG:
                return Pong(bytes(frame.data))
            case Opcode.CLOSE:
                got = self._parser.close_rcvd
                assert got is not None
                return CloseFrame(None if got.code == _NO_CODE else got.code, got.reason)
            case _:
                return self._read_data(frame)

    def _read_data(self, frame: Frame) -> Text | Binary | Broken | None:
        if frame.opcode is not Opcode.CONT:
            self._opcode = frame.opcode
        if frame.data:  # empty fragments without end must not pile up
            self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        message = b"".join(self._parts)
        self._parts.clear()
        if self._opcode is Opcode.BINARY:
            return Binary(len(message))
        try:
            return Text(message.decode(), len(message))
        except UnicodeDecodeError:
            self._broken = True
            return Broken(CloseCode.INVALID_DATA, "not UTF-8", len(message))
