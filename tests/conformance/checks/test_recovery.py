"""Coming back: when, how often, with how many connections."""

from __future__ import annotations

from random import Random

import pytest

from mockex.server.journal import AnyEntry, Attempted, Closed, Ended, HalfClosed, Lagged
from mockex_conformance.checks import (
    AttemptRate,
    LiveAtEnd,
    NoAttempt,
    OneUpgradePerLoss,
    Recovered,
    Stays,
)
from tests.conformance.checks.tape import S, Tape, recovering


def test_a_recovery_in_time_is_right() -> None:
    assert recovering(2.9).found(Recovered()) == []


@pytest.mark.parametrize("event_at", [3.2, None])
def test_a_late_recovery_and_none_are_found(event_at: float | None) -> None:
    tape = recovering(event_at)
    assert tape.says(Recovered()) == f"not recovered: no events of {S} within 1.0 s of the fault"


def test_an_event_before_the_fault_is_no_recovery() -> None:
    tape = Tape().connect(1, 1).event(1.5, 1)
    tape.note(2, "awaiting-recovery", since=2.0, within_s=1.0, streams=[S]).note(4, "x")
    assert len(tape.found(Recovered())) == 1


def test_a_testee_that_never_went_live_is_found() -> None:
    tape = Tape().note(0, "awaiting-live", since=0.0, within_s=15.0).note(15.5, "body-over")
    assert "never went live" in tape.says(Recovered())


def test_of_several_processes_the_one_that_is_missing_is_named() -> None:
    def back(port: int) -> Tape:
        tape = Tape().connect(1, 1).connect(1, 2, port=99).fault(2, "Outage", 1, 2)
        tape.note(2, "awaiting-recovery", since=2.0, within_s=1.0, streams=[S], ports=[0, 99])
        tape.connect(2.5, 3).event(2.6, 3).connect(2.5, 4, port=port).event(2.6, 4)
        return tape.note(4, "end")

    assert back(99).found(Recovered()) == []
    assert back(99).found(LiveAtEnd()) == []
    assert f"no events of {S} (process 2 of 2) within" in back(0).says(Recovered())
    assert back(0).says(LiveAtEnd()).startswith(f"{S} (process 2 of 2) not delivered")


def test_no_attempt_at_all_is_its_own_sentence() -> None:
    tape = Tape().note(5, "no-attempt", fault="HangUpgrade", within_s=3.0)
    assert tape.says(Recovered()) == "not recovered: no attempt to connect within 3.0 s"


def test_what_is_not_delivered_at_the_end_is_found() -> None:
    assert Tape().connect(1, 1).note(2, "end").found(LiveAtEnd()) == []
    dead = Tape().connect(1, 1).fault(1.5, "Reset", 1).note(2, "end")
    assert "not delivered at the end" in dead.says(LiveAtEnd())


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (Attempted(t=3, conn=9, peer_port=9), "a new connection (c9)"),
        (Closed(t=3, conn=1, by="client", code=1000), "the testee ended c1 although"),
        (Closed(t=3, conn=1, by="client", code=1002), "the testee ended c1 with 1002 although"),
        (
            Closed(t=3, conn=1, by="client", code=1009, reason="too big"),
            "the testee ended c1 with 1009 (too big) although",
        ),
        (HalfClosed(t=3, conn=1, by="client"), "the testee ended c1"),
        (Ended(t=3, conn=1, by="client", how="rst"), "the testee reset c1"),
    ],
)
def test_unrest_in_a_quiet_phase_is_found(entry: AnyEntry, says: str) -> None:
    quiet = Tape().connect(1, 1).note(2, "quiet", window_s=2.0).add(entry)
    assert says in quiet.says(Stays())
    later = Tape().connect(1, 1).note(0.5, "quiet", window_s=2.0).add(entry)
    assert later.found(Stays()) == []


