"""What several commands share: options, a command line behind `--`, an end by SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click

from mockex_conformance.verdict import Severity

DEFAULT_SEED = 7
COMMAND = "mockex_conformance.command"  # in `ctx.meta`


class TakesCommand(click.Command):
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
        for option in reversed(options):
            function = option(function)
        return function

    return apply


selection_options = _options(
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

strict_option = click.option("--strict", is_flag=True, help="A failed SHOULD fails the run too.")
only_failed_option = click.option(
    "--only-failed", is_flag=True, help="Show only what did not pass; all is judged and recorded."
)
