"""What is to be run, and on what terms: which jobs there are, before anything is started."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mockex.errors import ConfigError
from mockex.faults import LinkTerms
from mockex_conformance.case import Case
from mockex_conformance.description import Description
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.times import Conditions
from mockex_conformance.harness.worker import Job

Cell = tuple[str, str, str]  # testee, profile, case id
_MOST_A_CORE = 12
_MOST_SIDE_BY_SIDE = 32


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `of`. Where a cell belongs is decided by its own name alone, so it stays
    there whatever else is selected, on every machine and in every version."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/8`.

        Raises:
            ConfigError: it is none.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError("--shard", text, "a number and how many there are, like 2/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, cell: Cell) -> bool:
        """Whether a cell belongs to this part."""
        digest = hashlib.sha256("\n".join(cell).encode()).digest()
        return int.from_bytes(digest[:8]) % self.of == self.number - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Testees and cases, and what narrows them down."""

    testees: Sequence[Description]
    cases: Sequence[Case]
    out: Path
    folder: Path = field(default_factory=Path.cwd)  # testees in or below it are named from there
    profiles: Sequence[str] = ()  # none: those of each testee
    only: Collection[Cell] | None = None
    shard: Shard | None = None
    done: Collection[tuple[str, str, str, int]] = ()  # testee, profile, case id, turn: not again
    repeat: int = 1
    jobs: int | None = None
    seed: int = 7
    ground: Ground = Ground.REAL
    time_scale: float | None = None  # None: what the ground takes
    case_limit_s: float | None = None  # None: what the ground takes
    deadline_factor: float = 1.25
    quiet_factor: float = 1.0
    link: LinkTerms | None = None  # that is under every case

    @property
    def conditions(self) -> Conditions:
        """The part that a case is told."""
        return Conditions(
            seed=self.seed,
            ground=self.ground,
            time_scale=self.time_scale or self.ground.time_scale,
            case_limit_s=self.case_limit_s or self.ground.case_limit_s,
            deadline_factor=self.deadline_factor,
            quiet_factor=self.quiet_factor,
            link=self.link,
            folder=str(self.folder),
        )

    @property
    def side_by_side(self) -> int:
        """How many waiting cases run at once, at most: they mostly sleep."""
        return self.jobs or min(_MOST_A_CORE * (os.cpu_count() or 1), _MOST_SIDE_BY_SIDE)

    @property
    def at_least(self) -> int:
        """How many of them run however busy the machine is."""
        return self.jobs or os.cpu_count() or 1

    def profiles_of(self, testee: Description) -> list[str]:
        """On which profiles a testee is judged."""
        return [p for p in (self.profiles or testee.profiles) if p in ("spot", "usdm")]

    def jobs_of(self, testee: Description, profile: str) -> list[Job]:
        """What is to be run of a testee on a profile."""
        return [
            Job(case, testee, profile, self.conditions, self.out, turn)
            for case in self.cases
            if self._wanted((testee.name, profile, case.id))
            for turn in range(1, self.repeat + 1)
            if (testee.name, profile, case.id, turn) not in self.done
        ]

    def _wanted(self, cell: Cell) -> bool:
        return (self.only is None or cell in self.only) and (
            self.shard is None or self.shard.has(cell)
        )

    @property
    def expected(self) -> int:
        """How many verdicts there will be."""
        return sum(
            len(self.jobs_of(testee, profile))
            for testee in self.testees
            for profile in self.profiles_of(testee)
        )
