"""Messages between suite and testee (adapter-protocol, sections 4 to 7): JSON-RPC 2.0, one a line.

Reading is strict where a message is one of ours and lenient where a testee says more than we ask.
What the messages are: `messages`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mockex_conformance.errors import Flooded, ProtocolBroken
from mockex_conformance.harness.messages import (
    NOTIFICATIONS,
    PROTOCOL,
    RESULTS,
    UNKNOWN_METHOD,
    Failure,
    Notification,
    Response,
)

__all__ = [
    "PROTOCOL",
    "UNKNOWN_METHOD",
    "Budget",
    "Notification",
    "Response",
    "check_result",
    "read",
    "request",
]

MAX_LINE_BYTES = 1 << 20
MOST_MESSAGES_PER_S = 20_000  # ten times the busiest case; each stays in the journal
MOST_SAID = 256 << 20  # bytes of messages in all
MOST_PRINTED = 16 << 20  # bytes of prints that are kept


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
            raise Flooded(f"more than {MOST_SAID >> 20} MiB of messages in one case")
        if now > self._second_began + 1.0:
            self._second_began, self._said_this_second = now, 0
        self._said_this_second += 1
        if self._said_this_second > MOST_MESSAGES_PER_S:
            raise Flooded(
                f"more than {MOST_MESSAGES_PER_S} messages in a second: something in it spins, "
                "or what reconnects multiplies"
            )


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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolBroken(f"no JSON: {error}", text, "one JSON-RPC 2.0 object a line") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ProtocolBroken("no JSON-RPC 2.0", text, 'a member "jsonrpc" with the value "2.0"')
    if "method" in message:
        return _notification(message, text)
    return _response(message, text)


def check_result(method: str | None, response: Response) -> None:
    """Whether a response is one to a request of that method; None: there was no such request, or
    it has been answered.

    Raises:
        ProtocolBroken: it is none, or its result has another shape.
    """
    if method is None:
        line = msgspec.json.encode({"id": response.id, "result": response.result}).decode()
        raise ProtocolBroken(
            "an answer to no request", line, "the `id` of a request, and one answer to each"
        )
    kind = RESULTS.get(method)
    if kind is None or response.error is not None:
        return
    try:
        msgspec.convert(response.result, kind)
    except msgspec.ValidationError as error:
        line = msgspec.json.encode(response.result).decode()
        raise ProtocolBroken(
            f"bad result of {method!r}: {error}", line, f"a result {_shape(kind)}"
        ) from None


def _notification(message: dict[str, Any], text: str) -> Notification:
    method, params = message["method"], message.get("params", {})
    if not isinstance(method, str):
        raise ProtocolBroken("a method that is no text", text, 'a member "method": "…"')
    if "id" in message:
        raise ProtocolBroken(
            "a request of the testee", text, "a notification without `id`, or an answer without "
            "`method`: the suite asks, and is not asked",
        )  # fmt: skip
    if not isinstance(params, dict):
        raise ProtocolBroken("params must be an object", text, 'a member "params": {…}')
    kind = NOTIFICATIONS.get(method)
    if kind is not None:
        try:
            msgspec.convert(params, kind)
        except msgspec.ValidationError as error:
            raise ProtocolBroken(
                f"bad {method!r}: {error}", text, f"params {_shape(kind)}"
            ) from None
    return Notification(method, params)


def _response(message: dict[str, Any], text: str) -> Response:
    if ("result" in message) == ("error" in message):
        raise ProtocolBroken(
            "neither a notification nor a response",
            text,
            "`method`, or `id` with either `result` or `error`",
        )
    number = message.get("id")
    if type(number) is not int:  # `true` is none, although Python thinks so
        raise ProtocolBroken("an answer to no request", text, "the `id` of the request, an integer")
    if "result" in message:
        return Response(number, message["result"])
    failure = message["error"]
    try:
        msgspec.convert(failure, Failure)
    except msgspec.ValidationError as error:
        raise ProtocolBroken(
            f"bad error: {error}", text, 'an error {"code": integer, "message": text}'
        ) from None
    return Response(number, None, failure)


def _shape(kind: type[msgspec.Struct]) -> str:
    """The members of a message as a person would write them down: `{stream, id, fields?}`."""
    members = [
        field.name if field.required else f"{field.name}?" for field in msgspec.structs.fields(kind)
    ]
    return "{" + ", ".join(members) + "}"
