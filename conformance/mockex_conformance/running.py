"""A run: cases judged, everything recorded, the result shown. What `conform` and `demo` share."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mockex.cli import ExitCode
from mockex.clock import wall_clock_ms
from mockex_conformance.harness import batches, scheduler
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import Started
from mockex_conformance.rejudging import NoRecording, read_recording
from mockex_conformance.report.chart import Steps, deliveries_over_time
from mockex_conformance.report.html import Page, write_html
from mockex_conformance.report.junit import write_junit
from mockex_conformance.report.lines import EndLine, RunLine, run_line
from mockex_conformance.report.outcome import Outcome, outcome
from mockex_conformance.report.record import RECORD, RecordWriter, prepare
from mockex_conformance.report.settling import column, settled
from mockex_conformance.report.terminal import Progress, console, show_result
from mockex_conformance.verdict import CaseVerdict

_CHARTED = "CONN-01"


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that went to its end."""

    run: RunLine
    result: Outcome
    duration_s: float
    out: Path


def judge_all(plan: Plan, *, command: Sequence[str], strict: bool = False) -> Finished:
    """Run a plan and write the record as verdicts come; returns when all have.

    The process must have neither threads nor an event loop: it is forked. Interrupted, the record
    gets an `end` line that says so and KeyboardInterrupt goes on.
    """
    prepare(plan.out)
    first = run_line(
        seed=plan.seed,
        command=command,
        testees=plan.testees,
        cases=[case.number for case in plan.cases],
        strict=strict,
        repeat=plan.repeat,
    )
    numbers = {case.id: case.number for case in plan.cases}
    verdicts: list[CaseVerdict] = []
    with (
        RecordWriter(plan.out / RECORD, first) as record,
        Progress(plan.expected) as progress,
    ):

        def on_event(event: Started | CaseVerdict) -> None:
            if isinstance(event, CaseVerdict):
                verdicts.append(event)
                record.add(event)
                progress.ended(_what(event, event.number), event)
            else:
                progress.started(_what(event, numbers[event.case]))

        try:
            on = batches if plan.ground is Ground.VIRTUAL else scheduler
            on.run(plan, on_event)
        except KeyboardInterrupt:
            counts = Counter(verdict.verdict.value for verdict in verdicts)
            record.end(
                EndLine(
                    exit_code=ExitCode.INTERRUPTED,
                    counts=dict(counts),
                    duration_s=_since(first),
                )
            )
            raise
        result = outcome(settled(verdicts, first), first.testees, strict=strict)
        duration_s = _since(first)
        record.end(EndLine(exit_code=result.exit_code, counts=result.counts, duration_s=duration_s))
    return Finished(first, result, duration_s, plan.out)


def _what(event: Started | CaseVerdict, number: str) -> str:
    return f"{number} {event.testee} {event.profile}"


def _since(first: RunLine) -> float:
    return (wall_clock_ms() - first.started_ms) / 1000


def charts(finished: Finished) -> list[Steps]:
    """Deliveries over time of each testee and profile: of CONN-01 if it was run, else of the first
    case that left a recording."""
    chosen: dict[tuple[str, str], CaseVerdict] = {}
    for verdict in finished.result.verdicts:
        if not verdict.journal or not (finished.out / verdict.journal).exists():
            continue
        owner = column(verdict)
        if owner not in chosen or (verdict.number == _CHARTED and chosen[owner].number != _CHARTED):
            chosen[owner] = verdict
    made = []
    for (testee, profile), verdict in chosen.items():
        try:
            recording = read_recording(finished.out / verdict.journal)
        except NoRecording:
            continue
        if recording.terms.streams:
            title = f"{testee}, {profile}, {verdict.number}"
            made.append(deliveries_over_time(recording.entries, recording.terms.streams[0], title))
    return made


def write_reports(finished: Finished) -> None:
    """JUnit and the page, beside the record."""
    write_junit(finished.out / "junit.xml", finished.run, finished.result)
    page = Page(finished.run, finished.result, finished.duration_s, charts(finished))
    write_html(finished.out / "report.html", page)


def show(finished: Finished, *, only_failed: bool = False) -> None:
    """The result on stdout."""
    out = finished.out
    show_result(
        console(sys.stdout),
        finished.result,
        finished.run.testees,
        only_failed=only_failed,
        where=f"Record {out / RECORD}, page {out / 'report.html'}, JUnit {out / 'junit.xml'}",
    )
