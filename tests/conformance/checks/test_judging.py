"""From findings, and how the body of a case ended, to its verdict."""

from __future__ import annotations

import msgspec
import pytest

from mockex.server.journal import AnyEntry, Exited, Refused
from mockex_conformance.checks import DeliveriesAtMost
from mockex_conformance.judge import judge
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Verdict
from tests.conformance.checks.tape import AT_MOST, CASE, S, Tape, outcome


def live() -> Tape:
    return Tape().connect(1, 1).event(2, 1).note(3, "end")


def test_a_recording_without_findings_passes() -> None:
    assert judge(outcome(live(), "finished", AT_MOST), CASE) == (Verdict.PASS, [], "")


def test_findings_come_in_the_order_of_time_and_go_before_an_unseen_fault() -> None:
    tape = live().connect(4, 2).add(Exited(t=3.5, run=1, code=1, expected=False))
    verdict, findings, reason = judge(outcome(tape, "unseen", AT_MOST, reason="never"), CASE)
    assert (verdict, reason) == (Verdict.FAIL, "")
    assert [f.check for f in findings] == ["alive", "deliveries_at_most"]


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        ("unseen", Verdict.INCONCLUSIVE),
        ("unsupported", Verdict.UNSUPPORTED),
        ("error", Verdict.ERROR),
        ("flooded", Verdict.ERROR),
        ("found", Verdict.INCONCLUSIVE),
        ("gone", Verdict.INCONCLUSIVE),
    ],
)
def test_how_the_body_ended_decides_where_nothing_was_found(ended: str, verdict: Verdict) -> None:
    judged, findings, reason = judge(outcome(live(), ended, AT_MOST, reason="why"), CASE)
    assert (judged, findings) == (verdict, [])
    assert reason


def test_what_explains_a_flood_goes_before_it_and_that_it_was_killed_is_no_finding() -> None:
    tape = live().connect(4, 2).add(Exited(t=5, run=1, code=-9, expected=False))
    verdict, findings, reason = judge(outcome(tape, "flooded", AT_MOST, reason="too much"), CASE)
    assert (verdict, reason) == (Verdict.FAIL, "")
    assert [f.check for f in findings] == ["deliveries_at_most"]


def test_what_was_awaited_in_vain_is_a_finding() -> None:
    verdict, findings, _ = judge(outcome(live(), "not-live", reason="an answer to 'close'"), CASE)
    assert verdict is Verdict.FAIL
    assert findings[0].message == "waited in vain for an answer to 'close'"


def test_a_recording_that_was_cut_is_inconclusive() -> None:
    verdict, _, reason = judge(Recording(live().entries, live().terms), CASE)
    assert verdict is Verdict.INCONCLUSIVE
    assert "no outcome" in reason


def test_a_dead_testee_passes_nothing() -> None:
    tape = Tape().connect(1, 1).fault(2, "Reset", 1).note(3, "end")
    verdict, findings, _ = judge(outcome(tape, "finished"), CASE)
    assert (verdict, findings[0].check) == (Verdict.FAIL, "live_at_end")


def test_judging_the_file_gives_what_judging_the_run_gave() -> None:
    recording = outcome(live().connect(4, 2), "found", AT_MOST)
    lines = [msgspec.json.encode(entry) for entry in recording.entries]
    entries = [msgspec.json.decode(line, type=AnyEntry) for line in lines]
    again = Recording(entries, recording.terms, entries[-1].detail)
    assert judge(again, CASE) == judge(recording, CASE)


def test_a_refused_attempt_is_neither_pending_nor_live() -> None:
    check = DeliveriesAtMost(k=1, streams=[S], pending=True)
    tape = Tape().attempt(1, 1).add(Refused(t=1, conn=1, target="", status=503, reason=""))
    assert tape.attempt(2, 2).event(9, 2).found(check) == []
