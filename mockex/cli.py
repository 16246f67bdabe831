"""The command line: `mockex serve`, and the commands that other packages add.

A command of another package is an entry point of the group `mockex.commands`; so the suite's
commands stand here without the exchange importing the suite. What a command prints on stdout is
its result and an interface; stderr is for people. Every flag is also an environment variable,
`MOCKEX_<COMMAND>_<FLAG>`. An exception ends in one message and an exit code, never in a traceback
(`MOCKEX_TRACEBACK=1` shows it).
"""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import signal
import ssl
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import click
from click.core import ParameterSource

from mockex.errors import ConfigError, MockexError

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange

GROUP = "mockex.commands"
# Commands of our own with a module of their own, imported when they are used.
OWN = (EntryPoint("doctor", "mockex.cli_doctor:doctor", GROUP),)
AUTHORITY = Path("mockex-authority.pem")
TRUST = """wss:// and https:// are for clients that trust {file}
  Python, Go:  export SSL_CERT_FILE={file}
  Node:        export NODE_EXTRA_CA_CERTS={file}"""
# Which settings of `serve` are about which kind of market.
ABOUT_WALKS = ("rate", "volatility")
ABOUT_REPLAYS = ("loop", "lenient")


class ExitCode(IntEnum):
    """How a command ended. 0 to 5 mean what they mean to pytest; FAILED goes before UNJUDGED."""

    OK = 0
    FAILED = 1  # a required case failed
    INTERRUPTED = 2
    BROKE = 3  # mockex itself did
    USAGE = 4  # wrong usage or settings
    NOTHING = 5  # no case or testee was selected
    UNJUDGED = 7  # something could not be judged


class Commands(click.Group):
    """A group that also holds the commands of the entry points; each is imported when it is used.

    An unknown command is refused with the nearest one that exists.
    """

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with, and the rest."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " See 'mockex --help'."
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(our_version(), message="mockex %(version)s")
def cli() -> None:
    """A Binance-shaped WebSocket exchange that fails on purpose, and a suite that judges any
    exchange adapter by what reaches it."""


def _names(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _symbols(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    symbols = tuple(part.strip().upper() for part in value.split(",") if part.strip())
    if not symbols:
        raise click.BadParameter("expected at least one symbol, like ETHUSDC,BTCUSDC")
    return symbols


@cli.command()
@click.option(
    "--profile", default="usdm", show_default=True, metavar="NAME|FILE",
    help="Which product of the exchange: spot, usdm, a dated one (spot-2026-11), or a TOML file.",
)  # fmt: skip
@click.option(
    "--symbols", default="ETHUSDC,BTCUSDC", show_default=True, callback=_symbols, metavar="LIST",
    help="Symbols that are traded, separated by commas.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True,
    help="Port of the streams on 127.0.0.1; 0: any free one.",
)  # fmt: skip
@click.option(
    "--rest-port", type=click.IntRange(0, 65535), default=0, show_default=True,
    help="Port of REST on 127.0.0.1; 0: any free one.",
)  # fmt: skip
@click.option(
    "--seed", type=int, default=7, show_default=True, help="One seed gives one market, for ever."
)
@click.option(
    "--speed", type=click.FloatRange(0.001, 1000), default=1.0, show_default=True,
    help="Exchange seconds that pass in one second.",
)  # fmt: skip
@click.option(
    "--market", default="walk", show_default=True, metavar="walk|steady|frozen|replay:FILE",
    help="walk: as a market moves; steady: each step changes one level; frozen: nothing moves; "
    "replay: a capture, as `mockex record` writes it.",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(0, 100), default=1.0, show_default=True,
    help="How often a walk moves, times the usual.",
)  # fmt: skip
@click.option(
    "--volatility", type=click.FloatRange(0, 10), default=1.0, show_default=True,
    help="How far a walk goes in a time, times the usual.",
)  # fmt: skip
@click.option(
    "--loop/--once", default=True, show_default=True,
    help="Play a capture round and round, or once.",
)  # fmt: skip
@click.option("--lenient", is_flag=True, help="Leave out lines of a capture that are bad.")
@click.option("--tls", is_flag=True, help="wss:// and https://, with an authority of its own.")
@click.option(
    "--authority", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Where the authority's certificate is left for clients to trust, with --tls.  "
    f"[default: {AUTHORITY}]",
)  # fmt: skip
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write what happens to FILE, one JSON object a line.",
)  # fmt: skip
@click.option(
    "--exit-after", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="End by itself after so long.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The ready line as a JSON object.")
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the ready line to FILE too, whole or not at all.",
)  # fmt: skip
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    profile: str,
    symbols: tuple[str, ...],
    port: int,
    rest_port: int,
    seed: int,
    speed: float,
    market: str,
    rate: float,
    volatility: float,
    loop: bool,
    lenient: bool,
    tls: bool,
    authority: Path | None,
    journal: Path | None,
    exit_after: float | None,
    as_json: bool,
    ready_file: Path | None,
) -> None:
    """Run the exchange on 127.0.0.1 until SIGTERM or Ctrl-C.

    The first line on stdout, `mockex ready ws=… rest=… seed=… pid=…`, comes once every port
    answers.
    """
    _check_market(ctx, market)
    if authority is not None and not tls:
        raise ConfigError("--authority", str(authority), "--tls beside it")
    if tls and authority is None:
        authority = AUTHORITY
    if port and port == rest_port:
        raise ConfigError("--rest-port", rest_port, "another port than that of the streams")
    if journal is not None and journal.exists() and journal.stat().st_size:
        # Two journals in one file are the journal of nothing.
        raise ConfigError("--journal", str(journal), "a file that is new or empty")
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # an old one would say that we are ready now

    async def run() -> None:
        from mockex.server.exchange import serve as exchange_of

        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with exchange_of(
            profile,
            seed=seed,
            symbols=symbols,
            market=market,
            rate=rate,
            volatility=volatility,
            loop=loop,
            lenient=lenient,
            speed=speed,
            port=port,
            rest_port=rest_port,
            journal=journal,
            tls=tls,
            authority=authority,
        ) as exchange:
            if authority is not None:
                _complain(TRUST.format(file=authority.resolve()))
            line = ready_line(exchange, as_json=as_json)
            if ready_file is not None:
                write_whole(ready_file, line + "\n")
            say(line)
            with suppress(TimeoutError):  # it was asked for
                async with asyncio.timeout(exit_after):
                    await stop.wait()

    asyncio.run(run())


