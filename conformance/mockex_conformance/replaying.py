"""Recorded cases run again, with the same testee, seed and conditions: `mockex replay`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.text import Text

from mockex.errors import ConfigError
from mockex_conformance import running
from mockex_conformance.case import all_cases
from mockex_conformance.harness.plan import Cell as Key
from mockex_conformance.harness.plan import Plan
from mockex_conformance.planning import plan_of
from mockex_conformance.rejudging import judge_again, read_recording
from mockex_conformance.report.record import read_record
from mockex_conformance.report.settling import settled
from mockex_conformance.report.terminal import console
from mockex_conformance.results import Cell, Then
from mockex_conformance.running import Finished
from mockex_conformance.selection import select
from mockex_conformance.verdict import CaseVerdict, Verdict
from mockex_conformance.wish import Wish


@dataclass(frozen=True, slots=True)
class Recorded:
    """A verdict that was given then, and what asks for its case again."""

    verdict: CaseVerdict
    wish: Wish

    @property
    def cell(self) -> Key:
        """Whose verdict on what."""
        return self.verdict.testee, self.verdict.profile, self.verdict.case


def from_recording(path: Path) -> list[Recorded]:
    """The case of one recording.

    Raises:
        NoRecording: it is none.
        ConfigError: it does not say how to run it again.
    """
    wish = read_recording(path).terms.wish
    if wish is None:
        raise ConfigError("RECORDING", str(path), "one that says how its case is run again")
    return [Recorded(judge_again(path).result.verdicts[0], wish)]


def from_record(
    folder: Path, patterns: Sequence[str], *, testees: Collection[str], profiles: Collection[str]
) -> list[Recorded]:
    """The cases of a run that are meant; without a pattern those that did not pass.

    Raises:
        NoRecord: there is no record.
        ConfigError: a pattern means no case.
    """
    record = read_record(folder)
    meant = {case.id for case in select(all_cases(), include=patterns)}
    found = []
    for verdict in settled(record.verdicts, record.run):
        fits = (
            verdict.case in meant
            and (patterns or verdict.verdict is not Verdict.PASS)
            and (not testees or verdict.testee in testees)
            and (not profiles or verdict.profile in profiles)
        )
        file = record.folder / verdict.journal
        if not fits or not verdict.journal or not file.exists():
            continue  # of what was never run there is no recording
        wish = read_recording(file).terms.wish
        if wish is not None:
            found.append(Recorded(verdict, wish))
    return found


def plan_for(recorded: Sequence[Recorded], out: Path, *, jobs: int | None = None) -> Plan:
    """One plan for all of them: they are of one run, so of one seed and one set of conditions.

    Raises:
        ConfigError: a testee that is not there any more.
    """
    wish = msgspec.structs.replace(
        recorded[0].wish,
        testees=list(dict.fromkeys(name for one in recorded for name in one.wish.testees)),
        cases=list(dict.fromkeys(one.verdict.number for one in recorded)),
        profiles=list(dict.fromkeys(one.verdict.profile for one in recorded)),
    )
    return replace(plan_of(wish, out, jobs=jobs), only={one.cell for one in recorded})


def replay(
    recorded: Sequence[Recorded], out: Path, *, jobs: int | None, command: Sequence[str]
) -> Finished:
    """Run them again, and write a record of that."""
    finished = running.judge_all(plan_for(recorded, out, jobs=jobs), command=command)
    running.write_reports(finished)
    return finished


def compared(recorded: Sequence[Recorded], finished: Finished) -> list[Then]:
    """What each verdict was then and is now; without those that an interrupt has left out."""
    now = {(v.testee, v.profile, v.case): v for v in finished.result.verdicts}
    return [
        Then(
            cell=Cell(one.verdict.testee, one.verdict.profile, one.verdict.number),
            then=str(one.verdict.verdict),
            now=str(now[one.cell].verdict),
        )
        for one in recorded
        if one.cell in now
    ]


def show(recorded: Sequence[Recorded], finished: Finished) -> None:
    """The result, and what each verdict was then."""
    running.show(finished)
    out = console(sys.stdout)
    for one in compared(recorded, finished):
        name = f"{one.cell.testee} {one.cell.profile} {one.cell.number}"
        style = "" if one.then == one.now else "bold yellow"
        out.print(Text(f"{name}: {one.then} then, {one.now} now", style=style))
