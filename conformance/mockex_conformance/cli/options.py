"""What several commands share: options, a command line behind `--`, an end by SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click

from mockex.cli.help import Choice, Command, option
from mockex_conformance.cli.completing import case_names
from mockex_conformance.verdict import Severity

DEFAULT_SEED = 7
COMMAND = "mockex_conformance.command"  # in `ctx.meta`


class TakesCommand(Command):
    """A command that takes a testee's command line behind `--`, left in `ctx.meta`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split at the first `--`; click itself would mix both halves."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


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
        for add in reversed(options):
            function = add(function)
        return function

    return apply


selection_options = _options(
    option(
        "--case", "cases", multiple=True, metavar="GLOB", shell_complete=case_names,
        help="Only these: id, number or glob. Repeatable.",
    ),
    option(
        "--exclude", multiple=True, metavar="GLOB", shell_complete=case_names,
        help="Not these. Repeatable.",
    ),
    option(
        "--level", type=click.IntRange(0, 2), metavar="N", help="Only up to level 0, 1 or 2."
    ),
    option(
        "--severity", "severities", multiple=True, callback=_severities, metavar="WORD",
        type=Choice([s.value for s in Severity], case_sensitive=False),
        help="Only must, should or may. Repeatable.",
    ),
)  # fmt: skip
SELECTION = ("cases", "exclude", "level", "severities")

profiles_option = option(
    "--profile", "profiles", multiple=True, type=Choice(["spot", "usdm"]), metavar="NAME",
    help="Only spot or usdm. Repeatable.",
)  # fmt: skip
profile_option = option(
    "--profile", type=Choice(["spot", "usdm"]), metavar="NAME",
    help="spot or usdm. Default: the first of its own.",
)  # fmt: skip
seed_option = option(
    "--seed", type=int, default=DEFAULT_SEED, show_default=True, metavar="N",
    help="One seed gives one run.",
)  # fmt: skip
jobs_option = option(
    "--jobs", type=click.IntRange(1), metavar="N",
    help="Cases side by side. Default: what the machine bears.",
)  # fmt: skip
strict_option = option("--strict", is_flag=True, help="A failed SHOULD fails the run, too.")
only_failed_option = option("--only-failed", is_flag=True, help="Show only what did not pass.")
json_option = option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
