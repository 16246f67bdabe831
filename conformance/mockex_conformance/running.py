"""A run: cases judged, everything recorded, the result shown. What `conform` and `demo` share."""

from __future__ import annotations

import resource
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mockex.cli import ExitCode, writing
from mockex.clock import monotonic_s
from mockex.errors import ConfigError
from mockex_conformance.harness import batches, scheduler
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.interrupts import AtOnce
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.probe import PROBE
from mockex_conformance.harness.scheduler import Again, Building, Event, Started, Stopping
from mockex_conformance.planning import plan_of
from mockex_conformance.report.html import write_page
from mockex_conformance.report.junit import write_junit
from mockex_conformance.report.later import tell
from mockex_conformance.report.lines import EndLine, RunLine, run_line, unlike
from mockex_conformance.report.outcome import Outcome, outcome
from mockex_conformance.report.record import (
    RECORD,
    Record,
    RecordWriter,
    Unlike,
    clear,
    go_on,
    prepare,
    read_record,
)
from mockex_conformance.report.settling import key, settled
from mockex_conformance.report.terminal import Progress, console, show_result
from mockex_conformance.verdict import CaseVerdict
from mockex_conformance.wish import Wish


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that went to its end. `duration_s` is that of all its sittings, `sitting_s` and
    `processor_s` (what the suite itself used) those of the last one; 0 if there was nothing left
    to do, and `processor_s` 0 where it cannot be told from the testee's."""

    run: RunLine
    result: Outcome
    duration_s: float
    out: Path
    sitting_s: float = 0.0
    processor_s: float = 0.0


def judge_all(
    plan: Plan, *, command: Sequence[str], strict: bool = False, wish: Wish | None = None
) -> Finished:
    """Run a plan and write the record as verdicts come; returns when all have, or when it was
    interrupted, with what was judged until then and an exit code that says so.

    The process must have neither threads nor an event loop: it is forked.

    Raises:
        KeyboardInterrupt: it was interrupted twice; the record has no end.
    """
    prepare(plan.out)
    first = first_line(plan, command, strict, wish)
    with RecordWriter(plan.out / RECORD, first) as writer:
        return _Sitting(plan, first).run(writer)


def resume(folder: Path, *, jobs: int | None = None) -> Finished:
    """Go on with a run that was interrupted or killed: what it has judged stands, the rest is run
    as it was asked for then.

    Raises:
        ConfigError: there is no such run, or it is still going on.
        Unlike: what would be run now is not what was run then.
    """
    record = read_record(folder)
    wish, then = record.run.wish, record.run
    if wish is None:
        raise ConfigError("--resume", str(folder), "a run of `mockex conform`")
    plan = plan_of(wish, folder, jobs=jobs)
    plan = replace(plan, done={key(verdict) for verdict in record.verdicts})
    now = first_line(plan, then.command, wish.strict, wish)
    differences = unlike(then, now)
    for what, before, after in (
        ("case", then.cases, now.cases),
        ("testee", [c.name for c in then.testees], [c.name for c in now.testees]),
    ):
        differences += [f"{what} {name} is gone" for name in before if name not in after]
        differences += [f"{what} {name} is new" for name in after if name not in before]
    if differences:
        raise Unlike(f"{folder} cannot be gone on with; then and now", differences)
    if record.complete:
        result = _weighed(record.verdicts, then)
        return Finished(then, result, record.spent_s, folder)
    with go_on(record) as writer:  # locked first: nobody else removes anything
        clear(folder, but={file for v in record.verdicts for file in (v.journal, v.stderr)})
        return _Sitting(plan, then, record).run(writer)


def first_line(
    plan: Plan, command: Sequence[str], strict: bool, wish: Wish | None = None
) -> RunLine:
    """The line that a record of this plan begins with."""
    return run_line(
        seed=plan.seed,
        command=command,
        testees=plan.testees,
        cases=[case.number for case in plan.cases],
        strict=strict,
        repeat=plan.repeat,
        conditions={
            "ground": str(plan.ground),
            "time_scale": plan.conditions.time_scale,
            "case_limit_s": plan.conditions.case_limit_s,
            "deadline_factor": plan.deadline_factor,
            "quiet_factor": plan.quiet_factor,
            **({"link": plan.link.text} if plan.link is not None else {}),
        },
        wish=wish,
        shard=str(plan.shard or ""),
    )


