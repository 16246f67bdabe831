"""Frames out: RFC 6455, section 5.2, from the server's side, so never masked.

A writer of our own because what we send is shared between connections, and because faults send
what the RFC forbids: nothing here checks whether a frame is legal.
"""

from __future__ import annotations

import zlib
from enum import IntEnum


class Opcode(IntEnum):
    """RFC 6455, section 11.8."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_FIN, _RSV1 = 0x80, 0x40
_SYNC_TAIL = 4  # bytes 00 00 ff ff, which a message goes without (RFC 7692, 7.2.1)


def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """One frame with the shortest possible length field. `rsv1` marks the first frame of a
    compressed message (RFC 7692, section 6)."""
    head = (_FIN if fin else 0) | (_RSV1 if rsv1 else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


def text_frame(text: str) -> bytes:
    """A text frame."""
    return frame(Opcode.TEXT, text.encode())


def deflate(payload: bytes) -> bytes:
    """The payload of a compressed message that refers to no other, so that everybody can be sent
    the same bytes (RFC 7692, 7.2.1; window of 2^15)."""
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return (squeezer.compress(payload) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-_SYNC_TAIL]


def data_frame(text: str, *, deflated: bool) -> bytes:
    """A text frame, plain or compressed."""
    if deflated:
        return frame(Opcode.TEXT, deflate(text.encode()), rsv1=True)
    return text_frame(text)


def fragments(text: str, size: int, *, deflated: bool) -> list[bytes]:
    """A text message in frames of at most `size` bytes of payload each: the last one has FIN (5.4),
    the first one RSV1 if it is compressed (RFC 7692, 6.1)."""
    payload = deflate(text.encode()) if deflated else text.encode()
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    return [
        frame(
            Opcode.CONTINUATION if number else Opcode.TEXT,
            part,
            fin=number == len(parts) - 1,
            rsv1=deflated and number == 0,
        )
        for number, part in enumerate(parts)
    ]


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A close frame; `code` None: an empty body (5.5.1)."""
    body = b"" if code is None else code.to_bytes(2, "big") + reason.encode()[:123]
    return frame(Opcode.CLOSE, body)
