"""`mockex conform` and `mockex judge`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mockex.cli import ExitCode
from mockex_conformance.case import Case, all_cases
from mockex_conformance.cli.options import (
    COMMAND,
    DEFAULT_SEED,
    TakesCommand,
    only_failed_option,
    selection_options,
    sigterm_interrupts,
    strict_option,
)
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find_all, from_command
from mockex_conformance.selection import select
from mockex_conformance.verdict import Severity


@click.command(cls=TakesCommand)
@click.argument("testees", nargs=-1, metavar="TESTEE… | -- COMMAND…")
@selection_options
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
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, help="Folder for record, JUnit, report, journals and stderr.",
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
    strict: bool,
    repeat: int,
    jobs: int | None,
    seed: int,
    ground: str,
    time_scale: float | None,
    profiles: tuple[str, ...],
    case_limit: float | None,
    deadline_factor: float,
    quiet_factor: float,
    out: Path,
    only_failed: bool,
) -> None:
    """Judge adapters by what reaches the exchange.

    TESTEE is the name of one of ours, a testee.toml, or a folder with one. COMMAND is the command
    line of a program that takes MOCKEX_WS_URL and MOCKEX_STREAMS: a testee of level 0.
    """
    from mockex_conformance import running
    from mockex_conformance.harness.ground import Ground
    from mockex_conformance.harness.plan import Plan

    catalogue = all_cases()
    described = _described(testees, ctx.meta.get(COMMAND), catalogue)
    chosen = select(catalogue, include=cases, exclude=exclude, level=level, severities=severities)
    if not chosen:
        click.echo("mockex: no case is selected", err=True)
        ctx.exit(ExitCode.NOTHING)
    plan = Plan(
        testees=described,
        cases=chosen,
        profiles=profiles,
        repeat=repeat,
        jobs=jobs,
        seed=seed,
        ground=Ground(ground),
        time_scale=time_scale,
        case_limit_s=case_limit,
        deadline_factor=deadline_factor,
        quiet_factor=quiet_factor,
        out=out,
    )
    with sigterm_interrupts():
        finished = running.judge_all(plan, command=["mockex", *sys.argv[1:]], strict=strict)
        running.write_reports(finished)
    running.show(finished, only_failed=only_failed)
    ctx.exit(finished.result.exit_code)


def _described(
    testees: Sequence[str], command: list[str] | None, catalogue: Mapping[str, Case]
) -> list[Description]:
    """The testees that are meant: some by name or path, or one by its command line."""
    if command is None:
        if not testees:
            raise click.UsageError("Name a testee, or give a command line behind '--'.")
        known = [name for case in catalogue.values() for name in (case.id, case.number)]
        return find_all(testees, known_cases=known)
    if testees:
        raise click.UsageError("Name testees, or give a command line behind '--', not both.")
    if not command:
        raise click.UsageError("There is no command line behind '--'.")
    return [from_command(command)]


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
