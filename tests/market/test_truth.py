"""Truth, against a book kept by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.instruments import instruments
from mockex.market.truth import History, Truth
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([SPOT, USDM]))
def test_the_book_at_every_update_id_is_the_replay_of_its_updates(
    seed: int, profile: Profile
) -> None:
    market = Market(instruments(profile, ["ETHUSDC"]), seed=seed, profile=profile)
    truth = market.truth
    start = truth.last_update_id("ETHUSDC")
    book = truth.book("ETHUSDC")
    sides = [dict(book.bids), dict(book.asks)]
    market.advance(60_000)  # more than one keyframe
    last = truth.last_update_id("ETHUSDC")
    at, seen = start, 0
    while (update_id := truth.first_id_after("ETHUSDC", at)) is not None:
        for side, changes in enumerate(truth.changes("ETHUSDC", at, update_id)):
            for price, quantity in changes.items():
                sides[side].pop(price, None)
                if quantity:
                    sides[side][price] = quantity
        at, seen = update_id, seen + 1
        if seen % 97 == 0 or update_id == last:
            now = truth.book("ETHUSDC", update_id)
            assert (dict(now.bids), dict(now.asks)) == (sides[0], sides[1])
            assert list(now.bids) == sorted(now.bids, reverse=True)
            assert list(now.asks) == sorted(now.asks)
    assert seen > 1024


def test_ids_between_updates_show_the_book_of_the_update_before() -> None:
    market = Market(instruments(USDM, ["ETHUSDC"]), seed=1, profile=USDM)
    market.advance(1_000)
    truth = market.truth
    first = truth.first_id_after("ETHUSDC", truth.id_at("ETHUSDC", 0))
    assert first is not None
    assert truth.book("ETHUSDC", first + 1).bids == truth.book("ETHUSDC", first).bids


def test_the_id_at_a_time_is_that_of_the_last_step_before_it() -> None:
    market = Market(instruments(SPOT, ["ETHUSDC"]), seed=1, profile=SPOT)
    changes = market.advance(500)
    truth = market.truth
    assert truth.id_at("ETHUSDC", 99) == changes[0].first_update_id - 1
    assert truth.id_at("ETHUSDC", 100) == changes[0].final_update_id
    assert truth.id_at("ETHUSDC", 499) == changes[3].final_update_id
    assert truth.symbols == ("ETHUSDC",)
    assert truth.first_id_after("ETHUSDC", changes[-1].final_update_id) is None


def test_the_top_at_an_id_is_that_of_the_book() -> None:
    market = Market(instruments(SPOT, ["ETHUSDC"]), seed=1, profile=SPOT)
    for change in market.advance(3_000):
        for update_id in range(change.first_update_id, change.final_update_id + 1):
            book = market.truth.book("ETHUSDC", update_id)
            top = (*book.bids[0], *book.asks[0])
            assert market.truth.top("ETHUSDC", update_id) == top
    assert market.top("ETHUSDC") == top


def test_trades_are_found_by_id() -> None:
    market = Market(instruments(SPOT, ["ETHUSDC"]), seed=1, profile=SPOT)
    made = [t for change in market.advance(5_000) for t in change.trades]
    ids = [t.trade_id for t in made]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert list(market.truth.trades("ETHUSDC", ids[2], ids[4])) == made[2:5]
    assert list(market.truth.trades("ETHUSDC", 0, ids[0])) == made[:1]


def test_a_history_without_updates_has_its_opening_book() -> None:
    history = History(5, [({10: 1}, {11: 2})])
    truth = Truth({"X": history}.__getitem__, ("X",))
    assert truth.book("X").bids == ((10, 1),)
    assert truth.last_update_id("X") == 5
    assert list(truth.trades("X", 0, 9)) == []
