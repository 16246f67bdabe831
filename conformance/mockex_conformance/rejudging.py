"""Recordings judged again, without the testee: `mockex judge`.

The same function judges here and at the end of a case, so the same recording gives the same
verdict; where the checks have changed since, the difference to the record is named.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from mockex.errors import MockexError
from mockex_conformance.case import Case, all_cases
from mockex_conformance.explore.play import EXPLORED
from mockex_conformance.harness.probe import PROBE, never_live
from mockex_conformance.judge import judge
from mockex_conformance.recording import Recording, Terms, read_entries
from mockex_conformance.report.lines import Claim
from mockex_conformance.report.outcome import Outcome, outcome
from mockex_conformance.report.record import read_record
from mockex_conformance.report.settling import settled
from mockex_conformance.report.terminal import console, show_result
from mockex_conformance.verdict import CaseVerdict, Level, Verdict


class NoRecording(MockexError):
    """A file that should be the recording of a case is none."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path} cannot be judged: {why}")


@dataclass(frozen=True, slots=True)
class Again:
    """What judging again gave. `differences` are sentences; `same` counts verdicts whose line in
    the record comes out again byte for byte; `kept` those of which there is no recording, or one
    without an end (nothing was run, or it was killed), and which stand as recorded."""

    result: Outcome
    claims: list[Claim] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    same: int = 0
    kept: int = 0
    unfinished: bool = False
    of_a_run: bool = False  # there is a record to differ from
    folder: Path = Path()  # of the run


def read_recording(path: Path) -> Recording:
    """The recording of a case, from its file.

    Raises:
        NoRecording: it is no journal, or a journal of something other than a case.
    """
    try:
        entries = read_entries(path)
    except OSError as error:
        raise NoRecording(path, error.strerror or str(error)) from None
    except ValueError as error:
        raise NoRecording(path, str(error)) from None
    recording = Recording(entries, _NO_TERMS)
    landmarks = recording.noted("case")
    if not landmarks:
        raise NoRecording(path, "it has no landmark 'case', so it is no recording of one")
    try:
        terms = msgspec.convert(landmarks[0].detail, Terms)
    except msgspec.ValidationError as error:
        raise NoRecording(path, f"the terms of its case: {error}") from None
    ends = recording.noted("outcome")
    return Recording(entries, terms, ends[-1].detail if ends else {})


_NO_TERMS = Terms(
    case="", number="", testee="", version="", profile="", mode="", level=0, k=1, scale=1.0,
    seed=0, streams=[], limits={},
)  # fmt: skip


def judge_again(path: Path, *, strict: bool = False) -> Again:
    """Judge a run's folder, its run.jsonl, or one recording.

    Raises:
        NoRecord, NoRecording: `path` is neither.
    """
    if path.is_dir() or path.name == "run.jsonl":
        return _run_again(path, strict=strict)
    return Again(outcome([_alone(path)], strict=strict))


def _run_again(path: Path, *, strict: bool) -> Again:
    record = read_record(path)
    verdicts: list[CaseVerdict] = []
    differences: list[str] = []
    same = kept = 0
    for old, line in zip(record.verdicts, record.lines, strict=True):
        file = record.folder / old.journal
        recording = None
        if old.journal:
            try:
                recording = read_recording(file)
            except NoRecording as none:
                if old.verdict is not Verdict.ERROR:  # a killed worker leaves anything
                    differences.append(f"{_who(old)}: not judged again: {none}")
        if recording is None or not recording.outcome:
            kept += 1
            verdicts.append(old)
            continue
        new = anew(recording, file, old)
        verdicts.append(new)
        if msgspec.json.encode(new) == line:
            same += 1
        else:
            differences += _differences(old, new)
    claims = record.run.testees
    result = outcome(settled(verdicts, record.run), claims, strict=strict or record.run.strict)
    return Again(
        result, claims, differences, same, kept, not record.complete, of_a_run=True,
        folder=record.folder,
    )  # fmt: skip


