"""Every case is failed by a mutant, every mutant fails its row, and nothing else without reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mockex_conformance.report.kills import KillTable
from mockex_conformance.verdict import Verdict

if TYPE_CHECKING:
    from tests.suite.conftest import Judged, Ours

pytestmark = [pytest.mark.suite, pytest.mark.timeout(1500)]

ON_A_HELD_LINK = {"waits-for-fin": "HB-03", "forgives-late-bytes": "CONN-04"}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "kill-table.md"


def test_each_mutant_fails_its_row_with_a_finding_that_names_the_cause(
    real: Judged, virtual: Judged, ours: Ours
) -> None:
    """On the machine, and in virtual time wherever that supports the case."""
    rows = [*ours.row(real.verdicts), *ours.row(virtual.verdicts)]
    wrong = [
        v
        for v in rows
        if v.verdict is not Verdict.UNSUPPORTED
        and (
            v.verdict is not Verdict.FAIL
            or not {f.check for f in v.findings} & ours.causes[v.number]
        )
    ]
    assert not wrong, ours.table(wrong)


def test_the_part_on_a_held_link_is_failed_by_who_passes_the_part_before(
    real: Judged, virtual: Judged, ours: Ours
) -> None:
    """Else nothing shows that it can be failed."""
    rows = [v for v in ours.row([*real.verdicts, *virtual.verdicts]) if v.testee in ON_A_HELD_LINK]
    assert {(v.testee, v.number, v.ground) for v in rows} == {
        (name, number, ground)
        for name, number in ON_A_HELD_LINK.items()
        for ground in ("real", "virtual")
    }
    faults = {finding.fault.partition(" ")[0] for v in rows for finding in v.findings}
    assert faults <= {"Hold", "Release"}, ours.table(rows)


def test_each_mutant_is_judged_on_its_row_on_the_machine(real: Judged, ours: Ours) -> None:
    judged = {
        (v.testee, v.number)
        for v in ours.row(real.verdicts)
        if v.verdict is not Verdict.UNSUPPORTED
    }
    assert judged == {(name, n) for name, mutant in ours.mutants.items() for n in mutant.must_fail}


def test_every_case_is_failed_by_a_mutant(real: Judged, ours: Ours) -> None:
    killed = {v.number for v in ours.row(real.verdicts) if v.verdict is Verdict.FAIL}
    assert killed == set(ours.cases)


def test_a_mutant_fails_nothing_that_its_description_does_not_name(
    real: Judged, virtual: Judged, ours: Ours
) -> None:
    """A mutant that fails cases it has nothing to do with shows a case that judges too much."""
    wrong = []
    for v in [*real.verdicts, *virtual.verdicts]:
        mutant = ours.mutants.get(v.testee)
        if mutant is None or v.verdict in (Verdict.PASS, Verdict.UNSUPPORTED):
            continue
        if v.number not in {*mutant.must_fail, *mutant.also_fails, *mutant.may_fail}:
            wrong.append(v)
    assert not wrong, ours.table(wrong)


def test_what_a_description_names_still_fails(virtual: Judged, ours: Ours) -> None:
    out_of_date = [
        v
        for v in virtual.of(ours.mutants)
        if v.number in ours.mutants[v.testee].also_fails and v.verdict is Verdict.PASS
    ]
    assert not out_of_date, ours.table(out_of_date)


def test_each_mutant_is_alive(real: Judged, virtual: Judged, ours: Ours) -> None:
    """Who is dead kills nothing."""
    lively = {
        v.testee
        for v in [*virtual.of(ours.mutants), *real.of(ours.mutants)]
        if v.number == "SUB-01" and v.verdict is Verdict.PASS
    }
    exempt = {name for name, m in ours.mutants.items() if "SUB-01" in m.must_fail or not m.entry}
    assert lively == set(ours.mutants) - exempt


def test_the_kill_table_is_what_was_seen(real: Judged, virtual: Judged, ours: Ours) -> None:
    verdicts = [*real.verdicts, *virtual.verdicts]
    table = KillTable(ours.all, list(ours.cases), verdicts)
    assert not table.wrong()
    made_by = f"python -m mockex_conformance.report.kills {virtual.out} {real.out} > {PAGE}"
    assert PAGE.read_text(encoding="utf-8") == table.page(), (
        f"out of date; make it anew:\n{made_by}"
    )
