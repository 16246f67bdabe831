"""The command line: which commands there are, and how each ends.

Our own commands have modules of their own in this folder. One of another package is
an entry point of the group `mockex.commands`; so the suite's commands stand here without the
exchange importing the suite. What a command prints on stdout is its result and an interface; stderr
is for people. Every flag is also an environment variable, `MOCKEX_<COMMAND>_<FLAG>`, and a key in
`mockex.toml`. An exception ends in one message and an exit code, never in a traceback
(`MOCKEX_TRACEBACK=1` shows it).
"""

from __future__ import annotations

import errno
import io
import os
import re
import select
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from mockex import config
from mockex.cli.help import Group as Group
from mockex.errors import MachineLacks, MockexError

if TYPE_CHECKING:
    from typing_extensions import Buffer

GROUP = "mockex.commands"
# Commands of our own: a module each, imported when they are used.
OWN = {
    "completion": "mockex.cli.completion:completion",
    "doctor": "mockex.cli.doctor:doctor",
    "faults": "mockex.cli.faults:faults",
    "record": "mockex.cli.record:record",
    "serve": "mockex.cli.serve:serve",
}
# What the help of `mockex` says, in its order, of commands of our own and of the suite: nothing is
# imported for it.
SECTIONS = {
    "Run the exchange": {
        "serve": "Run it on 127.0.0.1 until Ctrl-C.",
        "faults": "Make things go wrong at a running one: add, list, clear, scripts.",
        "record": "Write what an exchange sends to a file that `serve` can play.",
    },
    "Judge an adapter": {
        "conform": "Judge adapters by what reaches the exchange.",
        "cases": "What there is to pass: a list, or one explained.",
        "explore": "Search for a schedule of faults that an adapter does not survive.",
        "try": "Talk to one testee by hand, against a healthy exchange.",
        "init": "Write a testee.toml and a small adapter to begin with.",
        "demo": "The incident: a bug that grows, its fixes, the report.",
    },
    "After a run": {
        "judge": "Judge the recordings again, without the adapter.",
        "replay": "Run again what did not pass: same seed, same conditions.",
        "report": "Of records: pages, files for CI, several into one, two compared.",
    },
    "About this machine and mockex": {
        "doctor": "What is missing here, and what repairs it.",
        "completion": "The script that completes commands in bash, zsh or fish.",
        "schema": "JSON Schema of every line and file.",
    },
}
LAST_WORDS = (
    "Begin with: mockex demo | mockex serve | mockex init --lang python mine",
    "More: mockex COMMAND --help | mockex --version | docs/command-line.md",
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


class Commands(Group):
    """A group that also holds the commands of the entry points; each is imported when it is
    used, and gets its settings from the nearest `mockex.toml` then."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        named = {*super().list_commands(ctx), *OWN, *(entry.name for entry in _elsewhere())}
        return sorted(named)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        command = super().get_command(ctx, cmd_name) or _loaded(cmd_name)
        if command is not None:
            for path, inner in config.leaves((cmd_name,), command):
                for option in config.options(inner).values():
                    option.envvar = config.variables(path, option)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with, and the rest; its settings are read. Who asks for
        help gets it, whatever is in the file."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing and not _asks_for_help(rest):
            settings = settings_of(ctx)
            if settings is not None:
                config.must_be_tables(settings, self.list_commands(ctx))
                assert name is not None
                ctx.default_map = {name: config.defaults(settings, (name,), command)}
        return name, command, rest

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One screen: the commands by what a person is about to do."""
        formatter.write_usage(ctx.command_path, "[--config FILE] COMMAND [ARGS]…")
        formatter.write_text(self.help or "")
        left = set(self.list_commands(ctx))
        sections = {head: dict(some) for head, some in SECTIONS.items()}
        told = {name for some in sections.values() for name in some}
        if others := sorted(left - told):
            found = {name: self.get_command(ctx, name) for name in others}
            sections["Others"] = {n: c.get_short_help_str() for n, c in found.items() if c}
        for heading, some in sections.items():
            formatter.write_heading(heading)
            with formatter.indentation():
                # The same first column in all of them.
                formatter.write_dl(
                    [(f"{name:<10}", say) for name, say in some.items() if name in left]
                )
        for line in LAST_WORDS:
            formatter.write_text(line)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Commands with what the help says of them; none is imported."""
        from click.shell_completion import CompletionItem

        known = {name: said for some in SECTIONS.values() for name, said in some.items()}
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=known.get(name, "")) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


def _elsewhere() -> list[EntryPoint]:
    return [*entry_points(group=GROUP)]


def _loaded(name: str) -> click.Command | None:
    if name in OWN:
        module, _, attribute = OWN[name].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found
    for entry in _elsewhere():
        if entry.name == name:
            loaded: click.Command = entry.load()
            return loaded
    return None


def _asks_for_help(args: Sequence[str]) -> bool:
    own = args[: args.index("--")] if "--" in args else args
    return bool({"-h", "--help"} & set(own))


def settings_of(ctx: click.Context) -> config.Settings | None:
    """The settings file that counts: the one that was named, else the nearest; None: there is none.

    Raises:
        ConfigError, OSError: it cannot be read.
    """
    file: Path | None = ctx.find_root().params.get("config")
    if file is None:
        with suppress(FileNotFoundError):  # somebody has removed the working folder
            file = config.find(Path.cwd())
    return config.read(file) if file is not None else None


def our_version() -> str:
    """The version of the installed distribution; `unknown` in a checkout that is not installed."""
    try:
        return version("mockex")
    except PackageNotFoundError:
        return "unknown"


# What a terminal obeys, or what turns the order of its signs: C0, DEL, C1, bidirectional controls.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Text of which a terminal obeys nothing but its lines and tabs: names, messages and last words
    come from programs of somebody else."""
    return _OBEYED.sub("?", text)


def hush(stream: IO[str] | io.FileIO) -> None:
    """Send the rest of `stream` nowhere: its reader has gone away. What it had buffered would
    otherwise fail again when the interpreter flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def say(text: str) -> None:
    """Print a line of the result. That nobody reads it is no error."""
    try:
        click.echo(visible(text))
    except BrokenPipeError:
        hush(sys.stdout)


def complain(message: str) -> None:
    """Print a line for people. That nobody reads it is no error."""
    try:
        click.echo(f"mockex: {visible(message)}", err=True)
    except BrokenPipeError:
        hush(sys.stderr)


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """An error of the disk names `file`: one that comes with a write names none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def say_json(value: Any) -> None:
    """Print a result as JSON, in ASCII: it is whole whatever the locale is."""
    import json

    import msgspec

    say(json.dumps(msgspec.to_builtins(value), separators=(",", ":")))


def _say_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        say(f"mockex {our_version()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Settings, instead of the nearest mockex.toml.",
)  # fmt: skip
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_say_version,
    help="Show the version and exit.",
)  # fmt: skip
def cli(config: Path | None) -> None:
    """An exchange that fails on purpose, and a suite that judges adapters by it."""


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
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            complain(f"{error.filename or 'the output'}: {error.strerror}")
            return ExitCode.USAGE
        if MachineLacks.says(error):
            complain(str(MachineLacks(error)))
            return ExitCode.USAGE
        if error.filename is None:
            return _broke(error)
        # A file that cannot be read or written is one that was named by whoever started us.
        complain(f"{error.filename}: {error.strerror}")
        return ExitCode.USAGE
    except MemoryError:
        complain(str(MachineLacks(OSError(errno.ENOMEM, ""))))
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


