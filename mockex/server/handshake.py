"""The opening handshake, sans-I/O: bytes in, a request or a refusal out (RFC 6455, section 4.2).

Parsed with h11, answered by the connection: faults need the answer late, half, wrong or never.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import h11

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_MAX_HEAD_BYTES = 32 * 1024
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "x-mbx-apikey"})

REASONS = {
    101: "Switching Protocols",
    200: "OK",
    301: "Moved Permanently",
    302: "Found",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    418: "I'm a teapot",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A request that may be upgraded. `rest` is what came behind its head."""

    target: str
    headers: dict[str, str]  # lower-case names, without secrets
    key: str
    rest: bytes


@dataclass(frozen=True, slots=True)
class BadRequest:
    """A request that cannot be upgraded: answer this and close."""

    status: int
    body: str
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def public_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as text, without those that hold secrets."""
    pairs = ((name.decode("ascii"), value.decode("latin-1")) for name, value in headers)
    return {name.lower(): value for name, value in pairs if name.lower() not in _SECRET}


class Handshake:
    """Collects one request head."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)

    def receive(self, data: bytes) -> UpgradeRequest | BadRequest | None:
        """Take in bytes; None while the head is incomplete."""
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            return BadRequest(error.error_status_hint or 400, str(error))
        if not isinstance(event, h11.Request):
            return None
        return self._read(event)

    def _read(self, request: h11.Request) -> UpgradeRequest | BadRequest:
        target = request.target.decode("latin-1")
        headers = public_headers(request.headers)

        def bad(status: int, body: str, *extra: tuple[str, str]) -> BadRequest:
            return BadRequest(status, body, target, extra)

        if request.method != b"GET":
            return bad(405, "only GET can be upgraded to a WebSocket", ("Allow", "GET"))
        if headers.get("upgrade", "").lower() != "websocket":
            return bad(426, "this port speaks WebSocket only", ("Upgrade", "websocket"))
        if "upgrade" not in {t.strip() for t in headers.get("connection", "").lower().split(",")}:
            return bad(400, "the Connection header must name upgrade")
        if headers.get("sec-websocket-version") != "13":
            return bad(426, "Sec-WebSocket-Version must be 13", ("Sec-WebSocket-Version", "13"))
        key = headers.get("sec-websocket-key", "")
        try:
            valid = len(base64.b64decode(key, validate=True)) == 16
        except binascii.Error:
            valid = False
        if not valid:
            return bad(400, "Sec-WebSocket-Key must be 16 bytes in base64")
        return UpgradeRequest(target, headers, key, self._http.trailing_data[0])


def accept_value(key: str) -> str:
    """The value of Sec-WebSocket-Accept (4.2.2, item 5.4)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324


def switching_protocols(key: str) -> bytes:
    """The 101 answer. No extension is negotiated."""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_value(key)}\r\n\r\n"
    ).encode()


def answer(status: int, body: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """An answer other than 101, after which the connection is closed."""
    payload = body.encode()
    content = "application/json" if body.startswith("{") else "text/plain; charset=utf-8"
    named = {"content-type": content, "connection": "close"}
    named.update({name.lower(): value for name, value in headers})
    named["content-length"] = str(len(payload))
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in named.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + payload
