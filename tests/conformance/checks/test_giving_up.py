"""Whoever stops trying says so: the check on recordings made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Delivered,
    Ended,
    Exited,
    Joined,
    Lagged,
    Noted,
    Said,
    Subscribed,
    Upgraded,
)
from mockex_conformance.case import Case, Run
from mockex_conformance.checks import NoSilentEnd
from mockex_conformance.judge import judge
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Level, Severity, Verdict
from tests.conformance.checks.made import made

S = "ethusdc@depth5@100ms"
WELL = Noted(t=100.0, name="well-again", detail={"within_s": 10.0})
LONG_AFTER = Noted(t=120.0, name="body-over")


def recording(*entries: AnyEntry) -> Recording:
    return made(*entries, LONG_AFTER, streams=[S])


def live(t: float) -> list[AnyEntry]:
    """A connection that has an event at `t`."""
    return [
        Attempted(t=t - 0.3, conn=9, peer_port=1),
        Upgraded(t=t - 0.2, conn=9, target="/", route="", mode="raw"),
        Subscribed(t=t - 0.2, conn=9, streams=[S], via="url"),
        Joined(t=t - 0.1, conn=9, audience=1),
        Delivered(t=t, audience=1, step=1, streams={S: Batch(1, 1, 1, 10)}),
    ]


def says(*entries: AnyEntry) -> str:
    found = NoSilentEnd().judge(recording(*entries))
    return found[0].message if found else ""


def failed(t: float) -> list[AnyEntry]:
    conn = round(t)
    return [
        Attempted(t=t, conn=conn, peer_port=1),
        Ended(t=t + 0.1, conn=conn, by="server", how="rst"),
    ]


def exited(code: int, **more: Any) -> Exited:
    return Exited(t=90.0, run=1, code=code, expected=False, **more)


def test_recovery_in_time_is_right() -> None:
    assert says(*failed(80), WELL, *live(109.9)) == ""


def test_no_attempt_and_no_word_is_found() -> None:
    message = says(*failed(79), *failed(80), WELL)
    assert message.startswith("gave up without a word: the process lives")
    assert message.endswith("the last one was 20.0 s before that")
    assert says(WELL).endswith("of the end of the outage")


def test_attempts_that_lead_nowhere_are_no_recovery() -> None:
    message = says(WELL, *failed(105))
    assert message == "not recovered within 10.0 s of the end of a long outage"
    assert "not recovered" in says(WELL, *live(111.0))


def test_a_recovery_may_be_late_by_what_our_own_loop_stood_still() -> None:
    assert says(WELL, Lagged(t=105.0, late_s=2.0), *live(111.0)) == ""


def test_a_word_or_an_exit_code_is_enough() -> None:
    assert says(Said(t=50.0, run=1, method="gave_up"), WELL) == ""
    assert "without a word" in says(Said(t=50.0, run=1, method="state"), WELL)
    assert says(exited(1)) == ""
    assert says(exited(-11)) == ""


def test_an_exit_as_if_all_were_well_is_found() -> None:
    assert says(exited(0)) == "the process ended with exit code 0, as if all were well"
    asked = Exited(t=119.0, run=1, code=0, expected=True)
    assert says(WELL, *live(101.0), asked) == ""


def test_an_outage_that_is_not_over_tells_nothing() -> None:
    assert says(*failed(80)) == ""


async def _body(run: Run) -> None: ...


@pytest.mark.parametrize(("code", "verdict"), [(1, Verdict.PASS), (0, Verdict.FAIL)])
def test_an_end_that_is_told_is_not_found_by_the_usual_check(code: int, verdict: Verdict) -> None:
    case = Case("x", "X-01", Severity.MUST, Level.L0, body=_body, requirement="", ends_dead=True)
    outcome = {"checks": [{"check": "no_silent_end"}], "ended": "finished"}
    assert judge(replace(recording(exited(code)), outcome=outcome), case)[0] is verdict