def _check_market(ctx: click.Context, market: str) -> None:
    """A setting that would change nothing was not meant so.

    Raises:
        ConfigError: there is one.
    """
    replays = market.startswith("replay:")
    idle: tuple[str, ...] = ("symbols", *ABOUT_WALKS) if replays else ABOUT_REPLAYS
    if not replays and market != "walk":
        idle += ABOUT_WALKS
    for name in idle:
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            right = "--market walk" if name in ABOUT_WALKS else "--market replay:FILE"
            if name == "symbols":
                right = "no symbols: a replay has those of its capture"
            flag = "--loop/--once" if name == "loop" else f"--{name}"
            raise ConfigError(flag, ctx.params[name], right)


@cli.command()
@click.argument("url")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="A new file; compressed if its name ends in .gz.",
)  # fmt: skip
@click.option(
    "--for", "for_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="How long; else until Ctrl-C.",
)  # fmt: skip
@click.option(
    "--streams", default="", callback=_names, metavar="LIST",
    help="Streams to ask for, separated by commas, where URL is the base of an exchange.",
)  # fmt: skip
@click.option(
    "--stream", metavar="NAME",
    help="What the events of a raw connection are of, where the path does not say it.",
)  # fmt: skip
@click.option(
    "--rest", metavar="URL",
    help="The base of REST, such as http://127.0.0.1:8080/api/v3: a snapshot of each symbol whose "
    "diffs are recorded is written, too.",
)  # fmt: skip
@click.option(
    "--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Certificate of an authority to trust, for wss://.",
)  # fmt: skip
def record(
    url: str,
    out: Path,
    for_s: float | None,
    streams: tuple[str, ...],
    stream: str | None,
    rest: str | None,
    trust: Path | None,
) -> int:
    """Write what an exchange sends at URL to a file that `serve --market replay:FILE` plays.

    URL is of a combined connection (…/stream?streams=a/b) or of a raw one (…/ws/a), or the base of
    an exchange with --streams. The exit code is 1 if the other side ended the connection.
    """
    from mockex.recording import Recorded, source_of
    from mockex.recording import record as recording_of

    source = source_of(url, streams=streams, stream=stream)
    trusted = ssl.create_default_context(cafile=trust) if trust is not None else None

    async def run() -> Recorded:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await recording_of(source, out, for_s=for_s, stop=stop, rest=rest, trust=trusted)

    recorded = asyncio.run(run())
    for warning in recorded.warnings[:10]:
        _complain(warning)
    if len(recorded.warnings) > 10:
        _complain(f"{len(recorded.warnings) - 10} more messages were not written")
    say(f"{recorded.events} events in {recorded.seconds:.1f} s, written to {out}")
    if recorded.cut is not None:
        _complain(f"cut: {recorded.cut}")
        return ExitCode.FAILED
    return ExitCode.OK


def ready_line(exchange: Exchange, *, as_json: bool) -> str:
    """What `serve` says once every port answers: an interface."""
    facts: dict[str, str | int] = {
        "ws": exchange.ws_url,
        "rest": exchange.rest_url,
        "seed": exchange.seed,
        "pid": os.getpid(),
    }
    if as_json:
        return json.dumps(facts, separators=(",", ":"))
    return "mockex ready " + " ".join(f"{key}={value}" for key, value in facts.items())


def write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


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
        _complain("interrupted")
        return ExitCode.INTERRUPTED
    except click.ClickException as error:  # click's own code 2 would say "interrupted"
        error.show()
        return ExitCode.USAGE
    except MockexError as error:
        _complain(str(error))
        return ExitCode.USAGE
    except SystemExit:
        # click's answer to a reader that has gone away before all of a help text was written
        return ExitCode.OK
    except OSError as error:
        if error.filename is None:
            return _broke(error)
        # A file that cannot be read or written is one that was named by whoever started us.
        _complain(f"{error.filename}: {error.strerror}")
        return ExitCode.USAGE
    except Exception as error:
        return _broke(error)
    return result if isinstance(result, int) else ExitCode.OK


def _complain(message: str) -> None:
    try:
        click.echo(f"mockex: {message}", err=True)
    except BrokenPipeError:
        hush(sys.stderr)


def _broke(error: Exception) -> ExitCode:
    """Report what should never happen: where it did, and how to see more."""
    if os.environ.get("MOCKEX_TRACEBACK"):
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    _complain(
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


if __name__ == "__main__":
    main()
