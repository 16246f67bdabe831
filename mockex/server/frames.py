"""Frames out: RFC 6455, section 5.2, from the server's side, so never masked.

A writer of our own because what we send is shared between connections, and because faults send
what the RFC forbids: nothing here checks whether a frame is legal.
"""

from __future__ import annotations

from enum import IntEnum


class Opcode(IntEnum):
    """RFC 6455, section 11.8."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """One frame with the shortest possible length field."""
    head = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


def text_frame(text: str) -> bytes:
    """A text frame."""
    return frame(Opcode.TEXT, text.encode())


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A close frame; `code` None: an empty body (5.5.1)."""
    body = b"" if code is None else code.to_bytes(2, "big") + reason.encode()[:123]
    return frame(Opcode.CLOSE, body)
