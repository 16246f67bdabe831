"""Our own testees, judged once on each ground; the tests of this folder read the verdicts.

Virtual time is cheap. There every case is judged on both profiles of what is right, of the dead,
and of each mutant's own row; what else a mutant fails is looked for on one profile a case: usdm for
odd numbers, spot for even ones, or the only one that the case is about.

The machine is dear. There the reference adapter is judged on everything, on both profiles but where
a case is judged alone; each mutant on its own row, and each of the unusual ones on a third of
what is not judged alone, on one profile; the dead are probed.

What is right is judged once more over a slow and over a thin line: on every case in virtual time,
and the reference adapter on the machine on a dozen that tell most.

`MOCKEX_SUITE=whole` judges every cell on both profiles in virtual time; on the machine all of what
is right, and all mutants on the cases that need a machine: before a release.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import msgspec
import pytest

from mockex.faults import LinkTerms
from mockex_conformance.case import Case, all_cases
from mockex_conformance.description import Description
from mockex_conformance.harness import batches, scheduler
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import find
from mockex_conformance.harness.plan import Cell, Plan
from mockex_conformance.harness.scheduler import Event
from mockex_conformance.rejudging import anew, read_recording
from mockex_conformance.report.lines import run_line
from mockex_conformance.report.record import RECORD, RecordWriter
from mockex_conformance.verdict import CaseVerdict

RIGHT = ("reference", "per-stream-connections", "pull-model", "slow-but-right", "two-deliveries")
DEAD = ("silent", "crashing", "liar")
BOTH = ("spot", "usdm")
OF_THE_INCIDENT = ("CONN-01", "HB-03")  # the leak, and the outage that its fixes leave
LINES = ("latency=80ms,jitter=20ms", "bandwidth=64KB/s")
TELLING_OF_A_LINE = (  # what is timed, counted, or itself about a link
    "CONN-01", "CONN-04", "SUB-01", "RECON-08", "RECON-09", "HB-01", "HB-03", "HB-04", "ROLL-03",
    "DATA-10", "SLOW-04", "CLOSE-01",
)  # fmt: skip
WHOLE = os.environ.get("MOCKEX_SUITE") == "whole"
# What names the cause, by case: a finding of one of these checks.
CAUSES = {
    "CONN-01": {"deliveries_at_most"},
    "CONN-02": {"deliveries_at_most", "one_upgrade_per_loss"},
    "CONN-03": {"traffic_flat"},
    "CONN-04": {"closed_by_testee"},
    "CONN-05": {"same_endpoint"},
    "CONN-06": {"deliveries_at_most"},
    "CONN-07": {"others_untouched"},
    "CONN-08": {"no_surplus"},
    "CONN-09": {"stays"},
    "SUB-01": {"recovered", "subscriptions_equal"},
    "SUB-02": {"recovered", "subscriptions_equal"},
    "SUB-03": {"never_multiplied"},
    "SUB-04": {"message_rate"},
    "SUB-05": {"recovered"},
    "SUB-06": {"silence_told"},
    "SUB-07": {"named_once"},
    "SUB-08": {"request_size", "streams_fit"},
    "SUB-09": {"recovered", "subscriptions_equal"},
    "RECON-01": {"recovered", "stays"},
    "RECON-02": {"attempt_rate"},
    "RECON-03": {"attempt_rate"},
    "RECON-04": {"delays_grow"},
    "RECON-05": {"herd_is_spread"},
    "RECON-06": {"recovered"},
    "RECON-07": {"waits_as_told"},
    "RECON-08": {"closed_by_testee"},
    "RECON-09": {"alive"},
    "RECON-10": {"no_silent_end"},
    "HB-01": {"pong_repeats"},
    "HB-02": {"no_pong_timeout"},
    "HB-03": {"recovered"},
    "HB-04": {"noticed_silence"},
    "HB-05": {"stays"},
    "HB-06": {"deliveries_at_most"},
    "HB-07": {"kept"},
    "HB-08": {"few_attempts_after_pause"},
    "ROLL-01": {"deliveries_at_most"},
    "ROLL-02": {"no_gap_in_deliveries"},
    "ROLL-03": {"closed_by_testee", "deliveries_at_most"},
    "ROLL-04": {"one_upgrade_per_round", "deliveries_at_most"},
    "ROLL-05": {"renewed_in_time", "closed_by_testee", "deliveries_at_most"},
    "ROLL-06": {"recovered"},
    "DATA-10": {"once_in_order"},
    "FUZZ-06": {"all_presented", "pong_repeats"},
    "RES-01": {"flat"},
    "RES-02": {"flat"},
    "RES-03": {"flat"},
    "RES-04": {"slope", "flat"},
    "RES-05": {"flat"},
    "RES-06": {"cpu_at_most"},
    "SLOW-04": {"one_per_change"},
    "CLOSE-01": {"terminates"},
    "CLOSE-02": {"no_attempt"},
}

Key = tuple[str, str, str]  # testee, profile, case number


@dataclass(frozen=True, slots=True)
class Judged:
    """One run: its folder with the record, and the verdicts as they came."""

    out: Path
    verdicts: Sequence[CaseVerdict]

    @property
    def by_key(self) -> dict[Key, CaseVerdict]:
        """Each verdict by whose it is."""
        return {(v.testee, v.profile, v.number): v for v in self.verdicts}

    def of(self, testees: Collection[str]) -> list[CaseVerdict]:
        """The verdicts on some testees."""
        return [v for v in self.verdicts if v.testee in testees]

    def same_when_judged_again(self, some: Collection[CaseVerdict]) -> None:
        """Assert that these recordings give their lines of the record again, byte for byte."""
        judged = [v for v in some if v.journal]
        assert judged
        for v in judged:
            path = self.out / v.journal
            again = anew(read_recording(path), path, v)
            assert msgspec.json.encode(again) == msgspec.json.encode(v), v


@dataclass(frozen=True, slots=True)
class Ours:
    """The testees that come with the suite, and what is expected of them."""

    cases: Mapping[str, Case]  # by number
    right: Mapping[str, Description]
    dead: Mapping[str, Description]
    mutants: Mapping[str, Description]
    incident: Mapping[str, Description]
    causes: Mapping[str, set[str]]  # by case number, names of checks

    @property
    def all(self) -> list[Description]:
        """Every one of them."""
        kinds = (self.right, self.mutants, self.dead, self.incident)
        return [testee for kind in kinds for testee in kind.values()]

    def row(self, verdicts: Collection[CaseVerdict]) -> list[CaseVerdict]:
        """Those on a case of a mutant's own row."""
        return [
            v
            for v in verdicts
            if v.testee in self.mutants and v.number in self.mutants[v.testee].must_fail
        ]

    @staticmethod
    def table(verdicts: Collection[CaseVerdict]) -> str:
        """Verdicts, a line each, with what was found."""
        lines = []
        for v in verdicts:
            told = v.reason or "; ".join(f.message for f in v.findings)
            lines.append(f"{v.testee} {v.profile} {v.number}: {v.verdict} {told}\n    {v.replay}")
        return "\n".join(lines)


