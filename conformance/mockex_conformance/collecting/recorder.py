"""The record of a session: the same folder as after `mockex conform`, so that everything that reads
one (`judge`, `replay`, `report`) reads this one as well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mockex.cli import ExitCode
from mockex.clock import monotonic_s
from mockex_conformance.case import all_cases
from mockex_conformance.collecting.runs import clear_marks
from mockex_conformance.collecting.settings import Settings
from mockex_conformance.description import Description
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.report.lines import EndLine
from mockex_conformance.report.outcome import Outcome, outcome
from mockex_conformance.report.record import RECORD, RecordWriter, prepare
from mockex_conformance.report.settling import settled
from mockex_conformance.running import Finished, first_line, write_reports
from mockex_conformance.verdict import CaseVerdict


class Recorder:
    """Writes the record as verdicts come.

    Raises:
        ConfigError: the folder cannot be used, or a run is going on in it.
    """

    def __init__(
        self, settings: Settings, testees: Sequence[Description], command: Sequence[str]
    ) -> None:
        self._out = settings.out
        self._began_s = monotonic_s()
        self._verdicts: list[CaseVerdict] = []
        plan = Plan(
            testees=testees,
            cases=[*all_cases().values()],
            out=self._out,
            seed=settings.seed,
            ground=Ground(settings.ground),
        )
        self._first = first_line(plan, command, settings.strict)
        prepare(self._out)
        clear_marks(self._out)
        self._writer = RecordWriter(self._out / RECORD, self._first)

    @property
    def out(self) -> Path:
        """The folder."""
        return self._out

    def add(self, verdict: CaseVerdict) -> None:
        """Write one verdict."""
        self._verdicts.append(verdict)
        self._writer.add(verdict)

    def finish(self, *, interrupted: bool) -> Outcome | None:
        """Write the end and the reports; what it amounts to, None if nothing was judged."""
        result = outcome(
            settled(self._verdicts, self._first), self._first.testees, strict=self._first.strict
        )
        end = EndLine(
            exit_code=ExitCode.INTERRUPTED if interrupted else result.exit_code,
            counts=result.counts,
            duration_s=round(monotonic_s() - self._began_s, 3),
        )
        with self._writer as writer:
            writer.end(end)
        clear_marks(self._out)
        if not self._verdicts:
            return None
        write_reports(
            Finished(run=self._first, result=result, duration_s=end.duration_s, out=self._out)
        )
        return result
