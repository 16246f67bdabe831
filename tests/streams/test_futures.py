"""Streams of usdm beside books, trades and tickers: their members in the order of the wire, and
what they have to do with the market."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mockex.market.derived import (
    LiquidationBuffer,
    brackets,
    liquidations,
    mark,
    rpi_book,
    rpi_levels,
)
from mockex.market.instruments import instruments, listed_beside
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import USDM
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"
SEEDS = st.integers(0, 10_000)


class Exchange:
    """Market and publisher, stepped by hand as the server does it."""

    def __init__(
        self,
        *,
        seed: int = 7,
        kind: str = "walk",
        symbols: tuple[str, ...] = (SYMBOL, "BTCUSDC"),
        **changes: object,
    ) -> None:
        profile = USDM.with_(**changes)
        traded = instruments(profile, symbols)
        self.market = Market(
            (*traded, *listed_beside(profile, traded)), seed=seed, profile=profile, kind=kind
        )
        self.publisher = Publisher(profile, self.market, EPOCH_MS)
        self.now_ms = 0

    def steps(self, count: int) -> dict[str, list[str]]:
        """Texts of the next steps, by stream."""
        texts: dict[str, list[str]] = {}
        for _ in range(count):
            self.now_ms += 100
            changes = self.market.advance(self.now_ms, self.publisher.symbols)
            for event in self.publisher.publish(self.now_ms, changes):
                texts.setdefault(event.stream, []).append(event.text)
        return texts

    def events(self, stream: str, steps: int) -> list[Any]:
        self.publisher.add(stream)
        return [json.loads(text) for text in self.steps(steps).get(stream, ())]

    def knows(self, stream: str) -> bool:
        name = parse(stream)
        return name is not None and self.publisher.serves(name)


# Members in the order of the wire, with what stands in an example of each. 8: a text with so many
# decimals; "": another text; a list: an array of such objects.
MARK = {
    "e": "markPriceUpdate", "E": 0, "s": "ETHUSDC", "p": 8, "ap": 8, "P": 8, "i": 8, "r": 8,
    "T": 0, "st": 1,
}  # fmt: skip
ASSET = {
    "e": "assetIndexUpdate", "E": 0, "s": "ETHUSD", "i": 8, "b": 8, "a": 8, "B": 8, "A": 8,
    "q": 8, "g": 8, "Q": 8, "G": 8,
}  # fmt: skip
ORDER = {
    "s": "", "S": "", "o": "LIMIT", "f": "IOC", "q": "", "p": "", "ap": "", "X": "FILLED",
    "l": "", "z": "", "T": 0, "ps": "", "st": 0,
}  # fmt: skip
DEPTH = {
    "e": "depthUpdate", "E": 0, "T": 0, "s": "ETHUSDC", "ps": "ETHUSDC", "U": 0, "u": 0, "pu": 0,
    "b": None, "a": None, "st": 1,
}  # fmt: skip
BRACKET = {"bs": 0, "bnf": 0, "bnc": 0, "mmr": 0.0, "cf": 0, "mi": 0, "ma": 0}
SHAPES: dict[str, Any] = {
    "ethusdc@markPrice": MARK,
    "ethusdc@markPrice@1s": MARK,
    "!markPrice@arr": [MARK | {"s": "", "st": 0}],
    "!markPrice@arr@1s": [MARK | {"s": "", "st": 0}],
    "ethusdc@forceOrder": {"e": "forceOrder", "E": 0, "o": ORDER | {"s": "ETHUSDC", "st": 1}},
    "!forceOrder@arr": {"e": "forceOrder", "E": 0, "o": ORDER},
    "ethusdc@rpiDepth@500ms": DEPTH,
    "indexusdt@compositeIndex": {
        "e": "compositeIndex", "E": 0, "s": "INDEXUSDT", "p": 8, "C": "baseAsset",
        "c": [{"b": "", "q": "", "w": 8, "W": 8, "i": 8}],
    },
    "domusdt@compositeIndex": {
        "e": "compositeIndex", "E": 0, "s": "DOMUSDT", "p": 8, "C": "quoteAsset",
        "c": [{"b": "BTC", "q": "", "w": 8, "W": 8, "i": 8}],
    },
    "!contractInfo": {
        "e": "contractInfo", "E": 0, "s": "", "ct": "", "dt": 0, "ot": 0, "cs": "TRADING",
        "bks": [BRACKET], "st": 0,
    },
    "ethusd@assetIndex": ASSET,
    "!assetIndex@arr": [ASSET | {"s": ""}],
    "tradingSession": {"e": "", "E": 0, "t": 0, "T": 0, "S": ""},
    "ethusdc@trade": {
        "e": "trade", "E": 0, "T": 0, "s": "ETHUSDC", "t": 0, "p": "", "q": "", "X": "",
        "m": True, "st": 1,
    },
    "ethusdc@aggTrade": {
        "e": "aggTrade", "E": 0, "a": 0, "s": "ETHUSDC", "p": "", "q": "", "nq": "", "f": 0,
        "l": 0, "T": 0, "m": True, "st": 1,
    },
}  # fmt: skip


def assert_shape(value: Any, shape: Any) -> None:
    match shape:
        case dict():
            assert list(value) == list(shape)
            for key, inner in shape.items():
                assert_shape(value[key], inner)
        case list():
            assert value
            for row in value:
                assert_shape(row, shape[0])
        case 8:
            assert isinstance(value, str)
            assert -Decimal(value).as_tuple().exponent == 8  # type: ignore[operator]
        case None:
            assert isinstance(value, list)
        case "" | 0 | True | 0.0:
            assert type(value) is type(shape)
        case _:
            assert value == shape


@pytest.mark.rule(
    "usdm-5.2", "usdm-5.7", "usdm-5.11", "usdm-5.12", "usdm-5.13", "usdm-5.14", "usdm-5.15",
    "usdm-5.1", "usdm-5.0.17", "usdm-5.0.24", "usdm-5.0.25", "usdm-5.0.27", "usdm-5.14.1",
    "wire-A1", "wire-A10", "wire-A11", "wire-B3", "wire-B4",
)  # fmt: skip
@pytest.mark.parametrize("stream", SHAPES)
def test_members_are_those_of_the_wire_in_its_order(stream: str) -> None:
    exchange = Exchange(liquidations=300_000, bracket_change_s=2)
    events = exchange.events(stream, 100)
    assert len(events) >= 3
    for event in events:
        assert_shape(event, SHAPES[stream])


@pytest.mark.rule("usdm-5.0.8", "usdm-5.0.9", "usdm-5.0.18", "usdm-5.0.20", "usdm-5.0.21",
                  "wire-B9")  # fmt: skip
@pytest.mark.parametrize(
    ("stream", "period_s", "frames"),
    [
        ("ethusdc@markPrice", 3, 1),
        ("ethusdc@markPrice@1s", 1, 1),
        ("!markPrice@arr", 3, 2),
        ("!markPrice@arr@1s", 1, 2),
        ("indexusdt@compositeIndex", 1, 1),
        ("ethusd@assetIndex", 1, 1),
        ("!assetIndex@arr", 1, 1),
        ("tradingSession", 1, 5),
    ],
)
@pytest.mark.parametrize("kind", ["walk", "frozen"])
def test_each_is_sent_at_full_periods_of_the_clock(
    stream: str, period_s: int, frames: int, kind: str
) -> None:
    exchange = Exchange(kind=kind)
    events = exchange.events(stream, 300)
    assert len(events) == 30 // period_s * frames
    for event in events:
        sent_ms = (event[0] if isinstance(event, list) else event)["E"]
        into = sent_ms % (period_s * 1000)
        assert into <= (4 if "markPrice" in stream else 0)


# --- mark prices ---


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_mark_price_is_that_of_the_market_and_of_every_stream(seed: int) -> None:
    exchange = Exchange(seed=seed)
    for stream in ("ethusdc@markPrice", "ethusdc@markPrice@1s", "!markPrice@arr@1s"):
        exchange.publisher.add(stream)
    texts = exchange.steps(90)
    single = [json.loads(text) for text in texts["ethusdc@markPrice@1s"]]
    assert texts["ethusdc@markPrice"] == texts["ethusdc@markPrice@1s"][2::3]
    rows = [row for text in texts["!markPrice@arr@1s"] for row in json.loads(text)]
    assert [row for row in rows if row["s"] == SYMBOL] == single
    for number, event in enumerate(single, 1):
        price = mark(exchange.market, SYMBOL, EPOCH_MS, number * 1000)
        assert Decimal(event["p"]) * 10**8 == price.mark
        assert Decimal(event["i"]) * 10**8 == price.index
        assert Decimal(event["P"]) * 10**8 == price.settle
        assert event["ap"] == event["p"]
        assert event["T"] % (8 * 3600 * 1000) == 0


@pytest.mark.rule("usdm-5.2.3", "wire-C5", "usdm-5.0.26")
def test_tradifi_contracts_have_a_frame_of_their_own_in_each_period() -> None:
    events = Exchange(symbols=(SYMBOL, "BTCUSDC", "TSLAUSDT")).events("!markPrice@arr@1s", 20)
    for others, tradifi in zip(events[::2], events[1::2], strict=True):
        assert [row["s"] for row in tradifi] == ["TSLAUSDT", "XAUUSDT"]
        assert [(row["s"], row["st"]) for row in others] == [
            ("ETHUSDC", 1), ("BTCUSDC", 1), ("ETHUSD_PERP", 2), ("BTCUSD_PERP", 2)
        ]  # fmt: skip


def test_without_tradifi_and_coin_margined_rows_one_frame_holds_what_was_asked_for() -> None:
    exchange = Exchange(tradifi_symbols=[], coin_margined_rows=False)
    events = exchange.events("!markPrice@arr@1s", 20)
    assert [[row["s"] for row in event] for event in events] == [["ETHUSDC", "BTCUSDC"]] * 2


@pytest.mark.rule("usdm-5.2.2")
def test_a_contract_without_funding_says_so_in_zeros() -> None:
    exchange = Exchange(symbols=("BTCUSDT_261225",))
    (event,) = exchange.events("btcusdt_261225@markPrice@1s", 10)
    assert (event["r"], event["T"]) == ("0.00000000", 0)


# --- liquidations ---


@settings(max_examples=10, deadline=None)
@example(seed=998, late=21)  # the last one is in the last step, whose trades are not sent yet
@given(SEEDS, st.integers(0, 40))
@pytest.mark.rule("usdm-5.0.16", "usdm-5.7.1", "wire-A2")
def test_a_liquidation_leaves_a_second_after_it_and_is_one_of_the_trades(
    seed: int, late: int
) -> None:
    exchange = Exchange(seed=seed, liquidations=300_000, excluded_trades=0)
    exchange.publisher.add("ethusdc@aggTrade")
    sent = {
        event["a"]: event
        for event in map(json.loads, exchange.steps(late).get("ethusdc@aggTrade", ()))
    }
    exchange.publisher.add("ethusdc@forceOrder")
    texts = exchange.steps(100)
    known = {order.at_ms + EPOCH_MS: order for order in
             liquidations(exchange.market, SYMBOL, -1, exchange.now_ms)}  # fmt: skip
    trades = [*texts["ethusdc@aggTrade"], *exchange.steps(5).get("ethusdc@aggTrade", ())]
    sent |= {event["a"]: event for event in map(json.loads, trades)}
    events = [json.loads(text) for text in texts["ethusdc@forceOrder"]]
    assert events
    for event in events:
        order = event["o"]
        assert order["T"] in known
        trade = next(
            a for a in sent.values()
            if (a["T"], a["q"], a["p"]) == (order["T"], order["q"], order["ap"])
        )  # fmt: skip
        assert trade["m"] is (order["S"] == "SELL")
        assert order["z"] == order["q"]
        assert Decimal(order["l"]) <= Decimal(order["z"])
        worse = Decimal(order["p"]) < Decimal(order["ap"])
        assert worse is (order["S"] == "SELL")
    assert all(b["E"] - a["E"] > 980 for a, b in pairwise(events))


def test_what_is_sent_of_liquidations_does_not_depend_on_when_one_subscribed() -> None:
    early, late = (Exchange(liquidations=500_000) for _ in range(2))
    early.publisher.add("ethusdc@forceOrder")
    early.steps(155)
    late.steps(155)
    late.publisher.add("ethusdc@forceOrder")
    texts = early.steps(100)
    assert len(texts["ethusdc@forceOrder"]) > 5
    assert late.steps(100) == texts


@pytest.mark.rule("usdm-5.0.17", "usdm-5.0.26", "wire-A1")
def test_liquidations_of_all_symbols_are_those_of_each_one_object_a_message() -> None:
    exchange = Exchange(liquidations=300_000)
    for stream in ("!forceOrder@arr", "ethusdc@forceOrder", "btcusdc@forceOrder"):
        exchange.publisher.add(stream)
    texts = exchange.steps(200)
    everyone = [json.loads(text) for text in texts["!forceOrder@arr"]]
    assert Counter((e["o"]["ps"], e["o"]["st"]) for e in everyone).keys() == {
        ("ETHUSDC", 1), ("BTCUSDC", 1), ("XAUUSDT", 1), ("ETHUSD", 2), ("BTCUSD", 2)
    }  # fmt: skip
    for symbol in ("ETHUSDC", "BTCUSDC"):
        single = [json.loads(text) for text in texts[f"{symbol.lower()}@forceOrder"]]
        assert [e for e in everyone if e["o"]["s"] == symbol] == single
    lags = [e["E"] - e["o"]["T"] for e in everyone]
    assert max(lags) <= 1012
    buffer = LiquidationBuffer(exchange.market, SYMBOL, exchange.now_ms)
    assert buffer.release(exchange.now_ms) is None, "nothing is sent twice"


# --- RPI orders ---


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 13), st.integers(1, 60))
@pytest.mark.rule("usdm-5.11", "usdm-5.0.6", "usdm-5.8.1", "wire-A3")
def test_a_book_fed_with_rpi_depth_is_the_book_and_the_rpi_orders(
    seed: int, late: int, snapshot_after: int
) -> None:
    exchange = Exchange(seed=seed)
    exchange.publisher.add("ethusdc@aggTrade")  # so that the market is looked at
    exchange.steps(late)
    market = exchange.market
    stream = "ethusdc@rpiDepth@500ms"
    exchange.publisher.add(stream)
    events = [json.loads(text) for text in exchange.steps(snapshot_after).get(stream, ())]
    last_id = market.truth.last_update_id(SYMBOL)
    local = [dict(side) for side in rpi_book(market, SYMBOL)]
    events += [json.loads(text) for text in exchange.steps(60)[stream]]
    assert all(b["pu"] == a["u"] for a, b in pairwise(events)), "the chain has no break"
    applied = 0
    for event in events:
        assert event["b"] or event["a"]
        assert [Decimal(p) for p, _ in event["b"]] == sorted(Decimal(p) for p, _ in event["b"])
        assert [Decimal(p) for p, _ in event["a"]] == sorted(Decimal(p) for p, _ in event["a"])
        if event["u"] < last_id:
            continue
        assert applied or event["pu"] <= last_id <= event["u"]
        for side, levels in zip(local, (event["b"], event["a"]), strict=True):
            for price, quantity in levels:
                ticks, steps = int(Decimal(price) * 100), int(Decimal(quantity) * 1000)
                side.pop(ticks, None)
                if steps:
                    side[ticks] = steps
        merged = rpi_book(market, SYMBOL, event["u"])
        assert local == list(merged)
        book = market.truth.book(SYMBOL, event["u"])
        for side, rpi, visible in zip(
            local, rpi_levels(market, SYMBOL, event["u"]), (book.bids, book.asks), strict=True
        ):
            less = {price: quantity - rpi.get(price, 0) for price, quantity in side.items()}
            assert {p: q for p, q in less.items() if q} == dict(visible)
        assert_touched(market, event)
        applied += 1
    assert applied > 5


def assert_touched(market: Market, event: Any) -> None:
    """An event holds the levels that the book or an RPI order touched in its span, and no other."""
    within = [n for n in market.truth.history(SYMBOL).step_ids if event["pu"] <= n <= event["u"]]
    states = [rpi_levels(market, SYMBOL, number) for number in (event["pu"], *within)]
    changed = market.truth.changes(SYMBOL, event["pu"], event["u"])
    for side, (levels, name) in enumerate(zip(changed, ("b", "a"), strict=True)):
        rpi = {
            price
            for before, after in pairwise(states)
            for price, _ in before[side].items() ^ after[side].items()
        }
        assert {int(Decimal(price) * 100) for price, _ in event[name]} == levels.keys() | rpi


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([2, 4, 9, 14, 19]))
def test_rpi_depth_does_not_depend_on_when_one_subscribed(seed: int, late_by: int) -> None:
    stream = "ethusdc@rpiDepth@500ms"
    early, late = Exchange(seed=seed), Exchange(seed=seed)
    early.publisher.add(stream)
    late.publisher.add("ethusdc@aggTrade")
    early.steps(late_by)
    late.steps(late_by)
    late.publisher.add(stream)
    assert late.steps(5)[stream] == early.steps(5)[stream]


# --- indexes and sessions ---


@settings(max_examples=10, deadline=None)
@given(SEEDS)
@pytest.mark.rule("usdm-5.14.1", "usdm-5.0.20")
def test_asset_indexes_are_the_index_prices_of_their_bases(seed: int) -> None:
    exchange = Exchange(seed=seed)
    for stream in ("!assetIndex@arr", "btcusd@assetIndex", "btcusdc@markPrice@1s"):
        exchange.publisher.add(stream)
    texts = {name: list(map(json.loads, found)) for name, found in exchange.steps(50).items()}
    for rows, one, price in zip(*(texts[name] for name in sorted(texts)), strict=True):
        assert [row["s"] for row in rows] == ["ETHUSD", "BTCUSD", "XAUUSD"]
        assert rows[1] == one
        assert one["i"] == price["i"]
        assert Decimal(one["B"]) < Decimal(one["Q"]) < Decimal(one["i"])
        assert Decimal(one["i"]) < Decimal(one["G"]) < Decimal(one["A"])


@pytest.mark.rule("usdm-5.12")
@pytest.mark.parametrize("stream", ["indexusdt@compositeIndex", "domusdt@compositeIndex"])
def test_the_weights_of_a_composite_are_a_hundred_percent_and_its_price_their_sum(
    stream: str,
) -> None:
    events = Exchange().events(stream, 100)
    for event in events:
        assert sum(Decimal(c["W"]) for c in event["c"]) == 1
        total = sum(Decimal(c["w"]) * Decimal(c["i"]) for c in event["c"])
        assert abs(total - Decimal(event["p"])) < Decimal("0.0000001")
    assert len({event["p"] for event in events}) > 5


@pytest.mark.rule("usdm-5.15", "usdm-5.0.21")
def test_each_second_has_one_message_of_each_market() -> None:
    events = Exchange().events("tradingSession", 30)
    for at, group in groupby(events, key=lambda e: e["E"]):
        found = list(group)
        assert [e["e"] for e in found] == [
            "EquityUpdate", "CommodityUpdate", "KR_EquityUpdate", "HK_EquityUpdate",
            "CN_EquityUpdate",
        ]  # fmt: skip
        assert all(e["t"] <= at < e["T"] for e in found)


# --- contracts ---


@pytest.mark.rule("usdm-5.13", "usdm-5.13.1", "usdm-5.0.19", "usdm-5.0.26", "wire-B16")
@pytest.mark.parametrize("pair", [False, True])
def test_a_change_of_brackets_is_told_when_it_happens(pair: bool) -> None:
    exchange = Exchange(
        bracket_change_s=2, contract_info_pair=pair, symbols=(SYMBOL, "BTCUSDT_261225")
    )
    events = exchange.events("!contractInfo", 2000)
    assert [e["E"] - EPOCH_MS for e in events] == list(range(2000, 200_001, 2000))
    kinds = {(e["s"], e["ct"], e["st"]) for e in events}
    assert kinds == {
        ("ETHUSDC", "PERPETUAL", 1),
        ("BTCUSDT_261225", "CURRENT_QUARTER", 1),
        ("XAUUSDT", "TRADIFI_PERPETUAL", 1),
        ("ETHUSD_PERP", "PERPETUAL", 2),
    }
    for number, event in enumerate(events, 1):
        assert ("ps" in event) is pair
        if event["s"] == "BTCUSDT_261225":
            assert event["dt"] == 1_798_185_600_000
            assert event.get("ps", "BTCUSDT") == "BTCUSDT"
        told = [(b["bnf"], b["bnc"], b["mmr"], b["mi"], b["ma"]) for b in event["bks"]]
        assert told == [
            (b.floor, b.cap, b.ratio / 10_000, b.least_leverage, b.most_leverage)
            for b in brackets(exchange.market, event["s"], number)
        ]


@pytest.mark.rule("usdm-5.13", "usdm-5.13.1")
def test_a_delivery_is_told_without_brackets() -> None:
    opened_s = 1_798_185_600 - 5  # before 2026-12-25 08:00
    exchange = Exchange(symbols=(SYMBOL, "BTCUSDT_261225"), bracket_change_s=3)
    exchange.publisher = Publisher(exchange.market.profile, exchange.market, opened_s * 1000)
    events = exchange.events("!contractInfo", 80)
    told = [(e["E"] - opened_s * 1000, "bks" in e) for e in events]
    assert told == [(3000, True), (5000, False), (6000, True)]
    delivered = events[1]
    assert list(delivered) == ["e", "E", "s", "ct", "dt", "ot", "cs", "st"]
    assert (delivered["s"], delivered["cs"]) == ("BTCUSDT_261225", "SETTLING")
    assert delivered["dt"] == delivered["E"]


# --- trades ---


@settings(max_examples=10, deadline=None)
@given(SEEDS)
@pytest.mark.rule("usdm-5.1.2", "usdm-5.1.3", "wire-B4", "wire-B10")
def test_aggregate_trades_are_made_of_the_trades_of_the_market(seed: int) -> None:
    exchange = Exchange(seed=seed, rpi_trades=300_000, excluded_trades=500_000)
    for stream in ("ethusdc@trade", "ethusdc@aggTrade"):
        exchange.publisher.add(stream)
    texts = exchange.steps(150)
    trades = {e["t"]: e for e in map(json.loads, texts["ethusdc@trade"])}
    orders = list(map(json.loads, texts["ethusdc@aggTrade"]))
    assert Counter(t["X"] for t in trades.values()).keys() == {"MARKET", "RPI", "NA"}
    assert sorted(trades) == list(range(min(trades), max(trades) + 1)), "each has its own id"
    for trade in trades.values():
        assert (trade["p"] == "0") is (trade["q"] == "0") is (trade["X"] == "NA")
    for order, after in pairwise(orders):
        assert after["a"] == order["a"] + 1, "no aggregate id is skipped"
        parts = [trades[number] for number in range(order["f"], order["l"] + 1)]
        assert all(t["X"] != "NA" and t["p"] == order["p"] for t in parts)
        assert Decimal(order["q"]) == sum(Decimal(t["q"]) for t in parts)
        plain = sum(Decimal(t["q"]) for t in parts if t["X"] == "MARKET")
        assert Decimal(order["nq"]) == plain
        skipped = range(order["l"] + 1, after["f"])
        assert all(trades[number]["X"] == "NA" for number in skipped)
    assert any(a["l"] + 1 != b["f"] for a, b in pairwise(orders)), "`f` may skip"


# --- who is served ---


@pytest.mark.rule("usdm-5.0.26", "usdm-4.3.1")
@pytest.mark.parametrize(
    ("stream", "served"),
    [
        ("ethusdc@markPrice", True),
        ("xauusdt@markPrice", True),
        ("ethusd_perp@markPrice", False),
        ("btcusd_perp@forceOrder", False),
        ("ethusd_perp@aggTrade", False),
        ("ethusd_perp@depth", False),
        ("ethusd@assetIndex", True),
        ("adausd@assetIndex", False),
        ("ethusdc@assetIndex", False),
        ("indexusdt@compositeIndex", True),
        ("ethusdc@compositeIndex", False),
        ("ethusdc@rpiDepth", False),
        ("ethusdc@rpiDepth@100ms", False),
        ("ethusdc@markPrice@3s", False),
        ("ethusdc@referencePrice", False),
        ("ethusdc@blockTrade", False),
    ],
)
def test_coin_margined_rows_and_unknown_subjects_have_no_stream_of_their_own(
    stream: str, served: bool
) -> None:
    assert Exchange().knows(stream) is served


def test_rows_beside_the_traded_symbols_cost_nothing_until_somebody_wants_them() -> None:
    exchange = Exchange()
    exchange.publisher.add("ethusdc@depth")
    exchange.publisher.add("ethusdc@markPrice@1s")
    exchange.steps(50)
    made = exchange.market._symbols
    assert set(made) == {SYMBOL}
    exchange.publisher.add("!markPrice@arr")
    exchange.steps(30)
    assert set(made) == set(exchange.market.instruments)
