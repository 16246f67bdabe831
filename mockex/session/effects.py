"""What the core wants done: values that the shell performs, in order, with nothing to decide."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class CloseCode(IntEnum):
    """Close codes that the exchange sends (RFC 6455, 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009


@dataclass(frozen=True, slots=True)
class SendText:
    """Write one text frame: a reply, never an event."""

    text: str


@dataclass(frozen=True, slots=True)
class SendNotice:
    """Write one text frame that nobody asked for: `serverShutdown`."""

    text: str


@dataclass(frozen=True, slots=True)
class SendPing:
    """Write one ping frame."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class SendPong:
    """Write one pong frame."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Write a close frame and end the connection. `code` None: an empty body."""

    code: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """End the TCP connection without a close frame."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """From now on send these streams, in this order.

    `silent` are those that are never served here; `again` those that were subscribed already.
    """

    streams: tuple[str, ...]
    via: Literal["url", "request"]
    silent: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """From now on do not send these streams."""

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetCombined:
    """From now on wrap events, or do not."""

    combined: bool


Effect = (
    SendText
    | SendNotice
    | SendPing
    | SendPong
    | Close
    | Drop
    | Subscribe
    | Unsubscribe
    | SetCombined
)