def _named(*names: str) -> dict[str, Description]:
    return {testee.name: testee for name in names for testee in find(name)}


@pytest.fixture(scope="session")
def ours() -> Ours:
    """What is judged here."""
    return Ours(
        cases={case.number: case for case in all_cases().values()},
        right=_named(*RIGHT),
        dead=_named(*DEAD),
        mutants={name: testee for name, testee in _named("mutants").items() if testee.must_fail},
        incident=_named("incident/python"),
        causes=CAUSES,
    )


def _cells(
    testees: Iterable[Description], cases: Iterable[Case], profiles: Collection[str] | None = None
) -> set[Cell]:
    """Each of the testees on each of the cases: on these profiles, or on one for each case."""
    return {
        (testee.name, profile, case.id)
        for testee in testees
        for case in cases
        for profile in profiles or [_in_turn(case)]
    }


def _in_turn(case: Case) -> str:
    if len(case.profiles) == 1:
        return case.profiles[0]
    return "usdm" if int(case.number.partition("-")[2]) % 2 else "spot"


class _More(TypedDict, total=False):
    link: LinkTerms
    jobs: int


def _rows(ours: Ours, profiles: Collection[str] | None = None) -> set[Cell]:
    cells: set[Cell] = set()
    for mutant in ours.mutants.values():
        cells |= _cells([mutant], [ours.cases[number] for number in mutant.must_fail], profiles)
    return cells


