"""Deliveries of a stream: how many at once."""

from __future__ import annotations

from mockex.server.journal import Lagged, Upgraded
from mockex.server.views import Connections
from mockex_conformance.checks import Alive, DeliveriesAtMost
from tests.conformance.checks.tape import AT_MOST, S, Tape


def test_a_connection_that_is_replaced_by_one_is_right() -> None:
    assert Tape().connect(1, 1).fault(2, "Reset", 1).connect(3, 2).found(AT_MOST) == []


def test_two_deliveries_are_named_with_stream_connections_and_growth() -> None:
    tape = Tape().connect(1, 1).fault(2, "Reset", 1).connect(3, 2).connect(3.5, 3)
    (finding,) = tape.found(AT_MOST)
    assert finding.message == (
        f"stream {S} is delivered on 2 live connections (c2, c3); exactly 1 is allowed; one more "
        "than before the loss"
    )
    assert (finding.at_s, finding.fault) == (3.5, "Reset on c1")
    assert finding.evidence["connections"] == [2, 3]


def test_doubling_is_told_from_growth_by_one() -> None:
    tape = Tape().connect(1, 1).connect(1, 2)
    check = DeliveriesAtMost(k=2, streams=[S])
    tape.fault(2, "Reset", 1, 2)
    for conn in (3, 4, 5, 6):
        tape.connect(3, conn)
    assert "twice as many as before the loss" in tape.says(check)


def test_a_surplus_that_goes_away_is_found_all_the_same() -> None:
    tape = Tape().connect(1, 1).connect(2, 2).fault(2.2, "Reset", 2).event(9, 1)
    assert len(tape.found(AT_MOST)) == 1


def test_an_overlap_may_last_so_long_and_our_own_lag_is_added() -> None:
    check = DeliveriesAtMost(k=1, streams=[S], overlap_ms=500)

    def overlapping(seconds: float) -> Tape:
        return Tape().connect(1, 1).connect(2, 2).fault(2 + seconds, "Reset", 1).event(9, 2)

    assert overlapping(0.4).found(check) == []
    assert len(overlapping(0.6).found(check)) == 1
    late = overlapping(0.6)
    late.entries.insert(-6, Lagged(t=2.1, late_s=0.2))
    assert late.found(check) == []


def test_pending_attempts_count_where_they_are_asked_for() -> None:
    check = DeliveriesAtMost(k=1, streams=[S], pending=True)
    one = Tape().connect(1, 1).fault(2, "Reset", 1).attempt(3, 2)
    assert one.found(check) == []
    two = Tape().connect(1, 1).fault(2, "Reset", 1).attempt(3, 2).attempt(3.4, 3).event(5, 1)
    assert "has 2 connections, dialling or live, (c2, c3)" in two.says(check)
    assert two.found(AT_MOST) == []


def test_only_the_strict_form_is_judged_live() -> None:
    connections = _fold(Tape().connect(1, 1).connect(2, 2))
    entry = Upgraded(t=2, conn=2, target="", route="", mode="raw")
    assert AT_MOST.live(connections, entry)
    assert not AT_MOST.live(connections, Lagged(t=2, late_s=1))
    assert not DeliveriesAtMost(k=1, streams=[S], overlap_ms=5).live(connections, entry)
    assert not Alive().live(connections, entry)


def _fold(tape: Tape) -> Connections:
    view = Connections()
    for entry in tape.entries:
        view.apply(entry)
    return view
