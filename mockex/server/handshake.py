"""The opening handshake, sans-I/O: bytes in, a request or a refusal out (RFC 6455, section 4.2).

Parsed with h11, answered by the connection: faults need the answer late, half, wrong or never.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import h11

from mockex.faults.model import BadUpgradeKind
from mockex.server.extensions import Deflate, negotiate

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
    """A request that may be upgraded. `rest` is what came behind its head, `deflate` the first
    offer of compression that can be accepted."""

    target: str
    headers: dict[str, str]  # lower-case names, without secrets
    key: str
    rest: bytes
    deflate: Deflate | None = None


@dataclass(frozen=True, slots=True)
class BadRequest:
    """A request that cannot be upgraded: answer this and close."""

    status: int
    body: str
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def public_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as text, without those that hold secrets; one that stands there several times is one
    list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        if name not in _SECRET:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


class Handshake:
    """Collects one request head."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._line = b""  # the request line as it came

    def receive(self, data: bytes) -> UpgradeRequest | BadRequest | None:
        """Take in bytes; None while the head is incomplete."""
        try:
            self._http.receive_data(self._in_ascii(data))
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            return BadRequest(error.error_status_hint or 400, str(error))
        if not isinstance(event, h11.Request):
            return None
        return self._read(event)

    def _in_ascii(self, data: bytes) -> bytes:
        """The same, its request line percent-encoded: "names may arrive as raw UTF-8" (spot 2),
        and h11 reads no such target."""
        if self._line.endswith(b"\n"):
            return data
        line, end, rest = data.partition(b"\n")
        line += end
        self._line = (self._line + line)[:_MAX_HEAD_BYTES]
        if line.isascii():
            return data
        return b"".join(b"%%%02X" % b if b >= 0x80 else bytes((b,)) for b in line) + rest

    def _read(self, request: h11.Request) -> UpgradeRequest | BadRequest:
        target = request.target.decode("latin-1")
        if not self._line.isascii():
            target = self._line.split(b" ")[1].decode("latin-1")
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
        except ValueError:  # no base64, or not even ASCII
            valid = False
        if not valid:
            return bad(400, "Sec-WebSocket-Key must be 16 bytes in base64")
        try:
            deflate = negotiate(headers.get("sec-websocket-extensions", ""))
        except ValueError as error:
            # "MUST immediately fail the connection" (RFC 6455, 9.1)
            return bad(400, f"Sec-WebSocket-Extensions: {error}")
        return UpgradeRequest(target, headers, key, self._http.trailing_data[0], deflate)


def accept_value(key: str) -> str:
    """The value of Sec-WebSocket-Accept (4.2.2, item 5.4)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324


def switching_protocols(key: str, extensions: str = "") -> bytes:
    """The 101 answer; `extensions` is what was agreed."""
    agreed = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_value(key)}\r\n{agreed}\r\n"
    ).encode()


def unusable(kind: BadUpgradeKind, key: str) -> bytes:
    """An answer to the handshake with `key` that no client may use (4.1, items 2 to 5)."""
    head = switching_protocols(key)
    match kind:
        case "wrong-accept":
            return switching_protocols(base64.b64encode(bytes(16)).decode())
        case "no-upgrade":
            return head.replace(b"Upgrade: websocket\r\n", b"", 1)
        case "garbage":
            return b"220 \x00\xff is ready; say HELO\r\n\r\n"
        case "cut":
            return head[: len(head) // 2]
        case "tls-alert":
            return b"\x15\x03\x01\x00\x02\x02\x28"  # fatal, handshake_failure (RFC 5246, 7.2)


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
