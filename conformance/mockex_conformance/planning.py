"""A wish into a plan: testees found, cases selected."""

from __future__ import annotations

from pathlib import Path

from mockex.faults import LinkTerms
from mockex_conformance.case import all_cases
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import find_all, from_command
from mockex_conformance.harness.plan import Plan, Shard
from mockex_conformance.selection import SMOKE, select
from mockex_conformance.verdict import Severity
from mockex_conformance.wish import Wish


def plan_of(wish: Wish, out: Path, *, jobs: int | None = None) -> Plan:
    """What is to be run; without a case if none is selected.

    Raises:
        ConfigError: a testee or a case that is not there, a description or a link that cannot be
            used.
    """
    catalogue = all_cases()
    known = [name for case in catalogue.values() for name in (case.id, case.number)]
    folder = Path(wish.folder) if wish.folder and Path(wish.folder).is_dir() else Path.cwd()
    return Plan(
        testees=[from_command(wish.command)]
        if wish.command
        else find_all([_in(folder, name) for name in wish.testees], known_cases=known),
        cases=select(
            catalogue,
            include=[*SMOKE] if wish.smoke else wish.cases,
            exclude=wish.exclude,
            level=wish.level,
            severities=[Severity(value) for value in wish.severities],
        ),
        out=out,
        folder=folder,
        profiles=wish.profiles,
        shard=Shard.parse(wish.shard) if wish.shard else None,
        repeat=wish.repeat,
        jobs=jobs,
        seed=wish.seed,
        ground=Ground(wish.ground),
        time_scale=wish.time_scale,
        case_limit_s=wish.case_limit,
        deadline_factor=wish.deadline_factor,
        quiet_factor=wish.quiet_factor,
        link=LinkTerms.parse(wish.link) if wish.link else None,
    )


def _in(folder: Path, testee: str) -> str:
    """Where a testee is; one that is no file or folder is one of ours, by name."""
    path = folder / testee
    return str(path) if path.exists() else testee
