"""Wrong about who owns the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException

from mockex_adapter.errors import ConnectionLost
from mockex_adapter.exchange import Stream
from mockex_adapter.feed import Feed
from mockex_adapter.lifecycle import Event, State
from mockex_adapter.link import Link, Socket
from mockex_adapter.supervisor import Supervisor
from patches import count_dials, mutant, start_another_line
from patches.unusual import per_stream_connections

_KEEP_ALIVE_S = 50.0  # of real time


@mutant
def two_owners() -> None:
    """The incident: the inner loop reconnects, and so does the outer runner that was told."""
    broken = Feed.broken

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        lost = list(streams)
        broken(self, lost, reason)
        start_another_line(self, lost)

    Feed.broken = told


@mutant
def both_handlers() -> None:
    """`on_error` and `on_close` each schedule a reconnect. A clean close has no error, unless a
    reset of the socket comes right behind it: then there are both."""
    broken, lost = Feed.broken, Socket.connection_lost
    errors: list[Exception] = []

    def lost_by_error(self: Socket, error: Exception | None) -> None:
        errors[:] = [error] if error is not None else []
        lost(self, error)

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        hit = list(streams)
        broken(self, hit, reason)
        if errors or not reason.startswith("close "):
            start_another_line(self, hit)

    Socket.connection_lost = lost_by_error
    Feed.broken = told


@mutant
def dials_twice() -> None:
    """A second dial starts when the first takes longer than 500 ms; the loser is dropped."""
    opened = Link.open

    @asynccontextmanager
    async def open_twice(self: Link) -> AsyncIterator[Socket]:
        async def dial(chosen: asyncio.Future[Socket], done: asyncio.Event) -> None:
            async with opened(self) as connection:
                if not chosen.done():
                    chosen.set_result(connection)
                    await done.wait()

        chosen: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        done = asyncio.Event()
        dials = [asyncio.create_task(dial(chosen, done))]
        try:
            await asyncio.wait([chosen, *dials], timeout=self.timers.handshake_s / 20)
            if not chosen.done() and not dials[0].done():
                dials.append(asyncio.create_task(dial(chosen, done)))
            await asyncio.wait([chosen, *dials], return_when=asyncio.FIRST_COMPLETED)
            if not chosen.done():
                await asyncio.gather(*dials)
            yield chosen.result()
        finally:
            done.set()
            await asyncio.wait(dials, timeout=self.timers.close_s)
            for task in dials:
                task.cancel()
            await asyncio.gather(*dials, return_exceptions=True)

    Link.open = open_twice


@mutant
def generic_path() -> None:
    """Reconnects to the base URL with a path that fits every stream, without route and mode."""
    count_dials()
    dial = Supervisor._dial

    def generic(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        if getattr(self, "dials", 0):
            self._target = self._settings.ws_url.rstrip("/") + "/ws"
        dial(self, tasks)

    Supervisor._dial = generic


@mutant
def restarts_all() -> None:
    """Any loss rebuilds all connections. There is one for each stream, so that there are others on
    spot too."""
    per_stream_connections()
    broken = Feed.broken
    rebuilt: set[str] = set()  # lines that lose their connection because of another, by stream

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        lost = list(streams)
        broken(self, lost, reason)
        names = {stream.name for stream in lost}
        if names & rebuilt:
            rebuilt.difference_update(names)
            return
        for line in self._lines:
            if line._current is not None:
                rebuilt.update(line.wanted)
                line._end(line._current)

    Feed.broken = told


@mutant
def pool_doubles() -> None:
    """Each renewal renews every connection of the pool, and keeps the old pool. What is kept
    carries nothing."""
    step, broken = Supervisor._step, Feed.broken

    def renewed(self: Supervisor, tasks: Any, event: Event, link: Link | None) -> None:
        if event is Event.NOTICE and link is self._current and self.state is State.LIVE:
            _double(self._consumer, self)
        step(self, tasks, event, link)

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        lost = list(streams)
        if reason.startswith("close 1001"):
            _double(self, next(line for line in self._lines if lost[0].name in line.wanted))
        broken(self, lost, reason)

    Supervisor._step, Feed.broken = renewed, told


_POOL: list[Link] = []


def _double(feed: Feed, line: Supervisor) -> None:
    async def idle(link: Link) -> None:
        with suppress(OSError, WebSocketException):
            async with link.open() as connection:
                await connection.wait_closed()
        _POOL.remove(link)

    for _ in range(len(_POOL) + 1):
        link = Link(line._target, line._settings.rules, line._timers, line, line._ids)
        _POOL.append(link)
        feed._own(idle(link))


@mutant
def heartbeat_outlives() -> None:
    """The keep-alive task of a dead connection goes on and reconnects the new one."""
    forget = Supervisor._forget

    async def keep_alive(line: Supervisor) -> None:
        while True:
            await asyncio.sleep(_KEEP_ALIVE_S)
            line._end(line._current)

    def forgotten(self: Supervisor) -> None:
        forget(self)
        self._consumer._own(keep_alive(self))

    Supervisor._forget = forgotten


@mutant
def forgives_late_bytes() -> None:
    """Leaves a silent connection open until its replacement delivers, and for good if anything
    arrived on it by then."""
    probe, on_message = Link._probe, Supervisor.on_message
    doubtful: list[tuple[Socket, float, Callable[[], None]]] = []

    async def doubt(self: Link, connection: Socket) -> None:
        try:
            await probe(self, connection)
        except ConnectionLost:
            transport = connection.transport
            doubtful.append((connection, connection.heard_at, transport.abort))
            transport.abort = lambda: None
            raise

    async def read_on(connection: Socket) -> None:
        with suppress(ConnectionClosed):
            async for _ in connection:
                pass

    def decide(self: Supervisor, link: Link, message: Any) -> None:
        while doubtful and link is self._current:
            connection, heard_at, abort = doubtful.pop()
            if connection.heard_at == heard_at:
                abort()
            else:
                self._consumer._own(read_on(connection))
        on_message(self, link, message)

    Link._probe = doubt
    Supervisor.on_message = decide
