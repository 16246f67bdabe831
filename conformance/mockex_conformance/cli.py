"""The suite's commands: `conform`, `judge`, `cases`, `demo` (entry points of `mockex.commands`).

stdout is the result, stderr shows progress. Nothing here decides anything about a testee: cases
are run by the harness, judged by checks, weighed by `report.outcome`.
"""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from rich.table import Table
from rich.text import Text

from mockex.cli import ExitCode, say
from mockex.errors import ConfigError
from mockex_conformance.case import Case, all_cases
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find_all, from_command
from mockex_conformance.report.terminal import console
from mockex_conformance.selection import matches, select
from mockex_conformance.verdict import Severity

DEFAULT_SEED = 7


class TakesCommand(click.Command):
    """A command that takes a testee's command line behind `--`, left in `ctx.meta`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split at the first `--`; click itself would mix both halves."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


_COMMAND = "mockex_conformance.command"


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: what was started is ended, the record stays readable."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _severities(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[Severity, ...]:
    return tuple(Severity(value) for value in values)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


_selection = _options(
    click.option(
        "--case", "cases", multiple=True, metavar="GLOB",
        help="Only these cases: id, number or glob over either. Repeatable.",
    ),
    click.option("--exclude", multiple=True, metavar="GLOB", help="Not these. Repeatable."),
    click.option(
        "--level", type=click.IntRange(0, 2), help="Only cases up to this level (0, 1, 2)."
    ),
    click.option(
        "--severity", "severities", multiple=True, callback=_severities,
        type=click.Choice([s.value for s in Severity], case_sensitive=False),
        help="Only cases of this severity. Repeatable.",
    ),
)  # fmt: skip

_strict = click.option("--strict", is_flag=True, help="A failed SHOULD fails the run too.")
_only_failed = click.option(
    "--only-failed", is_flag=True, help="Show only what did not pass; all is judged and recorded."
)


@click.command(cls=TakesCommand)
@click.argument("testees", nargs=-1, metavar="TESTEE… | -- COMMAND…")
@_selection
@_strict
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
@_only_failed
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
    from mockex_conformance.harness.scheduler import Plan

    catalogue = all_cases()
    described = _described(testees, ctx.meta.get(_COMMAND), catalogue)
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
@_strict
@_only_failed
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


@click.group(invoke_without_command=True)
@click.pass_context
def cases(ctx: click.Context) -> None:
    """The catalogue of cases: a list, or one explained."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_cases)


@cases.command("list")
@_selection
def list_cases(
    cases: Sequence[str] = (),
    exclude: Sequence[str] = (),
    level: int | None = None,
    severities: Sequence[Severity] = (),
) -> None:
    """Number, severity, level, id and requirement of each case."""
    out = console(sys.stdout)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("case", "", "", "id", "requirement"):
        table.add_column(heading, no_wrap=heading != "requirement")
    for case in select(
        all_cases(), include=cases, exclude=exclude, level=level, severities=severities
    ):
        table.add_row(
            case.number, case.severity, f"L{int(case.level)}", case.id, Text(case.requirement)
        )
    out.print(table)


@cases.command()
@click.argument("case_id", metavar="CASE")
def explain(case_id: str) -> None:
    """What one case does and what fails it. CASE is an id or a number."""
    found: list[Case] = [c for c in all_cases().values() if matches(c, case_id)]
    if not found:
        found = select(all_cases(), include=[case_id])  # names the nearest one
    if not found:
        raise ConfigError("CASE", case_id, "an id or number; see 'mockex cases'")
    for index, case in enumerate(found):
        if index:
            say("")
        alone = ", runs alone" if case.alone else ""
        say(f"{case.number}  {case.id}")
        say(
            f"{case.severity}, level {int(case.level)}, {' and '.join(case.profiles)}, "
            f"market {case.market}{alone}"
        )
        say("")
        say(inspect.cleandoc(case.body.__doc__ or ""))


@click.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, help="Folder for the record and report.html.",
)  # fmt: skip
@click.option("--open", "open_", is_flag=True, help="Open the report in the browser.")
@click.option("--quick", is_flag=True, help="Fewer rounds and shorter measurements.")
@click.option(
    "--all-cases", "every_case", is_flag=True, help="All cases instead of the seven that tell most."
)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of the run.")
@click.option("--jobs", type=click.IntRange(1), help="Cases side by side.")
@click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True,
    help="Judge each case so often; where verdicts differ it is FLAKY.",
)  # fmt: skip
@click.pass_context
def demo(
    ctx: click.Context,
    out: Path,
    open_: bool,
    quick: bool,
    every_case: bool,
    seed: int,
    jobs: int | None,
    repeat: int,
) -> None:
    """The incident: the bug grows, its fixes and the reference adapter are judged."""
    from mockex_conformance import demo as demonstration

    with sigterm_interrupts():
        code = demonstration.run(
            out, quick=quick, every_case=every_case, seed=seed, jobs=jobs, repeat=repeat
        )
    if open_:
        click.launch((out / "report.html").absolute().as_uri())
    ctx.exit(code)


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
@click.argument("schedule", type=click.Path(dir_okay=False, path_type=Path), metavar="SCHEDULE")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the recording and what the testee says.",
)  # fmt: skip
@click.pass_context
def replay(ctx: click.Context, schedule: Path, out: Path | None) -> None:
    """Play a schedule that `mockex explore` kept, again.

    The exit code is 1 if it still fails, 0 if it does no more.
    """
    from mockex_conformance import exploring

    ctx.exit(exploring.replay(schedule, out=out))
