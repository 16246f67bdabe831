"""Wrong about what they hold."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mockex_adapter.book import Book
from mockex_adapter.feed import Feed
from mockex_adapter.link import Link, Socket
from mockex_adapter.supervisor import Supervisor
from patches import mutant

_KEPT: list[Any] = []
_ENDS = ("close", "abort", "_force_close", "_fatal_error")


@mutant
def abandons_socket() -> None:
    """Replaces a connection without closing the old socket."""
    opened = Link.open

    @asynccontextmanager
    async def kept(self: Link) -> AsyncIterator[Socket]:
        async with opened(self) as connection:
            _abandon(connection)
            yield connection

    Link.open = kept


def _abandon(connection: Socket) -> Callable[[], None]:
    """Whatever ends the connection, its socket stays as it is: open, and nobody reads it. Call the
    result to take that back."""
    transport: Any = connection.transport
    told: list[bool] = []
    _KEPT.append(transport)

    def forget(*_: object) -> None:
        transport.pause_reading()
        if not told:
            told.append(True)
            connection.connection_lost(None)

    for name in _ENDS:
        setattr(transport, name, forget)
    transport.can_write_eof = lambda: False  # no half-close may tell the peer

    def take_back() -> None:
        _KEPT.remove(transport)
        for name in (*_ENDS, "can_write_eof"):
            delattr(transport, name)

    return take_back


@mutant
def thread_per_reconnect() -> None:
    """A thread for each connection that waits for ever."""
    dial = Supervisor._dial

    def with_thread(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        dial(self, tasks)

    Supervisor._dial = with_thread


@mutant
def task_per_reconnect() -> None:
    """A heartbeat task for each connection that nobody cancels."""
    adopt = Supervisor._adopt

    async def beat(every_s: float) -> None:
        while True:  # noqa: ASYNC110 - a heartbeat waits for nothing but its time
            await asyncio.sleep(every_s)

    def with_heartbeat(self: Supervisor) -> None:
        adopt(self)
        _KEPT.append(asyncio.create_task(beat(self._timers.probe_after_s)))

    Supervisor._adopt = with_heartbeat


@mutant
def keeps_every_book() -> None:
    """Keeps a reference to each book that it ever built."""
    on_snapshot = Feed._on_snapshot

    def kept(self: Feed, symbol: str, snapshot: Book) -> None:
        _KEPT.append(snapshot)
        on_snapshot(self, symbol, snapshot)

    Feed._on_snapshot = kept


@mutant
def leaks_on_failure() -> None:
    """A timer and a socket stay behind for each attempt that fails."""
    made, opened = Socket.connection_made, Link.open

    def made_to_stay(self: Socket, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        self.take_back = _abandon(self)

    @asynccontextmanager
    async def timed(self: Link) -> AsyncIterator[Socket]:
        timer = self._loop.call_later(3600.0, self.changed)
        async with opened(self) as connection:
            timer.cancel()
            connection.take_back()
            yield connection

    Socket.connection_made = made_to_stay
    Link.open = timed


@mutant
def spins_on_error() -> None:
    """Polls a dead connection without a pause until it is time for the next attempt."""
    wait = Supervisor._wait

    async def poll(self: Supervisor, until: float) -> None:
        while self._loop.time() < until:  # noqa: ASYNC110 - that is what is wrong
            await asyncio.sleep(0)

    def spinning(self: Supervisor) -> None:
        wait(self)
        _KEPT.append(asyncio.create_task(poll(self, self._loop.time() + self.wait_s)))

    Supervisor._wait = spinning
