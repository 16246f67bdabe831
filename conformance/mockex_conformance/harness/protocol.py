"""Messages between suite and testee (adapter-protocol, sections 4 to 7): JSON-RPC 2.0, one a line.

Reading is strict where a message is one of ours and lenient where a testee says more than we ask.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mockex_conformance.errors import ProtocolBroken

PROTOCOL = 1
MAX_LINE_BYTES = 1 << 20
MOST_MESSAGES_PER_S = 20_000  # ten times the busiest case; each stays in the journal
MOST_SAID = 256 << 20  # bytes of messages in all
MOST_PRINTED = 16 << 20  # bytes of prints that are kept
UNKNOWN_METHOD = -32601


class Hello(msgspec.Struct):
    protocol: int
    name: str
    version: str
    supports: list[str]


class State(msgspec.Struct):
    state: Literal["connecting", "live", "waiting", "closed"]
    wait_ms: float | None = None
    reason: str = ""


class Event(msgspec.Struct):
    stream: str
    id: int
    fields: Any = None


class Book(msgspec.Struct):
    symbol: str
    last_update_id: int
    valid: bool
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Gap(msgspec.Struct):
    stream: str
    after: int | None
    before: int | None


class Resync(msgspec.Struct):
    symbol: str
    reason: str


class Stale(msgspec.Struct):
    stream: str
    silent_ms: float


class RefusedStream(msgspec.Struct):
    stream: str
    code: int
    message: str


class Error(msgspec.Struct):
    message: str
    stream: str | None = None


class GaveUp(msgspec.Struct):
    reason: str


class Gauge(msgspec.Struct):
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


class Notification(msgspec.Struct, frozen=True):
    """What a testee says of itself."""

    method: str
    params: dict[str, Any]


class Response(msgspec.Struct, frozen=True):
    """The answer to request `id`: `error` is None if it succeeded."""

    id: int
    result: Any = None
    error: dict[str, Any] | None = None


class Budget:
    """What one testee may say. Messages are kept, so a flood of valid ones would take all memory
    there is."""

    def __init__(self) -> None:
        self._said = 0
        self._said_this_second = 0
        self._second_began = 0.0

    def count(self, line: bytes, now: float) -> None:
        """One more message, at loop time `now`.

        Raises:
            ProtocolBroken: it is too long, or too many came.
        """
        if len(line) > MAX_LINE_BYTES:
            raise ProtocolBroken(
                "a line longer than 1 MiB",
                line[:200].decode("utf-8", "replace"),
                "one message a line, at most 1 MiB",
            )
        self._said += len(line)
        if self._said > MOST_SAID:
            raise ProtocolBroken(f"more than {MOST_SAID >> 20} MiB of messages in one case")
        if now > self._second_began + 1.0:
            self._second_began, self._said_this_second = now, 0
        self._said_this_second += 1
        if self._said_this_second > MOST_MESSAGES_PER_S:
            raise ProtocolBroken(f"more than {MOST_MESSAGES_PER_S} messages in a second")


def request(request_id: int, method: str, params: dict[str, Any]) -> bytes:
    """One request as a line."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params:
        message["params"] = params
    return msgspec.json.encode(message) + b"\n"


def read(line: bytes) -> Notification | Response:
    """Read a line that begins with `{`.

    Raises:
        ProtocolBroken: it is no valid message; says what was expected.
    """
    text = line.decode("utf-8", "replace")
    try:
        message = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolBroken(f"no JSON: {error}", text, "one JSON-RPC 2.0 object a line") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ProtocolBroken("no JSON-RPC 2.0", text, 'a member "jsonrpc" with the value "2.0"')
    if isinstance(message.get("method"), str):
        return _notification(message["method"], message.get("params", {}), text)
    number = message.get("id")
    if not isinstance(number, int) or not ("result" in message or "error" in message):
        raise ProtocolBroken(
            "neither a notification nor a response",
            text,
            "`method`, or `id` with `result` or `error`",
        )
    failure = message.get("error")
    if failure is not None and not (
        isinstance(failure, dict) and isinstance(failure.get("code"), int)
    ):
        raise ProtocolBroken("bad error", text, 'an error {"code": integer, "message": text}')
    return Response(number, message.get("result"), failure)


def _notification(method: str, params: Any, text: str) -> Notification:
    if not isinstance(params, dict):
        raise ProtocolBroken("params must be an object", text, 'a member "params": {…}')
    kind = NOTIFICATIONS.get(method)
    if kind is not None:
        try:
            msgspec.convert(params, kind)
        except msgspec.ValidationError as error:
            members = ", ".join(kind.__struct_fields__)
            raise ProtocolBroken(f"bad {method!r}: {error}", text, f"params {members}") from None
    return Notification(method, params)
