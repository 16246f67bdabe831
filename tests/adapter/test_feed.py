"""The feed against a small exchange on loopback, on both products."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from mockex_adapter import (
    BadStreamName,
    Book,
    BookChanged,
    Feed,
    FeedClosed,
    Gap,
    Item,
    Refused,
    Resync,
    Stale,
    StreamEvent,
    Timers,
)

if TYPE_CHECKING:
    from tests.adapter.conftest import FakeExchange, Peer, World

DIFF, TRADES, PICTURE = "ethusdc@depth@100ms", "ethusdc@aggTrade", "ethusdc@depth5@100ms"


class Reader:
    """Reads a feed in the background and keeps what came."""

    def __init__(self, feed: Feed) -> None:
        self.items: list[Item] = []
        self.books: list[Book] = []
        self._feed = feed
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self._feed:
            self.items.append(item)

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]

    def ids(self, stream: str) -> list[int]:
        return [item.id for item in self.of(StreamEvent) if item.stream == stream]


def opened(exchange: FakeExchange, count: int) -> Callable[[], bool]:
    return lambda: len(exchange.peers) >= count and all(p.streams for p in exchange.live)


def more_than(items: list[Item], count: int) -> Callable[[], bool]:
    return lambda: len(items) > count


def answer(body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, body


async def test_events_arrive_and_nothing_is_left_when_the_block_ends(world: World) -> None:
    async with world.feed(DIFF, TRADES) as feed:
        reader = Reader(feed)
        await world.until(lambda: len(reader.ids(DIFF)) > 5 and len(reader.ids(TRADES)) > 5)
        assert feed.state == "live"
    assert feed.state == "closed"
    await world.until(lambda: not world.exchange.live)
    assert {peer.connection.close_code for peer in world.exchange.peers} == {1000}
    await reader.task
    with pytest.raises(FeedClosed):
        feed.subscribe(TRADES)


async def test_futures_streams_are_put_on_the_routes_that_carry_them(world: World) -> None:
    async with world.feed(DIFF, TRADES):
        lines = 2 if world.exchange.product == "usdm" else 1
        await world.until(opened(world.exchange, lines))
        paths = {path: set(peer.streams) for peer in world.exchange.peers for path in [peer.path]}
    if lines == 2:
        assert paths == {"/public/stream": {DIFF}, "/market/stream": {TRADES}}
    else:
        assert paths == {"/stream": {DIFF, TRADES}}


async def test_each_lost_connection_is_replaced_by_exactly_one(world: World) -> None:
    async with world.feed(PICTURE) as feed:
        reader = Reader(feed)
        for count in range(1, 7):
            await world.until(opened(world.exchange, count))
            await world.until(more_than(reader.items, len(reader.items) + 3))
            if count % 2:
                world.exchange.live[0].reset()
            else:
                await world.exchange.live[0].close(1000)
        await world.until(opened(world.exchange, 7))
        assert world.exchange.most_live == 1
        assert [len(peer.requests) for peer in world.exchange.peers] == [1] * 7


@pytest.mark.rule("spot-6.2.9")
async def test_book_is_the_true_one_after_a_loss_and_after_a_hole(world: World) -> None:
    exchange = world.exchange
    async with world.feed(DIFF, scale=0.05) as feed:
        reader = Reader(feed)

        def true() -> bool:
            book = feed.book("ethusdc")
            if book is None or book.last_update_id != exchange.update_id:
                return False
            assert (book.bids(99), book.asks(99)) == exchange.truth()
            return True

        await world.until(true)
        exchange.live[0].reset()
        # The notice stays to be seen; the moment without a book may pass between two looks.
        await world.until(lambda: len(reader.of(Resync)) == 1)
        await world.until(true)
        exchange.drop = 2
        await world.until(lambda: len(reader.of(Resync)) == 2)
        await world.until(true)
        assert reader.of(Gap)
        assert len(exchange.live) == 1
        assert reader.ids(DIFF) == sorted(set(reader.ids(DIFF)))


@pytest.mark.parametrize("form", ["the connection's own", "lifetime"])
async def test_planned_handover_overlaps_and_presents_each_event_once(
    world: World, form: str
) -> None:
    exchange = world.exchange
    lifetime = {"lifetime_s": 0.5} if form == "lifetime" else {}
    async with world.feed(DIFF, TRADES, **lifetime) as feed:
        reader = Reader(feed)
        lines = 2 if exchange.product == "usdm" else 1
        await world.until(lambda: len(reader.ids(TRADES)) > 10)
        old = exchange.peers[:lines]
        if form != "lifetime":
            notice = {"e": "serverShutdown", "E": 1}
            for peer in old:
                text = json.dumps({"stream": "!serverShutdown", "data": notice})
                await peer.connection.send(text)
        await world.until(lambda: all(peer.ended for peer in old), 8)
        assert all(peer.connection.close_code == 1000 for peer in old)
        position = len(reader.ids(TRADES))
        await world.until(lambda: len(reader.ids(TRADES)) > position + 10)
        assert exchange.most_live == 2
        assert not reader.of(Gap)
        assert not reader.of(Resync)
        ids = reader.ids(TRADES)
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        if form != "lifetime":
            assert len(exchange.live) == lines


async def test_notice_close_and_reset_in_one_instant_cost_one_connection(spot: World) -> None:
    async with spot.feed(PICTURE) as feed:
        for count in range(1, 5):
            await spot.until(opened(spot.exchange, count))
            peer = spot.exchange.live[0]
            await peer.connection.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown"}}')
            with suppress(OSError):
                peer.connection.protocol.send_close(1001)
                peer.connection.send_data()
            peer.reset()
            await peer.connection.wait_closed()
        await spot.until(opened(spot.exchange, 5))
        await asyncio.sleep(0.3)
        assert feed.state == "live"
        assert len(spot.exchange.peers) == 5
        assert spot.exchange.most_live == 1


async def test_wish_to_reconnect_twenty_times_is_one_wish(world: World) -> None:
    async with world.feed(PICTURE) as feed:
        await world.until(lambda: feed.state == "live")
        await asyncio.sleep(0.1)
        for _ in range(20):
            feed.reconnect()
        await world.until(lambda: len(world.exchange.peers) == 2 and len(world.exchange.live) == 1)
        await asyncio.sleep(0.2)
        assert len(world.exchange.peers) == 2


async def test_connection_without_a_sign_of_life_is_cut_and_replaced(world: World) -> None:
    async with world.feed(PICTURE, scale=0.05):
        await world.until(opened(world.exchange, 1))
        peer = world.exchange.live[0]
        peer.silent = True
        peer.connection.transport.pause_reading()  # nothing is answered any more, pings included
        await world.until(opened(world.exchange, 2))


async def test_quiet_connection_that_answers_pings_is_kept(spot: World) -> None:
    spot.exchange.mute.add(TRADES)
    async with spot.feed(TRADES, scale=0.05) as feed:
        reader = Reader(feed)
        await spot.until(lambda: reader.of(Stale))
        await asyncio.sleep(1.5)
        assert len(spot.exchange.peers) == 1
        assert len(reader.of(Stale)) == 1
        assert [r["method"] for r in spot.exchange.peers[0].requests] == ["SUBSCRIBE"]


async def test_busy_stream_that_falls_silent_is_named_and_asked_for_again(spot: World) -> None:
    async with spot.feed(PICTURE, TRADES, scale=0.05) as feed:
        reader = Reader(feed)
        await spot.until(lambda: len(reader.ids(TRADES)) > 10)
        spot.exchange.mute.add(TRADES)
        peer = spot.exchange.live[0]
        await spot.until(lambda: len(peer.requests) == 3)
        spot.exchange.mute.clear()
        assert [stale.stream for stale in reader.of(Stale)] == [TRADES]
        assert peer.requests[1]["method"] == "UNSUBSCRIBE"
        assert peer.requests[2]["params"] == [TRADES]
        count = len(reader.ids(TRADES))
        await spot.until(lambda: len(reader.ids(TRADES)) > count)
        assert len(spot.exchange.peers) == 1


async def test_lost_acknowledgement_is_asked_for_again(world: World) -> None:
    world.exchange.unanswered = 1
    async with world.feed(PICTURE, scale=0.05) as feed:
        await world.until(lambda: feed.state == "live")
        assert len(world.exchange.peers) == 1
        assert len(world.exchange.peers[0].requests) == 2


async def test_second_lost_acknowledgement_replaces_the_connection(world: World) -> None:
    world.exchange.unanswered = 2
    async with world.feed(PICTURE, scale=0.05) as feed:
        await world.until(lambda: feed.state == "live")
        assert len(world.exchange.peers) == 2


async def test_refused_stream_is_named_and_the_others_live(spot: World) -> None:
    bad = "ethusdc@nothing"
    spot.exchange.bad.add(bad)
    async with spot.feed(PICTURE, bad, TRADES, scale=0.1) as feed:
        reader = Reader(feed)
        await spot.until(lambda: reader.of(Refused))
        await spot.until(lambda: feed.state == "live" and reader.ids(TRADES))
        assert [refused.stream for refused in reader.of(Refused)] == [bad]
        asked = [r for p in spot.exchange.peers for r in p.requests if bad in r["params"]]
        assert len(asked) == 2
        assert set(spot.exchange.live[0].streams) == {PICTURE, TRADES}


async def test_wanted_is_what_was_last_asked_for_even_without_a_connection(spot: World) -> None:
    async with spot.feed("a@trade", "b@trade") as feed:
        await spot.until(opened(spot.exchange, 1))
        spot.exchange.refuse = [Response(503, "no", Headers({"Content-Length": "0"}))] * 3
        spot.exchange.live[0].reset()
        await spot.until(lambda: feed.state == "waiting")
        feed.unsubscribe("a@trade")
        for _ in range(2):
            feed.subscribe("c@trade")
            feed.unsubscribe("c@trade")
        feed.subscribe("c@trade", "d@trade")
        await spot.until(opened(spot.exchange, 2))
        requests = spot.exchange.peers[1].requests
        assert [request["params"] for request in requests] == [["b@trade", "c@trade", "d@trade"]]


async def test_last_stream_gone_means_no_connection_and_the_next_one_a_new_one(spot: World) -> None:
    async with spot.feed("a@trade") as feed:
        await spot.until(opened(spot.exchange, 1))
        feed.unsubscribe("a@trade")
        await spot.until(lambda: not spot.exchange.live)
        feed.subscribe("b@trade")
        await spot.until(opened(spot.exchange, 2))


async def test_raw_mode_keeps_apart_what_payloads_cannot_tell_apart(world: World) -> None:
    names = [DIFF, TRADES, "btcusdc@aggTrade", "ethusdc@depth@500ms"]
    async with world.feed(*names, mode="raw") as feed:
        reader = Reader(feed)
        await world.until(lambda: all(len(reader.ids(name)) > 3 for name in names))
        together = [set(peer.streams) for peer in world.exchange.peers]
        assert not any({DIFF, "ethusdc@depth@500ms"} <= streams for streams in together)
        assert {TRADES, "btcusdc@aggTrade"} <= next(s for s in together if TRADES in s)
        assert all(peer.path.endswith("/ws") for peer in world.exchange.peers)


async def test_more_streams_than_a_connection_carries_are_spread(spot: World) -> None:
    names = [f"s{n}@trade" for n in range(1100)]
    timers = Timers()
    async with spot.feed(*names, timers=timers):
        await spot.until(lambda: sum(len(p.streams) for p in spot.exchange.live) == 1100, 15)
        assert sorted(len(peer.streams) for peer in spot.exchange.live) == [76, 1024]


async def test_handshake_refused_with_a_time_is_not_repeated_before_it(spot: World) -> None:
    headers = Headers({"Retry-After": "1", "Content-Length": "0"})
    spot.exchange.refuse = [Response(429, "Too Many Requests", headers)]
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with spot.feed(PICTURE):
        await spot.until(opened(spot.exchange, 1))
        assert loop.time() - started >= 1.0


async def test_snapshots_obey_a_refusal_and_come_after_it(spot: World) -> None:
    spot.exchange.snapshots = [lambda: (429, {"Retry-After": "1"}, b"{}")]
    async with spot.feed(DIFF, "btcusdc@depth", scale=0.05) as feed:
        await spot.until(lambda: feed.book("ethusdc") and feed.book("btcusdc"))
        first, second, *_ = spot.exchange.snapshot_times
        assert second - first >= 1.0


async def test_useless_snapshots_are_not_fetched_without_pause(spot: World) -> None:
    bodies = [b"<html>", b"", b'{"lastUpdateId":0,"bids":[],"asks":[]}', b'{"lastUpd']
    spot.exchange.snapshots = [partial(answer, body) for body in bodies]
    async with spot.feed(DIFF, scale=0.05) as feed:
        await spot.until(lambda: feed.book("ethusdc"))
        times = spot.exchange.snapshot_times
        assert len(times) == 5
        assert times[4] - times[0] >= 1.9
        assert len(spot.exchange.peers) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("{", "", "null", "0", "[]", "{}", "<html>", "[" * 10000, '{"e":"\\ud800"}'),
        '{"stream":"ethusdc@depth@100ms","data":[]}',
        '{"stream":"ethusdc@aggTrade","data":{"e":"aggTrade","a":"x"}}',
        '{"result":null,"id":77}',
        '{"error":{"code":2,"msg":"x"},"id":78}',
    ],
)
async def test_nonsense_costs_nothing_but_a_notice(spot: World, text: str) -> None:
    async with spot.feed(DIFF, TRADES) as feed:
        reader = Reader(feed)
        await spot.until(lambda: reader.ids(TRADES))
        await spot.exchange.live[0].connection.send(text)
        count = len(reader.ids(TRADES))
        await spot.until(lambda: len(reader.ids(TRADES)) > count + 5)
        assert len(spot.exchange.peers) == 1


async def test_slow_consumer_costs_events_and_is_told(spot: World) -> None:
    async with spot.feed(TRADES, queue=20) as feed:
        await spot.until(lambda: spot.exchange.trade_id > 560 and feed.queued == 20)
        reader = Reader(feed)
        await spot.until(lambda: len(reader.ids(TRADES)) > 30)
        assert isinstance(next(i for i in reader.items if isinstance(i, StreamEvent | Gap)), Gap)
        ids = reader.ids(TRADES)
        assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_error_of_the_consumer_closes_everything_and_goes_on_to_the_caller(
    spot: World,
) -> None:
    async def consume() -> None:
        async with spot.feed(TRADES) as feed:
            async for item in feed:
                if isinstance(item, StreamEvent):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await consume()
    await spot.until(lambda: not spot.exchange.live)


async def test_close_may_be_called_by_anybody_at_any_time(spot: World) -> None:
    feed = spot.feed(TRADES)
    await feed.close()
    async with feed:
        await asyncio.gather(*(feed.close() for _ in range(8)))
        await feed.close()
        assert [item async for item in feed] == []
    assert len(asyncio.all_tasks()) <= 3


async def test_peer_that_ignores_the_close_frame_does_not_hold_us(spot: World) -> None:
    async with spot.feed(TRADES) as feed:
        await spot.until(opened(spot.exchange, 1))
        peer: Peer = spot.exchange.live[0]
        peer.connection.transport.pause_reading()
        async with asyncio.timeout(0.5):
            await feed.close()


async def test_names_that_cannot_be_change_nothing(spot: World) -> None:
    async with spot.feed(TRADES) as feed:
        with pytest.raises(BadStreamName):
            feed.subscribe("fine@trade", 'b"]}')
        assert list(feed.wanted) == [TRADES]


async def test_book_goes_with_its_stream_and_moves_to_another_one(spot: World) -> None:
    async with spot.feed(DIFF, "ethusdc@depth", scale=0.05) as feed:
        reader = Reader(feed)
        await spot.until(lambda: feed.book("ethusdc"))
        feed.unsubscribe(DIFF)
        assert feed.book("ethusdc") is None
        await spot.until(lambda: feed.book("ethusdc"))
        feed.unsubscribe("ethusdc@depth")
        assert feed.book("ethusdc") is None
        assert BookChanged("ETHUSDC") in reader.items
