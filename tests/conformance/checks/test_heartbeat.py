"""The checks of pongs, own pings, silence and pauses, on recordings made by hand: each seen to
fail."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    HalfClosed,
    Lagged,
    Noted,
    Pinged,
    Ponged,
    Received,
    Said,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex_conformance.checks import (
    FewAttemptsAfterPause,
    Kept,
    NoPongTimeout,
    NoticedSilence,
    OwnPings,
)
from mockex_conformance.checks.base import Check
from mockex_conformance.checks.heartbeat import slowest_pong_s
from tests.conformance.checks.made import OVER, made

A, B = "a@bookTicker", "b@bookTicker"


def found(check: Check, *entries: AnyEntry, scale: float = 1.0) -> list[str]:
    limits = {"handshake_timeout_ms": 1000}
    recording = made(*entries, OVER, scale=scale, limits=limits)
    return [one.message for one in check.judge(recording)]


def connected(t: float, conn: int, *streams: str) -> list[AnyEntry]:
    return [
        Attempted(t=t, conn=conn, peer_port=conn),
        Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
        Subscribed(t=t, conn=conn, streams=list(streams), via="url"),
    ]


def note(t: float, name: str, **detail: Any) -> Noted:
    return Noted(t=t, name=name, detail=detail)


def closed(t: float, conn: int, by: Literal["client", "server"], reason: str = "") -> Closed:
    return Closed(t=t, conn=conn, by=by, code=1008, reason=reason)


# --- pongs under load ---

PINGS: list[AnyEntry] = [
    *connected(0, 1, A),
    Pinged(t=1, conn=1, payload="01"),
    Pinged(t=2, conn=1, payload="02"),
]


def test_the_slowest_pong_is_that_of_the_oldest_ping_which_it_settles() -> None:
    assert slowest_pong_s([]) == 0
    assert slowest_pong_s(PINGS) == 0
    late = [*PINGS, Ponged(t=3.5, conn=1, payload="02"), Ponged(t=9, conn=1, payload="01")]
    assert slowest_pong_s(late) == 2.5
    empty = [*PINGS, Ponged(t=3, conn=1, payload=""), Ponged(t=4, conn=2, payload="02")]
    assert slowest_pong_s(empty) == 0


def test_a_connection_that_is_closed_for_want_of_a_pong_is_found() -> None:
    slow = [*PINGS, Ponged(t=3.5, conn=1, payload="02"), Pinged(t=4, conn=1, payload="04")]
    said = "the exchange closed c1, whose pongs did not come in time; "
    assert found(NoPongTimeout(), *slow, closed(7, 1, "server", "Pong timeout")) == [
        said + "the slowest pong before came after 2.50 s"
    ]
    assert found(NoPongTimeout(), *PINGS, closed(4, 1, "server", "Pong timeout")) == [
        said + "none came before"
    ]


@pytest.mark.parametrize(
    "end", [closed(4, 1, "server", "going"), closed(4, 1, "client", "Pong timeout")]
)
def test_another_end_is_no_pong_timeout(end: Closed) -> None:
    assert found(NoPongTimeout(), *PINGS, end) == []


# --- own pings ---


def own_pings(*times: float, conn: int = 1) -> list[AnyEntry]:
    return [Received(t=t, conn=conn, opcode="ping", size=0) for t in times]


QUIET = note(1, "quiet", window_s=10)


def test_one_ping_a_second_of_its_own_is_enough() -> None:
    once_a_second = own_pings(*(1 + 0.95 * n for n in range(10)))
    assert found(OwnPings(), *connected(0, 1, A), QUIET, *once_a_second) == []
    twice = own_pings(*(1 + 0.5 * n for n in range(10)))
    assert found(OwnPings(), *connected(0, 1, A), QUIET, *twice) == [
        "4 pings of its own on c1 within 1.50 s, on a connection that is pinged; one in 1 s is "
        "enough"
    ]


def test_a_second_of_a_testee_that_scales_its_time_is_shorter() -> None:
    twice = own_pings(*(1 + 0.5 * n for n in range(10)))
    assert found(OwnPings(), *connected(0, 1, A), QUIET, *twice, scale=0.1) == []


def test_pings_outside_of_the_quiet_and_other_messages_do_not_count() -> None:
    before = own_pings(*(0.1 * n for n in range(9)))
    after = own_pings(*(11.1 + 0.1 * n for n in range(9)))
    texts: list[AnyEntry] = [
        Received(t=2 + 0.1 * n, conn=1, opcode="text", size=9) for n in range(9)
    ]
    assert found(OwnPings(), *connected(0, 1, A), *before, QUIET, *texts, *after) == []


def test_pings_are_counted_by_connection() -> None:
    both = [
        ping for n in range(10) for conn in (1, 2) for ping in own_pings(1 + 0.9 * n, conn=conn)
    ]
    assert found(OwnPings(), QUIET, *both) == []


# --- silence is noticed ---

SILENCE = note(5, "silence", streams=[A, B], since=4.5, within_s=2.0)


@pytest.mark.parametrize(
    "noticed",
    [
        [Said(t=6, run=1, method="stale", params={"stream": name}) for name in (A, B)],
        [Unsubscribed(t=6, conn=1, streams=[A, B])],
        [Subscribed(t=6, conn=2, streams=[A, B], via="request")],
        [closed(6, 1, "client")],
        [HalfClosed(t=6, conn=1, by="client")],
        [Ended(t=6, conn=1, by="client", how="rst")],
        [
            Said(t=6, run=1, method="stale", params={"stream": A}),
            Unsubscribed(t=6.2, conn=1, streams=[B]),
        ],
    ],
)
def test_silence_is_noticed_in_each_of_these_ways(noticed: list[AnyEntry]) -> None:
    both = [*connected(0, 1, A, B), *connected(1, 2)]
    assert found(NoticedSilence(), *both, SILENCE, *noticed, note(9, "x")) == []


@pytest.mark.parametrize(
    "other",
    [
        [],
        [Said(t=6, run=1, method="stale", params={"stream": "c@trade"})],
        [Said(t=6, run=1, method="event", params={"stream": A, "id": 1})],
        [closed(6, 2, "client")],
        [closed(6, 1, "server")],
        [Said(t=6.6, run=1, method="stale", params={"stream": A})],
    ],
)
def test_silence_that_is_not_noticed_in_time_is_found(other: list[AnyEntry]) -> None:
    both = [*connected(0, 1, A, B), *connected(1, 2)]
    assert found(NoticedSilence(), *both, SILENCE, *other, note(9, "x")) == [
        f"{A}, {B} fell silent on a connection that is well; within 2.0 s this was neither said, "
        "nor asked for anew, nor replaced"
    ]


def test_what_was_noticed_of_one_stream_leaves_the_other() -> None:
    one = [*connected(0, 1, A, B), SILENCE, Unsubscribed(t=6, conn=1, streams=[A])]
    (message,) = found(NoticedSilence(), *one)
    assert message.startswith(f"{B} fell silent")


def test_our_own_standstill_is_the_testees_time() -> None:
    late = Said(t=7, run=1, method="stale", params={"stream": A})
    silence = note(5, "silence", streams=[A], since=4.5, within_s=2.0)
    assert len(found(NoticedSilence(), *connected(0, 1, A), silence, late)) == 1
    lag = Lagged(t=5, late_s=1.0)
    assert found(NoticedSilence(), *connected(0, 1, A), silence, lag, late) == []


# --- a new connection is kept ---

KEEP = note(5, "keep", conn=2, window_s=10, why="pings came on it")
NEW = [*connected(0, 1, A), *connected(5, 2, A), KEEP]


@pytest.mark.parametrize(
    "end",
    [
        closed(5.5, 2, "client"),
        HalfClosed(t=5.5, conn=2, by="client"),
        Ended(t=5.5, conn=2, by="client", how="rst"),
    ],
)
def test_a_testee_that_ends_the_new_connection_is_found(end: AnyEntry) -> None:
    assert found(Kept(), *NEW, end) == [
        "the testee ended c2 when it was 0.50 s old, although pings came on it"
    ]


def test_a_testee_that_dials_once_more_is_found() -> None:
    assert found(Kept(), *NEW, Attempted(t=6, conn=3, peer_port=3)) == [
        "a new connection (c3) when c2 was 1.00 s old, although pings came on it"
    ]


@pytest.mark.parametrize(
    "ours",
    [
        closed(6, 2, "server"),
        HalfClosed(t=6, conn=2, by="server"),
        Ended(t=6, conn=2, by="server", how="rst"),
    ],
)
def test_a_new_connection_that_the_exchange_ends_need_not_be_kept(ours: AnyEntry) -> None:
    after: list[AnyEntry] = [closed(6.1, 2, "client"), Attempted(t=6.2, conn=3, peer_port=3)]
    assert found(Kept(), *NEW, ours, *after) == []


def test_what_else_happens_meanwhile_is_no_end() -> None:
    events: list[AnyEntry] = [
        Subscribed(t=6, conn=2, streams=[B], via="request"),
        Closed(t=6.5, conn=1, by="client", code=1000),
    ]
    assert found(Kept(), *connected(0, 1, A), *NEW[3:], *events) == []


def test_the_old_connection_may_go_and_the_new_one_after_the_window() -> None:
    old = closed(5.1, 1, "client")
    ours = closed(14, 2, "server")
    late = closed(15.1, 2, "client")
    assert found(Kept(), *connected(0, 1, A), *NEW[3:], old, ours, late) == []


def test_whoever_gave_up_a_handshake_that_we_answered_late_has_kept_nothing() -> None:
    late, gone = Lagged(t=5.2, late_s=0.6), closed(6.4, 2, "client")
    assert found(Kept(), *NEW, late, gone) == []
    assert len(found(Kept(), *NEW, Lagged(t=5.2, late_s=0.4), gone)) == 1
    assert len(found(Kept(), *NEW, late, closed(6.7, 2, "client"))) == 1


# --- after a pause ---


def paused(connections: int, attempts: int, *, apart_s: float = 0.1) -> list[AnyEntry]:
    before = [entry for n in range(connections) for entry in connected(0, n + 1, A)]
    pause = [note(1, "suspended"), note(6, "going-on")]
    after = [
        Attempted(t=6.5 + n * apart_s, conn=100 + n, peer_port=100 + n) for n in range(attempts)
    ]
    return [*before, *pause, *after]


def test_three_attempts_for_each_lost_connection_are_calm() -> None:
    assert found(FewAttemptsAfterPause(), *paused(1, 3)) == []
    assert found(FewAttemptsAfterPause(), *paused(1, 4)) == [
        "4 attempts in the first 0.80 s after a pause in which 1 connection was lost; 3 are calm"
    ]
    assert found(FewAttemptsAfterPause(), *paused(2, 6)) == []
    assert found(FewAttemptsAfterPause(), *paused(2, 7)) == [
        "7 attempts in the first 1.10 s after a pause in which 2 connections were lost; 6 are calm"
    ]


def test_later_attempts_and_those_of_a_case_without_a_pause_do_not_count() -> None:
    assert found(FewAttemptsAfterPause(), *paused(1, 5, apart_s=0.6)) == []
    assert found(FewAttemptsAfterPause(), *paused(1, 9)[:3], *paused(1, 9)[5:]) == []
