"""A run as its folder tells it, any time later: whole, interrupted, killed, or still going on."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass, replace
from pathlib import Path

from mockex.cli import ExitCode
from mockex_conformance.report import text
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.outcome import Outcome, outcome
from mockex_conformance.report.record import RECORD, Record, read_record
from mockex_conformance.report.settling import settled
from mockex_conformance.report.terminal import sentence
from mockex_conformance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Told:
    """A run and what it amounts to. `lacks` is the sentence that says why it is no whole run, and
    what to do about it; empty if it is one."""

    folder: Path
    run: RunLine
    result: Outcome
    duration_s: float
    lacks: str = ""

    @property
    def conclusion(self) -> str:
        """The end of the story in one line. What is no whole run does not pass."""
        if not self.lacks:
            return sentence(self.result)
        if not self.result.verdicts:
            return self.lacks
        said = sentence(self.result)
        if self.result.exit_code is ExitCode.OK:
            counts = text.counted(self.result.counts)
            said = f"{text.circumstances(self.result.verdicts)}{counts} so far."
        return f"{said} {self.lacks}"


def tell(path: Path) -> Told:
    """The run of a folder, or of its run.jsonl.

    Raises:
        NoRecord: there is none, or a line of it cannot be read.
    """
    record = read_record(path)
    run = record.run
    result = outcome(settled(record.verdicts, run), run.testees, strict=run.strict)
    if not record.complete:
        result = _so_far(result)
    elif run.shard and not record.verdicts:
        result = replace(result, exit_code=ExitCode.OK)  # nothing falls into this part
    return Told(record.folder, run, result, record.spent_s, _lacks(record))


def _so_far(result: Outcome) -> Outcome:
    """A testee of which all is UNSUPPORTED so far may still be judged."""
    unjudged = [v for v in result.unjudged if v.verdict is not Verdict.UNSUPPORTED]
    code = result.exit_code
    if code is ExitCode.UNJUDGED and not unjudged:
        code = ExitCode.OK
    return replace(result, unjudged=unjudged, exit_code=code)


def _lacks(record: Record) -> str:
    if record.complete:
        return ""
    judged = f"verdicts so far: {len(record.verdicts)}"
    if _is_written(record.folder / RECORD):
        return f"The run is still going on ({judged}); ask again when it is over."
    again = "run it again"
    if record.run.wish is not None:
        again = f"go on with it: mockex conform --resume {record.folder}"
    return f"The run was ended before its last case ({judged}); {again}"


def _is_written(file: Path) -> bool:
    """Whether somebody holds the record locked, as whoever writes it does."""
    with file.open("rb") as record:
        try:
            fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
