"""A connection through a link, whose ends know when what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from mockex import sim
from mockex.faults import Direction, LinkTerms
from tests.sim.ends import End

HOP_S = 0.0003  # the longest


def run(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
    return sim.run(main, seed=1, **options)


def loop_of_the_run() -> sim.SimLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, sim.SimLoop)
    return loop


def now() -> float:
    return asyncio.get_running_loop().time()


class Timed(End):
    """An end that knows when what came."""

    def __init__(self, *, keep_open: bool = False, paused: bool = False) -> None:
        super().__init__(keep_open=keep_open, paused=paused)
        self.came: list[tuple[float, int]] = []
        self.data = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.came.append((now(), len(data)))
        self.data += data

    def times(self, since: float) -> list[float]:
        return [at - since for at, _ in self.came]


class Pair:
    """A connection through a link: `client` and `server` are its ends."""

    def __init__(
        self,
        client: Timed | None = None,
        server: Timed | None = None,
        terms: LinkTerms | None = None,
    ) -> None:
        self.client, self.server = client or Timed(), server or Timed()
        self.link: sim.Link
        self._terms = terms

    async def __aenter__(self) -> Pair:
        loop = loop_of_the_run()
        listening = await loop.create_server(lambda: self.server, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        self.link = loop.network.link(port)
        if self._terms is not None:
            self.link.stand(self._terms)
        await loop.create_connection(lambda: self.client, "127.0.0.1", port)
        await asyncio.sleep(0.001)
        listening.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client_saw, self.server_saw = list(self.client.saw), list(self.server.saw)
        for end in (self.client, self.server):
            end.transport.abort()
        await asyncio.sleep(0.001)

    def ends(self, direction: Direction) -> tuple[Timed, Timed]:
        """Who writes and who reads."""
        if direction is Direction.UPSTREAM:
            return self.client, self.server
        return self.server, self.client


def on_a_pair(
    scenario: Callable[[Pair], Coroutine[Any, Any, None]],
    client: Timed | None = None,
    server: Timed | None = None,
) -> Pair:
    """Run it; what both ends saw, from the pair."""

    async def main() -> Pair:
        async with Pair(client, server) as pair:
            await scenario(pair)
        return pair

    made: Pair = run(main())
    return made
