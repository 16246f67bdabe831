"""`mockex explore` and `mockex replay`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mockex.cli import ExitCode
from mockex.errors import ConfigError
from mockex_conformance.cli.options import DEFAULT_SEED, sigterm_interrupts
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find_all
from mockex_conformance.report.record import RECORD


@click.command()
@click.argument("testee", metavar="TESTEE")
@click.option(
    "--profile", type=click.Choice(["spot", "usdm"]),
    help="Default: the first of the testee's own.",
)  # fmt: skip
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of the run.")
@click.option("--schedules", type=click.IntRange(1), metavar="N", help="End after so many.")
@click.option(
    "--for", "seconds", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="End after so long. Default: 60, unless --schedules is given.",
)  # fmt: skip
@click.option(
    "--keep-going", is_flag=True, help="Look for other kinds of failure after the first one."
)
@click.option("--jobs", type=click.IntRange(1), help="Children. Default: one for each core.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, help="Folder that gets the schedules that fail.",
)  # fmt: skip
@click.pass_context
def explore(
    ctx: click.Context,
    testee: str,
    profile: str | None,
    seed: int,
    schedules: int | None,
    seconds: float | None,
    keep_going: bool,
    jobs: int | None,
    out: Path,
) -> None:
    """Look for schedules of faults and commands that a testee does not survive.

    TESTEE has an `entry` in its testee.toml: it runs in virtual time. What fails is made as short
    as it gets, printed as a test, and kept for `mockex replay`.
    """
    from mockex_conformance import exploring

    described = _one_with_entry(testee)
    with sigterm_interrupts():
        code = exploring.explore(
            described,
            named=testee,
            profile=profile or described.profiles[0],
            seed=seed,
            most=schedules,
            seconds=60.0 if seconds is None and schedules is None else seconds,
            keep_going=keep_going,
            jobs=jobs,
            out=out,
        )
    ctx.exit(code)


def _one_with_entry(selector: str) -> Description:
    found = find_all([selector])
    if len(found) > 1:
        names = ", ".join(testee.name for testee in found[:3])
        raise ConfigError("TESTEE", selector, f"one testee, not {len(found)} ({names} …)")
    if not found[0].entry:
        raise ConfigError(
            "TESTEE", selector, "one with an `entry` in its testee.toml: Python on asyncio"
        )
    return found[0]


@click.command()
@click.argument(
    "what", type=click.Path(exists=True, path_type=Path), metavar="RUNDIR|RECORDING|SCHEDULE"
)
@click.argument("cases", nargs=-1, metavar="[CASE]…")
@click.option("--testee", "testees", multiple=True, metavar="NAME", help="Of a run, only his.")
@click.option(
    "--profile", "profiles", multiple=True, type=click.Choice(["spot", "usdm"]),
    help="Of a run, only this profile.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), help="Cases side by side.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder for record and recordings. Default for a case: `replay` in the current folder.",
)  # fmt: skip
@click.pass_context
def replay(
    ctx: click.Context,
    what: Path,
    cases: tuple[str, ...],
    testees: tuple[str, ...],
    profiles: tuple[str, ...],
    jobs: int | None,
    out: Path | None,
) -> None:
    """Run again what was recorded: same testee, seed and conditions.

    RUNDIR is the folder of a run: its cases named by CASE (id, number or glob), or all that did
    not pass. RECORDING is the journal of one case (*.jsonl). SCHEDULE is what `mockex explore` has
    kept (*.json); the exit code is 1 if it still fails, 0 if it does no more.
    """
    if what.is_file() and what.suffix != ".jsonl":
        from mockex_conformance import exploring

        ctx.exit(exploring.replay(what, out=out))
    from mockex_conformance import replaying

    if what.is_dir() or what.name == RECORD:
        recorded = replaying.from_record(what, cases, testees=testees, profiles=profiles)
    else:
        recorded = replaying.from_recording(what)
    if not recorded:
        click.echo("mockex: no recorded case is selected", err=True)
        ctx.exit(ExitCode.NOTHING)
    out = out or Path("replay")
    if out.resolve() in what.resolve().parents or out.resolve() == what.resolve():
        raise ConfigError("--out", str(out), "another folder than that of the recording")
    with sigterm_interrupts():
        finished = replaying.replay(recorded, out, jobs=jobs, command=["mockex", *sys.argv[1:]])
    replaying.show(recorded, finished)
    ctx.exit(finished.result.exit_code)
