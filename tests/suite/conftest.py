"""Our own testees, judged once on each ground; the tests of this folder read the verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description
from mockex_conformance.harness import batches, scheduler
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import find
from mockex_conformance.harness.plan import Plan
from mockex_conformance.rejudging import judge_again
from mockex_conformance.verdict import CaseVerdict

RIGHT = ("reference", "per-stream-connections", "pull-model", "slow-but-right", "two-deliveries")
DEAD = ("silent", "crashing", "liar")
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
    "HB-03": {"recovered"},
    "ROLL-01": {"deliveries_at_most"},
    "ROLL-02": {"no_gap_in_deliveries"},
    "ROLL-03": {"closed_by_testee", "deliveries_at_most"},
    "ROLL-04": {"one_upgrade_per_round", "deliveries_at_most"},
    "ROLL-05": {"renewed_in_time", "closed_by_testee", "deliveries_at_most"},
    "ROLL-06": {"recovered"},
    "RES-01": {"flat"},
    "RES-02": {"flat"},
    "RES-03": {"flat"},
    "RES-04": {"slope", "flat"},
    "RES-05": {"flat"},
    "RES-06": {"cpu_at_most"},
    "CLOSE-01": {"terminates"},
    "CLOSE-02": {"no_attempt"},
}

Key = tuple[str, str, str]  # testee, profile, case number


@dataclass(frozen=True, slots=True)
class Judged:
    """One run: its folder, and the verdicts as they came."""

    out: Path
    verdicts: Sequence[CaseVerdict]

    @property
    def by_key(self) -> dict[Key, CaseVerdict]:
        """Each verdict by whose it is."""
        return {(v.testee, v.profile, v.number): v for v in self.verdicts}

    def of(self, testees: Collection[str]) -> list[CaseVerdict]:
        """The verdicts on some testees."""
        return [v for v in self.verdicts if v.testee in testees]

    def same_when_judged_again(self) -> None:
        """Assert that every recording gives the verdict again, with the same findings."""
        judged = [v for v in self.verdicts if v.journal]
        assert judged
        for v in judged:
            (again,) = judge_again(self.out / v.journal).result.verdicts
            assert (again.verdict, again.findings, again.reason, again.ground) == (
                v.verdict, v.findings, v.reason, v.ground,
            ), v  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ours:
    """The testees that come with the suite, and what is expected of them."""

    right: tuple[str, ...]
    dead: tuple[str, ...]
    mutants: Mapping[str, Description]
    incident: Mapping[str, Description]
    causes: Mapping[str, set[str]]
    numbers: tuple[str, ...]
    virtual: tuple[str, ...]  # numbers of the cases that the virtual ground supports

    def without_cause(self, verdicts: Sequence[CaseVerdict]) -> list[CaseVerdict]:
        """Those that are no FAIL, or whose findings do not name the cause."""
        return [
            v
            for v in verdicts
            if v.verdict != "FAIL" or not {f.check for f in v.findings} & self.causes[v.number]
        ]

    @staticmethod
    def table(verdicts: Sequence[CaseVerdict]) -> str:
        """Verdicts, a line each, with what was found."""
        lines = []
        for v in verdicts:
            told = v.reason or "; ".join(f.message for f in v.findings)
            lines.append(f"{v.testee} {v.profile} {v.number}: {v.verdict} {told}")
        return "\n".join(lines)


def _run(out: Path, testees: Sequence[Description], ground: Ground, **more: object) -> Judged:
    cases = list(all_cases().values())
    plan = Plan(testees=testees, cases=cases, out=out, ground=ground, **more)  # type: ignore[arg-type]
    on = batches if ground is Ground.VIRTUAL else scheduler
    return Judged(out, on.run(plan, lambda _: None))


@pytest.fixture(scope="session")
def ours() -> Ours:
    """What is judged here."""
    cases = all_cases().values()
    return Ours(
        right=RIGHT,
        dead=DEAD,
        mutants={t.name: t for t in find("mutants") if t.must_fail},
        incident={t.name: t for t in find("incident/python")},
        causes=CAUSES,
        numbers=tuple(case.number for case in cases),
        virtual=tuple(case.number for case in cases if not case.real_only),
    )


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, ours: Ours) -> Judged:
    """On the real ground, which is dear: the right ones and the dead on everything, mutants on
    their own rows, the incident on one profile and what the virtual ground supports."""
    rows: dict[str, Collection[str]] = dict.fromkeys((*ours.right, *ours.dead), ours.numbers)
    rows |= {name: testee.must_fail for name, testee in ours.mutants.items()}
    rows |= dict.fromkeys(ours.incident, ours.virtual)
    named = [testee for name in (*ours.right, *ours.dead) for testee in find(name)]
    incident = [msgspec.structs.replace(t, profiles=["usdm"]) for t in ours.incident.values()]
    testees = [*incident, *named, *ours.mutants.values()]
    return _run(tmp_path_factory.mktemp("real"), testees, Ground.REAL, rows=rows)


@pytest.fixture(scope="session")
def virtual(tmp_path_factory: pytest.TempPathFactory, ours: Ours) -> Judged:
    """On the virtual ground, which costs little: everything."""
    named = [testee for name in (*ours.right, *ours.dead) for testee in find(name)]
    testees = [*ours.incident.values(), *named, *ours.mutants.values()]
    return _run(tmp_path_factory.mktemp("virtual"), testees, Ground.VIRTUAL)
