"""The checks on handovers, on recordings made by hand: each seen to fail."""

from __future__ import annotations

from typing import Any

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    HalfClosed,
    Lagged,
    Noted,
    Subscribed,
    Upgraded,
)
from mockex_conformance.checks import (
    DeliveriesAtMost,
    NoGapInDeliveries,
    OneUpgradePerRound,
    RenewedInTime,
)
from mockex_conformance.checks.base import Check
from mockex_conformance.verdict import Finding
from tests.conformance.checks.made import made

S, OTHER = "ethusdc@depth5@100ms", "btcusdc@depth5@100ms"
NO_GAP = NoGapInDeliveries()
IN_TIME = RenewedInTime(lifetime_s=6)


def found(check: Check, *entries: AnyEntry | list[AnyEntry], k: int = 1) -> list[Finding]:
    told: list[AnyEntry] = []
    for entry in entries:
        told += entry if isinstance(entry, list) else [entry]
    terms: dict[str, Any] = {"streams": [S, OTHER], "limits": {"handshake_timeout_ms": 1000.0}}
    return check.judge(made(*told, profile="spot", level=0, k=k, **terms))


def connect(t: float, conn: int, *streams: str) -> list[AnyEntry]:
    return [
        Attempted(t=t, conn=conn, peer_port=conn),
        Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
        Subscribed(t=t, conn=conn, streams=list(streams or (S, OTHER)), via="url"),
    ]


def note(t: float, name: str, **detail: Any) -> Noted:
    return Noted(t=t, name=name, detail=detail)


def noticed(t: float) -> Noted:
    return note(t, "handover", after="the notice")


def cut(t: float, conn: int) -> Closed:
    return Closed(t=t, conn=conn, by="server", code=1001)


def left(t: float, conn: int, code: int | None = 1000) -> Closed:
    return Closed(t=t, conn=conn, by="client", code=code)


# --- no gap ---


def test_a_new_connection_before_the_old_one_ends_leaves_no_gap() -> None:
    old = connect(1, 1), noticed(2)
    assert found(NO_GAP, *old, connect(3, 2), cut(4, 1), note(5, "handover-over")) == []
    assert found(NO_GAP, *old, connect(3, 2), left(3, 1), note(5, "handover-over")) == []


def test_an_old_connection_that_ends_before_another_is_opened_is_a_gap() -> None:
    (told,) = found(
        NO_GAP, connect(1, 1), noticed(2), cut(4, 1), connect(4.25, 2), note(5, "handover-over")
    )
    assert told.message == (
        "no live delivery for 250 ms: the exchange ended c1, 2.00 s after the notice, and no new "
        "one had been opened"
    )
    assert told.at_s == 4
    at_once = cut(4, 1), connect(4, 2)
    (told,) = found(NO_GAP, connect(1, 1), noticed(2), *at_once)
    assert told.message.startswith("no live delivery for less than 1 ms: the exchange ended c1")


def test_a_new_connection_that_lacks_a_stream_does_not_count() -> None:
    (told,) = found(
        NO_GAP, connect(1, 1), noticed(2), connect(3, 2, S), left(4, 1),
        Subscribed(t=4.5, conn=2, streams=[OTHER], via="request"),
    )  # fmt: skip
    assert told.message == (
        "no live delivery for 500 ms: the testee ended c1, 2.00 s after the notice, and the new "
        "one was not live"
    )


def test_a_gap_that_never_ends_lasts_until_the_end() -> None:
    old = connect(1, 1), noticed(2), Ended(t=3, conn=1, by="client", how="rst")
    (at_landmark,) = found(NO_GAP, *old, note(5, "handover-over"), connect(9, 2))
    (at_end,) = found(NO_GAP, *old, note(7, "x"))
    assert at_landmark.message.startswith("no live delivery for 2000 ms: the testee ended c1")
    assert at_end.message.startswith("no live delivery for 4000 ms: the testee ended c1")


def test_what_lies_outside_of_a_handover_is_no_gap() -> None:
    before = connect(1, 1), cut(2, 1), connect(3, 2), noticed(4), note(5, "handover-over")
    assert found(NO_GAP, *before, cut(6, 2), connect(7, 3)) == []


def test_each_handover_has_its_own_finding_and_only_one() -> None:
    first = connect(1, 1), noticed(2), cut(3, 1), connect(4, 2), cut(5, 2), connect(6, 3)
    second = note(7, "handover-over"), noticed(8), cut(9, 3), connect(10, 4)
    assert [f.at_s for f in found(NO_GAP, *first, *second)] == [3, 9]


