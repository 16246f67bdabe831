"""Joining snapshot and events, by the letter of both products and by a model."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mockex_adapter.book import Book
from mockex_adapter.errors import Malformed
from mockex_adapter.exchange import SPOT, USDM, read_stream
from mockex_adapter.sync import BookSync, Diff, Place, Sequence, read_diff, read_id, read_snapshot


def spot(first: int, final: int) -> Diff:
    return read_diff({"U": first, "u": final, "b": [[str(final), "1"]], "a": []})


def usdm(previous: int, first: int, final: int) -> Diff:
    return read_diff({"U": first, "u": final, "pu": previous, "b": [[str(final), "1"]], "a": []})


def snapshot(last: int) -> Book:
    return read_snapshot({"lastUpdateId": last, "bids": [["1", "1"]], "asks": []})


def buffering(*events: Diff) -> BookSync:
    sync = BookSync()
    assert sync.event(events[0]) == "fetch"
    for event in events[1:]:
        assert sync.event(event) == "nothing"
    return sync


def at_id(sync: BookSync) -> int | None:
    return sync.book.last_update_id if sync.book else None


SPOT_BUFFER = (spot(11, 15), spot(16, 20))
USDM_BUFFER = (usdm(5, 11, 15), usdm(15, 30, 40))


@pytest.mark.rule(
    "spot-6.1.1",
    "spot-6.1.2",
    "spot-6.2.1",
    "spot-6.2.2",
    "spot-6.2.5",
    "usdm-6.1.3",
    "usdm-6.2.3",
    "usdm-6.2.4",
)
@pytest.mark.parametrize(
    ("buffer", "last", "outcome", "at"),
    [
        (SPOT_BUFFER, 9, "fetch", None),  # older than the whole buffer
        (SPOT_BUFFER, 10, "changed", 20),  # U - 1 of the first event
        (SPOT_BUFFER, 11, "changed", 20),
        (SPOT_BUFFER, 13, "changed", 20),
        (SPOT_BUFFER, 15, "changed", 20),
        (SPOT_BUFFER, 16, "changed", 20),
        (SPOT_BUFFER, 20, "changed", 20),
        (SPOT_BUFFER, 21, "nothing", None),  # newer: to be proven by the next event
        (USDM_BUFFER, 4, "fetch", None),
        (USDM_BUFFER, 5, "changed", 40),  # no id lies between `pu` and U
        (USDM_BUFFER, 11, "changed", 40),
        (USDM_BUFFER, 15, "changed", 40),  # `u == L` is kept
        (USDM_BUFFER, 20, "changed", 40),
        (USDM_BUFFER, 40, "changed", 40),
        (USDM_BUFFER, 41, "nothing", None),
    ],
)
def test_snapshot_joins_the_buffer_at_every_boundary(
    buffer: tuple[Diff, ...], last: int, outcome: str, at: int | None
) -> None:
    sync = buffering(*buffer)
    assert sync.snapshot(snapshot(last)) == outcome
    assert at_id(sync) == at


@pytest.mark.rule("spot-6.2.5", "spot-6.2.6")
def test_snapshot_newer_than_the_buffer_is_proven_by_the_event_that_straddles_it() -> None:
    sync = buffering(spot(11, 15))
    sync.snapshot(snapshot(18))
    assert sync.event(spot(16, 17)) == "nothing"
    assert sync.event(spot(18, 21)) == "changed"
    assert at_id(sync) == 21


def test_snapshot_newer_than_the_buffer_and_then_a_hole_needs_another_snapshot() -> None:
    sync = buffering(usdm(5, 11, 15))
    sync.snapshot(snapshot(18))
    assert sync.event(usdm(25, 28, 30)) == "fetch"
    assert sync.snapshot(snapshot(29)) == "changed"


def test_hole_in_the_buffer_leaves_only_what_comes_after_it() -> None:
    sync = buffering(spot(11, 15), spot(17, 20))
    assert sync.snapshot(snapshot(12)) == "fetch"
    assert sync.snapshot(snapshot(16)) == "changed"


@pytest.mark.rule(
    "spot-6.1.3", "spot-6.1.4", "spot-6.2.3", "spot-6.2.4", "usdm-6.2.1", "usdm-6.2.2", "usdm-6.2.6"
)
@pytest.mark.parametrize(
    ("live", "event", "outcome"),
    [
        (spot(11, 15), spot(14, 18), "changed"),  # overlap
        (spot(11, 15), spot(11, 15), "nothing"),  # duplicate
        (spot(11, 15), spot(16, 16), "changed"),
        (spot(11, 15), spot(17, 18), "gap"),
        (usdm(10, 11, 15), usdm(15, 30, 33), "changed"),  # U > u + 1 is normal
        (usdm(10, 11, 15), usdm(10, 11, 15), "nothing"),
        (usdm(10, 11, 15), usdm(16, 17, 18), "gap"),
    ],
)
def test_live_event_follows_by_the_rule_of_its_product(
    live: Diff, event: Diff, outcome: str
) -> None:
    sync = buffering(live)
    assert sync.snapshot(snapshot(12)) == "changed"
    assert sync.event(event) == outcome
    assert (sync.book is None) is (outcome == "gap")


def test_after_a_gap_one_snapshot_is_asked_for() -> None:
    sync = buffering(spot(11, 15))
    sync.snapshot(snapshot(12))
    assert sync.event(spot(20, 21)) == "gap"
    assert sync.event(spot(22, 23)) == "nothing"
    assert sync.snapshot(snapshot(20)) == "changed"
    assert at_id(sync) == 23


def test_snapshot_nobody_asked_for_is_ignored() -> None:
    sync = buffering(spot(11, 15))
    assert not sync.reset()
    assert sync.snapshot(snapshot(12)) == "nothing"
    assert sync.book is None


@pytest.mark.parametrize(
    "payload",
    [
        {"U": 2, "u": 1, "b": [], "a": []},
        {"U": 1, "u": "2", "b": [], "a": []},
        {"U": 1, "u": True, "b": [], "a": []},
        {"U": 1, "u": 2, "pu": -1, "b": [], "a": []},
        {"U": 1, "u": 2**70, "b": [], "a": []},
        {"U": 1, "u": 2, "b": None, "a": []},
        {},
    ],
)
def test_event_of_the_wrong_shape_is_refused(payload: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_diff(payload)


@pytest.mark.parametrize("payload", [None, [], {"lastUpdateId": 1}, {"bids": [], "asks": []}])
def test_snapshot_of_the_wrong_shape_is_refused(payload: object) -> None:
    with pytest.raises(Malformed):
        read_snapshot(payload)


def test_largest_id_is_exact() -> None:
    assert read_id({"u": 2**53 + 1}, "u") == 2**53 + 1


def trades() -> Sequence:
    return Sequence(read_stream(SPOT, "ethusdc@aggTrade"))


def test_trades_are_presented_once_and_holes_are_seen() -> None:
    sequence = trades()
    places = [sequence.place({"a": n})[0] for n in (5, 6, 6, 5, 7, 9)]
    new, old, hole = Place.NEXT, Place.OLD, Place.BEHIND_HOLE
    assert places == [new, new, old, old, new, hole]


def test_trade_ids_can_prove_that_a_lost_connection_lost_nothing() -> None:
    sequence = trades()
    sequence.place({"a": 5})
    sequence.broken()
    assert sequence.place({"a": 6})[0] is Place.NEXT


def test_picture_after_a_lost_connection_stands_behind_a_hole() -> None:
    sequence = Sequence(read_stream(USDM, "ethusdc@depth5"))
    assert [sequence.place({"u": n})[0] for n in (5, 9)] == [Place.NEXT, Place.NEXT]
    sequence.broken()
    assert sequence.place({"u": 10})[0] is Place.BEHIND_HOLE
    assert sequence.place({"u": 30})[0] is Place.NEXT


def test_numbering_that_starts_over_does_not_silence_a_stream() -> None:
    sequence = trades()
    sequence.place({"a": 10**12})
    places = [sequence.place({"a": n})[0] for n in range(100, 125)]
    assert places.index(Place.BEHIND_HOLE) == 19
    assert places[20:] == [Place.NEXT] * 5


class AnyDelivery(RuleBasedStateMachine):
    """A true book, a stream of its changes that may lose, repeat and cut anew, and snapshots of any
    age: whatever happens, a presented book is the true one at its own id."""

    @initialize(futures=st.booleans())
    def open(self, futures: bool) -> None:
        self.futures = futures
        self.sync = BookSync()
        self.id = 100
        self.truth: dict[int, dict[Decimal, str]] = {100: {Decimal(5): "1"}}
        self.sent = 100
        self.asked = False
        self.pending: dict[str, str] = {}

    def take(self, outcome: str) -> None:
        if outcome in ("fetch", "gap"):
            self.asked = True

    @rule(price=st.integers(1, 12), quantity=st.sampled_from(["0", "0.0", "1", "2"]))
    def change(self, price: int, quantity: str) -> None:
        self.id += 1
        book = dict(self.truth[self.id - 1])
        if Decimal(quantity):
            book[Decimal(price)] = quantity
        else:
            book.pop(Decimal(price), None)
        self.truth[self.id] = book
        self.pending[str(price)] = quantity

    @precondition(lambda self: self.pending)
    @rule(lost=st.booleans(), twice=st.booleans())
    def send(self, lost: bool, twice: bool) -> None:
        payload: dict[str, object] = {"U": self.sent + 1, "u": self.id, "a": []}
        payload["b"] = [list(level) for level in self.pending.items()]
        if self.futures:
            payload["pu"] = self.sent
        self.sent, self.pending = self.id, {}
        for _ in range(0 if lost else 1 + twice):
            self.take(self.sync.event(read_diff(payload)))

    @precondition(lambda self: self.asked)
    @rule(age=st.integers(0, 12))
    def answer(self, age: int) -> None:
        last = max(100, self.id - age)
        bids = [[str(price), quantity] for price, quantity in self.truth[last].items()]
        self.asked = False
        body = {"lastUpdateId": last, "bids": bids, "asks": []}
        self.take(self.sync.snapshot(read_snapshot(body)))

    @rule()
    def lose_connection(self) -> None:
        self.sync.reset()
        self.asked = False
        self.sent, self.pending = self.id, {}

    @invariant()
    def presented_book_is_true(self) -> None:
        book = getattr(self, "sync", None) and self.sync.book
        if book:
            assert {Decimal(p): q for p, q in book.bids(99)} == self.truth[book.last_update_id]

    def teardown(self) -> None:
        if not hasattr(self, "sync"):
            return
        for _ in range(3):  # with a healthy exchange the book becomes valid again
            self.change(7, "2")
            self.send(lost=False, twice=False)
            if self.asked:
                self.answer(0)
        assert self.sync.book is not None
        self.presented_book_is_true()


AnyDelivery.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyDelivery = AnyDelivery.TestCase


def test_old_ids_in_a_row_are_a_numbering_that_started_over_unless_they_were_held() -> None:
    def replayed(*, held: bool) -> list[Place]:
        sequence = Sequence(read_stream(SPOT, "ethusdc@aggTrade"))
        sequence.place({"a": 100})
        return [sequence.place({"a": number}, held=held)[0] for number in range(70, 92)]

    assert replayed(held=True) == [Place.OLD] * 22
    assert replayed(held=False)[18:20] == [Place.OLD, Place.BEHIND_HOLE]
