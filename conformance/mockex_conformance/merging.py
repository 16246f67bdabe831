"""Several records into one: `mockex report merge`.

Merged is only what belongs together: the same seed, versions and conditions, the same description
of a testee; every part of a run that was divided; and each verdict once. The lines of the verdicts
stay as they are, byte for byte, except where two recordings have one name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import msgspec

from mockex.errors import ConfigError
from mockex_conformance.case import all_cases
from mockex_conformance.harness.plan import Shard
from mockex_conformance.report.lines import Claim, EndLine, RunLine, Source, unlike
from mockex_conformance.report.outcome import outcome
from mockex_conformance.report.record import (
    RECORD,
    Record,
    RecordWriter,
    Unlike,
    prepare,
    read_record,
)
from mockex_conformance.report.settling import Key, key, settled
from mockex_conformance.running import Finished
from mockex_conformance.verdict import CaseVerdict

_FILES = ("journal", "stderr")  # members of a verdict that name a file


def merge(folders: Sequence[Path], out: Path, *, command: Sequence[str]) -> Finished:
    """Make one record of several in `out`, with their recordings.

    Raises:
        ConfigError: `out` is one of them.
        NoRecord: a folder holds none.
        Unlike: they do not belong together; says what differs, or is missing, or is there twice.
    """
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise ConfigError("--out", str(out), "a folder of its own")
    records = [read_record(folder) for folder in folders]
    _must_belong_together(records)
    first = _first_line(records, command)
    prepare(out)
    verdicts: list[CaseVerdict] = []
    seen: set[Key] = set()
    with RecordWriter(out / RECORD, first) as writer:
        for record in records:
            for verdict in record.verdicts:
                if key(verdict) not in seen:
                    seen.add(key(verdict))
                    kept = _with_files(verdict, record.folder, out)
                    verdicts.append(kept)
                    writer.add(kept)
        result = outcome(settled(verdicts, first), first.testees, strict=first.strict)
        ends = [record.end for record in records if record.end]
        end = EndLine(
            exit_code=result.exit_code,
            counts=result.counts,
            duration_s=round(sum(end.duration_s for end in ends), 3),
            processor_s=round(sum(end.processor_s for end in ends), 3),
        )
        writer.end(end)
    return Finished(run=first, result=result, duration_s=end.duration_s, out=out)


def _must_belong_together(records: Sequence[Record]) -> None:
    for record in records:
        if not record.complete:
            why = f"go on with it first: mockex conform --resume {record.folder}"
            raise Unlike(f"{record.folder} is not complete", [why])
    for one, other in combinations(records, 2):
        if differences := unlike(one.run, other.run):
            what = f"{one.folder} and {other.folder} do not belong together"
            raise Unlike(what, differences)
    _must_be_every_part(records)
    where: dict[Key, tuple[Path, bytes]] = {}
    for record in records:
        for verdict, line in zip(record.verdicts, record.lines, strict=True):
            folder, before = where.setdefault(key(verdict), (record.folder, line))
            if before != line:
                name = f"{verdict.testee} {verdict.profile} {verdict.number}"
                raise Unlike(f"{folder} and {record.folder} both judge the same", [name])


def _must_be_every_part(records: Iterable[Record]) -> None:
    shards = {record.run.shard for record in records}
    if shards == {""}:
        return
    if "" in shards:
        raise Unlike("only some of the records are parts of a divided run", sorted(shards - {""}))
    parts = [Shard.parse(shard) for shard in shards]
    wanted = {str(Shard(number, parts[0].of)) for number in range(1, parts[0].of + 1)}
    if strange := sorted(shards - wanted):
        raise Unlike(f"not all are parts of {parts[0].of}", strange)
    if missing := sorted(wanted - shards):
        raise Unlike("a part is missing", missing)


def _first_line(records: Sequence[Record], command: Sequence[str]) -> RunLine:
    runs = [record.run for record in records]
    claims: dict[str, Claim] = {c.name: c for run in runs for c in run.testees}
    order = {case.number: index for index, case in enumerate(all_cases().values())}
    cases = dict.fromkeys(number for run in runs for number in run.cases)
    return msgspec.structs.replace(
        runs[0],
        command=list(command),
        started_ms=min(run.started_ms for run in runs),
        wish=None,
        testees=list(claims.values()),
        cases=sorted(cases, key=lambda number: order.get(number, len(order))),
        shard="",
        merged=[
            Source(
                shard=record.run.shard,
                started_ms=record.run.started_ms,
                duration_s=record.spent_s,
                machine=record.run.machine,
            )
            for record in records
        ],
    )


def _with_files(verdict: CaseVerdict, folder: Path, out: Path) -> CaseVerdict:
    """Bring the files of a verdict along; a name that is taken by another file gets a number."""
    moved: dict[str, str] = {}
    for member in _FILES:
        name = getattr(verdict, member)
        if not name or not (folder / name).exists():
            continue
        content = (folder / name).read_bytes()
        target, number = out / name, 1
        while target.exists() and target.read_bytes() != content:
            number += 1
            target = out / Path(name).with_stem(f"{Path(name).stem}-{number}")
        if not target.exists():
            shutil.copyfile(folder / name, target)
        if number > 1:
            moved[member] = str(target.relative_to(out))
    return msgspec.structs.replace(verdict, **moved) if moved else verdict
