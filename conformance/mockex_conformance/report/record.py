"""The record of a run: `run.jsonl`, one JSON object a line, written as things happen.

First a `run` line that says who judged what, with which seed, on which machine; then a `verdict`
line for each case, testee and profile, handed to the operating system at once; last an `end` line.
A killed run lacks the last one and is readable all the same.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from mockex.clock import wall_clock_ms
from mockex.errors import ConfigError, MockexError
from mockex_conformance.description import Description, Expect, Limits
from mockex_conformance.verdict import CaseVerdict, Verdict

RECORD = "run.jsonl"
_OF_A_RUN = (RECORD, "junit.xml", "report.html", "demo.json")
_FOLDERS = ("journal", "stderr")


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a testee declares: part of the claim, so printed beside its verdicts
    (adapter-protocol, 9.4)."""

    name: str
    version: str = ""
    level: int = 0
    profiles: list[str] = []
    modes: list[str] = []
    deliveries_per_stream: int = 1
    scales_time: bool = False
    home: str = ""
    limits: Limits = Limits()
    expect: list[Expect] = []

    @classmethod
    def of(cls, testee: Description) -> Claim:
        """The claim in a description."""
        return cls(**{name: getattr(testee, name) for name in cls.__struct_fields__})


class RunLine(msgspec.Struct, frozen=True, kw_only=True, tag="run", omit_defaults=True):
    """The first line."""

    versions: dict[str, str]
    seed: int
    machine: dict[str, str | int]
    command: list[str]
    started_ms: int  # Unix time
    testees: list[Claim] = []
    cases: list[str] = []  # numbers, in the order of the catalogue
    strict: bool = False
    repeat: int = 1


class EndLine(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The last line."""

    exit_code: int
    counts: dict[str, int]
    duration_s: float


Line = RunLine | CaseVerdict | EndLine

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def run_line(
    *,
    seed: int,
    command: Sequence[str],
    testees: Iterable[Description] = (),
    cases: Iterable[str] = (),
    strict: bool = False,
    repeat: int = 1,
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
    )


def prepare(out: Path) -> None:
    """Make `out` the folder of a new run. What an earlier run left in it is removed, because
    journals are appended to and old ones would be mixed with new.

    Raises:
        ConfigError: `out` is a file, or holds a `journal` or `stderr` that is not of a run.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError("--out", str(out), "a folder")
    if not (out / RECORD).exists():
        for name in _FOLDERS:
            if (out / name).exists():
                raise ConfigError(
                    "--out", str(out), f"a folder without a {name!r} that is not of a run of ours"
                )
    for name in _FOLDERS:
        folder = out / name
        if folder.is_dir():
            for file in folder.iterdir():
                if file.is_file():
                    file.unlink()
        folder.mkdir(parents=True, exist_ok=True)
    for name in _OF_A_RUN:
        (out / name).unlink(missing_ok=True)


class RecordWriter:
    """Writes `run.jsonl`. Each line has reached the operating system when its call returns.

    As a context manager it closes the file; `end` is called by whoever knows how it ended.
    """

    def __init__(self, path: Path, first: RunLine) -> None:
        self._file = path.open("wb", buffering=0)
        self._write(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, verdict: CaseVerdict) -> None:
        """Write one verdict."""
        self._write(verdict)

    def end(self, line: EndLine) -> None:
        """Write the last line."""
        self._write(line)

    def _write(self, line: Line) -> None:
        self._file.write(_encoder.encode(line) + b"\n")


class NoRecord(MockexError):
    """A file or folder that should be the record of a run is none."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path} is no record of a run: {why}")


@dataclass(frozen=True, slots=True)
class Record:
    """A record, read back. `end` is None if the run was killed."""

    folder: Path
    run: RunLine
    verdicts: list[CaseVerdict] = field(default_factory=list)
    end: EndLine | None = None


def read_record(path: Path) -> Record:
    """Read `run.jsonl`, or that of the folder `path`. A last line that was cut is left out.

    Raises:
        NoRecord: there is none, or a line other than a cut last one cannot be read; names the line.
    """
    file = path / RECORD if path.is_dir() else path
    if not file.exists():
        raise NoRecord(path, "there is no run.jsonl")
    lines = file.read_bytes().split(b"\n")
    first: RunLine | None = None
    end: EndLine | None = None
    verdicts: list[CaseVerdict] = []
    for number, text in enumerate(lines, 1):
        if not text:
            continue
        try:
            line: Line = _decoder.decode(text)
        except msgspec.DecodeError as error:
            if number == len(lines):  # no newline behind it: cut by a kill
                break
            raise NoRecord(file, f"line {number}: {error}") from None
        if isinstance(line, RunLine):
            first = line
        elif isinstance(line, EndLine):
            end = line
        else:
            verdicts.append(line)
    if first is None:
        raise NoRecord(file, "it has no line of type 'run'")
    return Record(file.parent, first, verdicts, end)


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