class _Output(io.FileIO):
    """What is printed. A terminal that has gone away stops nothing, and nothing that happens to
    stderr does (`for_people`): what is recorded goes before. A full pipe is waited for, also where
    whoever started us made it one that does not wait (O_NONBLOCK)."""

    def __init__(self, descriptor: int, *, for_people: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._for_people = for_people
        self._on_terminal = self.isatty()

    def write(self, data: Buffer, /) -> int:
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])
            return written
        except OSError as error:
            gone = self._on_terminal and error.errno == errno.EIO
            if not (gone or self._for_people):
                raise
            hush(self)
            return memoryview(data).nbytes


def main() -> NoReturn:
    """The console script. Started with a closed stdout or stderr, it writes into nothing; what its
    locale has no character for is a `?`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = Path(os.devnull).open("w")  # noqa: SIM115 - for good
            setattr(sys, name, stream)
        stream.reconfigure(errors="replace")
        written = io.BufferedWriter(_Output(stream.fileno(), for_people=name == "stderr"))
        by_line = stream.line_buffering or stream.write_through
        setattr(
            sys, name, io.TextIOWrapper(written, stream.encoding, "replace", line_buffering=by_line)
        )
        setattr(sys, f"__{name}__", stream)  # or its end would close the descriptor
    code = run()
    try:
        sys.stdout.flush()
    except OSError as error:  # the interpreter would try again, and end with 120
        hush(sys.stdout)
        if code == ExitCode.OK and not isinstance(error, BrokenPipeError):
            complain(f"the output: {error.strerror}")
            code = ExitCode.USAGE
    sys.exit(code)
