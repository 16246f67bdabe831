"""What streams say agrees: with each other, and whenever somebody begins to listen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.bars import bars
from mockex.market.instruments import spell
from mockex.market.windows import Rolling
from mockex.names import Kind, parse
from mockex.profile import SPOT, USDM, Profile
from mockex.streams import book_tickers, klines, tickers
from tests.streams.stepping import EPOCH_MS, SYMBOL, Stepped

BOTH = pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
OURS = {**book_tickers.RECIPES, **klines.RECIPES, **tickers.RECIPES}


def names(profile: Profile) -> list[str]:
    """Every stream of klines, tickers and average prices of a symbol and of all."""
    made = []
    for kind in OURS:
        for option in profile.streams.get(kind, ()):
            name = kind.value
            for part in ("<interval>", "<window>"):
                name = name.replace(part, option)
            name = name.replace("<symbol>", "ethusdc").replace("<pair>", "ethusdc")
            made.append(name.replace("<contractType>", "perpetual"))
            if kind is Kind.KLINE and "+08:00" in profile.kline_offsets:
                made.append(f"{name}@+08:00")
    return made


@BOTH
def test_every_one_of_these_streams_is_served(profile: Profile) -> None:
    publisher = Stepped(profile).publisher
    assert len(names(profile)) >= (43 if profile is SPOT else 37)
    for name in names(profile):
        parsed = parse(name)
        assert parsed is not None
        assert publisher.serves(parsed), name


@settings(max_examples=30, deadline=None)
@given(
    profile=st.sampled_from([SPOT, USDM]),
    seed=st.integers(0, 1000),
    step_ms=st.sampled_from([50, 100, 1000]),
    epoch_ms=st.sampled_from([0, 1000, 58_000]).map(EPOCH_MS.__add__),
    late=st.integers(1, 40),
)
def test_who_comes_late_hears_what_he_would_have_heard(
    profile: Profile, seed: int, step_ms: int, epoch_ms: int, late: int
) -> None:
    early, tardy = (
        Stepped(profile, seed=seed, step_ms=step_ms, epoch_ms=epoch_ms) for _ in range(2)
    )
    began_ms = late * step_ms
    streams = names(profile)
    heard = [s for s in early.run(began_ms + 5_000, *streams) if s.at_ms > epoch_ms + began_ms]
    for _ in range(late):
        tardy.skip(step_ms)
    assert heard
    assert list(tardy.run(5_000, *streams)) == heard


@settings(max_examples=20, deadline=None)
@given(profile=st.sampled_from([SPOT, USDM]), seed=st.integers(0, 1000))
def test_closed_bars_of_an_interval_are_the_merge_of_shorter_ones(
    profile: Profile, seed: int
) -> None:
    exchange = Stepped(profile, seed=seed, step_ms=1000)
    short, long = (f"ethusdc@kline_{interval}" for interval in ("1m", "3m"))
    closed: dict[str, list[Any]] = {short: [], long: []}
    for sent in exchange.run(6 * 60_000, short, long):
        if sent.payload["k"]["x"]:
            closed[sent.stream].append(sent.payload["k"])
    assert len(closed[long]) == 2
    for bar in closed[long]:
        parts = [b for b in closed[short] if bar["t"] <= b["t"] <= bar["T"]]
        assert len(parts) == 3
        for key in "vqVQ":
            assert Decimal(bar[key]) == sum(Decimal(b[key]) for b in parts)
        assert bar["n"] == sum(b["n"] for b in parts)
        assert (bar["o"], bar["c"]) == (parts[0]["o"], parts[-1]["c"])
        assert Decimal(bar["h"]) == max(Decimal(b["h"]) for b in parts)
        assert Decimal(bar["l"]) == min(Decimal(b["l"]) for b in parts)


@settings(max_examples=20, deadline=None)
@given(profile=st.sampled_from([SPOT, USDM]), seed=st.integers(0, 1000))
def test_a_ticker_of_a_young_market_is_its_bar_of_the_day(profile: Profile, seed: int) -> None:
    exchange = Stepped(profile, seed=seed)
    said = exchange.payloads(4_000, "ethusdc@ticker")[-1]
    i = exchange.market.instruments[SYMBOL]
    (day,) = bars(exchange.market, SYMBOL, EPOCH_MS, exchange.unix_ms, "1d")
    assert (said["n"], said["v"]) == (day.count, i.quantity(day.volume))
    assert [said[k] for k in "ohlc"] == [
        i.price(p) for p in (day.open, day.high, day.low, day.close)
    ]
    window = Rolling(exchange.market, SYMBOL, EPOCH_MS, 86_400_000, on_minute=False).at(4_000)
    assert window is not None
    assert (window.quote, window.volume) == (day.quote, day.volume)
    assert said["w"] == i.average(day.quote, day.volume)


@BOTH
def test_a_stream_that_nobody_wants_costs_nothing(profile: Profile) -> None:
    exchange = Stepped(profile)
    list(exchange.run(3_000, "btcusdc@depth@100ms"))
    assert not exchange.market.truth.derived, "nothing was worked out"
    assert list(exchange.publisher.symbols) == ["BTCUSDC"]
    for name in names(profile):
        exchange.publisher.add(name)
        exchange.publisher.remove(name)
    sent = list(exchange.run(3_000))
    assert {s.stream for s in sent} == {"btcusdc@depth@100ms"}
    assert list(exchange.publisher.symbols) == ["BTCUSDC"]


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 3, "0.000"), (-5, 3, "-0.005"), (-1234, 2, "-12.34"), (7, 0, "7"), (-7, 0, "-7")],
)
def test_numbers_are_spelled_with_all_their_decimals(units: int, decimals: int, text: str) -> None:
    assert spell(units, decimals) == text
