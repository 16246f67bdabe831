"""The incident on one page: `mockex demo`.

(a) Rounds: each testee of the incident is started against an exchange whose market makes events of
equal length; in each round every connection of the stream is reset, and once the testee has settled
its live deliveries, sockets, tasks and traffic are measured. (b) The verdict matrix. (c) What each
fix mends, in words made from the verdicts. Nothing here knows what will come out: expectations
stand in `incident` and are only compared.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mockex.cli import ExitCode, complain, say_json
from mockex.server.journal import Launched
from mockex_conformance import incident as story
from mockex_conformance import running
from mockex_conformance.case import all_cases
from mockex_conformance.harness.load import find_all
from mockex_conformance.harness.plan import Plan
from mockex_conformance.incident import Disagreement, Rounds
from mockex_conformance.measuring import FULL, PROFILE, QUICK, measure_all
from mockex_conformance.rejudging import read_recording
from mockex_conformance.report.html import DEMO, Caught, Incident
from mockex_conformance.report.matrix import matrix
from mockex_conformance.report.outcome import outcome
from mockex_conformance.report.record import RECORD
from mockex_conformance.report.terminal import console
from mockex_conformance.results import RunResult, of_run
from mockex_conformance.running import Finished
from mockex_conformance.selection import select
from mockex_conformance.verdict import CaseVerdict, Verdict


def testee_names() -> list[str]:
    """The testees of the demo, in the order in which they are told."""
    variants = (story.BUG, *story.FIXES)
    return [
        *(story.name_of(language, variant) for language in story.LANGUAGES for variant in variants),
        story.REFERENCE,
    ]


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `mockex demo --json` prints: the run, and what was measured beside it."""

    exit_code: int
    result: RunResult
    incident: Incident


def run(
    out: Path,
    *,
    quick: bool,
    every_case: bool,
    seed: int,
    jobs: int | None,
    repeat: int,
    as_json: bool = False,
) -> ExitCode:
    """The demo from end to end: judged, measured, told on stdout and in `out`.

    Judging comes first, because workers are forked before this process has had an event loop, and
    because what cannot run here has been found out by then.
    """
    screen, people = console(sys.stdout), console(sys.stderr)
    catalogue = all_cases()
    testees = find_all(testee_names())
    plan = Plan(
        testees=testees,
        cases=select(catalogue, include=() if every_case else story.CASES),
        out=out,
        profiles=[PROFILE],
        repeat=repeat,
        jobs=jobs,
        seed=seed,
    )
    people.print(Text(f"Judging {len(testees)} testees by {len(plan.cases)} cases; seed {seed}"))
    finished = running.judge_all(plan, command=["mockex", *sys.argv[1:]])
    if finished.result.exit_code is ExitCode.INTERRUPTED:
        running.write_reports(finished)
        complain("interrupted")
        return ExitCode.INTERRUPTED
    verdicts = finished.result.verdicts
    how = QUICK if quick else FULL
    people.print(Text(f"Measuring them through {how.rounds} resets of everything"))
    try:
        with _sigterm_as_ctrl_c():
            measured = asyncio.run(measure_all(testees, reasons(verdicts), out, seed, how))
    except KeyboardInterrupt:
        running.write_reports(finished)
        complain(f"interrupted while measuring; what was judged is in {out / 'report.html'}")
        return ExitCode.INTERRUPTED
    finally:
        (out / ".start-lock").unlink(missing_ok=True)
    comparisons = [
        story.compare(verdicts, story.name_of(language, fix), story.name_of(language, story.BUG))
        for fix in story.FIXES
        for language in story.LANGUAGES
    ]
    incident = Incident(
        rounds=measured,
        caught=how_soon(finished),
        paragraphs=story.paragraphs(comparisons, {r.testee: r for r in measured}),
        disagreements=story.disagreements(verdicts, measured),
        headline=headline(measured, verdicts),
    )
    write_all(finished, incident)
    code = exit_code(verdicts)
    if code is ExitCode.OK and any(r.ended for r in measured):
        code = ExitCode.UNJUDGED
    if as_json:
        say_json(DemoResult(exit_code=code, result=of_run(finished), incident=incident))
    else:
        show_all(screen, finished, incident)
    return code


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Both end what an event loop runs, instead of the process around it."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def write_all(finished: Finished, incident: Incident) -> None:
    """What was measured, beside the record, and made of both: JUnit and the page."""
    (finished.out / DEMO).write_bytes(msgspec.json.format(msgspec.json.encode(incident)))
    running.write_reports(finished)