def test_a_hot_standby_keeps_two() -> None:
    both = connect(1, 1), connect(1, 2), noticed(2)
    assert found(NO_GAP, *both, connect(3, 3), cut(4, 1), k=2) == []
    half = HalfClosed(t=4, conn=1, by="server")
    assert len(found(NO_GAP, *both, half, connect(5, 3), k=2)) == 1


def test_a_handover_that_begins_with_nothing_says_so() -> None:
    (told,) = found(NO_GAP, noticed(2), connect(3, 1))
    assert "there were too few connections from the beginning" in told.message


# --- renewed in time ---


def test_a_connection_that_reaches_its_lifetime_is_found() -> None:
    assert found(IN_TIME, connect(1, 1), connect(5, 2), left(5.5, 1)) == []
    (late,) = found(IN_TIME, connect(1, 1), cut(7, 1), connect(7.5, 2))
    assert late.message == (
        "c1 was cut at its lifetime of 6 s: the testee had not moved its streams to another before"
    )


def test_the_answer_to_a_close_frame_is_no_cut() -> None:
    assert found(IN_TIME, connect(1, 1), left(3, 1, 1001), cut(3, 1)) == []
    by_another = Closed(t=3, conn=1, by="server", code=1008)
    assert found(IN_TIME, connect(1, 1), by_another) == []


# --- one upgrade per round ---

PER_ROUND = OneUpgradePerRound()


def a_round(*entries: AnyEntry | list[AnyEntry]) -> list[AnyEntry | list[AnyEntry]]:
    return [note(2, "round", what="three triggers"), *entries, note(8, "round-over")]


def test_one_new_connection_for_each_that_was_lost_is_right() -> None:
    assert found(PER_ROUND, connect(1, 1), *a_round(cut(3, 1), connect(4, 2))) == []
    assert found(PER_ROUND, connect(1, 1), *a_round(connect(3, 2), cut(4, 1))) == []
    both = connect(1, 1), connect(1, 2)
    assert (
        found(PER_ROUND, *both, *a_round(connect(3, 3), connect(3, 4), cut(4, 1), cut(4, 2))) == []
    )


def test_a_second_connection_for_one_loss_is_found_however_late() -> None:
    twice = a_round(cut(3, 1), connect(4, 2), connect(7, 3))
    (told,) = found(PER_ROUND, connect(1, 1), *twice, connect(9, 4))
    assert told.message == (
        "2 connections (c2, c3) were opened for 1 that was lost: three triggers are one reason each"
    )
    both = connect(1, 1), connect(1, 2), cut(1.5, 2)
    (told,) = found(PER_ROUND, *both, *a_round(connect(4, 3), connect(4, 4)))
    assert "for 0 that were lost" in told.message


def test_each_round_begins_anew() -> None:
    first = a_round(cut(3, 1), connect(4, 2))
    second = a_round(cut(3, 2), connect(4, 3))
    assert found(PER_ROUND, connect(1, 1), *first, *second) == []


def test_a_handshake_that_we_answered_late_may_have_been_given_up() -> None:
    late = a_round(cut(3, 1), connect(4, 2), Lagged(t=6, late_s=0.9), connect(7, 3))
    assert found(PER_ROUND, connect(1, 1), *late) == []


def test_an_end_that_was_waited_for_stands_beside_what_follows() -> None:
    over = note(3, "over", what="an end by the exchange", connections=[1])
    before = connect(1, 1), noticed(2), cut(3, 1), over
    (told,) = found(
        NO_GAP, *before, connect(3.5, 2), note(4, "handover-over"), noticed(5), cut(6, 2)
    )[1:]
    assert told.fault == "an end by the exchange on c1"
    assert found(NO_GAP, connect(1, 1), noticed(2), cut(2.5, 1), over)[0].fault == ""


# --- deliveries while they move ---


def test_two_are_right_while_one_replaces_another_and_three_are_not() -> None:
    check = DeliveriesAtMost(k=2, streams=[S], moving=True)
    assert found(check, connect(1, 1), connect(2, 2)) == []
    (told,) = found(check, connect(1, 1), connect(2, 2), connect(3, 3))
    assert told.message == (
        f"stream {S} is delivered on 3 live connections (c1, c2, c3); at most 2 are allowed, while "
        "one replaces another"
    )
