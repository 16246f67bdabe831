"""A simulated link that was made to end connections in one way: it is a proxy (see `pipe.py`)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mockex.faults import Direction, Hold, Latency, LinkTerms, Release, SlowClose
from tests.sim.pair import HOP_S, Pair, Timed, now, run


def through_a_proxy(
    scenario: Callable[[Pair], Coroutine[Any, Any, None]],
    ends: Any = "fin",
    *,
    client: Timed | None = None,
    server: Timed | None = None,
) -> Pair:
    """Run it on such a link."""

    async def main() -> Pair:
        terms = LinkTerms(ends=ends)
        async with Pair(client, server, terms=terms) as pair:
            await scenario(pair)
        return pair

    made: Pair = run(main())
    return made


@pytest.mark.parametrize(
    ("ends", "last"),
    [("fin", ["eof", "lost"]), ("reset", ["lost: ConnectionResetError ECONNRESET"])],
)
@pytest.mark.parametrize("act", ["close", "reset"])
@pytest.mark.parametrize("direction", Direction)
def test_a_proxy_ends_the_other_side_in_its_own_way(
    ends: Any, last: list[str], act: str, direction: Direction
) -> None:
    async def scenario(pair: Pair) -> None:
        leaver, other = pair.ends(direction)
        leaver.write(b"bye")
        getattr(leaver, act)()
        await asyncio.sleep(1)
        assert other.saw == ["read b'bye'", *last]

    through_a_proxy(scenario, ends)


def test_a_proxy_knows_no_half_close() -> None:
    async def scenario(pair: Pair) -> None:
        pair.client.write_eof()
        await pair.server.until("eof")
        pair.server.write(b"answer")
        await asyncio.sleep(1)
        pair.server.write(b"more")
        await asyncio.sleep(1)

    server = Timed(keep_open=True)
    pair = through_a_proxy(scenario, client=Timed(keep_open=True), server=server)
    assert pair.client_saw == ["eof"]
    assert pair.server_saw == ["eof", "lost: BrokenPipeError EPIPE"]


def test_what_a_proxy_has_arrives_before_the_end_that_came_the_other_way() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Latency(delay_ms=500))
        began = now()
        pair.server.write(b"on its way")
        await asyncio.sleep(0.1)
        pair.client.write_eof()
        await pair.client.until("eof")
        assert now() - began == pytest.approx(0.5, abs=3 * HOP_S)

    pair = through_a_proxy(scenario, client=Timed(keep_open=True))
    assert pair.client_saw == ["read b'on its way'", "eof"]


def test_the_end_has_no_latency_of_its_own_behind_a_proxy_but_that_of_a_slow_close() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Latency(delay_ms=500))
        pair.link.inject(SlowClose(delay_ms=300))
        began = now()
        pair.server.close()
        await pair.client.until("eof")
        assert now() - began == pytest.approx(0.3, abs=2 * HOP_S)

    through_a_proxy(scenario)


def test_a_proxy_that_is_held_or_swallows_keeps_the_end() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Hold(direction=Direction.DOWNSTREAM))
        pair.server.write(b"held")
        pair.server.reset()
        await asyncio.sleep(10)
        pair.client.write(b"nobody is there")
        await asyncio.sleep(10)
        assert pair.client.saw == []
        pair.link.inject(Release())
        await pair.client.until("lost")

    assert through_a_proxy(scenario).client_saw == ["read b'held'", "eof", "lost"]


def test_a_proxy_that_loses_what_it_held_ends_connections_that_lost_nothing_too() -> None:
    async def scenario(pair: Pair) -> None:
        pair.link.inject(Hold())
        pair.link.inject(Release(backlog="lose"))
        await pair.client.until("lost")

    assert through_a_proxy(scenario).server_saw == ["eof", "lost"]


def test_bytes_that_a_reader_has_no_room_for_come_behind_a_proxy_before_the_end() -> None:
    async def scenario(pair: Pair) -> None:
        pair.server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        pair.server.write(bytes(500_000))
        await asyncio.sleep(1)
        pair.server.reset()
        await asyncio.sleep(1)
        pair.client.resume()
        await pair.client.until("lost")

    pair = through_a_proxy(scenario, client=Timed(paused=True))
    assert pair.client_saw == ["read 500000 bytes", "eof", "lost"]
