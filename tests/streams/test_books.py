"""How the book streams of one symbol hang together, and what a client can know of the book."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from mockex.profile import SPOT, USDM, Profile
from mockex.streams.depth import snapshot
from tests.streams.stepping import EPOCH_MS, SYMBOL, Stepped

Sides = tuple[dict[str, str], dict[str, str]]
BOTH = pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])


def applied(sides: Sides, event: Any) -> None:
    """Set every level of a diff to its quantity (spot 6.1)."""
    for side, levels in zip(sides, (event["b"], event["a"]), strict=True):
        for price, quantity in levels:
            side.pop(price, None)
            if Decimal(quantity):
                side[price] = quantity


def truth(exchange: Stepped, update_id: int) -> Sides:
    book, spell = exchange.market.truth.book(SYMBOL, update_id), exchange.market.instruments[SYMBOL]
    bids, asks = (
        {spell.price(price): spell.quantity(quantity) for price, quantity in side}
        for side in (book.bids, book.asks)
    )
    return bids, asks


def taken(exchange: Stepped, limit: int) -> tuple[int, Sides]:
    """A snapshot, as REST gives it: its id and its levels."""
    i = exchange.market.instruments[SYMBOL]
    text, update_id = snapshot(exchange.profile, exchange.market.truth, i, limit, 0)
    said = json.loads(text)
    return update_id, (dict(said["bids"]), dict(said["asks"]))


@pytest.mark.rule("spot-6.3.3", "usdm-6.3.2")
@pytest.mark.parametrize(("profile", "slow"), [(SPOT, "@1000ms"), (USDM, ""), (USDM, "@500ms")])
def test_two_speeds_cut_one_sequence_of_ids_at_different_points(
    profile: Profile, slow: str
) -> None:
    exchange = Stepped(profile)
    names = ["ethusdc@depth@100ms", f"ethusdc@depth{slow}"]
    sent = list(exchange.run(20_000, *names))
    fast, slower = ([s.payload for s in sent if s.stream == name] for name in names)
    assert len(fast) > 2 * len(slower) > 10
    assert {e["u"] for e in slower} <= {e["u"] for e in fast}, "where the fast one is cut too"
    for event in slower:
        parts = [e for e in fast if event["U"] <= e["U"] and e["u"] <= event["u"]]
        assert (parts[0]["U"], parts[-1]["u"]) == (event["U"], event["u"])
        if profile is USDM:
            assert event["pu"] == parts[0]["pu"]
            assert len(parts) == 1 or event["pu"] != parts[-1]["pu"], "chains of their own"


@pytest.mark.rule("spot-5.0.16", "spot-5.0.17", "spot-5.0.18", "spot-5.0.19")
@pytest.mark.parametrize("levels", ["", "5", "10", "20"])
@pytest.mark.parametrize(("speed", "period_ms"), [("", 1000), ("@1000ms", 1000), ("@100ms", 100)])
def test_books_of_spot_come_every_second_or_ten_times_as_often(
    levels: str, speed: str, period_ms: int
) -> None:
    times = [s.at_ms for s in Stepped(SPOT).run(6_000, f"ethusdc@depth{levels}{speed}")]
    assert times == [EPOCH_MS + n * period_ms for n in range(1, 6_000 // period_ms + 1)]


@BOTH
@pytest.mark.rule("spot-5.12.1")
def test_one_side_of_a_diff_may_be_empty_and_never_both(profile: Profile) -> None:
    events = Stepped(profile).payloads(30_000, "ethusdc@depth@100ms")
    filled = {(bool(event["b"]), bool(event["a"])) for event in events}
    assert filled == {(True, True), (True, False), (False, True)}


@BOTH
@pytest.mark.rule("spot-6.1.7", "usdm-6.1.5")
def test_levels_deeper_than_the_snapshot_stay_unknown_until_they_change(profile: Profile) -> None:
    exchange = Stepped(profile)
    update_id, sides = taken(exchange, limit=20)
    named: tuple[set[str], set[str]] = (set(sides[0]), set(sides[1]))
    for event in exchange.payloads(20_000, "ethusdc@depth@100ms"):
        assert event["U"] > update_id
        applied(sides, event)
        for known, levels in zip(named, (event["b"], event["a"]), strict=True):
            known.update(price for price, _ in levels)
        for side, known, true in zip(sides, named, truth(exchange, event["u"]), strict=True):
            assert side == {price: true[price] for price in known if price in true}
    assert len(sides[0]) < len(truth(exchange, event["u"])[0]), "some are unknown to the end"


@pytest.mark.rule("usdm-6.2.7", "usdm-5.10")
def test_pictures_put_into_a_book_of_diffs_leave_levels_behind() -> None:
    exchange = Stepped(USDM)
    _, diffs = taken(exchange, limit=1000)
    pictures: Sides = (dict(diffs[0]), dict(diffs[1]))
    for sent in exchange.run(20_000, "ethusdc@depth@100ms", "ethusdc@depth5@100ms"):
        assert sent.payload["e"] == "depthUpdate", "the payload does not tell which it is"
        applied(pictures if "depth5" in sent.stream else diffs, sent.payload)
    last = exchange.market.truth.last_update_id(SYMBOL)
    assert diffs == truth(exchange, last)
    assert pictures != truth(exchange, last)


@pytest.mark.rule("usdm-6.2.4", "usdm-6.2.5")
def test_who_drops_the_event_of_the_snapshots_id_meets_one_that_continues_from_it() -> None:
    exchange = Stepped(USDM)
    events = exchange.payloads(5_000, "ethusdc@depth@100ms")
    truth_of, i = exchange.market.truth, exchange.market.instruments[SYMBOL]
    for event, following in pairwise(events[:20]):
        text, last_id = snapshot(USDM, truth_of, i, 1000, 0, event["u"])
        said = json.loads(text)
        sides: Sides = (dict(said["bids"]), dict(said["asks"]))
        kept = [e for e in events if e["u"] > last_id]  # spot's rule
        assert kept[0] == following
        assert following["U"] > last_id, "so step 4 of the procedure fails by its letter"
        assert following["pu"] == last_id, "and nothing is missing in fact"
        for later in kept:
            applied(sides, later)
        assert sides == truth(exchange, events[-1]["u"])


@pytest.mark.rule("usdm-6.3.5", "rest-C5")
def test_a_snapshot_of_usdm_has_at_most_a_thousand_levels_a_side() -> None:
    assert max(USDM.depth_limits or ()) == USDM.depth_limit_max == 1000
    assert (SPOT.depth_limits, SPOT.depth_limit_max) == (None, 5000)


@pytest.mark.rule("usdm-5.0.7", "usdm-5.1.1", "spot-5.1.2")
def test_fills_of_one_side_at_one_price_are_one_trade_on_usdm_and_orders_stay_apart_on_spot() -> (
    None
):
    for profile, collected in ((USDM, True), (SPOT, False)):
        events = Stepped(profile.with_(excluded_trades=0)).payloads(60_000, "ethusdc@aggTrade")
        assert [b["a"] - a["a"] for a, b in pairwise(events)] == [1] * (len(events) - 1)
        places = [(event["T"], event["p"], event["m"]) for event in events]
        again = [a for a, b in pairwise(places) if a == b]
        assert bool(again) is not collected
