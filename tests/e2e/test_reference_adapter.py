"""The reference adapter against the exchange: both products, both modes, every kind of loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Any, get_args

import pytest

import mockex
from mockex import faults
from mockex.faults import Fault
from mockex.market.instruments import instruments
from mockex_adapter import RULES, Book, Feed, Gap, Item, Resync, Settings, StreamEvent, Timers

PICTURE, DIFF, TRADES = "ethusdc@depth5@100ms", "ethusdc@depth@100ms", "ethusdc@aggTrade"
COMPRESSED = {"ping_interval_s": 1.0, "pong_deadline_s": 3.0}
LOSSES: list[Fault] = [
    faults.Reset(stream=PICTURE),
    faults.Fin(stream=PICTURE),
    *(faults.CloseWith(stream=PICTURE, code=code) for code in (1000, 1001, None, 1008, 1011, 1012)),
    faults.CutFrame(stream=PICTURE, then="reset"),
    faults.LifetimeCut(stream=PICTURE),
    faults.Outage(how="refuse", ms=300),
    faults.Outage(how="abort", attempts=2),
]


class Witness:
    """A feed, what it presented, and the exchange that knows the truth."""

    def __init__(self, exchange: mockex.Exchange, feed: Feed, streams: tuple[str, ...]) -> None:
        self.exchange = exchange
        self.feed = feed
        self.streams = streams
        self.items: list[Item] = []
        self.books = 0
        self.most_live = 0

    async def read(self) -> None:
        async for item in self.feed:
            self.items.append(item)
            self.most_live = max(self.most_live, *map(self.exchange.live, self.streams))
            book = self.feed.book("ethusdc")
            if book is not None:
                self.compare(book)

    def compare(self, book: Book) -> None:
        truth = self.exchange.truth.book("ETHUSDC", book.last_update_id)
        (instrument,) = instruments(self.exchange.profile, ["ETHUSDC"])
        for presented, true in ((book.bids(), truth.bids), (book.asks(), truth.asks)):
            expected = [(instrument.price(p), instrument.quantity(q)) for p, q in true[:20]]
            assert [(Decimal(p), Decimal(q)) for p, q in presented] == [
                (Decimal(p), Decimal(q)) for p, q in expected
            ]
        self.books += 1

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]

    def live(self) -> bool:
        return all(self.exchange.live(stream) == 1 for stream in self.streams)

    def events(self, stream: str) -> int:
        return sum(isinstance(i, StreamEvent) and i.stream == stream for i in self.items)

    async def until(self, met: Callable[[], object], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not met():
                await asyncio.sleep(0.01)

    async def until_fresh(self) -> None:
        """Live, and events and a true book from the present connections."""
        await self.until(self.live)
        counts = {stream: self.events(stream) for stream in self.streams}
        books = self.books
        await self.until(lambda: all(self.events(s) > n for s, n in counts.items()))
        if DIFF in self.streams:
            await self.until(lambda: self.books > books)


@asynccontextmanager
async def watched(
    profile: str, *streams: str, mode: str = "combined", lifetime_s: float = 24 * 3600.0
) -> AsyncIterator[Witness]:
    async with mockex.serve(profile=profile, seed=11, settings=COMPRESSED) as exchange:
        settings = Settings(
            ws_url=exchange.ws_url,
            rest_url=exchange.rest_url,
            rules=RULES[profile],
            mode=mode,
            timers=Timers().scaled(0.05),
            lifetime_s=lifetime_s,
            random=Random(5),
        )
        async with Feed(settings, streams) as feed:
            witness = Witness(exchange, feed, streams)
            reader = asyncio.create_task(witness.read())
            await witness.until_fresh()
            yield witness
        await reader


@pytest.mark.rule("spot-3.4.1", "spot-3.2.2")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
@pytest.mark.parametrize("mode", ["combined", "raw"])
async def test_every_loss_is_repaired_by_one_connection(profile: str, mode: str) -> None:
    async with watched(profile, PICTURE, TRADES, mode=mode) as witness:
        for fault in LOSSES:
            await witness.exchange.inject(fault).seen(within_s=5)
            await witness.until_fresh()
        assert witness.most_live == 1


@pytest.mark.rule("spot-6.2.9")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_book_is_true_before_and_after_each_loss(profile: str) -> None:
    async with watched(profile, DIFF) as witness:
        for _ in range(3):
            await witness.exchange.inject(faults.Reset(stream=DIFF)).seen(within_s=5)
            await witness.until_fresh()
        await witness.until(lambda: witness.books > 10)


ATTEMPTS: list[Fault] = [
    faults.HangUpgrade(attempts=1),
    faults.HangUpgrade(attempts=1, half=True),
    faults.SlowUpgrade(ms=200),
    faults.RefuseUpgrade(status=503, body="<html>", attempts=2),
    faults.RefuseUpgrade(status=429, headers={"Retry-After": "1"}),
    *(faults.BadUpgrade(kind=kind) for kind in get_args(faults.BadUpgradeKind)),
    faults.AcceptThenClose(ms=500),
    faults.AcceptThenClose(ms=500, events=1),
]


@pytest.mark.parametrize("fault", ATTEMPTS, ids=repr)
async def test_attempts_that_go_wrong_are_repeated_until_one_goes_right(fault: Fault) -> None:
    async with watched("usdm", PICTURE) as witness:
        handle = witness.exchange.inject(fault)
        await witness.exchange.inject(faults.Reset(stream=PICTURE)).seen(within_s=5)
        await handle.seen(within_s=5)
        await witness.until_fresh()
        assert witness.most_live == 1
        assert len(witness.exchange.connections.all) < 20


@pytest.mark.rule("spot-3.4.1")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_half_open_connection_is_found_and_replaced(profile: str) -> None:
    async with watched(profile, DIFF) as witness:
        await witness.exchange.inject(faults.Stall(stream=DIFF)).seen(within_s=5)
        await witness.until(lambda: len(witness.exchange.connections.all) == 2, 4)
        await witness.until_fresh()
        assert witness.most_live == 1


async def test_announced_end_costs_no_event_and_leaves_one_connection() -> None:
    async with watched("spot", DIFF, TRADES) as witness:
        await witness.exchange.inject(faults.ServerShutdown(lead_ms=3000)).seen(within_s=5)
        await witness.until(lambda: witness.exchange.live(DIFF) == 2, 2)
        await witness.until(witness.live, 2)
        await witness.until_fresh()
        assert witness.most_live == 2
        assert not [item for item in witness.items if isinstance(item, Gap)]


@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_own_renewals_lose_nothing(profile: str) -> None:
    async with watched(profile, DIFF, TRADES, lifetime_s=2.0) as witness:
        lines = 2 if profile == "usdm" else 1
        await witness.until(lambda: len(witness.exchange.connections.all) >= 3 * lines)
        await witness.until_fresh()
        assert witness.most_live <= 2
        assert not [item for item in witness.items if isinstance(item, Gap)]


OTHER = "btcusdc@depth@100ms"


@pytest.mark.rule("spot-6.2.10", "usdm-6.2.8")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_gap_of_one_symbol_rebuilds_its_book_and_no_other(profile: str) -> None:
    async with watched(profile, DIFF, OTHER) as witness:
        await witness.until(lambda: witness.feed.book("btcusdc") is not None)
        await witness.exchange.inject(faults.Stall(scope="stream", stream=DIFF)).seen(within_s=5)
        await witness.exchange.inject(faults.Resume(backlog="lose")).seen(within_s=5)
        await witness.until(lambda: witness.of(Resync))
        await witness.until(lambda: witness.feed.book("ethusdc") is not None)
        assert {notice.symbol for notice in witness.of(Resync)} == {"ETHUSDC"}
        assert witness.feed.book("btcusdc") is not None


@pytest.mark.rule("usdm-3.3", "usdm-6.2.9")
async def test_loss_of_market_leaves_the_book_and_loss_of_public_rebuilds_it() -> None:
    async with watched("usdm", DIFF, TRADES) as witness:
        await witness.exchange.inject(faults.Reset(stream=TRADES)).seen(within_s=5)
        await witness.until_fresh()
        assert not witness.of(Resync)
        await witness.exchange.inject(faults.Reset(stream=DIFF)).seen(within_s=5)
        await witness.until_fresh()
        assert [notice.symbol for notice in witness.of(Resync)] == ["ETHUSDC"]
