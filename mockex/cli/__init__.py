"""The command line: which commands there are, and how each ends.

Our own commands have modules of their own in this folder. One of another package is
an entry point of the group `mockex.commands`; so the suite's commands stand here without the
exchange importing the suite. What a command prints on stdout is its result and an interface; stderr
is for people. Every flag is also an environment variable, `MOCKEX_<COMMAND>_<FLAG>`. An exception
ends in one message and an exit code, never in a traceback (`MOCKEX_TRACEBACK=1` shows it).
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import IO, NoReturn

import click

from mockex.errors import MockexError

GROUP = "mockex.commands"
# Commands of our own with a module of their own, imported when they are used.
OWN = (
    EntryPoint("doctor", "mockex.cli.doctor:doctor", GROUP),
    EntryPoint("faults", "mockex.cli.faults:faults", GROUP),
    EntryPoint("record", "mockex.cli.record:record", GROUP),
    EntryPoint("serve", "mockex.cli.serve:serve", GROUP),
)


class ExitCode(IntEnum):
    """How a command ended. 0 to 5 mean what they mean to pytest; FAILED goes before UNJUDGED."""

    OK = 0
    FAILED = 1  # a required case failed
    INTERRUPTED = 2
    BROKE = 3  # mockex itself did
    USAGE = 4  # wrong usage or settings
    NOTHING = 5  # no case or testee was selected
    UNJUDGED = 7  # something could not be judged


class Group(click.Group):
    """A group that refuses an unknown command with the nearest one that exists."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with, and the rest."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"See '{ctx.command_path} --help'."
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)


class Commands(Group):
    """A group that also holds the commands of the entry points; each is imported when it is
    used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *(entry.name for entry in _elsewhere())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for entry in _elsewhere():
            if entry.name == cmd_name:
                loaded: click.Command = entry.load()
                return loaded
        return None


def _elsewhere() -> list[EntryPoint]:
    return [*OWN, *entry_points(group=GROUP)]


def our_version() -> str:
    """The version of the installed distribution; `unknown` in a checkout that is not installed."""
    try:
        return version("mockex")
    except PackageNotFoundError:
        return "unknown"


def hush(stream: IO[str]) -> None:
    """Send the rest of `stream` nowhere: its reader has gone away. What it had buffered would
    otherwise fail again when the interpreter flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def say(text: str) -> None:
    """Print a line of the result. That nobody reads it is no error."""
    try:
        click.echo(text)
    except BrokenPipeError:
        hush(sys.stdout)


def complain(message: str) -> None:
    """Print a line for people. That nobody reads it is no error."""
    try:
        click.echo(f"mockex: {message}", err=True)
    except BrokenPipeError:
        hush(sys.stderr)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(our_version(), message="mockex %(version)s")
def cli() -> None:
    """A Binance-shaped WebSocket exchange that fails on purpose, and a suite that judges any
    exchange adapter by what reaches it."""


# --- one message and an exit code -----------------------------------------------------------------


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises.

    A command sets its code with `ctx.exit(code)`; one that just returns has succeeded.
    """
    try:
        result = cli.main(
            args=list(args) if args is not None else None,
            prog_name="mockex",
            standalone_mode=False,
            auto_envvar_prefix="MOCKEX",
        )
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted")
        return ExitCode.INTERRUPTED
    except click.ClickException as error:  # click's own code 2 would say "interrupted"
        error.show()
        return ExitCode.USAGE
    except MockexError as error:
        complain(str(error))
        return ExitCode.USAGE
    except SystemExit:
        # click's answer to a reader that has gone away before all of a help text was written
        return ExitCode.OK
    except OSError as error:
        if error.filename is None:
            return _broke(error)
        # A file that cannot be read or written is one that was named by whoever started us.
        complain(f"{error.filename}: {error.strerror}")
        return ExitCode.USAGE
    except Exception as error:
        return _broke(error)
    return result if isinstance(result, int) else ExitCode.OK


def _broke(error: Exception) -> ExitCode:
    """Report what should never happen: where it did, and how to see more."""
    if os.environ.get("MOCKEX_TRACEBACK"):
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    complain(
        f"mockex itself broke: {type(error).__name__}: {error}{where}\n"
        "Set MOCKEX_TRACEBACK=1 to see all of it."
    )
    return ExitCode.BROKE


def main() -> NoReturn:
    """The console script. Started with a closed stdout or stderr, it writes into nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for good
    sys.exit(run())
