"""Block trades and reference prices of spot."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.derived import block_trades, reference_price
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import SPOT
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"
SEEDS = st.integers(0, 10_000)


class Exchange:
    """Market and publisher, stepped by hand as the server does it."""

    def __init__(self, *, seed: int = 7, kind: str = "walk", **changes: object) -> None:
        profile = SPOT.with_(**changes)
        self.market = Market(
            instruments(profile, [SYMBOL, "BTCUSDC"]), seed=seed, profile=profile, kind=kind
        )
        self.publisher = Publisher(profile, self.market, EPOCH_MS)
        self.now_ms = 0

    def events(self, stream: str, steps: int) -> list[Any]:
        """Events of a stream that is subscribed to now."""
        self.publisher.add(stream)
        found = []
        for _ in range(steps):
            self.now_ms += 100
            changes = self.market.advance(self.now_ms, self.publisher.symbols)
            made = self.publisher.publish(self.now_ms, changes)
            found += [json.loads(event.text) for event in made]
        self.publisher.remove(stream)
        return found

    def knows(self, stream: str) -> bool:
        name = parse(stream)
        return name is not None and self.publisher.serves(name)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(0, 90))
@pytest.mark.rule("spot-5.3", "spot-5.0.5")
def test_block_trades_are_sent_once_with_ids_of_their_own(seed: int, late: int) -> None:
    exchange = Exchange(seed=seed, block_trade_s=3)
    exchange.events("ethusdc@aggTrade", late)
    events = exchange.events("ethusdc@blockTrade", 200)
    i = exchange.market.instruments[SYMBOL]
    known = block_trades(exchange.market, SYMBOL, late * 100, exchange.now_ms)
    assert [e["t"] for e in events] == [trade.block_id for trade in known]
    assert all(b["t"] == a["t"] + 1 for a, b in pairwise(events))
    for event, trade in zip(events, known, strict=True):
        assert list(event) == ["e", "E", "s", "t", "p", "q", "T", "m"]
        assert (event["e"], event["s"]) == ("blockTrade", SYMBOL)
        assert (event["p"], event["q"]) == (i.price(trade.price), i.quantity(trade.quantity))
        assert event["T"] == EPOCH_MS + trade.at_ms
        assert event["m"] is trade.buyer_is_maker
        assert 0 <= event["E"] - event["T"] < 100


def test_nothing_is_sent_of_block_trades_that_the_profile_switches_off() -> None:
    assert Exchange(block_trade_s=None).events("ethusdc@blockTrade", 700) == []


@settings(max_examples=15, deadline=None)
@given(SEEDS)
@pytest.mark.rule("spot-5.10", "spot-5.0.15", "wire-A10")
def test_the_reference_price_is_sent_each_second_with_eight_decimals_and_no_e(seed: int) -> None:
    exchange = Exchange(seed=seed)
    events = exchange.events("ethusdc@referencePrice", 300)
    times = [e["t"] - EPOCH_MS for e in events]
    assert len(events) >= 25
    assert all(at % 1000 == 0 for at in times)
    for event, at_ms in zip(events, times, strict=True):
        assert list(event) == ["e", "s", "r", "t"]
        assert (event["e"], event["s"]) == ("referencePrice", SYMBOL)
        price = reference_price(exchange.market, SYMBOL, at_ms)
        if price is None:
            assert event["r"] is None
        else:
            assert len(event["r"].partition(".")[2]) == 8
            assert Decimal(event["r"]) * 10**8 == price
    assert all(a["r"] != b["r"] for a, b in pairwise(events)), "only what changed"


@pytest.mark.rule("spot-5.10", "spot-5.0.20")
def test_there_is_no_reference_price_where_nothing_was_ever_traded() -> None:
    (event,) = Exchange(kind="frozen").events("ethusdc@referencePrice", 100)
    assert event == {"e": "referencePrice", "s": SYMBOL, "r": None, "t": EPOCH_MS + 1000}
    every = Exchange(kind="frozen", silent_when_unchanged=False)
    assert len(every.events("ethusdc@referencePrice", 100)) == 10


def test_symbols_without_the_feature_have_no_stream_of_it() -> None:
    exchange = Exchange(without_reference_price=["ETHUSDC"])
    assert not exchange.knows("ethusdc@referencePrice")
    assert exchange.knows("btcusdc@referencePrice")
    assert not exchange.knows("adausdc@referencePrice")


@pytest.mark.parametrize(
    "stream", ["ethusdc@markPrice", "!forceOrder@arr", "tradingSession", "!contractInfo",
               "ethusd@assetIndex", "ethusdc@rpiDepth@500ms", "indexusdt@compositeIndex"]
)  # fmt: skip
def test_streams_of_usdm_are_not_served_on_spot(stream: str) -> None:
    assert not Exchange().knows(stream)
