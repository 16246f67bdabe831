"""The first of the two owners: it connects for ever, until `close`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

INNER_DELAY_S = 0.5  # before the inner loop dials again; never scaled
HANDSHAKE_TIMEOUT_S = 3.0  # declared as handshake_timeout_ms


class Handler(Protocol):
    """Is told what happens on any connection of a WsReal."""

    def on_state(self, state: str) -> None: ...
    def on_message(self, message: str | bytes) -> None: ...
    def on_disconnect(self) -> None: ...


class WsReal:
    """`target` is the whole URL: the streams are named in it."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._closed = False
        self._conns: set[ClientConnection] = set()
        self._newest: ClientConnection | None = None

    async def run(self, handler: Handler) -> None:
        """Connect and read, again and again; a lost connection never ends this.

        Returns after `close`. Each call is a loop of its own: that is what leaks. Cancelling the
        task ends the dial, the read and the sleep; only fix1-context does so. Raises InvalidURI.
        """
        while not self._closed:
            handler.on_state("connecting")
            conn = await self._dial()
            if conn is not None:
                handler.on_state("live")
                await self._read(conn, handler)
            if self._closed:
                return  # our own close is no disconnect
            if conn is not None:
                handler.on_disconnect()
            handler.on_state("waiting")
            await asyncio.sleep(INNER_DELAY_S)

    def close(self) -> None:
        """End every `run` and every connection, also one that is still being dialled."""
        self._closed = True
        for conn in self._conns:
            conn.transport.abort()

    def close_newest(self) -> None:
        """Close the socket that was opened last, and nothing else."""
        if self._newest is not None:
            self._newest.transport.abort()

    async def _dial(self) -> ClientConnection | None:
        """A connection that is already subscribed, or None if that failed."""
        try:
            conn = await connect(
                self._target,
                open_timeout=HANDSHAKE_TIMEOUT_S,
                ping_interval=None,  # like the program of the record: nothing looks for silence
                compression=None,
                proxy=None,
                max_size=None,  # like the program of the record: it reads whatever comes
            )
        except InvalidURI:
            raise  # dialling again does not mend a bad URL
        except (OSError, WebSocketException):
            return None
        if self._closed:
            conn.transport.abort()
            return None
        self._conns.add(conn)
        self._newest = conn
        return conn

    async def _read(self, conn: ClientConnection, handler: Handler) -> None:
        """Hand over messages until a read fails. Pings are answered by the library meanwhile."""
        try:
            with suppress(ConnectionClosed):
                async for message in conn:
                    if self._closed:  # frames that were buffered outlive the socket
                        return
                    handler.on_message(message)
        finally:
            conn.transport.abort()
            self._conns.discard(conn)
