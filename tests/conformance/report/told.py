"""Runs as folders tell them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mockex_conformance.description import Description
from mockex_conformance.report.later import Told
from mockex_conformance.report.lines import EndLine, RunLine, run_line
from mockex_conformance.report.outcome import outcome
from mockex_conformance.report.record import RecordWriter
from mockex_conformance.verdict import CaseVerdict
from mockex_conformance.wish import Wish

STARTED_MS = 1_764_115_200_000


def first_line(*testees: Description, seed: int = 7, **changes: object) -> RunLine:
    """The first line of a run of these testees, asked for by `conform`."""
    made = run_line(seed=seed, command=["mockex", "conform"], testees=testees, wish=Wish())
    return msgspec.structs.replace(made, started_ms=STARTED_MS, **changes)


def told(
    verdicts: Sequence[CaseVerdict],
    run: RunLine | None = None,
    *,
    lacks: str = "",
    folder: str = "out",
) -> Told:
    """A run that took 12.5 s."""
    run = run or first_line()
    return Told(Path(folder), run, outcome(verdicts, run.testees), 12.5, lacks)


def record(
    folder: Path, verdicts: Sequence[CaseVerdict], run: RunLine | None = None, *, ended: bool = True
) -> Path:
    """The folder of a run; one that was not `ended` was killed."""
    (folder / "journal").mkdir(parents=True)
    with RecordWriter(folder / "run.jsonl", run or first_line()) as writer:
        for verdict in verdicts:
            writer.add(verdict)
        if ended:
            writer.end(EndLine(exit_code=0, counts={}, duration_s=12.5))
    return folder
