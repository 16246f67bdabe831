"""Both grounds say the same; a recording gives its verdict again, and a seed its recording."""

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

# Three that do several things at one instant; and what is dear of them: thousands of connections.
SEVERAL_AT_ONCE = ("two-owners", "dials-twice", "incident-python-bug")
DEAR = "RECON-03"
WITHOUT_ENTRY = {"spins-on-error", "thread-per-reconnect"}


def test_both_grounds_agree(real: Judged, virtual: Judged, ours: Ours) -> None:
    """On what is right, the dead, the incident, and each mutant's own row."""
    there = virtual.by_key
    rows = {(v.testee, v.profile, v.number) for v in ours.row(real.verdicts)}
    compared, different = set(), []
    for key, here in real.by_key.items():
        other = there.get(key)
        if other is None or (here.testee in ours.mutants and key not in rows):
            continue
        if Verdict.UNSUPPORTED in (here.verdict, other.verdict):
            continue
        compared.add(key)
        if other.verdict is not here.verdict:
            different.append(f"real    {ours.table([here])}\nvirtual {ours.table([other])}")
    assert not different, "\n".join(different)
    of_both = {number for number, case in ours.cases.items() if not case.real_only}
    assert {number for _, _, number in compared} == of_both
    assert rows - compared == {
        (name, profile, number)
        for name, profile, number in rows
        if number not in of_both or name in WITHOUT_ENTRY
    }


def test_only_what_has_no_entry_is_left_out_in_virtual_time(virtual: Judged, ours: Ours) -> None:
    assert {testee.name for testee in ours.all if not testee.entry} == WITHOUT_ENTRY
    left_out = {v.testee for v in virtual.verdicts if v.reason.startswith("no `entry`")}
    assert left_out == WITHOUT_ENTRY
    assert {v.ground for v in virtual.verdicts} == {"virtual"}


def test_recordings_of_the_machine_give_their_verdicts_again(real: Judged) -> None:
    real.same_when_judged_again(real.verdicts)


def test_recordings_of_virtual_time_give_their_verdicts_again(virtual: Judged, ours: Ours) -> None:
    """Of what is right and of each mutant's own row: every case, passed and failed."""
    virtual.same_when_judged_again([*virtual.of(ours.right), *ours.row(virtual.verdicts)])


@pytest.mark.parametrize(
    ("testees", "cases"),
    [(["reference"], []), (SEVERAL_AT_ONCE, ["--case", "CONN-*", "--case", "RECON-*"])],
    ids=["reference", "several-at-once"],
)
def test_another_process_with_other_hashes_writes_the_same_recordings(
    virtual: Judged, tmp_path: Path, testees: list[str], cases: list[str]
) -> None:
    subprocess.run(
        [sys.executable, "-m", "mockex", "conform", *testees, *cases, "--exclude", DEAR,
         "--profile", "usdm", "--ground", "virtual", "--out", str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    written = {
        f"journal/{p.name}" for p in (tmp_path / "journal").iterdir() if "PROBE" not in p.name
    }
    compared = written & {v.journal for v in virtual.verdicts}
    assert len(compared) > len(written) / 3
    for name in sorted(compared):
        assert (tmp_path / name).read_bytes() == (virtual.out / name).read_bytes(), name