def how_soon(finished: Finished) -> list[Caught]:
    """How long after the start of its process each bug was judged to fail CONN-01: from the start
    of the process to the verdict, both in its recording."""
    caught = []
    for verdict in finished.result.verdicts:
        if (
            story.variant_of(verdict.testee) != story.BUG
            or verdict.number != "CONN-01"
            or verdict.verdict is not Verdict.FAIL
        ):
            continue
        recording = read_recording(finished.out / verdict.journal)
        launched = next(recording.of(Launched), None)
        judged = recording.noted("outcome")
        if launched is not None and judged:
            caught.append(Caught(verdict.testee, verdict.number, judged[-1].t - launched.t))
    return caught


# --- telling --------------------------------------------------------------------------------------


def show_all(screen: Console, finished: Finished, incident: Incident) -> None:
    """Rounds, verdicts, what each fix mends, and where it all is."""
    out = finished.out
    show_rounds(screen, incident.rounds)
    screen.print()
    show_matrix(screen, finished, incident.caught)
    screen.print()
    show_story(screen, incident.paragraphs, incident.disagreements)
    screen.print()
    screen.print(Text(incident.headline, style="bold"))
    screen.print(Text(f"Page {out / 'report.html'}, record {out / RECORD}"))


def show_rounds(out: Console, measured: Sequence[Rounds]) -> None:
    """The bug's rounds, the line through them, and the record's own rows beside them."""
    out.print(Text("The bug, in rounds that reset every connection of the stream", style="bold"))
    for rounds in measured:
        if story.variant_of(rounds.testee) != story.BUG:
            continue
        out.print()
        if not rounds.rounds:
            out.print(Text(f"{rounds.testee}: not measured: {rounds.skipped or rounds.ended}"))
            continue
        tasks = "goroutines" if "-go-" in rounds.testee else "tasks"
        table = _table(
            f"{rounds.testee}, {rounds.profile}", "live deliveries", "sockets", tasks, "KB/s"
        )
        for r in rounds.rounds:
            table.add_row(
                f"{r.number} resets" if r.number != 1 else "1 reset",
                str(r.deliveries),
                str(r.sockets),
                "-" if r.tasks is None else str(r.tasks),
                f"{r.kb_s:.2f}",
            )
        out.print(table)
        out.print(Text(fit_sentence(rounds)))
    out.print()
    table = _table("the record of 2025-12-03", "goroutines", "KB/s")
    for row in story.RECORD_ROWS:
        table.add_row(f"minute {row.minute}", str(row.goroutines), str(row.inbound_kb_s))
    out.print(table)
    traffic_line, growth = story.record_traffic(), story.record_growth()
    out.print(
        Text(
            f"KB/s = {traffic_line.slope:.2f} × goroutines {traffic_line.intercept:+.1f} "
            f"(R² {traffic_line.r2:.3f}); goroutines = {growth.slope:.1f} a minute "
            f"{growth.intercept:+.1f} (R² {growth.r2:.4f})"
        )
    )
    out.print()
    table = _table("live deliveries after each round", "measured", "expected")
    for rounds in measured:
        live = " ".join(str(r.deliveries) for r in rounds.rounds)
        wanted = story.LIVE_EXPECTED.get(story.variant_of(rounds.testee), ())
        table.add_row(
            rounds.testee,
            live or "not measured",
            " ".join(str(n) for n in wanted[: len(rounds.rounds)]),
        )
    out.print(table)
    for rounds in measured:
        if rounds.ended:
            out.print(Text(f"{rounds.testee}: {rounds.ended}"))


def fit_sentence(rounds: Rounds) -> str:
    """The straight line and how its slope compares with one healthy connection."""
    line, healthy = rounds.line, rounds.healthy_kb_s
    if line is None or healthy is None:
        return "The number of deliveries did not change: no line."
    return (
        f"KB/s = {line.slope:.3f} × deliveries {line.intercept:+.3f} (R² {line.r2:.5f}); "
        f"one healthy connection is {healthy:.3f} KB/s, the slope is {line.slope / healthy:.1%} "
        "of it"
    )


