"""Verdicts as they came into verdicts as they count: one for each case, in the order of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from mockex_conformance.report.lines import RunLine
from mockex_conformance.verdict import CaseVerdict, Verdict

Key = tuple[str, str, str, int]  # testee, profile, case id, turn


def key(verdict: CaseVerdict) -> Key:
    """Which job it is the verdict of."""
    return verdict.testee, verdict.profile, verdict.case, verdict.turn


def settled(verdicts: Iterable[CaseVerdict], run: RunLine) -> list[CaseVerdict]:
    """One verdict for each testee, profile, mode and case, in the order of the run's testees and
    cases, whatever the order in which they came.

    Where repetitions differ it is FLAKY (catalogue, section 2), with the findings of all.
    """
    testees = {claim.name: index for index, claim in enumerate(run.testees)}
    cases = {number: index for index, number in enumerate(run.cases)}
    groups = _grouped(verdicts, lambda v: (*column(v), v.mode, v.case))
    return sorted(
        (_one(group) for group in groups),
        key=lambda v: (
            testees.get(v.testee, len(testees)),
            v.profile,
            v.mode,
            cases.get(v.number, len(cases)),
        ),
    )


def column(verdict: CaseVerdict) -> tuple[str, str]:
    """Whose verdict it is: testee and profile."""
    return verdict.testee, verdict.profile


def _grouped(
    verdicts: Iterable[CaseVerdict], key: Callable[[CaseVerdict], tuple[str, ...]]
) -> list[list[CaseVerdict]]:
    groups: dict[tuple[str, ...], list[CaseVerdict]] = {}
    for verdict in verdicts:
        groups.setdefault(key(verdict), []).append(verdict)
    return list(groups.values())


def _one(group: list[CaseVerdict]) -> CaseVerdict:
    kinds = [verdict.verdict for verdict in group]
    if len(set(kinds)) == 1:
        return group[0]
    said = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    shown = next((v for v in group if v.findings), group[0])
    return msgspec.structs.replace(
        shown,
        verdict=Verdict.FLAKY,
        findings=[finding for v in group for finding in v.findings],
        reason=f"differs between repetitions: {said}",
        expected="",
    )
