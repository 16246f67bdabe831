"""The checks on what reaches the consumer, on recordings made by hand: each seen to fail."""

from __future__ import annotations

from typing import Any

import pytest

from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import profile_named
from mockex.server.journal import AnyEntry, Asked, Exited, Noted, Said, Signalled
from mockex_conformance.checks import BookEqualsTruth, NothingLeft, OnceInOrder
from mockex_conformance.checks.base import Check
from mockex_conformance.recording import Recording
from tests.conformance.checks.made import made

TRADES = "ethusdc@aggTrade"
BOOKS = "ethusdc@depth5@100ms"
SEED = 7


def recording(*entries: AnyEntry, profile: str = "usdm") -> Recording:
    end = Noted(t=10.0, name="end")
    return made(*entries, end, profile=profile, seed=SEED, streams=[TRADES])


def event(number: int, stream: str = TRADES) -> Said:
    return Said(t=1.0, run=1, method="event", params={"stream": stream, "id": number})


def gap(stream: str = TRADES) -> Said:
    return Said(t=1.0, run=1, method="gap", params={"stream": stream, "after": 1, "before": 9})


def asked(method: str, *streams: str) -> Asked:
    params = {"streams": list(streams)} if streams else {}
    return Asked(t=1.0, run=1, id=1, method=method, params=params)


def messages(check: Check, *entries: AnyEntry, profile: str = "usdm") -> list[str]:
    return [found.message for found in check.judge(recording(*entries, profile=profile))]


def test_events_in_order_are_right() -> None:
    assert messages(OnceInOrder(), event(5), event(6), event(7), event(0)) == []


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((5, 5), "event 5 was presented twice"),
        ((5, 6, 4), "event 4 was presented after 6"),
        ((5, 7), "6 skipped without a word before 7"),
        ((5, 9), "6 to 8 skipped without a word before 9"),
    ],
)
def test_twice_backwards_and_skipped_are_found(ids: tuple[int, ...], message: str) -> None:
    assert messages(OnceInOrder(), *map(event, ids)) == [f"{TRADES}: {message}"]


def test_a_hole_that_is_announced_is_right_and_only_the_next_one() -> None:
    assert messages(OnceInOrder(), event(5), gap(), event(9), event(10)) == []
    assert len(messages(OnceInOrder(), event(5), gap(), event(9), event(11))) == 1
    assert len(messages(OnceInOrder(), event(5), gap(BOOKS), event(9))) == 1


def test_a_stream_that_is_asked_for_anew_begins_anew() -> None:
    for again in (asked("subscribe", TRADES), asked("close"), asked("start")):
        assert messages(OnceInOrder(), event(5), again, event(9)) == []
    assert len(messages(OnceInOrder(), event(5), asked("subscribe", TRADES), event(4))) == 1


def test_ids_of_books_may_have_holes_and_not_go_back() -> None:
    assert messages(OnceInOrder(), event(5, BOOKS), event(9, BOOKS)) == []
    assert len(messages(OnceInOrder(), event(5, BOOKS), event(5, BOOKS))) == 1


def market(profile: str) -> Market:
    known = profile_named(profile)
    made = Market(instruments(known, ["ETHUSDC"]), seed=SEED, profile=known, step_ms=500)
    made.advance(8_000)
    return made


def book(made: Market, update_id: int, **changed: Any) -> Said:
    """The book that an adapter would present at an id."""
    truth = made.truth.book("ETHUSDC", update_id)
    instrument = made.instruments["ETHUSDC"]
    spelled = [
        [(instrument.price(p), instrument.quantity(q)) for p, q in side[:20]]
        for side in (truth.bids, truth.asks)
    ]
    params = {
        "symbol": "ETHUSDC", "last_update_id": update_id, "valid": True,
        "bids": spelled[0], "asks": spelled[1], **changed,
    }  # fmt: skip
    return Said(t=9.0, run=1, method="book", params=params)


CHECK = BookEqualsTruth(market="walk", step_ms=500)


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_true_books_are_right_forwards_and_backwards(profile: str) -> None:
    made = market(profile)
    ids = [made.truth.id_at("ETHUSDC", at_ms) for at_ms in (500, 1000, 4000, 7500, 1500)]
    assert messages(CHECK, *(book(made, i) for i in ids), profile=profile) == []


def test_trailing_zeros_may_go() -> None:
    made = market("spot")
    right = book(made, made.truth.id_at("ETHUSDC", 3000))
    plain = [(p.rstrip("0").rstrip("."), q.rstrip("0")) for p, q in right.params["bids"]]
    found = messages(CHECK, book(made, right.params["last_update_id"], bids=plain), profile="spot")
    assert found == []


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_wrong_level_a_missing_one_and_a_ghost_are_found(side: str) -> None:
    made = market("usdm")
    number = made.truth.id_at("ETHUSDC", 3000)
    levels = book(made, number).params[side]
    price, _ = levels[2]
    for wrong in (
        [*levels[:2], (price, "0.001"), *levels[3:]],
        levels[:2] + levels[3:],
        [*levels[:2], (price, "1"), *levels[2:19]],
        levels[:5],
    ):
        (found,) = messages(CHECK, book(made, number, **{side: wrong}))
        assert f"the book of ETHUSDC at {number} is not the exchange's: {side} level" in found


def test_a_book_that_says_it_is_invalid_is_not_judged() -> None:
    assert messages(CHECK, book(market("usdm"), 0, valid=False)) == []


def ended(code: int = 0, *, expected: bool = True, leaked: tuple[str, ...] = ()) -> Exited:
    return Exited(t=2.0, run=1, code=code, expected=expected, leaked=list(leaked))


def test_a_clean_end_leaves_nothing() -> None:
    assert messages(NothingLeft(), Signalled(t=1.0, run=1, signal="SIGTERM"), ended()) == []
    assert messages(NothingLeft(), ended(1, expected=False)) == []  # `alive` finds that


def test_an_end_by_force_another_code_and_what_was_held_are_found() -> None:
    killed = Signalled(t=1.0, run=1, signal="SIGKILL")
    assert messages(NothingLeft(), killed, ended(-9)) == ["it had to be killed"]
    assert messages(NothingLeft(), ended(3)) == ["told to quit it ended with 3"]
    (held,) = messages(NothingLeft(), ended(leaked=("socket ESTABLISHED a → b",)))
    assert held == "at its end it still held socket ESTABLISHED a → b"