def _case_of(recording: Recording, path: Path) -> Case:
    known = {EXPLORED.id: EXPLORED, PROBE.id: PROBE, **all_cases()}
    case = known.get(recording.terms.case)
    if case is None:
        raise NoRecording(path, f"there is no case {recording.terms.case!r} any more")
    return case


def anew(recording: Recording, path: Path, old: CaseVerdict) -> CaseVerdict:
    """The line of the record, made anew of the recording that `path` holds: all of it but the
    duration and where things are kept."""
    terms, case = recording.terms, _case_of(recording, path)
    verdict, findings, reason = judge(recording, case)
    made: dict[str, Any] = {"verdict": verdict, "findings": findings, "reason": reason}
    if case is PROBE:  # it went no further: every case of this testee has the verdict of the probe
        made["findings"] = never_live(findings)
    else:
        made |= {
            "testee": terms.testee,
            "case": case.id,
            "number": case.number,
            "profile": terms.profile,
            "severity": case.severity,
            "level": case.level,
            "seed": terms.seed,
            "requirement": case.requirement,
            "mode": terms.mode,
            "ground": terms.ground,
            "link": terms.link,
            "notes": recording.outcome.get("notes", []),
        }
    # What is equal stays the object that it was: msgspec leaves out a default only if it is one.
    changed = {name: value for name, value in made.items() if getattr(old, name) != value}
    return msgspec.structs.replace(old, **changed)


def _alone(path: Path) -> CaseVerdict:
    """The verdict of a recording of which no line of a record is at hand."""
    recording = read_recording(path)
    terms, entries, case = recording.terms, recording.entries, _case_of(recording, path)
    verdict, findings, reason = judge(recording, case)
    return CaseVerdict(
        testee=terms.testee,
        case=case.id,
        number=case.number,
        profile=terms.profile,
        verdict=verdict,
        severity=case.severity,
        level=Level(case.level),
        duration_s=round(entries[-1].t - entries[0].t, 3),
        seed=terms.seed,
        requirement=case.requirement,
        mode=terms.mode,
        ground=terms.ground,
        link=terms.link,
        findings=never_live(findings) if case is PROBE else findings,
        reason=reason,
        notes=recording.outcome.get("notes", []),
        replay=terms.wish.command_line() if terms.wish else "",
        journal=str(path),
    )


def _who(verdict: CaseVerdict) -> str:
    return f"{verdict.testee} {verdict.profile} {verdict.number}"


def _differences(old: CaseVerdict, new: CaseVerdict) -> list[str]:
    if old.verdict is not new.verdict:
        return [f"{_who(old)}: {old.verdict} in the record, {new.verdict} now"]
    before = {finding.message for finding in old.findings}
    after = {finding.message for finding in new.findings}
    found = [
        *(f"{_who(old)}: no longer found: {message}" for message in sorted(before - after)),
        *(f"{_who(old)}: found now: {message}" for message in sorted(after - before)),
    ]
    members = [n for n in old.__struct_fields__ if getattr(old, n) != getattr(new, n)]
    return found or [f"{_who(old)}: another line than in the record: {', '.join(members)}"]


def show(again: Again, *, only_failed: bool = False) -> None:
    """Print the same table as the run did, and the differences."""
    out = console(sys.stdout)
    show_result(out, again.result, again.claims, only_failed=only_failed, folder=again.folder)
    if again.same:
        out.print(Text(f"{again.same} verdicts are those of the record, byte for byte."))
    if again.kept:
        out.print(Text(f"{again.kept} without a whole recording stand as recorded."))
    if again.unfinished:
        out.print(Text("The run was ended before its last case: the record is not complete."))
    for difference in again.differences:
        out.print(Text(difference, style="bold yellow"))
    if again.of_a_run and not again.differences:
        out.print(Text("No verdict and no finding differs from the record."))
