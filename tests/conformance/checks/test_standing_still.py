"""What our own standing still, and a testee without a processor, excuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import pytest

from mockex.server.journal import Lagged, Launched, Sampled
from mockex_conformance.checks import AnyCheck, LiveAtEnd, Recovered, Stays
from mockex_conformance.checks.base import Check
from mockex_conformance.description import Limits
from mockex_conformance.judge import judge
from mockex_conformance.recording import Standstills
from mockex_conformance.verdict import Finding, Verdict
from tests.conformance.checks.made import made
from tests.conformance.checks.tape import CASE, S, Tape, outcome, recovering


def test_what_must_happen_may_be_late_by_all_the_time_that_our_loop_stood_still() -> None:
    def late(*lags: float) -> Tape:
        tape = Tape().connect(0.5, 1).event(0.6, 1).fault(1.0, "Reset", 1)
        tape.note(1.0, "awaiting-recovery", since=1.0, within_s=2.0, limit_ms=800)
        for number, late_s in enumerate(lags):
            tape.add(Lagged(t=1.0 + number, late_s=late_s))
        return tape.connect(4.5, 2).event(4.6, 2).note(5.0, "recovered")

    assert late().found(Recovered())
    assert late(0.9).found(Recovered())  # the longest alone is not enough
    assert late(0.9, 0.9).found(Recovered()) == []

    recording = late(0.5, 0.75).recording
    standstills = Standstills(recording.entries)
    assert (recording.lag_s(0, 9), standstills.between(0, 9)) == (0.75, 1.25)
    assert standstills.between(0, 0.5) == 0


def test_what_must_happen_may_be_late_by_all_the_time_that_the_testee_got_no_processor() -> None:
    def late(event_at: float, *queued_s: float) -> list[Finding]:
        tape = Tape().add(Launched(t=0.0, run=1, pid=2, command=[], streams=[S], mode="raw"))
        tape.connect(0.5, 1).event(0.6, 1).add(sampled(1.0, 0.4)).fault(1.0, "Reset", 1)
        tape.note(1.0, "awaiting-recovery", since=1.0, within_s=1.0, limit_ms=800)
        for number, waited_s in enumerate(queued_s):
            tape.add(sampled(2.0 + number, waited_s))
        tape.connect(event_at, 2).event(event_at, 2)
        return tape.note(event_at, "recovered").found(Recovered())

    assert late(2.2)
    assert late(2.2, 0.5)  # what it waited for before does not count
    assert late(2.2, 0.7) == []
    assert late(3.2, 4.9)  # of threads that wait side by side one counts: here 1 s
    assert late(3.2, 4.9, 4.9 + 0.3) == []
    assert late(4.9, 1.4, 2.4, 3.4) == []
    assert late(5.1, 1.4, 2.4, 3.4, 4.4)  # no more than three times as long again


def sampled(t: float, queued_s: float) -> Sampled:
    return Sampled(t=t, run=1, processes=1, sockets={}, queued_s=queued_s)


def recovers_late(late_s: float) -> Tape:
    tape = recovering(None)
    tape.entries.insert(-1, Lagged(t=2.1, late_s=late_s))
    return tape.connect(89, 3).event(89, 3)


def is_dead_at_end(late_s: float) -> Tape:
    tape = Tape().connect(1, 1).fault(1.5, "Reset", 1).add(Lagged(t=1.6, late_s=late_s))
    return tape.note(3, "end")


def is_restless(late_s: float) -> Tape:
    tape = Tape().connect(1, 1).event(1, 1).note(2, "quiet", window_s=9.0)
    return tape.add(Lagged(t=2.5, late_s=late_s)).connect(5, 2).note(6, "end")


@pytest.mark.parametrize(
    ("check", "recorded", "least_s"),
    [
        (Recovered(), recovers_late, 1.0),  # as long as a handshake may take
        (LiveAtEnd(), is_dead_at_end, 0.5),  # half of it, within the last second
        (Stays(), is_restless, 1.0),  # half of what it takes for silence
    ],
)
def test_what_our_standing_still_may_have_caused_is_inconclusive(
    check: Check, recorded: Callable[[float], Tape], least_s: float
) -> None:
    short = recorded(least_s - 0.01)
    verdict, findings, reason = judge(outcome(short, "finished", check), CASE)
    assert (verdict, reason) == (Verdict.FAIL, "")
    assert {found.check for found in findings} == {check.__struct_config__.tag}
    for ended in ("finished", "not-live"):
        long = recorded(1.4)
        verdict, findings, reason = judge(outcome(long, ended, check, reason="live"), CASE)
        assert (verdict, findings) == (Verdict.INCONCLUSIVE, [])
        assert "; but our own exchange had stood still for 1.4 s: run it again with" in reason


@pytest.mark.parametrize(
    "kind", [kind for kind in get_args(AnyCheck) if kind.gives_up_after], ids=lambda k: k.__name__
)
def test_who_gives_up_on_us_does_so_after_the_shortest_of_its_limits(kind: type[Check]) -> None:
    assert {*kind.gives_up_after} <= {*Limits.__struct_fields__}
    check: Check = msgspec.convert({"check": kind.__struct_config__.tag}, AnyCheck)
    assert "gives_up_after" not in msgspec.to_builtins(check)
    limits = dict.fromkeys(kind.gives_up_after, 9000.0) | {kind.gives_up_after[-1]: 4000.0}
    found = Finding(check="x", message="it broke off", at_s=10.0)

    def excused_by(lag: Lagged) -> float:
        recording = made(lag, limits=limits, scale=0.5)
        return check.excused(recording, found, Standstills(recording.entries))

    assert excused_by(Lagged(t=8.5, late_s=1.0)) == 1.0
    assert excused_by(Lagged(t=8.5, late_s=0.9)) == 0
    assert excused_by(Lagged(t=4.0, late_s=3.9)) == 0  # it had the time to see us again
    assert excused_by(Lagged(t=10.1, late_s=5.0)) == 0
