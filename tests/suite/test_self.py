"""The suite judges itself: what is right passes everything, what is wrong fails what it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mockex_conformance.verdict import Verdict

if TYPE_CHECKING:
    from tests.suite.conftest import Judged, Ours

pytestmark = [pytest.mark.suite, pytest.mark.timeout(1500)]


def test_nothing_that_is_right_fails_anything(real: Judged, ours: Ours) -> None:
    verdicts = real.of(ours.right)
    wrong = [v for v in verdicts if v.verdict is not Verdict.PASS]
    assert not wrong, ours.table(wrong)
    assert len(verdicts) == len(ours.right) * 2 * len(ours.numbers)


def test_each_mutant_fails_its_cases_with_a_finding_that_names_the_cause(
    real: Judged, ours: Ours
) -> None:
    verdicts = real.of(ours.mutants)
    wrong = ours.without_cause(verdicts)
    assert not wrong, ours.table(wrong)
    assert len(verdicts) == 2 * sum(len(m.must_fail) for m in ours.mutants.values())


def test_the_dead_pass_nothing(real: Judged, ours: Ours) -> None:
    verdicts = real.of(ours.dead)
    passed = [v for v in verdicts if v.verdict is not Verdict.FAIL]
    assert not passed, ours.table(passed)
    assert len(verdicts) == len(ours.dead) * 2 * len(ours.numbers)


def test_every_recording_gives_the_same_verdict_again(real: Judged) -> None:
    real.same_when_judged_again()


def test_every_case_is_failed_by_a_mutant(ours: Ours) -> None:
    killed = {number for mutant in ours.mutants.values() for number in mutant.must_fail}
    assert killed == set(ours.numbers)
