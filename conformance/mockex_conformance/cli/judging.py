"""`mockex conform` and `mockex judge`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from mockex.cli import ExitCode
from mockex_conformance.cli.options import (
    COMMAND,
    DEFAULT_SEED,
    TakesCommand,
    only_failed_option,
    selection_options,
    sigterm_interrupts,
    strict_option,
)
from mockex_conformance.selection import SMOKE
from mockex_conformance.verdict import Severity
from mockex_conformance.wish import Wish


@click.command(cls=TakesCommand)
@click.argument("testees", nargs=-1, metavar="TESTEE… | -- COMMAND…")
@selection_options
@click.option(
    "--smoke",
    is_flag=True,
    help="Only a few cases, which tell most in seconds: "
    + ", ".join(f"{number} ({why})" for number, why in SMOKE.items())
    + ".",
)
@strict_option
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True,
    help="Run each case so often; where verdicts differ it is FLAKY.",
)  # fmt: skip
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Cases side by side. Default: as many as leave the machine below 70 % busy.",
)
@click.option(
    "--shard", default="", metavar="I/N",
    help="Only part I of N. A case of a testee is always in the same part, whatever else is "
    "selected; `mockex report merge` makes one record of all parts.",
)  # fmt: skip
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of the run.")
@click.option(
    "--ground", type=click.Choice(["real", "virtual"]), default="real", show_default=True,
    help="real: a process and sockets of this machine; virtual: the testee's `entry`, in a moment.",
)  # fmt: skip
@click.option(
    "--time-scale", type=click.FloatRange(0.01, 1), metavar="FACTOR",
    help="For the timers of a testee that scales time. Default: 0.1; 1 on the virtual ground.",
)  # fmt: skip
@click.option(
    "--profile", "profiles", multiple=True, type=click.Choice(["spot", "usdm"]),
    help="Only this profile. Repeatable. Default: those of the testee.",
)  # fmt: skip
@click.option(
    "--case-limit", type=click.FloatRange(1), metavar="SECONDS",
    help="A case that needs longer, by what the testee declares, is UNSUPPORTED. Default: 180, "
    "on the virtual ground 1800.",
)  # fmt: skip
@click.option(
    "--deadline-factor", type=click.FloatRange(1), default=1.25, show_default=True,
    help="Stretches what must happen: for a slow machine.",
)  # fmt: skip
@click.option(
    "--quiet-factor", type=click.FloatRange(0.1), default=1.0, show_default=True,
    help="Stretches the windows in which something must not happen.",
)  # fmt: skip
@click.option(
    "--link", default="", metavar="TERMS",
    help="Put a line between testee and exchange under every case, such as "
    "latency=80ms,jitter=20ms or bandwidth=64KB/s: a Toxiproxy, or the simulated network.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, help="Folder for record, JUnit, report, journals and stderr.",
)  # fmt: skip
@click.option(
    "--resume", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="Go on with the run of this folder, which was interrupted or killed, as it was asked for "
    "then. Only --jobs and --only-failed may be given with it.",
)  # fmt: skip
@only_failed_option
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
) -> None:
    """Judge adapters by what reaches the exchange.

    TESTEE is the name of one of ours, a testee.toml, or a folder with one. COMMAND is the command
    line of a program that takes MOCKEX_WS_URL and MOCKEX_STREAMS: a testee of level 0.
    """
    from mockex_conformance import running
    from mockex_conformance.planning import plan_of

    if resume is not None:
        _only_with_resume(ctx)
        with sigterm_interrupts():
            finished = running.resume(resume, jobs=jobs)
            running.write_reports(finished)
        running.show(finished, only_failed=only_failed)
        ctx.exit(finished.result.exit_code)
    if smoke and cases:
        raise click.UsageError("--smoke is a selection of cases; give either it or --case.")
    wish = Wish(
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
    plan = plan_of(wish, out, jobs=jobs)
    if not plan.cases:
        click.echo("mockex: no case is selected", err=True)
        ctx.exit(ExitCode.NOTHING)
    with sigterm_interrupts():
        command = ["mockex", *sys.argv[1:]]
        finished = running.judge_all(plan, command=command, strict=strict, wish=wish)
        running.write_reports(finished)
    running.show(finished, only_failed=only_failed)
    ctx.exit(finished.result.exit_code)


def _only_with_resume(ctx: click.Context) -> None:
    """Refuse what would be another run than the one that is gone on with."""
    if COMMAND in ctx.meta:
        raise click.UsageError("--resume knows its testees: give no command line with it.")
    for param in ctx.command.params:
        given = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if given and param.name not in ("resume", "jobs", "only_failed"):
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


@click.command()
@click.argument("record", type=click.Path(exists=True, path_type=Path), metavar="RUNDIR|JOURNAL")
@strict_option
@only_failed_option
@click.pass_context
def judge(ctx: click.Context, record: Path, strict: bool, only_failed: bool) -> None:
    """Judge recordings again, without the testee.

    RUNDIR is the folder of a run, JOURNAL the recording of one case. Where the verdict is now
    another than in the record, that is said.
    """
    from mockex_conformance import rejudging

    again = rejudging.judge_again(record, strict=strict)
    rejudging.show(again, only_failed=only_failed)
    ctx.exit(again.result.exit_code)
