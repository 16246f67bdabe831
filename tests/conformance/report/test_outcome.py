"""What verdicts amount to: the exit code."""

from __future__ import annotations

import pytest

from mockex.cli import ExitCode
from mockex_conformance.description import Expect
from mockex_conformance.report.lines import Claim
from mockex_conformance.report.outcome import outcome
from mockex_conformance.verdict import Severity

from .conftest import MakeVerdict

KNOWN = [
    Claim(name="orderly", expect=[Expect(case="CONN-01", verdict="FAIL", reason="no time yet")])
]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], ExitCode.NOTHING),
        (["PASS", "PASS"], ExitCode.OK),
        (["PASS", "FAIL"], ExitCode.FAILED),
        (["PASS", "FLAKY"], ExitCode.FAILED),
        (["PASS", "INCONCLUSIVE"], ExitCode.UNJUDGED),
        (["PASS", "ERROR"], ExitCode.UNJUDGED),
        (["FAIL", "ERROR"], ExitCode.FAILED),
        (["PASS", "UNSUPPORTED"], ExitCode.OK),
        (["UNSUPPORTED", "UNSUPPORTED"], ExitCode.UNJUDGED),
    ],
)
def test_the_exit_code_follows_from_the_verdicts(
    make_verdict: MakeVerdict, verdicts: list[str], code: ExitCode
) -> None:
    assert outcome([make_verdict(v) for v in verdicts]).exit_code is code


@pytest.mark.parametrize(
    ("severity", "strict", "code"),
    [
        (Severity.SHOULD, False, ExitCode.OK),
        (Severity.SHOULD, True, ExitCode.FAILED),
        (Severity.MAY, True, ExitCode.OK),
    ],
)
def test_a_failed_should_counts_only_when_strict_and_a_may_never(
    make_verdict: MakeVerdict, severity: Severity, strict: bool, code: ExitCode
) -> None:
    assert outcome([make_verdict("FAIL", severity=severity)], strict=strict).exit_code is code


def test_a_testee_of_which_nothing_is_known_is_unjudged_beside_one_that_passes(
    make_verdict: MakeVerdict,
) -> None:
    result = outcome([make_verdict(), make_verdict("UNSUPPORTED", testee="no-go-here")])
    assert result.exit_code is ExitCode.UNJUDGED
    assert [v.testee for v in result.unjudged] == ["no-go-here"]


def test_a_known_failure_keeps_the_run_green(make_verdict: MakeVerdict) -> None:
    result = outcome([make_verdict("FAIL")], KNOWN)
    assert result.exit_code is ExitCode.OK
    assert len(result.known) == 1


def test_a_known_failure_that_no_longer_fails_makes_the_run_red(
    make_verdict: MakeVerdict,
) -> None:
    result = outcome([make_verdict("PASS")], KNOWN)
    assert result.exit_code is ExitCode.FAILED
    assert len(result.mended) == 1


def test_a_known_failure_that_could_not_be_judged_is_unjudged(make_verdict: MakeVerdict) -> None:
    assert outcome([make_verdict("INCONCLUSIVE")], KNOWN).exit_code is ExitCode.UNJUDGED


def test_what_another_testee_knows_of_itself_excuses_nobody(make_verdict: MakeVerdict) -> None:
    assert outcome([make_verdict("FAIL", testee="x")], KNOWN).exit_code is ExitCode.FAILED


def test_counts_are_by_verdict(make_verdict: MakeVerdict) -> None:
    assert outcome([make_verdict(), make_verdict("FAIL"), make_verdict()]).counts == {
        "PASS": 2,
        "FAIL": 1,
    }


def test_what_is_expected_on_one_profile_is_not_on_the_other(make_verdict: MakeVerdict) -> None:
    expect = Expect(case="CONN-01", verdict="FAIL", reason="not yet", profile="spot")
    claims = [Claim(name="orderly", expect=[expect])]
    verdicts = [make_verdict("FAIL", profile="spot"), make_verdict("PASS", profile="usdm")]
    assert outcome(verdicts, claims).exit_code is ExitCode.OK
    verdicts = [make_verdict("FAIL", profile="usdm")]
    assert outcome(verdicts, claims).exit_code is ExitCode.FAILED
