"""Book tickers of one symbol and of all."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.instruments import Instrument
from mockex.names import Kind
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.book_tickers import spot_book_ticker, usdm_book_ticker
from tests.streams.stepping import EPOCH_MS, SYMBOL, Stepped

TOP = (1235, 4000, 1236, 1500)


def abc(decimals: int, universe: int = 1) -> Instrument:
    tick = 10 ** (decimals - 2)
    return Instrument(
        "ABCUSD_PERP" if universe == 2 else "ABCUSDT", decimals, decimals, tick, tick, 1234, "ABC",
        "USD", "ABCUSD" if universe == 2 else "ABCUSDT", universe,
    )  # fmt: skip


@pytest.mark.rule("spot-5.8")
def test_a_spot_book_ticker_has_neither_kind_nor_time() -> None:
    assert spot_book_ticker(abc(8), 500123, TOP) == (
        '{"u":500123,"s":"ABCUSDT","b":"12.35000000","B":"40.00000000","a":"12.36000000",'
        '"A":"15.00000000"}'
    )


@pytest.mark.rule("usdm-5.8", "usdm-5.0.24", "usdm-5.0.25", "wire-B3")
def test_a_usdm_book_ticker_has_the_order_of_the_wire() -> None:
    assert usdm_book_ticker(abc(2), 500123, TOP, EPOCH_MS + 152, EPOCH_MS + 150) == (
        '{"e":"bookTicker","u":500123,"s":"ABCUSDT","ps":"ABCUSDT","b":"12.35","B":"40.00",'
        '"a":"12.36","A":"15.00","T":1780272000150,"E":1780272000152,"st":1}'
    )
    coin = usdm_book_ticker(abc(2, universe=2), 1, TOP, 2, 1)
    assert coin.startswith('{"e":"bookTicker","u":1,"s":"ABCUSD_PERP","ps":"ABCUSD",')
    assert coin.endswith(',"st":2}')


def top_at(exchange: Stepped, symbol: str, update_id: int) -> dict[str, str]:
    book = exchange.market.truth.book(symbol, update_id)
    i = exchange.market.instruments[symbol]
    (bid, bids), (ask, asks) = book.bids[0], book.asks[0]
    return {"b": i.price(bid), "B": i.quantity(bids), "a": i.price(ask), "A": i.quantity(asks)}


@pytest.mark.rule("spot-5.8.1", "spot-5.0.13", "usdm-5.0.1", "usdm-5.0.2", "usdm-5.0.26")
@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(
        [(SPOT, "ethusdc@bookTicker"), (USDM, "ethusdc@bookTicker"), (USDM, "!bookTicker")]
    ),
    st.integers(0, 1000),
    st.integers(0, 20),
)
def test_a_book_ticker_is_each_new_top_of_the_book_at_its_id(
    which: tuple[Profile, str], seed: int, late: int
) -> None:
    profile, stream = which
    exchange = Stepped(profile, seed=seed)
    exchange.skip(late * 100)
    symbols = [SYMBOL] if stream.startswith("eth") else list(exchange.market.instruments)
    last = {s: top_at(exchange, s, exchange.market.truth.last_update_id(s)) for s in symbols}
    said: dict[tuple[int, str], Any] = {}
    for sent in exchange.run(3_000, stream):
        assert isinstance(sent.payload, dict), "one object a message"
        said[sent.at_ms, sent.payload["s"]] = sent.payload
        assert sent.event.first_id == sent.event.last_id == sent.payload["u"]
    assert said
    for now_ms in range(late * 100 + 100, late * 100 + 3_100, 100):
        for symbol in symbols:
            update_id = exchange.market.truth.id_at(symbol, now_ms)
            top = top_at(exchange, symbol, update_id)
            payload = said.get((EPOCH_MS + now_ms, symbol))
            assert (payload is not None) is (top != last[symbol])
            if payload is not None:
                assert payload.items() >= top.items()
                assert payload["u"] == update_id
            last[symbol] = top


@pytest.mark.rule("usdm-5.0.2")
def test_all_book_tickers_every_five_seconds_is_a_setting() -> None:
    streams = {**USDM.streams, Kind.ALL_BOOK_TICKERS: {"": 5000}}
    exchange = Stepped(USDM.with_(streams=streams))
    exchange.skip(7_300)
    rows: dict[int, set[str]] = defaultdict(set)
    for sent in exchange.run(15_000, "!bookTicker"):
        rows[sent.at_ms - EPOCH_MS].add(sent.payload["s"])
        update_id = exchange.market.truth.last_update_id(sent.payload["s"])
        assert sent.payload["u"] == update_id
        assert sent.payload.items() >= top_at(exchange, sent.payload["s"], update_id).items()
    assert list(rows) == [10_000, 15_000, 20_000]
    assert all(found == set(exchange.market.instruments) for found in rows.values())


@pytest.mark.rule("usdm-5.0.2")
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 5))
def test_what_changed_since_the_last_period_is_told_to_who_came_in_between(
    seed: int, late: int
) -> None:
    streams = {**USDM.streams, Kind.ALL_BOOK_TICKERS: {"": 300}}
    exchange = Stepped(USDM.with_(streams=streams), seed=seed)
    exchange.skip(late * 100)
    due_ms = late // 3 * 300
    exchange.publisher.add("!bookTicker")
    exchange.now_ms = due_ms + 300
    exchange.market.advance(exchange.now_ms, ())
    sent = exchange.publisher.publish(exchange.now_ms, [])  # the last step alone changed nothing
    ids, truth = {}, exchange.market.truth
    for symbol in exchange.market.instruments:
        before, now = (truth.id_at(symbol, ms) for ms in (due_ms, due_ms + 300))
        if top_at(exchange, symbol, before) != top_at(exchange, symbol, now):
            ids[symbol] = now
    assert {json.loads(event.text)["s"]: event.last_id for event in sent} == ids


@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_a_frozen_book_is_not_news(profile: Profile) -> None:
    streams = ["ethusdc@bookTicker"] + ["!bookTicker"] * (profile is USDM)
    assert list(Stepped(profile, kind="frozen").run(3_000, *streams)) == []
