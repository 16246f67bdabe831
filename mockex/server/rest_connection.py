"""One TCP connection at the REST port: h11 in, a pure function, h11 out. Keep-alive as HTTP/1.1."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11

from mockex.rest import Request, Response
from mockex.server.handshake import REASONS
from mockex.server.journal import Requested

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange

_MAX_HEAD_BYTES = 32 * 1024
IDLE_S = 60.0  # a request must be complete within this time


class RestConnection(asyncio.Protocol):
    """See the module. What a client sends wrongly ends this connection alone."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._request: h11.Request | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else "127.0.0.1"
        self._exchange.rest_transports.add(transport)
        self._idle = self._exchange.timers.after(IDLE_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.cancel()
        self._exchange.forget_rest(self._transport)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        return False

    def _read(self) -> None:
        while not self._transport.is_closing():
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error)
                return
            match event:
                case h11.Request():
                    self._request = event
                    if self._http.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._transport.write(self._http.send(go_on) or b"")
                case h11.EndOfMessage():
                    self._answer()
                case h11.Data():
                    pass  # no endpoint takes a body
                case _:  # NEED_DATA, PAUSED, ConnectionClosed
                    return

    def _answer(self) -> None:
        request = self._request
        assert request is not None
        self._request = None
        self._idle.cancel()
        self._idle = self._exchange.timers.after(IDLE_S, self._transport.close)
        asked = Request(
            request.method.decode("ascii"),
            request.target.decode("latin-1"),
            {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers},
            self._address,
        )
        response = self._exchange.rest.answer(asked, self._exchange.now())
        self._exchange.journal.append(
            Requested(
                t=self._exchange.loop_time(),
                method=asked.method,
                target=asked.target[:4096],
                status=response.status,
                weight=response.weight,
                used_weight=response.used_weight,
                last_update_id=response.last_update_id,
                retry_after_s=response.retry_after_s,
            )
        )
        self._send(response, head_only=asked.method == "HEAD")
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()

    def _send(self, response: Response, *, head_only: bool) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        headers.append((b"content-length", str(len(response.body)).encode()))
        reason = REASONS.get(response.status, "").encode()
        head = h11.Response(status_code=response.status, headers=headers, reason=reason)
        data = self._http.send(head) or b""
        if not head_only:
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._transport.write(data)

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            status = error.error_status_hint or 400
            body = f"{error}\n".encode()
            response = Response(status=status, headers=[("connection", "close")], body=body)
            self._send(response, head_only=False)
        self._transport.close()
