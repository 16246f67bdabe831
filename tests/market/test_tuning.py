"""A walk's rate and volatility."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.errors import ConfigError
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile

SYMBOL = "ETHUSDC"


def walk(
    profile: Profile = SPOT, *, seed: int = 7, rate: float = 1.0, volatility: float = 1.0
) -> Market:
    traded = instruments(profile, [SYMBOL])
    return Market(traded, seed=seed, profile=profile, rate=rate, volatility=volatility)


def distance(volatility: float) -> float:
    """How far the middle goes in a minute, squared, on the average of a few walks."""
    squares = []
    for seed in range(4):
        made, last = walk(seed=seed, volatility=volatility), None
        for minute in range(6):
            made.advance(minute * 60_000)
            bid, _, ask, _ = made.top(SYMBOL)
            if last is not None:
                squares.append((bid + ask - last) ** 2 / 4)
            last = bid + ask
    return math.sqrt(sum(squares) / len(squares))


def test_the_price_goes_about_so_many_times_as_far() -> None:
    usual = distance(1.0)
    assert distance(0.0) == 0.0
    assert 0.3 < distance(0.5) / usual < 0.8
    assert 2.0 < distance(3.0) / usual < 5.0


@pytest.mark.parametrize("rate", [0.1, 0.5, 3.0])
def test_updates_and_trades_come_so_many_times_as_often(rate: float) -> None:
    usual, tuned = walk(), walk(rate=rate)
    changes = [made.advance(600_000) for made in (usual, tuned)]
    updates = [len(made.truth.history(SYMBOL).ids) for made in (usual, tuned)]
    trades = [sum(len(change.trades) for change in found) for found in changes]
    assert updates[1] / updates[0] == pytest.approx(rate, rel=0.1)
    assert trades[1] / trades[0] == pytest.approx(rate, rel=0.25)


def test_at_a_low_rate_a_step_may_change_nothing_and_tells_of_nothing() -> None:
    made = walk(rate=0.1)
    changes = made.advance(100_000)
    assert 150 < len(changes) < 400, "of 1000 steps"
    assert all(change.first_update_id <= change.final_update_id for change in changes)
    assert made.truth.history(SYMBOL).step_ms[-1] == 100_000
    assert walk(rate=0.0).advance(10_000) == []


@settings(max_examples=25, deadline=None)
@given(
    profile=st.sampled_from([SPOT, USDM]),
    seed=st.integers(0, 1000),
    rate=st.floats(0, 5),
    volatility=st.floats(0, 10),
)
def test_however_it_is_tuned_it_is_a_market(
    profile: Profile, seed: int, rate: float, volatility: float
) -> None:
    made = walk(profile, seed=seed, rate=rate, volatility=volatility)
    for now_ms in range(100, 5_001, 100):
        made.advance(now_ms)
        bid, bid_quantity, ask, ask_quantity = made.top(SYMBOL)
        assert bid < ask
        assert bid_quantity > 0
        assert ask_quantity > 0
    book = made.truth.book(SYMBOL)
    assert min(len(book.bids), len(book.asks)) >= 49
    assert (book.bids[0][0], book.asks[0][0]) == made.top(SYMBOL)[::2]
    again = walk(profile, seed=seed, rate=rate, volatility=volatility)
    again.advance(5_000)
    assert again.truth.book(SYMBOL) == book


@pytest.mark.parametrize(("rate", "volatility"), [(-1.0, 1.0), (101.0, 1.0), (1.0, 10.5)])
def test_a_setting_out_of_its_range_is_refused(rate: float, volatility: float) -> None:
    with pytest.raises(ConfigError, match="a number from 0 to"):
        walk(rate=rate, volatility=volatility)