def show_matrix(out: Console, finished: Finished, caught: Sequence[Caught]) -> None:
    """The verdicts of all testees, why some have none, and how soon the bug was caught."""
    out.print(Text("Verdicts", style="bold"))
    verdicts = finished.result.verdicts
    for table in matrix(verdicts, out.width):
        out.print(table)
    for testee, reason in reasons(verdicts).items():
        out.print(Text(f"{testee} is UNSUPPORTED: {reason}"))
    for one in caught:
        out.print(Text(f"{one.testee}: caught by {one.number} {one.seconds:.2f} s after its start"))


def reasons(verdicts: Sequence[CaseVerdict]) -> dict[str, str]:
    """Why a testee is UNSUPPORTED in every case, for those that are."""
    silent: dict[str, str] = {}
    for verdict in verdicts:
        if verdict.verdict is Verdict.UNSUPPORTED:
            silent.setdefault(verdict.testee, verdict.reason)
    spoken = {v.testee for v in verdicts if v.verdict is not Verdict.UNSUPPORTED}
    return {testee: reason for testee, reason in silent.items() if testee not in spoken}


def show_story(
    out: Console, paragraphs: Sequence[tuple[str, str]], differ: Sequence[Disagreement]
) -> None:
    """What each fix mends, and where the run disagrees with section 10 of the catalogue."""
    out.print(Text("What each fix mends, from the verdicts", style="bold"))
    for heading, body in paragraphs:
        out.print()
        out.print(Text(heading, style="bold"))
        out.print(Text(body), soft_wrap=False)
    out.print()
    if not differ:
        out.print(Text("The run agrees with every expectation of section 10 that it judged."))
        return
    out.print(Text("Where the run disagrees with section 10", style="bold"))
    for d in differ:
        doubt = "" if d.sure else " (with a question mark)"
        why = f": {d.why}" if d.why else ""
        out.print(
            Text(
                f"{d.testee} {d.profile}, {d.what}: expected {d.expected}{doubt}, got {d.got}{why}"
            )
        )


def headline(measured: Sequence[Rounds], verdicts: Sequence[CaseVerdict]) -> str:
    """The demo in one sentence, made from what came out."""
    grew = [r for r in measured if story.variant_of(r.testee) == story.BUG and len(r.rounds) > 1]
    missed: dict[str, set[str]] = {}  # by variant: what did not pass
    failed: dict[str, set[str]] = {}
    for verdict in verdicts:
        if verdict.verdict is not Verdict.UNSUPPORTED:
            variant = story.variant_of(verdict.testee)
            for found, kinds in (
                (missed, set(Verdict) - {Verdict.PASS}),
                (failed, {Verdict.FAIL, Verdict.FLAKY}),
            ):
                found.setdefault(variant, set()).update(
                    [verdict.number] if verdict.verdict in kinds else []
                )
    parts = []
    if grew:
        least = min(r.rounds[-1].deliveries for r in grew)
        n = len(grew[0].rounds) - 1
        languages = _and(["Go" if "-go-" in r.testee else "Python" for r in grew])
        parts.append(
            f"After {n} resets the bug holds {least} connections where one is right, in {languages}"
        )
    fixes = [fix for fix in story.FIXES if fix in missed]
    clean = [fix for fix in fixes if not missed[fix]]
    if clean:
        verb = "passes" if len(clean) == 1 else "pass"
        parts.append(f"of the fixes {_and(clean)} {verb} every case")
    elif fixes:
        left = set.intersection(*(failed[fix] for fix in fixes))
        also = f" (all fail {', '.join(sorted(left))})" if left else ""
        parts.append(f"none of the fixes passes every case{also}")
    if story.REFERENCE in missed:
        numbers = ", ".join(sorted(missed[story.REFERENCE]))
        how = f"does not pass {numbers}" if numbers else "passes"
        parts.append(f"the reference adapter {how}")
    return ("; ".join(parts) or "Nothing could be judged") + "."


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(columns):
        table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def exit_code(verdicts: Sequence[CaseVerdict]) -> ExitCode:
    """The demo succeeds if the reference adapter passes what is required of it and each bug that
    can run here is caught. What the fixes get is told, not judged."""
    reference = [v for v in verdicts if v.testee == story.REFERENCE]
    code = outcome(reference).exit_code
    bugs = [
        v for v in verdicts
        if story.variant_of(v.testee) == story.BUG and v.number == "CONN-01"
    ]  # fmt: skip
    if any(v.verdict is Verdict.PASS for v in bugs):
        return ExitCode.FAILED
    if code is ExitCode.NOTHING:
        return ExitCode.UNJUDGED
    return code
