"""Right, but unusual: nothing may fail them."""

from __future__ import annotations

import asyncio

from mockex_adapter.feed import Feed
from mockex_adapter.link import Link
from mockex_adapter.outbox import Item
from mockex_adapter.supervisor import Supervisor
from patches import mutant


@mutant
def per_stream_connections() -> None:
    """One connection for each stream."""
    Supervisor.room_for = lambda self, stream: not self.wanted and stream.route == self.route


@mutant
def pull_model() -> None:
    """Reads in the background, and connects only when the consumer asks for the next event.

    The consumer is a program that asks again and again, at its own pace.
    """
    made, next_item, hold = Feed.__init__, Feed.__anext__, Supervisor._hold

    def made_to_be_asked(self: Feed, *settings: object) -> None:
        made(self, *settings)
        self.asked = asyncio.Event()

    async def ask(self: Feed) -> Item:
        self.asked.set()
        try:
            return await next_item(self)
        finally:
            self.asked.clear()

    async def when_asked(self: Supervisor, link: Link) -> None:
        await self._consumer.asked.wait()
        await hold(self, link)

    Feed.__init__ = made_to_be_asked
    Feed.__anext__ = ask
    Supervisor._hold = when_asked
