"""Klines against the trades that are sent beside them."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.bars import Bar
from mockex.market.instruments import Instrument
from mockex.names import parse
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.klines import continuous_kline, kline
from tests.streams.stepping import EPOCH_MS, SYMBOL, Stepped

BOTH = pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
# the bar of the specification's examples
BAR = Bar(
    EPOCH_MS, EPOCH_MS + 59_999, 1234, 1237, 1233, 1236, 1800, 2_223_000, 1100, 1_359_000, 8, 9100,
    9107,
)  # fmt: skip
AT = EPOCH_MS + 2005


def abc(decimals: int) -> Instrument:
    tick = 10 ** (decimals - 2)
    return Instrument("ABCUSDT", decimals, decimals, tick, tick, 1234, "ABC", "USDT", "ABCUSDT")


@pytest.mark.rule("spot-5.4", "spot-5.4.5", "spot-5.0.1", "spot-5.0.2")
def test_a_spot_kline_is_spelled_as_the_exchange_spells_it() -> None:
    assert kline(SPOT, abc(8), "1m", BAR, (9100, 9107), AT, closed=False) == (
        '{"e":"kline","E":1780272002005,"s":"ABCUSDT","k":{"t":1780272000000,"T":1780272059999,'
        '"s":"ABCUSDT","i":"1m","f":9100,"L":9107,"o":"12.34000000","c":"12.36000000",'
        '"h":"12.37000000","l":"12.33000000","v":"18.00000000","n":8,"x":false,'
        '"q":"222.30000000","V":"11.00000000","Q":"135.90000000","B":"0"}}'
    )


@pytest.mark.rule("usdm-5.3", "usdm-5.0.24", "usdm-5.0.25", "wire-B1", "wire-B2")
def test_a_usdm_kline_has_spaces_within_k_and_four_decimals_of_quote() -> None:
    text = kline(USDM, abc(2), "1m", BAR, (9100, 9107), AT, closed=True)
    assert text == (
        '{"e":"kline","E":1780272002005,"s":"ABCUSDT","k":{"t":1780272000000, "T":1780272059999, '
        '"s":"ABCUSDT", "i":"1m", "f":9100, "L":9107, "o":"12.34", "c":"12.36", "h":"12.37", '
        '"l":"12.33", "v":"18.00", "n":8, "x":true, "q":"222.3000", "V":"11.00", "Q":"135.9000", '
        '"B":"0"}}'
    )
    assert not {"st", "ps"} & json.loads(text).keys(), "not on klines"


@pytest.mark.rule("usdm-5.4", "usdm-5.4.1")
def test_a_continuous_kline_names_pair_and_contract_and_has_update_ids() -> None:
    assert continuous_kline(USDM, abc(2), "1m", BAR, (800100, 800190), AT, closed=False) == (
        '{"e":"continuous_kline","E":1780272002005,"ps":"ABCUSDT","ct":"PERPETUAL",'
        '"k":{"t":1780272000000,"T":1780272059999,"i":"1m","f":800100,"L":800190,"o":"12.34",'
        '"c":"12.36","h":"12.37","l":"12.33","v":"18.00","n":8,"x":false,"q":"222.3000",'
        '"V":"11.00","Q":"135.9000","B":"0"}}'
    )


def summed(trades: list[Any], bar: Any) -> dict[str, Any]:
    """What a bar says, added up from the trades that were sent."""
    inside = [t for t in trades if bar["t"] <= t["T"] <= bar["T"] and t.get("X") != "NA"]
    prices = [Decimal(t["p"]) for t in inside]

    def volume(trades: list[Any]) -> Decimal:
        return sum((Decimal(t["q"]) for t in trades), Decimal(0))

    def quote(trades: list[Any]) -> Decimal:
        return sum((Decimal(t["q"]) * Decimal(t["p"]) for t in trades), Decimal(0))

    takers = [t for t in inside if not t["m"]]
    said: dict[str, Any] = {
        "v": volume(inside), "q": quote(inside), "V": volume(takers), "Q": quote(takers),
        "n": len(inside),
    }  # fmt: skip
    if inside:
        said |= {"o": prices[0], "h": max(prices), "l": min(prices), "c": prices[-1]}
        said |= {"f": inside[0]["t"], "L": inside[-1]["t"]}
    else:
        said |= {"f": -1, "L": -1}
    return said


def spoken(bar: Any, keys: set[str]) -> dict[str, Any]:
    return {k: Decimal(bar[k]) if isinstance(bar[k], str) else bar[k] for k in keys}


@pytest.mark.rule("spot-5.4", "spot-5.4.4", "usdm-5.3", "wire-B10")
@settings(max_examples=30, deadline=None)
@given(
    profile=st.sampled_from([SPOT, USDM]),
    seed=st.integers(0, 1000),
    step_ms=st.sampled_from([20, 100, 1000]),
    epoch_ms=st.sampled_from([0, 1000, 37_000, 58_350]).map(EPOCH_MS.__add__),
    late_ms=st.integers(0, 3).map((1000).__mul__),
)
def test_a_bar_says_what_the_trades_in_it_add_up_to(
    profile: Profile, seed: int, step_ms: int, epoch_ms: int, late_ms: int
) -> None:
    exchange = Stepped(profile, seed=seed, step_ms=step_ms, epoch_ms=epoch_ms)
    exchange.publisher.add("ethusdc@trade")
    trades = [s.payload for s in exchange.run(late_ms) if s.stream == "ethusdc@trade"]
    bars = ["ethusdc@kline_1m", "ethusdc@kline_1s" if profile is SPOT else "ethusdc@kline_3m"]
    seen = 0
    for sent in exchange.run(8_000, *bars):
        if sent.stream == "ethusdc@trade":
            trades.append(sent.payload)
            continue
        seen += 1
        bar = sent.payload["k"]
        # The trades of a step are sent before its klines: they were added first.
        expected = summed([t for t in trades if t["T"] <= sent.at_ms], bar)
        assert spoken(bar, set(expected)) == expected
        assert bar["x"] is (bar["T"] < sent.at_ms)
        if profile is SPOT:
            assert bar["n"] == (bar["L"] - bar["f"] + 1 if bar["f"] >= 0 else 0)
    assert seen or not exchange.trades()


@pytest.mark.rule("wire-B10")
def test_trades_that_are_not_the_markets_are_not_counted() -> None:
    exchange = Stepped(USDM.with_(excluded_trades=200_000))
    trades: list[Any] = []
    fewer = 0
    for sent in exchange.run(10_000, "ethusdc@trade", "ethusdc@kline_1m"):
        if sent.stream == "ethusdc@trade":
            trades.append(sent.payload)
            continue
        bar = sent.payload["k"]
        within = [t for t in trades if bar["f"] <= t["t"] <= bar["L"]]
        assert len(within) == bar["L"] - bar["f"] + 1
        excluded = [t for t in within if t["X"] == "NA"]
        assert bar["n"] == len(within) - len(excluded)
        fewer += bool(excluded)
    assert fewer


@pytest.mark.rule("spot-5.4.3", "spot-5.4.6")
@settings(max_examples=30, deadline=None)
@given(
    profile=st.sampled_from([SPOT, USDM]),
    seed=st.integers(0, 1000),
    period_ms=st.sampled_from([250, 1000, 1300, 5000]),
    step_ms=st.sampled_from([100, 500, 1000]),
    epoch_ms=st.sampled_from([0, 1000, 350]).map(EPOCH_MS.__add__),
)
def test_each_bar_is_closed_by_one_event_also_between_two_due_steps(
    profile: Profile, seed: int, period_ms: int, step_ms: int, epoch_ms: int
) -> None:
    name = "ethusdc@kline_1s" if profile is SPOT else "ethusdc_perpetual@continuousKline_1s"
    kind = parse(name).kind  # type: ignore[union-attr]
    streams = {**profile.streams, kind: {"1s": period_ms}}
    exchange = Stepped(
        profile.with_(streams=streams), seed=seed, step_ms=step_ms, epoch_ms=epoch_ms
    )
    closed: Counter[int] = Counter()
    newest = 0
    for sent in exchange.run(15_000, name):
        bar = sent.payload["k"]
        assert bar["T"] == bar["t"] + 999
        assert bar["t"] >= newest, "bars come in order"
        newest = bar["t"]
        assert not closed[newest], "nothing of a bar comes after its end"
        closed[newest] += bar["x"]
    last_due = exchange.publisher._feed.last_due_ms(period_ms) + epoch_ms
    ended = range(epoch_ms // 1000 * 1000, last_due // 1000 * 1000, 1000)
    assert {t: n for t, n in closed.items() if n} == dict.fromkeys(ended, 1)


@pytest.mark.rule("spot-5.0.20")
def test_nothing_is_said_of_a_bar_without_news_but_its_end() -> None:
    exchange = Stepped(SPOT, step_ms=1000)
    said = list(exchange.run(120_000, "ethusdc@kline_1m", "ethusdc@kline_1s"))
    traded = {t.at_ms // 1000 for t in exchange.trades()}
    seconds = [s.payload["k"] for s in said if s.stream.endswith("1s")]
    quiet = [k for k in seconds if not k["n"]]
    assert quiet
    assert all(k["x"] for k in quiet)
    assert all(k["o"] == k["h"] == k["l"] == k["c"] for k in quiet)
    for sent in said:
        if sent.stream.endswith("1m") and not sent.payload["k"]["x"]:
            second = (sent.at_ms - EPOCH_MS) // 1000
            assert {second, second - 1} & traded, "it changed since two seconds ago"


@BOTH
def test_a_frozen_market_ends_no_bars(profile: Profile) -> None:
    exchange = Stepped(profile, kind="frozen")
    assert exchange.payloads(125_000, "ethusdc@kline_1m") == []


@pytest.mark.rule("spot-5.4.6", "spot-5.0.20")
@pytest.mark.parametrize("count", [0, 1, 2])
def test_how_often_a_bar_is_closed_is_a_setting(count: int) -> None:
    exchange = Stepped(SPOT.with_(kline_closings=count))
    ends = [p["k"]["t"] for p in exchange.payloads(10_000, "ethusdc@kline_1s") if p["k"]["x"]]
    assert ends == [EPOCH_MS + n * 1000 for n in range(10) for _ in range(count)]


@pytest.mark.rule("spot-5.0.20")
def test_sending_what_has_not_changed_is_a_setting() -> None:
    exchange = Stepped(SPOT.with_(silent_when_unchanged=False), step_ms=1000)
    said = exchange.payloads(120_000, "ethusdc@kline_1m")
    assert [p["E"] for p in said if not p["k"]["x"]] == [
        EPOCH_MS + 2000 * n + 20 for n in range(1, 61)
    ]


GRID = [
    (SPOT, "ethusdc@kline_1s", 1000, "spot-5.0.6"),
    (SPOT, "ethusdc@kline_1m", 2000, "spot-5.0.6"),
    (SPOT, "ethusdc@kline_1M", 2000, "spot-5.0.6"),
    (SPOT, "ethusdc@kline_5m@+08:00", 2000, "spot-5.0.7"),
    (USDM, "ethusdc@kline_1m", 250, "usdm-5.0.10"),
    (USDM, "ethusdc_perpetual@continuousKline_1s", 250, "usdm-5.0.11"),
]


@pytest.mark.rule("spot-5.0.6", "spot-5.0.7", "usdm-5.0.10", "usdm-5.0.11", "wire-B9")
@pytest.mark.parametrize(("profile", "stream", "period", "rule"), GRID, ids=lambda v: str(v)[:30])
def test_klines_stand_on_the_grid_of_the_wall_clock(
    profile: Profile, stream: str, period: int, rule: str
) -> None:
    exchange = Stepped(profile, epoch_ms=EPOCH_MS + 7_000)  # an odd second
    said = [p for p in exchange.payloads(20_000, stream) if not p["k"]["x"]]
    slots = [p["E"] // period for p in said]
    assert len(slots) == len(set(slots)), "one a period"
    assert len(slots) >= 9
    for payload in said:
        after = payload["E"] % period if period >= 1000 else payload["E"] % 50
        assert 16 <= after <= 42


@pytest.mark.rule("spot-5.4.2")
def test_bars_of_utc_8_begin_at_its_midnight_and_tell_utc() -> None:
    exchange = Stepped(SPOT, epoch_ms=EPOCH_MS + 17 * 3_600_000)
    days = {
        s.stream: s.payload["k"]["t"]
        for s in exchange.run(4_000, "ethusdc@kline_1d", "ethusdc@kline_1d@+08:00")
    }
    assert days == {
        "ethusdc@kline_1d": EPOCH_MS,
        "ethusdc@kline_1d@+08:00": EPOCH_MS + 16 * 3_600_000,
    }


@pytest.mark.rule("usdm-5.4.1")
def test_ids_of_a_continuous_kline_are_those_of_the_updates_within_its_bar() -> None:
    exchange = Stepped(USDM)
    truth = exchange.market.truth
    before: dict[int, int] = {}
    for payload in exchange.payloads(12_000, "ethusdc_perpetual@continuousKline_1s"):
        bar = payload["k"]
        opens = bar["t"] - EPOCH_MS
        assert bar["f"] == truth.first_id_after(SYMBOL, truth.id_at(SYMBOL, opens - 1))
        until = min(payload["E"] - 20 - EPOCH_MS, opens + 999)
        assert bar["L"] == truth.id_at(SYMBOL, until)
        if bar["x"]:
            before[bar["t"]] = bar["L"]
        if bar["t"] - 1000 in before:
            assert bar["f"] > before[bar["t"] - 1000]
    assert len(before) >= 11


@pytest.mark.rule("usdm-5.4.1", "spot-5.0.20")
def test_a_continuous_kline_is_news_when_the_book_was_updated_without_a_trade() -> None:
    exchange = Stepped(USDM, step_ms=1000)
    said = exchange.payloads(50_000, "ethusdc_perpetual@continuousKline_1m")
    assert len(said) == 50, "a walk updates the book at each step"
    assert len({p["k"]["n"] for p in said}) < len(said) == len({p["k"]["L"] for p in said})


SERVED = [
    (SPOT, "ethusdc@kline_1s", True),
    (SPOT, "ethusdc@kline_1M", True),
    (SPOT, "ethusdc@kline_2m", False),
    (SPOT, "ethusdc@kline_1H", False),
    (SPOT, "ethusdc@kline_1m@+08:00", True),
    (SPOT, "ethusdc@kline_1m@-03:00", False),
    (SPOT, "nobody@kline_1m", False),
    (SPOT, "ethusdc_perpetual@continuousKline_1m", False),
    (USDM, "ethusdc@kline_1s", False),
    (USDM, "ethusdc@kline_1m", True),
    (USDM, "ethusdc@kline_1m@+08:00", False),
    (USDM, "ethusdc_perpetual@continuousKline_1s", True),
    (USDM, "ethusdc_perpetual@continuousKline_1w", True),
    (USDM, "ethusdc_current_quarter@continuousKline_1m", False),
    (USDM, "ethusdc_next_quarter@continuousKline_1m", False),
    (USDM, "ethusdc_tradifi_perpetual@continuousKline_1m", False),
    (USDM, "xauusdt_tradifi_perpetual@continuousKline_1m", True),
    (USDM, "xauusdt_perpetual@continuousKline_1m", False),
    (USDM, "ethusd_perp@kline_1m", False),
    (USDM, "ethusd_perpetual@continuousKline_1m", False),
]


@pytest.mark.rule("spot-5.4.1", "spot-5.4.2", "usdm-5.0.22", "usdm-5.0.23")
@pytest.mark.parametrize(("profile", "name", "served"), SERVED)
def test_which_klines_there_are(profile: Profile, name: str, served: bool) -> None:
    parsed = parse(name)
    assert (parsed is not None and Stepped(profile).publisher.serves(parsed)) is served


def test_a_quarterly_contract_has_a_continuous_kline_of_its_type() -> None:
    exchange = Stepped(USDM, symbols=["BTCUSDT", "BTCUSDT_261225"])
    said = exchange.payloads(2_000, "btcusdt_current_quarter@continuousKline_1m")
    assert {(p["ps"], p["ct"]) for p in said} == {("BTCUSDT", "CURRENT_QUARTER")}


def test_the_journal_has_the_ids_of_a_bars_trades_else_its_time() -> None:
    exchange = Stepped(SPOT, step_ms=1000)
    for sent in exchange.run(60_000, "ethusdc@kline_1s"):
        bar = sent.payload["k"]
        ids = (bar["f"], bar["L"]) if bar["n"] else (sent.at_ms, sent.at_ms)
        assert (sent.event.first_id, sent.event.last_id) == ids
