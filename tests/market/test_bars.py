"""Bars, against a straightforward addition of the trades."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.bars import INTERVALS, Bar, bars, bounds
from mockex.market.instruments import instruments
from mockex.market.truth import Trade
from mockex.market.walk import Market
from mockex.profile import SPOT

SYMBOL = "ETHUSDC"
MINUTE = 60_000
# A Monday and the first of a month: 2026-06-01T00:00:00Z.
EPOCH_MS = 1_780_272_000_000


def a_market(seed: int = 7, *, kind: str = "walk", step_ms: int = 100) -> Market:
    return Market(instruments(SPOT, [SYMBOL]), seed=seed, profile=SPOT, kind=kind, step_ms=step_ms)


def added_up(
    trades: Sequence[Trade], open_ms: int, close_ms: int, epoch_ms: int, start: int
) -> Bar:
    """A bar, from the trades of all time."""
    inside = [t for t in trades if open_ms <= epoch_ms + t.at_ms <= close_ms]
    before = [t.price for t in trades if epoch_ms + t.at_ms < open_ms]
    prices = [t.price for t in inside] or [before[-1] if before else start]
    takers = [t for t in inside if not t.buyer_is_maker]
    return Bar(
        open_ms,
        close_ms,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        volume=sum(t.quantity for t in inside),
        quote=sum(t.price * t.quantity for t in inside),
        taker_volume=sum(t.quantity for t in takers),
        taker_quote=sum(t.price * t.quantity for t in takers),
        count=len(inside),
        first_id=inside[0].trade_id if inside else -1,
        last_id=inside[-1].trade_id if inside else -1,
    )


@pytest.mark.rule("spot-5.4")
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    interval=st.sampled_from(["1s", "1m", "3m", "5m", "1h"]),
    offset=st.sampled_from([0, 480, -210, 345]),
    epoch_ms=st.integers(0, 7200).map(lambda s: EPOCH_MS + s * 1000),
    asked=st.lists(st.integers(0, 250), min_size=1, max_size=4).map(sorted),
)
def test_a_bar_is_the_sum_of_its_trades_whenever_it_is_asked_for(
    seed: int, interval: str, offset: int, epoch_ms: int, asked: list[int]
) -> None:
    market = a_market(seed)
    for second in asked:
        now_ms = second * 1000
        market.advance(now_ms)
        trades = market.truth.history(SYMBOL).trades
        found = bars(
            market, SYMBOL, epoch_ms, epoch_ms + now_ms, interval, offset_min=offset, limit=300
        )
        start = market.instruments[SYMBOL].start_ticks
        wanted = found if interval != "1s" else found[-20:]
        assert wanted == [added_up(trades, b.open_ms, b.close_ms, epoch_ms, start) for b in wanted]
        assert found[0].open_ms <= epoch_ms <= found[0].close_ms
        assert found[-1].open_ms <= epoch_ms + now_ms <= found[-1].close_ms
        assert sum(b.count for b in found) == len(trades)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([("1s", "1m"), ("1m", "3m"), ("1m", "5m"), ("3m", "15m"), ("5m", "30m")]),
)
def test_bars_of_a_longer_interval_are_the_merge_of_shorter_ones(
    seed: int, intervals: tuple[str, str]
) -> None:
    market = a_market(seed, step_ms=1000)
    market.advance(32 * MINUTE)
    now_ms = EPOCH_MS + 32 * MINUTE
    short, long = (bars(market, SYMBOL, EPOCH_MS, now_ms, i, limit=5000) for i in intervals)
    for bar in long:
        parts = [b for b in short if bar.open_ms <= b.open_ms and b.close_ms <= bar.close_ms]
        assert bar.volume == sum(b.volume for b in parts)
        assert bar.taker_quote == sum(b.taker_quote for b in parts)
        assert bar.close == parts[-1].close
        traded = [b for b in parts if b.count]
        if traded:
            assert bar.open == traded[0].open
            assert bar.high == max(b.high for b in traded)
            assert bar.low == min(b.low for b in traded)
            assert (bar.first_id, bar.last_id) == (traded[0].first_id, traded[-1].last_id)


def ms(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.rule("spot-5.4.2", "rest-A4.25")
@pytest.mark.parametrize(
    ("interval", "at", "offset", "first", "after"),
    [
        ("1s", EPOCH_MS + 1999, 0, EPOCH_MS + 1000, EPOCH_MS + 2000),
        ("15m", EPOCH_MS - 1, 0, EPOCH_MS - 15 * MINUTE, EPOCH_MS),
        ("1d", ms(2026, 6, 3, 17), 0, ms(2026, 6, 3), ms(2026, 6, 4)),
        # the day of UTC+8 begins at 16:00 UTC
        ("1d", ms(2026, 6, 3, 17), 480, ms(2026, 6, 3, 16), ms(2026, 6, 4, 16)),
        ("1d", ms(2026, 6, 3, 15), 480, ms(2026, 6, 2, 16), ms(2026, 6, 3, 16)),
        ("4h", ms(2026, 6, 3, 1), -120, ms(2026, 6, 2, 22), ms(2026, 6, 3, 2)),
        # weeks begin on a Monday
        ("1w", ms(2026, 6, 7, 23), 0, ms(2026, 6, 1), ms(2026, 6, 8)),
        ("1w", ms(2026, 6, 7, 23), 480, ms(2026, 6, 7, 16), ms(2026, 6, 14, 16)),
        # three days count from the epoch
        ("3d", ms(1970, 1, 6, 5), 0, ms(1970, 1, 4), ms(1970, 1, 7)),
        ("1M", ms(2026, 12, 31, 23), 0, ms(2026, 12, 1), ms(2027, 1, 1)),
        ("1M", ms(2024, 2, 29), 0, ms(2024, 2, 1), ms(2024, 3, 1)),
        ("1M", ms(2026, 6, 30, 16), 480, ms(2026, 6, 30, 16), ms(2026, 7, 31, 16)),
    ],
)
def test_bars_stand_on_the_calendar_of_their_time_zone(
    interval: str, at: int, offset: int, first: int, after: int
) -> None:
    assert bounds(interval, at, offset) == (first, after - 1)


@pytest.mark.rule("spot-5.4.1", "spot-5.4.3")
@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(INTERVALS),
    st.integers(0, 4_102_444_800_000),
    st.sampled_from(range(-720, 841, 15)),
)
def test_bars_tile_the_time(interval: str, at: int, offset: int) -> None:
    first, last = bounds(interval, at, offset)
    assert first <= at <= last
    assert bounds(interval, first, offset) == bounds(interval, last, offset) == (first, last)
    assert bounds(interval, last + 1, offset)[0] == last + 1
    local = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=first, minutes=offset)
    if interval in ("1d", "3d", "1w", "1M"):
        assert (local.hour, local.minute, local.second) == (0, 0, 0)


@pytest.mark.parametrize("interval", ["", "1", "2m", "1H", "1y", "7d", "60m", "m1"])
def test_an_interval_that_does_not_exist_is_refused(interval: str) -> None:
    with pytest.raises(ValueError, match="no interval"):
        bounds(interval, EPOCH_MS)


@pytest.mark.rule("rest-A1.5")
class TestWhichBars:
    """rest A1: which of them are listed."""

    def opens(self, **which: int) -> list[int]:
        """Minutes that open, counted from the opening's."""
        market = a_market(step_ms=1000)
        market.advance(10 * MINUTE)
        found = bars(
            market, SYMBOL, EPOCH_MS, EPOCH_MS + 10 * MINUTE, "1m",
            **{k: EPOCH_MS + v if k != "limit" else v for k, v in which.items()},
        )  # fmt: skip
        return [(b.open_ms - EPOCH_MS) // MINUTE for b in found]

    def test_the_newest_without_a_start(self) -> None:
        assert self.opens() == list(range(11))
        assert self.opens(limit=3) == [8, 9, 10]
        assert self.opens(limit=3, end_ms=5 * MINUTE) == [3, 4, 5]
        assert self.opens(limit=3, end_ms=5 * MINUTE - 1) == [2, 3, 4]

    def test_the_oldest_from_a_start(self) -> None:
        assert self.opens(start_ms=2 * MINUTE, limit=3) == [2, 3, 4]
        assert self.opens(start_ms=2 * MINUTE + 1, limit=3) == [3, 4, 5]
        assert self.opens(start_ms=2 * MINUTE, end_ms=3 * MINUTE) == [2, 3]
        assert self.opens(start_ms=2 * MINUTE, end_ms=MINUTE) == []
        assert self.opens(start_ms=9 * MINUTE) == [9, 10]

    def test_nothing_before_the_opening_and_nothing_to_come(self) -> None:
        assert self.opens(start_ms=-90 * MINUTE, limit=2) == [0, 1]
        assert self.opens(end_ms=-MINUTE) == []
        assert self.opens(end_ms=90 * MINUTE, limit=1) == [10]
        assert self.opens(start_ms=90 * MINUTE) == []


@pytest.mark.rule("spot-5.4.4")
def test_a_bar_without_a_trade_carries_the_close_before_it() -> None:
    market = a_market(step_ms=1000)
    market.advance(10 * MINUTE)
    found = bars(market, SYMBOL, EPOCH_MS, EPOCH_MS + 10 * MINUTE, "1s", limit=601)
    quiet = [(a, b) for a, b in pairwise(found) if not b.count]
    assert quiet, "some second has no trade"
    for before, bar in quiet:
        assert bar.open == bar.high == bar.low == bar.close == before.close
        assert (bar.volume, bar.quote, bar.first_id, bar.last_id) == (0, 0, -1, -1)


def test_a_frozen_market_has_bars_at_the_price_of_its_opening() -> None:
    market = a_market(kind="frozen")
    start = market.instruments[SYMBOL].start_ticks
    found = bars(market, SYMBOL, EPOCH_MS, EPOCH_MS + 5 * MINUTE, "1m")
    assert len(found) == 6
    assert {(b.open, b.close, b.count) for b in found} == {(start, start, 0)}


def test_a_minute_is_not_kept_before_the_market_has_reached_its_end() -> None:
    market = a_market()
    market.advance(59_000)
    ahead = EPOCH_MS + 2 * MINUTE  # asked by a clock that is ahead of the market
    late = bars(market, SYMBOL, EPOCH_MS, ahead, "5m")
    market.advance(2 * MINUTE)
    now = bars(market, SYMBOL, EPOCH_MS, ahead, "5m")
    assert late[0].count < now[0].count == len(market.truth.history(SYMBOL).trades)


def test_bars_can_be_asked_for_as_they_were() -> None:
    market = a_market(step_ms=1000)
    market.advance(10 * MINUTE)
    assert len(bars(market, SYMBOL, EPOCH_MS, EPOCH_MS + 10 * MINUTE, "5m")) == 3  # minutes kept
    trades = market.truth.history(SYMBOL).trades
    for then_ms in (59_000, 60_000, 3 * MINUTE - 500, 7 * MINUTE):
        known = [t for t in trades if t.at_ms <= then_ms]
        for interval in ("1m", "5m"):
            found = bars(market, SYMBOL, EPOCH_MS, EPOCH_MS + then_ms, interval)
            assert found == [
                added_up(known, b.open_ms, b.close_ms, EPOCH_MS, found[0].open) for b in found
            ]
            assert sum(b.count for b in found) == len(known)


def test_a_trade_that_is_told_late_is_in_its_minute() -> None:
    market = a_market(kind="frozen")
    history = market.truth.history(SYMBOL)
    told = [(58_000, 60_000), (59_999, 61_000), (60_000, 90_000), (121_000, 125_000)]
    for order, (at_ms, now_ms) in enumerate(told):
        history.end_step(now_ms)  # the book is already known until later
        history.trades.append(Trade(order, order, 100 + order, 1, False, at_ms))
        for interval in ("1m", "3m"):
            found = bars(market, SYMBOL, EPOCH_MS, EPOCH_MS + now_ms, interval)
            assert found == [
                added_up(history.trades, b.open_ms, b.close_ms, EPOCH_MS, found[0].open)
                for b in found
            ]
            assert sum(b.count for b in found) == order + 1
