"""The suite judges itself: what is right passes everything, what is wrong fails what it must."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.harness.load import find
from mockex_conformance.harness.scheduler import Plan, Started, run
from mockex_conformance.rejudging import judge_again
from mockex_conformance.verdict import CaseVerdict, Verdict

pytestmark = [pytest.mark.suite, pytest.mark.timeout(1500)]

RIGHT = ("reference", "per-stream-connections", "slow-but-right")
DEAD = ("silent", "crashing", "liar")
MUTANTS = [testee for testee in find("mutants") if testee.must_fail]
# What names the cause, by case: a finding of one of these checks.
CAUSES = {
    "CONN-01": {"deliveries_at_most"},
    "CONN-02": {"deliveries_at_most", "one_upgrade_per_loss"},
    "CONN-03": {"traffic_flat"},
    "CONN-06": {"deliveries_at_most"},
    "SUB-01": {"recovered", "subscriptions_equal"},
    "SUB-02": {"recovered", "subscriptions_equal"},
    "SUB-03": {"never_multiplied"},
    "RECON-01": {"recovered", "stays"},
    "RECON-02": {"attempt_rate"},
    "RECON-03": {"attempt_rate"},
    "HB-01": {"pong_repeats"},
    "HB-03": {"recovered"},
    "RES-01": {"flat"},
    "RES-02": {"flat"},
    "CLOSE-01": {"terminates"},
    "CLOSE-02": {"no_attempt"},
}


def judged(out: Path, names: list[str], rows: Mapping[str, list[str]] | None) -> list[CaseVerdict]:
    verdicts: list[CaseVerdict] = []

    def keep(event: Started | CaseVerdict) -> None:
        if isinstance(event, CaseVerdict):
            verdicts.append(event)

    testees = [testee for name in names for testee in find(name)]
    run(Plan(testees=testees, cases=list(all_cases().values()), out=out, rows=rows), keep)
    return verdicts


def table(verdicts: list[CaseVerdict]) -> str:
    lines = []
    for v in verdicts:
        told = v.reason or "; ".join(f.message for f in v.findings)
        lines.append(f"{v.testee} {v.profile} {v.number}: {v.verdict} {told}")
    return "\n".join(lines)


def test_nothing_that_is_right_fails_anything(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, list(RIGHT), None)
    wrong = [v for v in verdicts if v.verdict is not Verdict.PASS]
    assert not wrong, table(wrong)
    assert len(verdicts) == len(RIGHT) * 2 * len(all_cases())


def test_each_mutant_fails_its_cases_with_a_finding_that_names_the_cause(tmp_path: Path) -> None:
    rows = {m.name: m.must_fail for m in MUTANTS}
    verdicts = judged(tmp_path, [m.name for m in MUTANTS], rows)
    wrong = [
        v
        for v in verdicts
        if v.verdict is not Verdict.FAIL
        or not {finding.check for finding in v.findings} & CAUSES[v.number]
    ]
    assert not wrong, table(wrong)
    assert len(verdicts) == 2 * sum(len(m.must_fail) for m in MUTANTS)
    _same_when_judged_again(tmp_path, verdicts)


def _same_when_judged_again(out: Path, verdicts: list[CaseVerdict]) -> None:
    for verdict in verdicts:
        if verdict.journal:
            (again,) = judge_again(out / verdict.journal).result.verdicts
            assert (again.verdict, again.findings) == (verdict.verdict, verdict.findings)


def test_every_case_is_failed_by_a_mutant() -> None:
    killed = {number for mutant in MUTANTS for number in mutant.must_fail}
    assert killed == {case.number for case in all_cases().values()}


def test_the_dead_pass_nothing(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, list(DEAD), None)
    assert len(verdicts) == len(DEAD) * 2 * len(all_cases())
    passed = [v for v in verdicts if v.verdict is not Verdict.FAIL]
    assert not passed, table(passed)
