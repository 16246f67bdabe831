"""`mockex conform` and `mockex judge`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from click.core import ParameterSource

from mockex.cli import ExitCode, complain, say_json
from mockex.cli.help import Choice, Command, option
from mockex_conformance.cli.completing import testees as testee_names
from mockex_conformance.cli.options import (
    COMMAND,
    SELECTION,
    TakesCommand,
    jobs_option,
    json_option,
    only_failed_option,
    profiles_option,
    seed_option,
    selection_options,
    sigterm_interrupts,
    strict_option,
)
from mockex_conformance.selection import SMOKE, unmatched
from mockex_conformance.verdict import Severity
from mockex_conformance.wish import Wish

if TYPE_CHECKING:
    from mockex_conformance.running import Finished


@click.command(
    cls=TakesCommand,
    parts={
        "Which cases": ("smoke", *SELECTION, "profiles"),
        "How": ("ground", "jobs", "seed", "repeat", "link", "time_scale", "case_limit",
                "deadline_factor", "quiet_factor", "shard", "resume"),
        "What comes out": ("out", "only_failed", "strict", "as_json", "help"),
    },
    examples="""
    mockex conform my-adapter/ --smoke                   # a few cases, seconds
    mockex conform reference --case 'CONN-*' --profile usdm
    mockex conform --level 0 -- node adapter.js          # any program
    """,
)  # fmt: skip
@click.argument(
    "testees", nargs=-1, metavar="TESTEE… | -- COMMAND…", shell_complete=testee_names
)  # fmt: skip
@selection_options
@option("--smoke", is_flag=True, help=f"{len(SMOKE)} cases that tell most, in seconds.")
@strict_option
@option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True, metavar="N",
    help="N times each: FLAKY if verdicts differ.",
)  # fmt: skip
@jobs_option
@option("--shard", default="", metavar="I/N", help="Only part I of N of the run.")
@seed_option
@option(
    "--ground", type=Choice(["real", "virtual"]), default="real", metavar="GROUND",
    show_default=True, help="real, or virtual: simulated.",
)  # fmt: skip
@option(
    "--time-scale", type=click.FloatRange(0.01, 1), metavar="FACTOR",
    help="For a testee that scales its timers.",
)  # fmt: skip
@profiles_option
@option(
    "--case-limit", type=click.FloatRange(1), metavar="SECONDS",
    help="Leave out what would take longer. Default: 180.",
)  # fmt: skip
@option(
    "--deadline-factor", type=click.FloatRange(1), default=1.25, show_default=True, metavar="F",
    help="Stretches deadlines.",
)  # fmt: skip
@option(
    "--quiet-factor", type=click.FloatRange(0.1), default=1.0, show_default=True, metavar="F",
    help="Stretches silences.",
)  # fmt: skip
@option("--link", default="", metavar="TERMS", help="A line under every case, as latency=80ms.")
@option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, metavar="DIR", help="Record, recordings, reports.",
)  # fmt: skip
@option(
    "--resume", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="Go on with the interrupted run in DIR.",
)  # fmt: skip
@only_failed_option
@json_option
@click.pass_context
def conform(
    ctx: click.Context,
    testees: tuple[str, ...],
    cases: tuple[str, ...],
    exclude: tuple[str, ...],
    level: int | None,
    severities: tuple[Severity, ...],
    smoke: bool,
    strict: bool,
    repeat: int,
    jobs: int | None,
    shard: str,
    seed: int,
    ground: str,
    time_scale: float | None,
    profiles: tuple[str, ...],
    case_limit: float | None,
    deadline_factor: float,
    quiet_factor: float,
    link: str,
    out: Path,
    resume: Path | None,
    only_failed: bool,
    as_json: bool,
) -> None:
    """Judge adapters by what reaches the exchange.

    TESTEE is the name of one of ours, a testee.toml, or a folder with one. COMMAND is a program
    that takes MOCKEX_WS_URL and MOCKEX_STREAMS. Ctrl-C ends tidily, with the reports of what was
    judged; twice: at once (docs/runs.md).
    """
    from mockex_conformance import running
    from mockex_conformance.case import all_cases
    from mockex_conformance.planning import plan_of

    if resume is not None:
        _only_with_resume(ctx)
        with sigterm_interrupts():
            finished = running.resume(resume, jobs=jobs)
            running.write_reports(finished)
        _end(ctx, finished, only_failed=only_failed, as_json=as_json)
    if smoke and cases:  # of two selections, one that is only in the settings file gives way
        smoke_in_file, cases_in_file = (
            ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
            for name in ("smoke", "cases")
        )
        if smoke_in_file == cases_in_file:
            raise click.UsageError("--smoke is a selection of cases; give either it or --case.")
        smoke, cases = (False, cases) if smoke_in_file else (True, ())
    wish = Wish(
        folder=str(Path.cwd()),
        testees=list(testees),
        command=_command(ctx, testees),
        cases=list(cases),
        exclude=list(exclude),
        level=level,
        severities=[str(severity) for severity in severities],
        smoke=smoke,
        shard=shard,
        profiles=list(profiles),
        repeat=repeat,
        strict=strict,
        seed=seed,
        ground=ground,
        time_scale=time_scale,
        case_limit=case_limit,
        deadline_factor=deadline_factor,
        quiet_factor=quiet_factor,
        link=link,
    )
    for pattern in unmatched([*cases, *exclude], all_cases().values()):
        complain(pattern)
    plan = plan_of(wish, out, jobs=jobs)
    if not plan.cases:
        complain("no case is selected")
        ctx.exit(ExitCode.NOTHING)
    with sigterm_interrupts():
        command = ["mockex", *sys.argv[1:]]
        finished = running.judge_all(plan, command=command, strict=strict, wish=wish)
        running.write_reports(finished)
    _end(ctx, finished, only_failed=only_failed, as_json=as_json)


def _end(ctx: click.Context, finished: Finished, *, only_failed: bool, as_json: bool) -> NoReturn:
    """Say what came out, and end with its code."""
    from mockex_conformance import results, running

    if as_json:
        say_json(results.of_run(finished))
    else:
        running.show(finished, only_failed=only_failed)
    if finished.result.exit_code is ExitCode.INTERRUPTED:
        complain(f"interrupted; go on with: mockex conform --resume {finished.out}")
    ctx.exit(finished.result.exit_code)


def _only_with_resume(ctx: click.Context) -> None:
    """Refuse what would be another run than the one that is gone on with."""
    if COMMAND in ctx.meta:
        raise click.UsageError("--resume knows its testees: give no command line with it.")
    for param in ctx.command.params:
        given = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if given and param.name not in ("resume", "jobs", "only_failed", "as_json"):
            name = max(param.opts, key=len) if isinstance(param, click.Option) else "TESTEE"
            raise click.UsageError(
                f"--resume goes on with what was asked for then: give no {name} with it."
            )


def _command(ctx: click.Context, testees: Sequence[str]) -> list[str]:
    """The command line of the testee, if there is one; testees by name otherwise."""
    command: list[str] | None = ctx.meta.get(COMMAND)
    if command is None:
        if not testees:
            raise click.UsageError("Name a testee, or give a command line behind '--'.")
        return []
    if testees:
        raise click.UsageError("Name testees, or give a command line behind '--', not both.")
    if not command:
        raise click.UsageError("There is no command line behind '--'.")
    return command


@click.command(
    cls=Command,
    examples="""
    mockex judge out                              # a run, without the adapter
    mockex judge out/journal/x-usdm-CONN-01.jsonl # the recording of one case
    """,
)
@click.argument("record", type=click.Path(exists=True, path_type=Path), metavar="RUNDIR|JOURNAL")
@option("--wire", is_flag=True, help="Print what is in JOURNAL in words; judge nothing.")
@strict_option
@only_failed_option
@json_option
@click.pass_context
def judge(
    ctx: click.Context, record: Path, wire: bool, strict: bool, only_failed: bool, as_json: bool
) -> None:
    """Judge recordings again, without the testee.

    RUNDIR is the folder of a run, JOURNAL the recording of one case. Where the verdict is now
    another than in the record, that is said.
    """
    from mockex_conformance import rejudging, results

    if wire:
        if record.is_dir():
            raise click.UsageError("--wire is for one JOURNAL, not for a RUNDIR.")
        if as_json:
            raise click.UsageError("--wire prints text; the JOURNAL itself is JSON.")
        from mockex_conformance.report.figures import wire_text

        click.echo(wire_text(rejudging.read_recording(record)), nl=False)
        return
    again = rejudging.judge_again(record, strict=strict)
    if as_json:
        say_json(results.of_again(again))
    else:
        rejudging.show(again, only_failed=only_failed)
    ctx.exit(again.result.exit_code)