@pytest.mark.parametrize(
    "answer",
    [
        Closed(t=3, conn=1, by="client", code=1000),
        HalfClosed(t=3, conn=1, by="client"),
        Ended(t=3, conn=1, by="client", how="rst"),
    ],
)
@pytest.mark.parametrize(
    "ours",
    [Closed(t=2.5, conn=1, by="server", code=1008), HalfClosed(t=1.5, conn=1, by="server")],
)
def test_an_answer_to_our_own_end_is_no_unrest(ours: AnyEntry, answer: AnyEntry) -> None:
    tape = Tape().connect(1, 1).note(2, "quiet", window_s=2.0).add(ours, answer)
    assert tape.found(Stays()) == []


def attempts(times: list[float], *, scale: float = 1.0, end: bool = True) -> Tape:
    tape = Tape(scale=scale).note(0, "attempts-counted", connections=1)
    for number, at in enumerate(times, 1):
        tape.attempt(at, number)
    return tape.note(1e6, "attempts-counted-end") if end else tape


def test_a_retry_every_10_ms_is_found_with_the_worst_window() -> None:
    for end in (True, False):
        tape = attempts([n / 100 for n in range(100)], end=end)
        assert "100 attempts in 0.99 s; 7 are bearable" in tape.says(AttemptRate())


def test_too_many_attempts_name_the_phase_that_they_are_in() -> None:
    tape = Tape().note(0, "attempts-counted", connections=1, phase="closed after its first event")
    for number in range(1, 101):
        tape.attempt(number / 100, number)
    assert (
        tape.note(2, "attempts-counted-end")
        .says(AttemptRate())
        .endswith("7 are bearable for 1 connection; each was closed after its first event")
    )


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_correct_full_jitter_never_fails_the_rate(scale: float) -> None:
    random = Random(5)
    for _ in range(300):
        now, times = 0.0, []
        for attempt in range(12):
            times.append(now)
            ceiling = min(30.0, 0.5 * 2 ** max(0, attempt - 1))
            now += 0.001 + (random.uniform(0, ceiling) * scale if attempt else 0.0)
        assert attempts(times, scale=scale).found(AttemptRate()) == []


def test_attempts_outside_a_phase_are_not_counted() -> None:
    tape = Tape()
    for number in range(50):
        tape.attempt(number / 1000, number)
    assert tape.found(AttemptRate()) == []


def test_an_attempt_after_close_is_found() -> None:
    assert Tape().connect(1, 1).note(2, "closed").found(NoAttempt()) == []
    again = Tape().connect(1, 1).note(2, "closed").attempt(7.5, 2)
    assert "connected again (c2) 5.50 s after it was closed" in again.says(NoAttempt())


def test_two_upgrades_for_one_loss_are_found() -> None:
    check = OneUpgradePerLoss()
    right = Tape().connect(1, 1).connect(1, 2).fault(2, "Reset", 1, 2).connect(3, 3).connect(3, 4)
    assert right.found(check) == []
    wrong = Tape().connect(1, 1).fault(2, "Fin", 1).connect(3, 2).connect(4, 3)
    assert wrong.says(check) == "2 connections (c2, c3) replaced 1 lost by Fin"


def test_a_handshake_that_our_own_standstill_made_late_may_have_been_given_up() -> None:
    check = OneUpgradePerLoss()
    lagged = [Lagged(t=2.4, late_s=late_s) for late_s in (0.4, 0.5)]
    tape = Tape().connect(1, 1).fault(2, "Fin", 1).add(lagged[0]).connect(3, 2).connect(4, 3)
    assert tape.says(check) == "2 connections (c2, c3) replaced 1 lost by Fin"
    tape = Tape().connect(1, 1).fault(2, "Fin", 1).add(lagged[1]).connect(3, 2).connect(4, 3)
    assert tape.found(check) == []
    tape.connect(5, 4)
    assert tape.says(check) == "2 connections (c3, c4) replaced 1 lost by Fin"
