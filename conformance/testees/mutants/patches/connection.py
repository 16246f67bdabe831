"""Wrong about who owns the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from mockex_adapter.exchange import Stream
from mockex_adapter.feed import Feed
from mockex_adapter.link import Link, Socket
from patches import mutant, start_another_line


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
    """`on_error` and `on_close` each schedule a reconnect; a clean close has no error."""
    broken = Feed.broken

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        lost = list(streams)
        broken(self, lost, reason)
        if not reason.startswith("close "):
            start_another_line(self, lost)

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
