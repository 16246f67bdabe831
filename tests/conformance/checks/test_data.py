"""The check on books, on recordings made by hand: each seen to fail."""

from __future__ import annotations

from typing import Any

import pytest

from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import profile_named
from mockex.server.journal import AnyEntry, Exited, Noted, Said, Signalled
from mockex_conformance.checks import BookEqualsTruth, NothingLeft
from mockex_conformance.checks.base import Check
from mockex_conformance.recording import Recording
from tests.conformance.checks.made import made

SEED = 7


def recording(*entries: AnyEntry, profile: str = "usdm") -> Recording:
    end = Noted(t=10.0, name="end")
    return made(*entries, end, profile=profile, seed=SEED)


def messages(check: Check, *entries: AnyEntry, profile: str = "usdm") -> list[str]:
    return [found.message for found in check.judge(recording(*entries, profile=profile))]


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
