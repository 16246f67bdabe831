"""The checks on what the testee says, on recordings made by hand: each seen to fail."""

from __future__ import annotations

from typing import Any

import pytest

from mockex.server.journal import (
    Answered,
    AnyEntry,
    Asked,
    Attempted,
    Closed,
    Ended,
    HalfClosed,
    Lagged,
    Noted,
    Said,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex_conformance.checks import AnsweredInTime, LiveIsTrue, SilenceTold, Undisturbed
from mockex_conformance.checks.base import Check
from tests.conformance.checks.made import OVER, made

A, B = "a@depth", "b@depth"


def messages(check: Check, *entries: AnyEntry, k: int = 1) -> list[str]:
    return [found.message for found in check.judge(made(*entries, OVER, k=k, streams=[A]))]


def said(t: float, method: str, **params: Any) -> Said:
    return Said(t=t, run=1, method=method, params=params)


def connect(t: float, conn: int, *streams: str, silent: list[str] | None = None) -> list[AnyEntry]:
    return [
        Attempted(t=t, conn=conn, peer_port=conn),
        Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
        Subscribed(t=t, conn=conn, streams=list(streams), via="url", silent=silent or []),
    ]


# --- a stream that was acknowledged and never comes ---

MUST_TELL = Noted(t=1.0, name="must-tell", detail={"stream": A, "within_s": 3.0})


@pytest.mark.parametrize("method", ["stale", "refused", "error"])
@pytest.mark.parametrize("t", [0.5, 3.9])
def test_a_word_that_names_the_stream_is_enough(method: str, t: float) -> None:
    entries: list[AnyEntry] = [MUST_TELL, said(t, method, stream=A)]
    assert messages(SilenceTold(), *sorted(entries, key=lambda entry: entry.t)) == []


def test_silence_about_a_stream_is_found() -> None:
    late = said(4.1, "stale", stream=A)
    others = [said(2.0, "stale", stream=B), said(2.0, "error", message="x"), said(2, "event")]
    (told,) = messages(SilenceTold(), MUST_TELL, *others, late)
    assert told == (
        f"{A} was acknowledged and never sent, and nothing was said of it within 3.0 s: no stale, "
        "refused or error names it"
    )
    assert messages(SilenceTold(), MUST_TELL, Lagged(t=2.0, late_s=0.2), late) == []
    assert messages(SilenceTold(), *others) == []


# --- the others ---

ALONE = Noted(t=1.0, name="leave-alone", detail={"streams": [A]})
MOVED = [*connect(2.0, 2, A), Closed(t=2.1, conn=1, by="client", code=1000)]


def test_to_move_a_stream_once_is_no_disturbance_and_twice_is() -> None:
    start = connect(0.5, 1, A, B)
    assert messages(Undisturbed(), *start, ALONE, *MOVED) == []
    again = [*connect(3.0, 3, A), HalfClosed(t=3.1, conn=2, by="client")]
    (told,) = messages(Undisturbed(), *start, ALONE, *MOVED, *again)
    assert told == f"{A} was delivered as it should be, and the testee ended that 2 times"
    assert messages(Undisturbed(times=2), *start, ALONE, *MOVED, *again) == []


def test_each_end_counts_once_however_it_is_told() -> None:
    start = connect(0.5, 1, A)
    told: list[AnyEntry] = [
        HalfClosed(t=2.2, conn=1, by="client"),
        Ended(t=2.3, conn=1, by="client", how="fin"),
    ]
    assert messages(Undisturbed(), *start, ALONE, *MOVED, *told) == []


def test_to_unsubscribe_and_to_reset_is_to_end_a_delivery() -> None:
    start = connect(0.5, 1, A, B)
    unsubscribed = Unsubscribed(t=2.0, conn=1, streams=[A, B, "c@depth"])
    again = Subscribed(t=2.1, conn=1, streams=[A], via="request")
    reset = Ended(t=3.0, conn=1, by="client", how="rst")
    assert messages(Undisturbed(), *start, ALONE, unsubscribed, again) == []
    assert len(messages(Undisturbed(), *start, ALONE, unsubscribed, again, reset)) == 1
    assert messages(Undisturbed(), *start, ALONE, unsubscribed, again, reset, k=2) == []


def test_what_the_exchange_ends_and_what_was_before_is_nobodys_disturbance() -> None:
    start = connect(0.5, 1, A)
    before = [Closed(t=0.8, conn=1, by="client", code=1000), *connect(0.9, 2, A)]
    ours = [Closed(t=2.0, conn=2, by="server", code=1001), *connect(2.1, 3, A)]
    late = Unsubscribed(t=2.2, conn=2, streams=[A])
    entries = [*start, *before, ALONE, *ours, late]
    assert messages(Undisturbed(times=0), *entries) == []


def test_a_stream_that_was_silent_there_was_not_delivered() -> None:
    start = [*connect(0.5, 1, A, silent=[A]), ALONE, Ended(t=2.0, conn=1, by="client", how="fin")]
    assert messages(Undisturbed(times=0), *start) == []


# --- live ---


def test_live_is_a_lie_while_a_stream_is_delivered_nowhere() -> None:
    wanted = Noted(t=1.0, name="subscriptions", detail={"streams": [A, B]})
    live, waiting = said(0.6, "state", state="live"), said(0.7, "state", state="waiting")
    start = connect(0.5, 1, A)
    assert messages(LiveIsTrue(), *start, live, wanted) == [
        f"says that it is live, and delivers no {B}"
    ]
    assert messages(LiveIsTrue(), *start, live, waiting, wanted) == []
    assert messages(LiveIsTrue(), *start, live) == []


def test_what_is_wanted_at_the_end_is_what_was_wanted_last() -> None:
    start = [*connect(0.5, 1, A), said(0.6, "state", state="live")]
    wanted = Noted(t=1.0, name="awaiting-recovery", detail={"streams": [B]})
    assert len(messages(LiveIsTrue(), *start, wanted)) == 1


# --- answers ---


def asked(t: float, number: int, method: str = "subscribe") -> Asked:
    return Asked(t=t, run=1, id=number, method=method)


def test_an_answer_within_a_second_is_in_time() -> None:
    assert messages(AnsweredInTime(), asked(1.0, 1), Answered(t=1.9, run=1, id=1)) == []
    other: list[AnyEntry] = [asked(1.0, 1, "start"), Answered(t=9.0, run=1, id=1)]
    assert messages(AnsweredInTime(), *other) == []


def test_a_late_answer_and_none_are_found_unless_it_is_our_own_lateness() -> None:
    late: list[AnyEntry] = [asked(1.0, 1), Answered(t=2.3, run=1, id=1)]
    told = ["'subscribe' was not answered within 1 s"]
    assert messages(AnsweredInTime(), *late) == told
    assert messages(AnsweredInTime(), asked(1.0, 1)) == told
    assert messages(AnsweredInTime(), late[0], Lagged(t=1.1, late_s=0.3), late[1]) == []


def test_a_command_that_is_refused_is_found() -> None:
    refused = Answered(t=1.1, run=1, id=1, error={"code": -32000, "message": "not connected"})
    assert messages(AnsweredInTime(), asked(1.0, 1, "unsubscribe"), refused) == [
        "'unsubscribe' was refused: not connected"
    ]