def _run(
    out: Path, ours: Ours, ground: Ground, cells: Collection[Cell], **more: Unpack[_More]
) -> Judged:
    cases = list(ours.cases.values())
    plan = Plan(testees=ours.all, cases=cases, out=out, ground=ground, only=cells, **more)
    on = batches if ground is Ground.VIRTUAL else scheduler
    first = run_line(seed=plan.seed, command=["pytest", "-m", "suite"], cases=ours.cases)
    with RecordWriter(out / RECORD, first) as record:

        def add(event: Event) -> None:
            if isinstance(event, CaseVerdict):
                record.add(event)

        return Judged(out, on.run(plan, add))


@pytest.fixture(scope="session")
def virtual(tmp_path_factory: pytest.TempPathFactory, ours: Ours) -> Judged:
    """Judged in virtual time."""
    cases = ours.cases.values()
    sound = [*ours.right.values(), *ours.dead.values()]
    cells = _cells(sound, cases, BOTH) | _rows(ours, BOTH)
    cells |= _cells(ours.incident.values(), cases, ["usdm"])
    cells |= _cells(ours.mutants.values(), cases, BOTH if WHOLE else None)
    return _run(tmp_path_factory.mktemp("virtual"), ours, Ground.VIRTUAL, cells)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, ours: Ours) -> Judged:
    """Judged on the machine."""
    cases = ours.cases.values()
    shared = [case for case in cases if not case.alone]
    reference, *unusual = ours.right.values()
    cells = _cells(ours.dead.values(), cases, BOTH) | _rows(ours)
    cells |= _cells([reference], shared, BOTH) | _cells([reference], cases)
    for number, testee in enumerate(unusual):
        cells |= _cells([testee], shared[number % 3 :: 3])
    cells |= _cells(ours.incident.values(), [ours.cases[n] for n in OF_THE_INCIDENT], ["usdm"])
    if WHOLE:
        cells |= _cells(ours.right.values(), cases, BOTH)
        cells |= _cells(ours.mutants.values(), [case for case in cases if case.real_only])
    return _run(tmp_path_factory.mktemp("real"), ours, Ground.REAL, cells)


@pytest.fixture(scope="session", params=LINES)
def virtual_line(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ours: Ours
) -> Judged:
    """What is right, judged over a line in virtual time."""
    cases = ours.cases.values()
    cells = _cells(ours.right.values(), cases, BOTH if WHOLE else None)
    cells |= _cells([ours.right["reference"]], cases, BOTH)
    terms = LinkTerms.parse(request.param)
    return _run(tmp_path_factory.mktemp("line"), ours, Ground.VIRTUAL, cells, link=terms)


@pytest.fixture(scope="session", params=LINES)
def real_line(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ours: Ours
) -> Judged:
    """The reference adapter, judged over a line on the machine. Most of that is waiting."""
    cells = _cells([ours.right["reference"]], [ours.cases[n] for n in TELLING_OF_A_LINE])
    terms = LinkTerms.parse(request.param)
    return _run(tmp_path_factory.mktemp("line"), ours, Ground.REAL, cells, link=terms, jobs=4)
