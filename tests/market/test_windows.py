"""Rolling windows, against a straightforward pass over all trades."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.market.windows import Rolling, Window
from mockex.profile import SPOT

SYMBOL = "ETHUSDC"
EPOCH_MS = 1_780_272_000_000


def a_market(seed: int, *, kind: str = "walk") -> Market:
    return Market(instruments(SPOT, [SYMBOL]), seed=seed, profile=SPOT, kind=kind)


def straightforward(
    market: Market, epoch_ms: int, width_ms: int, now_ms: int, *, on_minute: bool
) -> Window | None:
    opens = epoch_ms + now_ms - width_ms
    if on_minute:
        opens = opens // 60_000 * 60_000
    closes = epoch_ms + now_ms
    known = [t for t in market.truth.history(SYMBOL).trades if epoch_ms + t.at_ms <= closes]
    if not known:
        return None
    inside = [t for t in known if epoch_ms + t.at_ms >= opens]
    before = known[: len(known) - len(inside)]
    prices = [t.price for t in inside] or [known[-1].price]
    return Window(
        opens,
        closes,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(t.quantity for t in inside),
        sum(t.price * t.quantity for t in inside),
        len(inside),
        inside[0].trade_id if inside else -1,
        inside[-1].trade_id if inside else -1,
        known[-1].quantity,
        before[-1].price if before else market.instruments[SYMBOL].start_ticks,
    )


@pytest.mark.rule("spot-5.5.1", "spot-5.6.1", "spot-5.7.2")
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    width_ms=st.sampled_from([700, 20_000, 60_000]),
    on_minute=st.booleans(),
    epoch_ms=st.integers(0, 59).map(lambda s: EPOCH_MS + s * 1000),
    asked=st.lists(st.integers(0, 1400), min_size=1, max_size=12),
    rising=st.booleans(),
)
def test_a_window_follows_from_the_trades_at_any_time(
    seed: int, width_ms: int, on_minute: bool, epoch_ms: int, asked: list[int], rising: bool
) -> None:
    market = a_market(seed)
    market.advance(140_000)
    rolling = Rolling(market, SYMBOL, epoch_ms, width_ms, on_minute=on_minute)
    for tenths in sorted(asked) if rising else asked:
        now_ms = tenths * 100
        expected = straightforward(market, epoch_ms, width_ms, now_ms, on_minute=on_minute)
        assert rolling.at(now_ms) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([200, 1000, 60_000]))
def test_the_span_says_whether_the_trades_of_a_window_changed(seed: int, width_ms: int) -> None:
    market = a_market(seed)
    market.advance(20_000)
    rolling = Rolling(market, SYMBOL, EPOCH_MS, width_ms, on_minute=False)
    spans: dict[tuple[int, int], tuple[int, int, int]] = {}
    for now_ms in range(2_000, 20_000, 100):
        window = rolling.at(now_ms)
        assert window is not None
        first, end = rolling.span(now_ms)
        assert end - first == window.count
        content = (window.close, window.quote, window.count)
        assert spans.setdefault((first, end), content) == content


def test_a_window_that_lost_its_last_trade_stays_at_its_price() -> None:
    market = a_market(3)
    market.advance(20_000)
    last = market.truth.history(SYMBOL).trades[-1]
    window = Rolling(market, SYMBOL, EPOCH_MS, 1_000, on_minute=False).at(last.at_ms + 5_000)
    assert window is not None
    assert window.open == window.high == window.low == window.close == last.price
    assert (window.volume, window.count, window.first_id, window.last_id) == (0, 0, -1, -1)
    assert window.previous_close == last.price


def test_before_the_first_trade_there_is_no_window() -> None:
    frozen = a_market(3, kind="frozen")
    frozen.advance(5_000)
    assert Rolling(frozen, SYMBOL, EPOCH_MS, 1_000, on_minute=False).at(5_000) is None


@pytest.mark.rule("spot-5.7.2", "rest-A4.29", "wire-B9")
@pytest.mark.parametrize("on_minute", [False, True])
def test_the_width_is_exact_or_up_to_a_minute_more(on_minute: bool) -> None:
    market = a_market(3)
    market.advance(200_000)
    rolling = Rolling(market, SYMBOL, EPOCH_MS, 3_600_000, on_minute=on_minute)
    for now_ms in (60_000, 60_100, 119_900, 200_000):
        window = rolling.at(now_ms)
        assert window is not None
        wider = window.close_ms - window.open_ms - 3_600_000
        assert wider == (now_ms % 60_000 if on_minute else 0)
