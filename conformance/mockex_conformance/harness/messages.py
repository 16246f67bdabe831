"""What suite and testee may say to each other, as types (adapter-protocol, sections 5 and 6).

The lines of a testee are read with these types, and the published JSON Schema is made of them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PROTOCOL = 1
UNKNOWN_METHOD = -32601
BAD_PARAMS = -32602
REFUSED = -32000


class Hello(msgspec.Struct):
    """The first line, within 10 s. `supports`: the methods below it that will be sent."""

    protocol: int
    name: str
    version: str
    supports: list[str]


class State(msgspec.Struct):
    """Sent on change. `wait_ms` says for how long, when it is `waiting`."""

    state: Literal["connecting", "live", "waiting", "closed"]
    wait_ms: int | None = None
    reason: str = ""


class Event(msgspec.Struct):
    """An event was presented to the consumer. `id`: trade id, aggregate id, or `u` of a depth
    event; `fields`: the members as the consumer sees them."""

    stream: str
    id: int
    fields: dict[str, Any] | None = None


class Book(msgspec.Struct):
    """The book of a symbol, after a change, at most ten a second, and always after `valid`
    changed. The twenty best of each side, `[price, quantity]` as texts."""

    symbol: str
    last_update_id: int
    valid: bool
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Gap(msgspec.Struct):
    """Before the next event that follows a hole: the ids around it, null if unknown."""

    stream: str
    after: int | None
    before: int | None


class Resync(msgspec.Struct):
    """The book of a symbol is thrown away."""

    symbol: str
    reason: str


class Stale(msgspec.Struct):
    """A stream is held for dead."""

    stream: str
    silent_ms: int


class RefusedStream(msgspec.Struct):
    """The exchange refused a stream."""

    stream: str
    code: int
    message: str


class Error(msgspec.Struct):
    """Something the consumer should know, and the testee goes on."""

    message: str
    stream: str | None = None


class GaveUp(msgspec.Struct):
    """It will not try again by itself."""

    reason: str


class Gauge(msgspec.Struct):
    """Once a second: what it holds."""

    tasks: int | None = None
    listeners: int | None = None
    queued: int | None = None


NOTIFICATIONS: dict[str, type[msgspec.Struct]] = {
    "hello": Hello,
    "state": State,
    "event": Event,
    "book": Book,
    "gap": Gap,
    "resync": Resync,
    "stale": Stale,
    "refused": RefusedStream,
    "error": Error,
    "gave_up": GaveUp,
    "gauge": Gauge,
}


class Start(msgspec.Struct):
    """Connect and hold what is wanted; again while started: no effect."""


class Streams(msgspec.Struct):
    """Change what is wanted; legal in every state, answered when noted, not when live."""

    streams: list[str]


class Reconnect(msgspec.Struct):
    """The caller believes the connection is bad: replace it, or say why not (error)."""


class Close(msgspec.Struct):
    """Answered when nothing is connected and nothing will connect."""


class Consume(msgspec.Struct):
    """The consumer is slow for each event, blocks once, or throws for the next `fail` events."""

    delay_ms: int = 0
    block_ms: int = 0
    fail: int = 0


class AskStatus(msgspec.Struct):
    """What the testee believes."""


class AskBook(msgspec.Struct):
    """The book of a symbol."""

    symbol: str


class Quit(msgspec.Struct):
    """End the process after the answer, whatever state it is in."""


class Done(msgspec.Struct):
    """Nothing to say but that it is done, or noted."""


class Status(msgspec.Struct):
    """What the testee believes: its state and the streams that are wanted."""

    state: str
    wanted: list[str]


REQUESTS: dict[str, type[msgspec.Struct]] = {  # method to its params
    "start": Start,
    "subscribe": Streams,
    "unsubscribe": Streams,
    "reconnect": Reconnect,
    "close": Close,
    "consume": Consume,
    "status": AskStatus,
    "book": AskBook,
    "quit": Quit,
}
RESULTS: dict[str, type[msgspec.Struct]] = {  # method to its result
    **dict.fromkeys(REQUESTS, Done),
    "status": Status,
    "book": Book,
}


class Failure(msgspec.Struct):
    """Why a request failed: -32601 unknown method, -32602 bad params, -32000 refused."""

    code: int
    message: str
    data: Any = None


class Notification(msgspec.Struct, frozen=True):
    """What a testee says of itself."""

    method: str
    params: dict[str, Any]


class Response(msgspec.Struct, frozen=True):
    """The answer to request `id`: `error` is None if it succeeded."""

    id: int
    result: Any = None
    error: dict[str, Any] | None = None
