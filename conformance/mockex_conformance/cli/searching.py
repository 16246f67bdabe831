"""`mockex explore` and `mockex replay`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mockex.cli import ExitCode, complain, say_json
from mockex.cli.help import Command, option
from mockex.errors import ConfigError
from mockex_conformance import results
from mockex_conformance.cli.completing import judged_cases
from mockex_conformance.cli.completing import testees as testee_names
from mockex_conformance.cli.options import (
    jobs_option,
    json_option,
    profile_option,
    profiles_option,
    seed_option,
    sigterm_interrupts,
)
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find_all
from mockex_conformance.report.record import RECORD


@click.command(
    cls=Command,
    examples="""
    mockex explore reference --for 30
    mockex explore incident-python-fix3 --profile usdm --keep-going
    """,
)
@click.argument("testee", metavar="TESTEE", shell_complete=testee_names)
@profile_option
@seed_option
@option("--schedules", type=click.IntRange(1), metavar="N", help="End after so many.")
@option(
    "--for", "seconds", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="End after so long. Default: 60 without --schedules.",
)  # fmt: skip
@option("--keep-going", is_flag=True, help="After the first failure, look for other kinds.")
@option("--jobs", type=click.IntRange(1), metavar="N", help="Children. Default: one a core.")
@option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, metavar="DIR", help="Gets the schedules that fail.",
)  # fmt: skip
@json_option
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
    as_json: bool,
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
            as_json=as_json,
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


@click.command(
    cls=Command,
    examples="""
    mockex replay out                       # all that did not pass
    mockex replay out CONN-01 --testee mine
    mockex replay out/journal/x.jsonl
    """,
)
@click.argument(
    "what", type=click.Path(exists=True, path_type=Path), metavar="RUNDIR|RECORDING|SCHEDULE"
)
@click.argument("cases", nargs=-1, metavar="[CASE]…", shell_complete=judged_cases)
@option("--testee", "testees", multiple=True, metavar="NAME", help="Of a run, only his.")
@profiles_option
@jobs_option
@option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Record, recordings, reports. Default: replay.",
)  # fmt: skip
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    what: Path,
    cases: tuple[str, ...],
    testees: tuple[str, ...],
    profiles: tuple[str, ...],
    jobs: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run again what was recorded: same testee, seed and conditions.

    RUNDIR is the folder of a run: its cases named by CASE (id, number or glob), or all that did
    not pass. RECORDING is the journal of one case (*.jsonl). SCHEDULE is what `mockex explore` has
    kept (*.json); the exit code is 1 if it still fails, 0 if it does no more.
    """
    if what.is_file() and what.suffix != ".jsonl":
        from mockex_conformance import exploring

        ctx.exit(exploring.replay(what, out=out, as_json=as_json))
    from mockex_conformance import replaying

    if what.is_dir() or what.name == RECORD:
        recorded = replaying.from_record(what, cases, testees=testees, profiles=profiles)
    else:
        recorded = replaying.from_recording(what)
    if not recorded:
        complain("no recorded case is selected")
        ctx.exit(ExitCode.NOTHING)
    out = out or Path("replay")
    if out.resolve() in what.resolve().parents or out.resolve() == what.resolve():
        raise ConfigError("--out", str(out), "another folder than that of the recording")
    with sigterm_interrupts():
        finished = replaying.replay(recorded, out, jobs=jobs, command=["mockex", *sys.argv[1:]])
    if as_json:
        say_json(results.of_run(finished, replaying.compared(recorded, finished)))
    else:
        replaying.show(recorded, finished)
    if finished.result.exit_code is ExitCode.INTERRUPTED:
        complain("interrupted")
    ctx.exit(finished.result.exit_code)
