"""What is right passes everything, and the dead pass nothing, on both grounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mockex_conformance.verdict import Verdict

if TYPE_CHECKING:
    from mockex_conformance.verdict import CaseVerdict
    from tests.suite.conftest import Judged, Ours

pytestmark = [pytest.mark.suite, pytest.mark.timeout(1500)]

# Case and testee (`*`: anybody who declares it) to why it cannot be judged: a rule of the
# catalogue, and nothing else.
NOT_JUDGED = {
    ("CONN-07", "*"): "it holds both streams on one connection, so there is no other to touch",
    ("RECON-04", "two-deliveries"): "needs `deliveries_per_stream = 1`",
    ("RECON-05", "two-deliveries"): "needs `deliveries_per_stream = 1`",
    ("SUB-08", "per-stream-connections"): "`max_streams`",
}


def by_rule(v: CaseVerdict, ours: Ours) -> bool:
    """Whether an UNSUPPORTED is one that a rule asks for."""
    case = ours.cases[v.number]
    if v.profile not in case.profiles:
        return v.reason == f"the case is about {' and '.join(case.profiles)}"
    if v.ground == "virtual" and case.real_only:
        return v.reason == f"only a machine has {case.real_only}: use `--ground real`"
    reasons = [NOT_JUDGED.get((v.number, who)) for who in (v.testee, "*")]
    return any(reason in v.reason for reason in reasons if reason)


def test_nothing_that_is_right_fails_anything_in_virtual_time(virtual: Judged, ours: Ours) -> None:
    verdicts = virtual.of(ours.right)
    wrong = [v for v in verdicts if v.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)]
    assert not wrong, ours.table(wrong)
    assert len(verdicts) == len(ours.right) * 2 * len(ours.cases)


def test_nothing_that_is_right_fails_anything(real: Judged, ours: Ours) -> None:
    verdicts = real.of(ours.right)
    wrong = [v for v in verdicts if v.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)]
    assert not wrong, ours.table(wrong)
    assert {v.testee for v in verdicts} == set(ours.right)


def test_what_is_not_judged_is_left_out_by_a_rule(
    real: Judged, virtual: Judged, ours: Ours
) -> None:
    verdicts = [*real.of(ours.right), *virtual.of(ours.right)]
    skipped = [v for v in verdicts if v.verdict is Verdict.UNSUPPORTED]
    wrong = [v for v in skipped if not by_rule(v, ours)]
    assert not wrong, ours.table(wrong)
    used = {
        key for key in NOT_JUDGED for v in skipped if key in ((v.number, v.testee), (v.number, "*"))
    }
    assert used == set(NOT_JUDGED)


def test_the_reference_adapter_is_judged_on_every_case(real: Judged, ours: Ours) -> None:
    passed = {v.number for v in real.of(["reference"]) if v.verdict is Verdict.PASS}
    assert passed == set(ours.cases)


def test_the_dead_pass_nothing(real: Judged, virtual: Judged, ours: Ours) -> None:
    for run in (real, virtual):
        verdicts = run.of(ours.dead)
        wrong = [
            v
            for v in verdicts
            if v.verdict is not Verdict.FAIL
            and not (v.verdict is Verdict.UNSUPPORTED and by_rule(v, ours))
        ]
        assert not wrong, ours.table(wrong)
        assert len(verdicts) == len(ours.dead) * 2 * len(ours.cases)


def test_no_verdict_is_an_error(real: Judged, virtual: Judged, ours: Ours) -> None:
    errors = [v for v in [*real.verdicts, *virtual.verdicts] if v.verdict is Verdict.ERROR]
    assert not errors, ours.table(errors)
