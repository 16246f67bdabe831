"""The virtual ground: what holds on the real one holds there, and both say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mockex_conformance.verdict import Verdict

if TYPE_CHECKING:
    from tests.suite.conftest import Judged, Ours

pytestmark = [pytest.mark.suite, pytest.mark.timeout(1500)]

# The reference adapter, and three that do several things at one instant.
ONE_RUN = ("reference", "two-owners", "dials-twice", "incident-python-bug")
DEAR = "RECON-03"  # of the incident: thousands of connections


# --- the virtual ground alone ---------------------------------------------------------------------


def test_nothing_that_is_right_fails_anything_in_virtual_time(virtual: Judged, ours: Ours) -> None:
    verdicts = [v for v in virtual.of(ours.right) if v.number in ours.virtual]
    wrong = [v for v in verdicts if v.verdict is not Verdict.PASS]
    assert not wrong, ours.table(wrong)
    assert len(verdicts) == len(ours.right) * 2 * len(ours.virtual)


def test_each_mutant_fails_its_row_in_virtual_time_with_a_finding_that_names_the_cause(
    virtual: Judged, ours: Ours
) -> None:
    verdicts = [
        v
        for v in virtual.of(ours.mutants)
        if v.number in ours.mutants[v.testee].must_fail and v.verdict is not Verdict.UNSUPPORTED
    ]
    wrong = ours.without_cause(verdicts)
    assert not wrong, ours.table(wrong)
    assert {number for v in verdicts for number in [v.number]} == set(ours.virtual)


def test_a_mutant_fails_nothing_else_that_its_description_does_not_name(
    virtual: Judged, ours: Ours
) -> None:
    """A mutant that fails cases it has nothing to do with shows a case that judges too much."""
    for name, mutant in ours.mutants.items():
        listed = {*mutant.must_fail, *mutant.also_fails, *mutant.may_fail}
        wrong = [
            v
            for v in virtual.of([name])
            if v.number not in listed and v.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)
        ]
        assert not wrong, ours.table(wrong)
        out_of_date = [
            v for v in virtual.of([name])
            if v.number in mutant.also_fails and v.verdict is Verdict.PASS
        ]  # fmt: skip
        assert not out_of_date, ours.table(out_of_date)


def test_each_mutant_is_alive_in_virtual_time(virtual: Judged, ours: Ours) -> None:
    """Who is dead kills nothing."""
    for name, mutant in ours.mutants.items():
        if "SUB-01" not in mutant.must_fail and mutant.entry:
            found = {v.verdict for v in virtual.of([name]) if v.number == "SUB-01"}
            assert found == {Verdict.PASS}, name


def test_the_dead_pass_nothing_in_virtual_time(virtual: Judged, ours: Ours) -> None:
    verdicts = [v for v in virtual.of(ours.dead) if v.number in ours.virtual]
    passed = [v for v in verdicts if v.verdict is not Verdict.FAIL]
    assert not passed, ours.table(passed)
    assert len(verdicts) == len(ours.dead) * 2 * len(ours.virtual)


def test_what_only_a_machine_has_is_unsupported_by_name(virtual: Judged, ours: Ours) -> None:
    unsupported = [v for v in virtual.verdicts if v.verdict is Verdict.UNSUPPORTED]
    without_entry = {name for name, mutant in ours.mutants.items() if not mutant.entry}
    assert without_entry == {"thread-per-reconnect"}
    for v in unsupported:
        if v.testee in without_entry:
            assert v.reason.startswith("no `entry`"), v
        else:
            assert v.number not in ours.virtual, v
            assert v.reason == "threads and file descriptors are a machine's: use `--ground real`"


def test_no_verdict_is_an_error_in_virtual_time(virtual: Judged, ours: Ours) -> None:
    errors = [v for v in virtual.verdicts if v.verdict is Verdict.ERROR]
    assert not errors, ours.table(errors)


def test_every_recording_of_virtual_time_gives_the_same_verdict_again(virtual: Judged) -> None:
    virtual.same_when_judged_again()
    assert {v.ground for v in virtual.verdicts} == {"virtual"}


# --- both grounds ---------------------------------------------------------------------------------


def test_both_grounds_agree(real: Judged, virtual: Judged, ours: Ours) -> None:
    """On what is right, the dead, the incident, and each mutant's own row."""
    there = virtual.by_key
    compared, different = 0, []
    for key, here in real.by_key.items():
        other = there[key]
        if other.verdict is Verdict.UNSUPPORTED:
            continue
        compared += 1
        if other.verdict is not here.verdict:
            different.append(f"real    {ours.table([here])}\nvirtual {ours.table([other])}")
    assert not different, "\n".join(different)
    rows = sum(len({*m.must_fail} & {*ours.virtual}) for m in ours.mutants.values() if m.entry)
    sides = 2 * (len(ours.right) + len(ours.dead)) + len(ours.incident)
    assert compared == sides * len(ours.virtual) + 2 * rows


# --- one seed, one run ----------------------------------------------------------------------------


def test_another_process_with_other_hashes_writes_the_same_recordings(
    virtual: Judged, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "mockex.cli", "conform", *ONE_RUN, "--exclude", DEAR,
         "--ground", "virtual", "--out", str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    recorded = {v.journal for v in virtual.of(ONE_RUN) if v.journal and v.number != DEAR}
    written = {f"journal/{p.name}" for p in (tmp_path / "journal").iterdir()}
    assert recorded == {name for name in written if "PROBE" not in name}
    for name in sorted(written):
        assert (tmp_path / name).read_bytes() == (virtual.out / name).read_bytes(), name