def _weighed(verdicts: Sequence[CaseVerdict], run: RunLine) -> Outcome:
    result = outcome(settled(verdicts, run), run.testees, strict=run.strict)
    if run.shard and not verdicts:  # nothing falls into this part, and that is no failure
        return replace(result, exit_code=ExitCode.OK)
    return result


class _Sitting:
    """A plan from its start to its end or to an interrupt. `before` is what the record held."""

    def __init__(self, plan: Plan, first: RunLine, before: Record | None = None) -> None:
        self._plan = plan
        self._first = first
        self._verdicts = list(before.verdicts) if before else []
        self._spent_s = before.spent_s if before else 0.0
        self._spent_processor_s = before.end.processor_s if before and before.end else 0.0
        self._began_s = monotonic_s()
        self._processor_s = -_own_processor_s()
        self._numbers = {case.id: case.number for case in plan.cases}

    def run(self, writer: RecordWriter) -> Finished:
        """Judge what is left."""
        plan = self._plan
        with Progress(plan.expected) as progress:
            if self._verdicts:
                progress.say(f"{len(self._verdicts)} verdicts of {plan.out} stand")

            def on_event(event: Event) -> None:
                if isinstance(event, CaseVerdict):
                    self._verdicts.append(event)
                    writer.add(event)
                    progress.ended(_what(event, event.number), event)
                elif isinstance(event, Stopping):
                    cases = "1 case" if event.running == 1 else f"{event.running} cases"
                    progress.say(f"Interrupted: ending {cases}; once more ends at once")
                elif isinstance(event, Building):
                    progress.say(f"Building {event.testee}: {shlex.join(event.command)}")
                elif isinstance(event, Again):
                    number = self._numbers.get(event.case, PROBE.number)
                    progress.put_back(_what(event, number))
                else:
                    progress.started(_what(event, self._numbers[event.case]))

            interrupted = False
            try:
                if plan.ground is Ground.VIRTUAL:
                    batches.run(plan, on_event)
                else:
                    scheduler.run(plan, on_event, on_processor=self._used)
            except AtOnce:
                raise
            except KeyboardInterrupt:
                interrupted = True
        result = _weighed(self._verdicts, self._first)
        if interrupted:
            result = replace(result, exit_code=ExitCode.INTERRUPTED)
        end = self._end(result.exit_code, result.counts)
        writer.end(end)
        return Finished(
            run=self._first,
            result=result,
            duration_s=end.duration_s,
            out=plan.out,
            sitting_s=end.duration_s - self._spent_s,
            processor_s=end.processor_s - self._spent_processor_s,
        )

    def _used(self, seconds: float) -> None:
        self._processor_s += seconds

    def _end(self, code: ExitCode, counts: Mapping[str, int]) -> EndLine:
        own_s = 0.0
        if self._plan.ground is Ground.REAL:
            own_s = self._processor_s + _own_processor_s()
        return EndLine(
            exit_code=code,
            counts=dict(counts),
            duration_s=round(self._spent_s + monotonic_s() - self._began_s, 3),
            processor_s=round(self._spent_processor_s + own_s, 3),
        )


def _own_processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _what(event: Started | Again | CaseVerdict, number: str) -> str:
    return f"{number} {event.testee} {event.profile}"


def write_reports(finished: Finished) -> None:
    """JUnit and the page, beside the record. Both say it if the run was interrupted."""
    lacks = tell(finished.out).lacks
    with writing(finished.out):
        write_junit(finished.out / "junit.xml", finished.run, finished.result, lacks)
        write_page(finished.out, finished.out / "report.html")


def show(finished: Finished, *, only_failed: bool = False) -> None:
    """The result on stdout."""
    out = finished.out
    show_result(
        console(sys.stdout),
        finished.result,
        finished.run.testees,
        only_failed=only_failed,
        folder=out,
        where=f"Record {out / RECORD}, page {out / 'report.html'}, JUnit {out / 'junit.xml'}",
        took=_took(finished),
    )


def _took(finished: Finished) -> str:
    """How long it took, and what of the processor the suite itself used meanwhile."""
    said = f"Took {finished.duration_s:.1f} s"
    if finished.sitting_s and finished.duration_s - finished.sitting_s > 0.05:
        said += f", {finished.sitting_s:.1f} s of it since it was gone on with"
    if finished.processor_s and finished.sitting_s:
        share = finished.processor_s / finished.sitting_s
        said += f"; the suite itself used {share:.2f} of a core, the testees not counted"
    if finished.run.repeat > 1:
        said += f"; each case was judged {finished.run.repeat} times"
    return said + "."
