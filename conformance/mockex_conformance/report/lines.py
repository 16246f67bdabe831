"""What stands in the record of a run beside its verdicts: the lines as values."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import msgspec

from mockex.clock import wall_clock_ms
from mockex_conformance.description import Declared, Description, Expect, Limits
from mockex_conformance.verdict import CaseVerdict
from mockex_conformance.wish import Wish


class Claim(Declared, frozen=True, kw_only=True):
    """What a testee declares: part of the claim, so printed beside its verdicts
    (adapter-protocol, 9.4)."""

    limits: Limits = Limits()  # None: the default of the profile
    expect: list[Expect] = msgspec.field(default_factory=list)
    digest: str = ""  # of the whole description

    @classmethod
    def of(cls, testee: Description) -> Claim:
        """The claim in a description."""
        return cls(**{name: getattr(testee, name) for name in cls.__struct_fields__})


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the records that a merged one was made of."""

    shard: str
    started_ms: int
    duration_s: float
    machine: dict[str, str | int]


class RunLine(msgspec.Struct, frozen=True, kw_only=True, tag="run", omit_defaults=True):
    """The first line."""

    versions: dict[str, str]
    seed: int
    machine: dict[str, str | int]
    command: list[str]
    started_ms: int  # Unix time
    conditions: dict[str, str | float] = {}  # what a case was told: ground, scale, factors
    wish: Wish | None = None  # what `conform` was asked for
    testees: list[Claim] = []
    cases: list[str] = []  # numbers, in the order of the catalogue
    strict: bool = False
    repeat: int = 1
    shard: str = ""  # "2/8": the other verdicts are in other records
    merged: list[Source] = []


class ResumedLine(msgspec.Struct, frozen=True, kw_only=True, tag="resumed"):
    """From here on the run was gone on with, at `at_ms` of Unix time; before it had taken
    `spent_s`."""

    at_ms: int
    spent_s: float


class EndLine(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The last line. `processor_s` is what the suite itself used, without the testees; 0 where that
    cannot be told apart."""

    exit_code: int
    counts: dict[str, int]
    duration_s: float
    processor_s: float = 0.0


Line = RunLine | CaseVerdict | ResumedLine | EndLine


def run_line(
    *,
    seed: int,
    command: Sequence[str],
    testees: Iterable[Description] = (),
    cases: Iterable[str] = (),
    strict: bool = False,
    repeat: int = 1,
    conditions: Mapping[str, str | float] | None = None,
    wish: Wish | None = None,
    shard: str = "",
) -> RunLine:
    """The first line of a run that starts now, on this machine."""
    versions = {"python": platform.python_version()}
    for name in ("mockex", "websockets", "h11"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a checkout that is not installed
            versions[name] = "unknown"
    return RunLine(
        versions=versions,
        seed=seed,
        machine={
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "cores": os.cpu_count() or 1,
            "implementation": sys.implementation.name,
        },
        command=list(command),
        started_ms=wall_clock_ms(),
        testees=[Claim.of(testee) for testee in testees],
        cases=list(cases),
        strict=strict,
        repeat=repeat,
        conditions=dict(conditions or {}),
        wish=wish,
        shard=shard,
    )


def unlike(one: RunLine, other: RunLine) -> list[str]:
    """In what two runs differ that must not if their verdicts are to stand in one record; nothing
    if they belong together. Which testees and cases they are about may differ."""
    pairs: list[tuple[str, object, object]] = [
        ("seed", one.seed, other.seed),
        ("--repeat", one.repeat, other.repeat),
        ("--strict", one.strict, other.strict),
    ]
    for what, a, b in (
        ("version of ", one.versions, other.versions),
        ("", one.conditions, other.conditions),
    ):
        names = dict.fromkeys((*a, *b))
        pairs += [(what + name, a.get(name, "none"), b.get(name, "none")) for name in names]
    digests = {claim.name: claim.digest for claim in one.testees}
    pairs += [
        (f"description of {claim.name}", digests[claim.name], claim.digest)
        for claim in other.testees
        if claim.name in digests
    ]
    return [f"{what}: {a} and {b}" for what, a, b in pairs if a != b]
