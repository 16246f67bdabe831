"""What the suite's commands print with `--json`. `mockex schema NAME` describes each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from mockex_conformance import explaining
from mockex_conformance.case import Case
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.terminal import sentence
from mockex_conformance.verdict import CaseVerdict

if TYPE_CHECKING:
    from mockex.cli import ExitCode
    from mockex_conformance.explore.schedule import Schedule
    from mockex_conformance.explore.search import Search, Tally
    from mockex_conformance.rejudging import Again
    from mockex_conformance.report.outcome import Outcome
    from mockex_conformance.running import Finished


class Cell(msgspec.Struct, frozen=True):
    """Whose verdict on what."""

    testee: str
    profile: str
    number: str

    @classmethod
    def of(cls, verdicts: Iterable[CaseVerdict]) -> list[Self]:
        """Those of these verdicts."""
        return [cls(v.testee, v.profile, v.number) for v in verdicts]


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What a run left, by path."""

    folder: str
    record: str
    page: str
    junit: str


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict before and after a replay."""

    cell: Cell
    then: str
    now: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What judging again gave beside the verdicts: `differences` in words; how many lines of the
    record came out byte for byte, how many stand because they have no recording; whether the
    record lacks its end."""

    differences: list[str]
    same: int
    kept: int
    unfinished: bool


class RunResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run, or recordings judged again. `failed`, `unjudged`, `mended` (an expected failure that
    passed) and `known` (one that failed) say what made `exit_code`; `run` is the first line of the
    record, if there is one."""

    exit_code: int
    sentence: str
    counts: dict[str, int]
    verdicts: list[CaseVerdict]
    failed: list[Cell] = []
    unjudged: list[Cell] = []
    mended: list[Cell] = []
    known: list[Cell] = []
    run: RunLine | None = None
    duration_s: float = 0.0
    files: Files | None = None
    again: Compared | None = None
    replayed: list[Then] = []


class CaseListed(msgspec.Struct, frozen=True, kw_only=True):
    """A case of the catalogue. `alone`: never beside another; `takes_s`: about how long;
    `real_only` says why it cannot be judged in virtual time, if it cannot."""

    number: str
    id: str
    severity: str
    level: int
    profiles: list[str]
    requirement: str
    alone: bool
    takes_s: int
    real_only: str


class CaseExplained(CaseListed, frozen=True, kw_only=True):
    """A case with what is published about it."""

    stimulus: list[str]
    evidence: str
    causes: str
    look_at: str


class Named(msgspec.Struct, frozen=True):
    """A schema that there is."""

    name: str
    about: str


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that a testee does not survive, and the file that holds it."""

    kind: str
    findings: list[str]
    steps: int
    file: str
    replay: str


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """What a search for such schedules gave."""

    exit_code: int
    testee: str
    profile: str
    seed: int
    schedules: int
    states: int
    duration_s: float
    simulated_s: float
    found: list[Failing]


class Begun(msgspec.Struct, frozen=True):
    """What `init` wrote, and what its builds need and is not on PATH."""

    folder: str
    files: list[str]
    missing_tools: list[str]


def of_outcome(result: Outcome, **more: Any) -> RunResult:
    """The members that follow from the verdicts."""
    return msgspec.structs.replace(
        RunResult(
            exit_code=result.exit_code,
            sentence=sentence(result),
            counts=result.counts,
            verdicts=result.verdicts,
            failed=Cell.of(result.failed),
            unjudged=Cell.of(result.unjudged),
            mended=Cell.of(result.mended),
            known=Cell.of(result.known),
        ),
        **more,
    )


def of_run(finished: Finished, replayed: Sequence[Then] = ()) -> RunResult:
    """A run that is over."""
    out = finished.out
    return of_outcome(
        finished.result,
        run=finished.run,
        duration_s=finished.duration_s,
        replayed=list(replayed),
        files=Files(
            folder=str(out),
            record=str(out / "run.jsonl"),
            page=str(out / "report.html"),
            junit=str(out / "junit.xml"),
        ),
    )


def of_again(again: Again) -> RunResult:
    """Recordings that were judged again."""
    compared = Compared(
        differences=again.differences,
        same=again.same,
        kept=again.kept,
        unfinished=again.unfinished,
    )
    return of_outcome(again.result, again=compared)


def listed(case: Case) -> CaseListed:
    """A case in the list."""
    return CaseListed(**_listed(case))


def explained(case: Case) -> CaseExplained:
    """A case with what is published about it."""
    told = explaining.explain(case)
    said = told.labelled
    return CaseExplained(
        **_listed(case),
        stimulus=told.stimulus,
        evidence=said.get("Evidence", ""),
        causes=said.get("Causes", ""),
        look_at=said.get("Look at", ""),
    )


def explored(
    what: Search, tally: Tally, kept: Sequence[tuple[str, Path, Schedule]], code: ExitCode
) -> Explored:
    """A search that is over; `kept` are kinds of failure with their schedules."""
    return Explored(
        exit_code=code,
        testee=what.testee.name,
        profile=what.profile,
        seed=what.seed,
        schedules=tally.schedules,
        states=len(tally.states),
        duration_s=round(tally.real_s, 3),
        simulated_s=round(tally.simulated_s, 3),
        found=[
            Failing(
                kind=kind,
                findings=schedule.findings,
                steps=len(schedule.steps),
                file=str(path),
                replay=f"mockex replay {path}",
            )
            for kind, path, schedule in kept
        ],
    )


def _listed(case: Case) -> dict[str, Any]:
    return {
        "number": case.number,
        "id": case.id,
        "severity": str(case.severity),
        "level": int(case.level),
        "profiles": list(case.profiles),
        "requirement": case.requirement,
        "alone": case.alone,
        "takes_s": case.takes_s,
        "real_only": case.real_only,
    }
