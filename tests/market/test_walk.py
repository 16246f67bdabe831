"""The seeded market: one seed, one market; a book that is always one."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.errors import ConfigError
from mockex.market.instruments import instruments
from mockex.market.truth import Side
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile

SYMBOLS = ["ETHUSDC", "BTCUSDC"]
GOLDEN = "a59a355d81719e5f"  # of ETHUSDC on spot, seed 7, after 200 steps


def market(
    profile: Profile = SPOT, *, seed: int = 7, kind: str = "walk", symbols: list[str] = SYMBOLS
) -> Market:
    return Market(instruments(profile, symbols), seed=seed, profile=profile, kind=kind)


def fingerprint(made: Market, symbol: str = "ETHUSDC") -> str:
    made.advance(20_000)
    truth = made.truth
    text = repr((truth.book(symbol), list(truth.trades(symbol, 0, 1 << 62))))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_one_seed_gives_one_market_for_ever() -> None:
    assert fingerprint(market()) == GOLDEN
    assert fingerprint(market()) != fingerprint(market(seed=8))


def test_a_symbol_does_not_depend_on_its_neighbours() -> None:
    assert fingerprint(market(symbols=["SOLUSDC", "BTCUSDC", "ETHUSDC"])) == GOLDEN


def test_it_does_not_matter_how_time_is_cut() -> None:
    whole, pieces = market(), market()
    changes = whole.advance(3_000)
    cut = [c for now in (100, 150, 900, 2_950, 3_000) for c in pieces.advance(now)]
    assert changes == cut


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([SPOT, USDM]))
def test_best_bid_is_below_best_ask_and_both_sides_stay(seed: int, profile: Profile) -> None:
    made = market(profile, seed=seed, symbols=["ETHUSDC"])
    for step in range(1, 120):
        made.advance(step * 100)
        bid, bid_quantity, ask, ask_quantity = made.top("ETHUSDC")
        bids, asks = made.best("ETHUSDC", 1000)
        assert bid < ask
        assert min(bid_quantity, ask_quantity) > 0
        assert bid == bids[0][0] == max(p for p, _ in bids)
        assert ask == asks[0][0] == min(p for p, _ in asks)
        assert min(len(bids), len(asks)) >= 50


@pytest.mark.rule("usdm-6.3.3", "wire-C2")
def test_spot_ids_are_contiguous_and_usdm_ids_have_holes() -> None:
    for profile in (SPOT, USDM):
        made = market(profile, symbols=["ETHUSDC"])
        changes = made.advance(5_000)
        steps = [b.first_update_id - a.final_update_id for a, b in pairwise(changes)]
        if profile is SPOT:
            assert set(steps) == {1}
        else:
            assert min(steps) >= 2
            assert max(steps) <= 50


def test_a_trade_is_at_the_best_price_of_its_side() -> None:
    made = market(symbols=["ETHUSDC"])
    before = made.truth.last_update_id("ETHUSDC")
    for step in range(1, 200):
        for change in made.advance(step * 100):
            for trade in change.trades:
                book = made.truth.book("ETHUSDC", before)
                near = book.bids[:20] if trade.buyer_is_maker else book.asks[:20]
                assert min(p for p, _ in near) - 20 <= trade.price <= max(p for p, _ in near) + 20
                assert trade.quantity > 0
            before = change.final_update_id


def test_steady_changes_both_best_levels_at_every_step() -> None:
    made = market(kind="steady", symbols=["ETHUSDC"])
    for step in range(1, 50):
        before = made.top("ETHUSDC")
        (change,) = made.advance(step * 100)
        after = made.top("ETHUSDC")
        assert (before[0], before[2]) == (after[0], after[2])
        assert before != after
        assert len(change.trades) == 1


def test_frozen_never_moves() -> None:
    made = market(kind="frozen")
    assert made.advance(60_000) == []


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="one of walk, steady, frozen"):
        market(kind="random")


@pytest.mark.parametrize("step_ms", [10, 500])
def test_a_step_may_be_shorter_or_longer_than_100_ms(step_ms: int) -> None:
    made = Market(instruments(SPOT, ["ETHUSDC"]), seed=1, profile=SPOT, step_ms=step_ms)
    changes = made.advance(3 * step_ms)
    assert [c.at_ms for c in changes] == [step_ms, 2 * step_ms, 3 * step_ms]


def test_a_step_divides_100_ms_or_is_a_multiple() -> None:
    for wrong in (0, 30, 250, 2000):
        with pytest.raises(ConfigError, match="a divisor of 100"):
            Market(instruments(SPOT, ["ETHUSDC"]), seed=1, profile=SPOT, step_ms=wrong)


def test_sides_are_numbered_as_the_history_stores_them() -> None:
    assert (Side.BID, Side.ASK) == (0, 1)


def test_a_symbol_that_nobody_wanted_is_caught_up_when_it_is_asked_for() -> None:
    made = market()
    changes = made.advance(15_000, ["BTCUSDC"])
    assert {change.symbol for change in changes} == {"BTCUSDC"}
    assert fingerprint(made) == GOLDEN  # advances to 20 s, and asks for ETHUSDC
