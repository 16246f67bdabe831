"""What is right stays right on a slow line and on a thin one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mockex_conformance.verdict import Verdict
from tests.suite.conftest import BOTH, LINES, RIGHT, TELLING_OF_A_LINE
from tests.suite.test_right import by_rule

if TYPE_CHECKING:
    from mockex_conformance.verdict import CaseVerdict
    from tests.suite.conftest import Judged, Ours

pytestmark = [pytest.mark.suite, pytest.mark.timeout(600)]

THIN_KB_S = 64
TOO_THIN_FOR = {"HB-02", "FUZZ-06"}  # cases that need more bytes a second than the thin line passes


def by_line(v: CaseVerdict, ours: Ours) -> bool:
    """Whether an UNSUPPORTED is one that the thin line asks for."""
    needs = ours.cases[v.number].least_bytes_per_s / 1000
    return v.link == LINES[1] and v.reason == (
        f"the line passes {THIN_KB_S} KB/s, the case needs {needs:g}: give a wider `--link`"
    )


def test_nothing_that_is_right_fails_anything_over_a_line_in_virtual_time(
    virtual_line: Judged, ours: Ours
) -> None:
    wrong = [
        v
        for v in virtual_line.verdicts
        if v.verdict is not Verdict.PASS
        and not (v.verdict is Verdict.UNSUPPORTED and (by_rule(v, ours) or by_line(v, ours)))
    ]
    assert not wrong, ours.table(wrong)
    judged = {(v.testee, v.number) for v in virtual_line.verdicts}
    assert judged == {(name, number) for name in RIGHT for number in ours.cases}
    reference = {(v.profile, v.number) for v in virtual_line.of(["reference"])}
    assert reference == {(profile, number) for profile in BOTH for number in ours.cases}


def test_all_that_ran_ran_over_the_line(virtual_line: Judged) -> None:
    ran = [v for v in virtual_line.verdicts if v.journal]
    (link,) = {v.link for v in ran}
    assert link in {f"simulated {line}" for line in LINES}
    left_out = {v.number for v in virtual_line.verdicts if "the line passes" in v.reason}
    assert left_out == (TOO_THIN_FOR if link.endswith(LINES[1]) else set())


def test_recordings_over_a_line_give_their_verdicts_again(virtual_line: Judged) -> None:
    virtual_line.same_when_judged_again(virtual_line.of(["reference"]))


@pytest.mark.toxiproxy
def test_the_reference_adapter_fails_nothing_over_a_line(real_line: Judged, ours: Ours) -> None:
    wrong = [v for v in real_line.verdicts if v.verdict is not Verdict.PASS]
    assert not wrong, ours.table(wrong)
    assert {v.number for v in real_line.verdicts} == {*TELLING_OF_A_LINE}
    (link,) = {v.link for v in real_line.verdicts}
    assert link in {f"toxiproxy {line}" for line in LINES}
    real_line.same_when_judged_again(real_line.verdicts)
