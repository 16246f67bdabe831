"""The checks on what the testee holds open, on recordings made by hand: each seen to fail."""

from __future__ import annotations

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    HalfClosed,
    Lagged,
    Noted,
    Sampled,
    Subscribed,
    Upgraded,
)
from mockex.server.views import Connections
from mockex_conformance.checks import ClosedByTestee, NoSurplus, SocketsAtMost
from mockex_conformance.checks.base import Check
from mockex_conformance.recording import Recording
from tests.conformance.checks.made import OVER, made


def recording(*entries: AnyEntry) -> Recording:
    return made(*entries, OVER)


def messages(check: Check, *entries: AnyEntry) -> list[str]:
    return [found.message for found in check.judge(recording(*entries))]


def must_close(t: float, *connections: int, why: str = "`close`") -> Noted:
    detail = {"connections": list(connections), "within_s": 1.0, "why": why}
    return Noted(t=t, name="must-close", detail=detail)


@pytest.mark.parametrize(
    "end",
    [
        Closed(t=2.9, conn=1, by="client", code=1000),
        HalfClosed(t=2.9, conn=1, by="client"),
        Ended(t=2.9, conn=1, by="client", how="rst"),
        Ended(t=2.9, conn=1, by="server", how="rst"),
    ],
)
def test_a_connection_that_ends_in_time_is_right(end: AnyEntry) -> None:
    assert messages(ClosedByTestee(), must_close(2, 1), end) == []


@pytest.mark.parametrize(
    "late",
    [
        Closed(t=3.1, conn=1, by="client", code=1000),
        Closed(t=2.5, conn=1, by="server", code=1001),
        HalfClosed(t=2.5, conn=1, by="server"),
        Ended(t=2.5, conn=2, by="client", how="fin"),
    ],
)
def test_a_connection_that_outlives_its_time_is_found(late: AnyEntry) -> None:
    (found,) = ClosedByTestee().judge(recording(must_close(2, 1), late))
    assert found.message == "c1 still open 1.0 s after `close`"
    assert (found.at_s, found.evidence) == (3.0, {"connections": [1]})


def test_only_those_that_are_left_are_named_each_landmark_by_itself() -> None:
    closed = Closed(t=2.5, conn=2, by="client", code=1000)
    first, second = must_close(2, 1, 2, 3), must_close(50, 4, why="its replacement was live")
    assert messages(ClosedByTestee(), first, closed, second) == [
        "c1, c3 still open 1.0 s after `close`",
        "c4 still open 1.0 s after its replacement was live",
    ]


def test_what_was_closed_before_it_had_to_be_is_right() -> None:
    closed = Closed(t=1.5, conn=1, by="client", code=1000)
    assert messages(ClosedByTestee(), closed, must_close(2, 1)) == []


def test_the_deadline_of_a_close_is_later_by_all_our_standstills() -> None:
    closed = Closed(t=4.4, conn=1, by="client", code=1000)
    lags = [Lagged(t=2.2, late_s=0.8), Lagged(t=3.0, late_s=0.7)]
    assert messages(ClosedByTestee(), must_close(2, 1), *lags, closed) == []
    assert len(messages(ClosedByTestee(), must_close(2, 1), lags[0], closed)) == 1


# --- how many ---


def sampled(t: float, sockets: int) -> Sampled:
    states = {"ESTABLISHED": sockets}
    return Sampled(t=t, run=1, processes=1, sockets=states, stream_sockets=sockets)


def connected(t: float, *connections: int, stream: str = "") -> list[AnyEntry]:
    entries: list[AnyEntry] = []
    for conn in connections:
        entries += [
            Attempted(t=t, conn=conn, peer_port=conn),
            Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
        ]
        if stream:
            entries.append(Subscribed(t=t, conn=conn, streams=[stream], via="url"))
    return entries


BEFORE = Noted(t=2, name="sockets-before")
WATCHED = Noted(t=2, name="sockets-watched")


def test_the_most_sockets_at_any_time_are_counted_against_those_before() -> None:
    check = SocketsAtMost(more=1)
    samples: list[AnyEntry] = [sampled(1, 2), BEFORE, WATCHED, sampled(3, 3), sampled(4, 1)]
    assert messages(check, *samples) == []
    (found,) = check.judge(recording(*samples, sampled(5, 5), sampled(6, 4)))
    assert found.message == (
        "5 sockets to the exchange at once, 2 before the fault; at most 3 are right"
    )
    assert found.at_s == 5


def test_only_what_is_watched_counts() -> None:
    over = Noted(t=4, name="sockets-over")
    entries: list[AnyEntry] = [
        sampled(1, 1),
        BEFORE,
        sampled(2, 9),
        WATCHED,
        sampled(3, 1),
        over,
        sampled(5, 9),
    ]
    assert messages(SocketsAtMost(), *entries) == []
    assert messages(SocketsAtMost(), sampled(1, 9)) == []


def test_a_connection_that_no_sample_has_shown_yet_counts_before() -> None:
    entries: list[AnyEntry] = [sampled(0.9, 0), *connected(1, 1, 2), BEFORE, WATCHED, sampled(3, 2)]
    assert messages(SocketsAtMost(), *entries) == []


def pool_counted(t: float) -> Noted:
    return Noted(t=t, name="pool-counted", detail={"allowed": 1, "after": "Reset 2"})


def test_connections_that_carry_nothing_are_counted_too() -> None:
    one = connected(1, 1, stream="ethusdc@trade")
    assert messages(NoSurplus(), *one, sampled(2, 1), pool_counted(3)) == []
    assert messages(NoSurplus(), *one, *connected(2, 2, 3), pool_counted(3), pool_counted(4)) == [
        "3 connections after Reset 2 (c1, c2, c3; 2 without a stream), 1 before the first loss"
    ]


def test_sockets_that_the_exchange_has_done_with_are_counted_too() -> None:
    entries: list[AnyEntry] = [*connected(1, 1), sampled(2, 2), pool_counted(3)]
    assert messages(NoSurplus(), *entries) == ["2 sockets after Reset 2, 1 before the first loss"]


def test_a_surplus_of_connections_ends_the_case() -> None:
    view = Connections()
    for entry in connected(1, 1, 2):
        view.apply(entry)
    assert NoSurplus().live(view, pool_counted(3))
    assert not NoSurplus().live(view, Noted(t=3, name="recovered"))
    assert not NoSurplus().live(view, sampled(3, 9))
    assert not NoSurplus().live(Connections(), pool_counted(3))
