"""`mockex serve`: the exchange as a program, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mockex.cli import complain, say
from mockex.cli.help import Command, Together, option
from mockex.cli.hints import LIST, hint_lines, hints_named
from mockex.errors import ConfigError
from mockex.faults.link import LinkTerms
from mockex.profile import profile_named

if TYPE_CHECKING:
    from mockex.faults.script import Script
    from mockex.server.exchange import Exchange

AUTHORITY = Path("mockex-authority.pem")
TRUST = """wss:// and https:// are for clients that trust {file}
  Python, Go:  export SSL_CERT_FILE={file}
  Node:        export NODE_EXTRA_CA_CERTS={file}"""
# Which settings of `serve` are about which kind of market.
ABOUT_WALKS = ("rate", "volatility")
ABOUT_REPLAYS = ("loop", "lenient")


def _symbols(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    symbols = tuple(part.strip().upper() for part in value.split(",") if part.strip())
    if not symbols:
        raise click.BadParameter("expected at least one symbol, like ETHUSDC,BTCUSDC")
    return symbols


def _profiles(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """What a shell offers for --profile: names, files where none begins so."""
    from click.shell_completion import CompletionItem

    from mockex.profile import NAMES

    names = [CompletionItem(name) for name in NAMES if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


def _hints(ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    if names == (LIST,) and not ctx.resilient_parsing:
        for line in hint_lines():
            say(line)
        ctx.exit()
    return names


@click.command(
    cls=Command,
    parts={
        "What it is": (
            "profile", "symbols", "seed", "speed", "market",
            Together(("rate", "volatility"), "How often, how far a walk moves, times the usual."),
            "loop", "lenient",
        ),
        "Where it is": (
            "host",
            Together(("port", "rest_port"), "Of streams, of REST; 0: any free one.  [default: 0]"),
            "admin_port", "no_admin", "tls", "authority",
        ),
        "What goes wrong": ("script", "link", "toxiproxy"),
        "What comes out": (
            "hints",
            Together(("plain", "as_json"), "The ready line alone, as text or as an object."),
            "ready_file", "journal", "exit_after", "help",
        ),
    },
    examples="""
    mockex serve --profile spot --hints ccxt             # the lines that point ccxt here
    mockex serve --port 9443 --rest-port 9080 --tls      # the same place every time
    mockex serve --speed 60 --faults storm.toml          # docs/fault-scripts.md
    """,
)  # fmt: skip
@option(
    "--profile", default="usdm", show_default=True, metavar="NAME|FILE", shell_complete=_profiles,
    help="spot, usdm, a dated one, a file.",
)  # fmt: skip
@option(
    "--symbols", default="ETHUSDC,BTCUSDC", show_default=True, callback=_symbols, metavar="LIST",
    help="What is traded.",
)  # fmt: skip
@option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
    help="0.0.0.0: for other machines.",
)  # fmt: skip
@option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, metavar="N",
    help="Of the streams; 0: any free one.",
)  # fmt: skip
@option(
    "--rest-port", type=click.IntRange(0, 65535), default=0, show_default=True, metavar="N",
    help="Of REST; 0: any free one.",
)  # fmt: skip
@option(
    "--seed", type=int, default=7, show_default=True, metavar="N",
    help="One seed gives one market, for ever.",
)  # fmt: skip
@option(
    "--speed", type=click.FloatRange(0.001, 1000), default=1.0, show_default=True, metavar="X",
    help="Exchange seconds in one second.",
)  # fmt: skip
@option(
    "--market", default="walk", show_default=True, metavar="KIND",
    help="walk, steady, frozen, replay:FILE.",
)  # fmt: skip
@option(
    "--rate", type=click.FloatRange(0, 100), default=1.0, show_default=True, metavar="X",
    help="How often a walk moves, times the usual.",
)  # fmt: skip
@option(
    "--volatility", type=click.FloatRange(0, 10), default=1.0, show_default=True, metavar="X",
    help="How far it goes in a time, times the usual.",
)  # fmt: skip
@option(
    "--loop/--once", default=True, show_default=True,
    help="A capture round and round, or once.",
)  # fmt: skip
@option("--lenient", is_flag=True, help="Leave out lines of a capture that are bad.")
@option("--tls", is_flag=True, help="wss:// and https://, with an authority of its own.")
@option(
    "--authority", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help=f"Its certificate.  [default: {AUTHORITY}]",
)  # fmt: skip
@option(
    "--faults", "script", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Play a fault script (.toml, .json) once ready.",
)  # fmt: skip
@option(
    "--toxiproxy", metavar="WHICH",
    help="auto, off, a URL.  [default: off; auto with --link]",
)  # fmt: skip
@option(
    "--link", metavar="SPEC",
    help="latency=80ms,jitter=20ms; bandwidth=64KB/s; …",
)  # fmt: skip
@option(
    "--admin-port", type=click.IntRange(0, 65535), default=0, show_default=True, metavar="N",
    help="Of the admin API, on 127.0.0.1.",
)  # fmt: skip
@option("--no-admin", is_flag=True, help="No admin API: ready half a second sooner.")
@option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="What happens, one JSON object a line.",
)  # fmt: skip
@option(
    "--exit-after", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="End by itself.",
)  # fmt: skip
@option("--json", "as_json", is_flag=True, help="The ready line as an object; no live view.")
@option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="The ready line, whole or not at all.",
)  # fmt: skip
@option(
    "--hints", default="", callback=_hints, metavar="LIST",
    help="Lines that point these libraries here; `list`.",
)  # fmt: skip
@option("--plain", is_flag=True, help="The ready line alone, no live view.")
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    profile: str,
    symbols: tuple[str, ...],
    host: str,
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
    script: Path | None,
    toxiproxy: str | None,
    link: str | None,
    admin_port: int,
    no_admin: bool,
    journal: Path | None,
    exit_after: float | None,
    as_json: bool,
    ready_file: Path | None,
    hints: tuple[str, ...],
    plain: bool,
) -> None:
    """Run the exchange until Ctrl-C. Once every port answers it prints `mockex ready ws=… rest=…
    admin=… seed=… pid=…`; on a terminal a live view follows."""
    wanted = hints_named(hints, profile_named(profile).name) if hints else []
    _check_market(ctx, market)
    _check_files(authority, journal, tls=tls)
    if tls and authority is None:
        authority = AUTHORITY
    _check_ports(port, rest_port, admin_port, no_admin=no_admin)
    terms = None if link is None else LinkTerms.parse(link)
    if terms is not None and toxiproxy == "off":
        raise ConfigError("--toxiproxy", toxiproxy, "auto or a URL beside --link")
    faults = None if script is None else _script_in(script)
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # an old one would say that we are ready now

    async def run() -> None:
        # All of it before the exchange opens: from then on its clock runs.
        from mockex.server.desk import Desk
        from mockex.server.serving import serve as exchange_of
        from mockex.server.wire import hear_what_it_lacks

        if not no_admin:
            from mockex.server.admin import serve_admin
        shown = not (plain or as_json) and is_at_terminal()
        if shown:
            from mockex.cli.live.view import live_view

        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        desk: Desk | None = None
        hear_what_it_lacks(lambda lack: (desk.tell if desk else complain)(str(lack)))
        async with AsyncExitStack() as stack:
            exchange = await stack.enter_async_context(
                exchange_of(
                    profile,
                    seed=seed,
                    symbols=symbols,
                    market=market,
                    rate=rate,
                    volatility=volatility,
                    loop=loop,
                    lenient=lenient,
                    speed=speed,
                    host=host,
                    port=port,
                    rest_port=rest_port,
                    journal=journal,
                    tls=tls,
                    authority=authority,
                    toxiproxy=toxiproxy,
                    link=terms,
                )
            )
            desk = Desk(exchange, complain)
            admin = None
            if not no_admin:
                admin = await stack.enter_async_context(serve_admin(desk, admin_port))
            if authority is not None:
                complain(TRUST.format(file=authority.resolve()))
            told = {h.name: h.text(exchange.ws_url, exchange.rest_url) for h in wanted}
            ready = ready_line(exchange, admin, told, as_json=as_json)
            lines = _announce(ready, () if as_json else tuple(told.values()), ready_file)
            if shown:
                await stack.enter_async_context(live_view(exchange, desk, lines, sys.stderr))
            if faults is not None:
                desk.play(faults)
            with suppress(TimeoutError):  # it was asked for
                async with asyncio.timeout(exit_after):
                    await stop.wait()

    asyncio.run(run())


def _script_in(file: Path) -> Script:
    from mockex.faults.script_reading import read

    return read(file)


def _check_files(authority: Path | None, journal: Path | None, *, tls: bool) -> None:
    """A file that is written has its use, and nothing in it yet.

    Raises:
        ConfigError: one has not.
    """
    if authority is not None and not tls:
        raise ConfigError("--authority", str(authority), "--tls beside it")
    if journal is not None and journal.exists() and journal.stat().st_size:
        # Two journals in one file are the journal of nothing.
        raise ConfigError("--journal", str(journal), "a file that is new or empty")


def _check_ports(port: int, rest_port: int, admin_port: int, *, no_admin: bool) -> None:
    """Each port is for one thing.

    Raises:
        ConfigError: one is not.
    """
    if port and port == rest_port:
        raise ConfigError("--rest-port", rest_port, "another port than that of the streams")
    if admin_port and no_admin:
        raise ConfigError("--admin-port", admin_port, "no --no-admin beside it")
    if admin_port and admin_port in (port, rest_port):
        raise ConfigError("--admin-port", admin_port, "another port than those of the exchange")


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
        # What stands in a settings file is meant for the market that it fits.
        if ctx.get_parameter_source(name) not in (
            ParameterSource.DEFAULT,
            ParameterSource.DEFAULT_MAP,
        ):
            right = "--market walk" if name in ABOUT_WALKS else "--market replay:FILE"
            if name == "symbols":
                right = "no symbols: a replay has those of its capture"
            flag = "--loop/--once" if name == "loop" else f"--{name}"
            raise ConfigError(flag, ctx.params[name], right)


def _announce(ready: str, hints: Sequence[str], ready_file: Path | None) -> list[str]:
    """Say that the exchange is ready, and what else was asked for; the lines that were said."""
    if ready_file is not None:
        write_whole(ready_file, ready + "\n")
    lines = "\n\n".join([ready, *hints]).split("\n")
    for line in lines:
        say(line)
    return lines


def is_at_terminal() -> bool:
    """Whether somebody sits at a terminal that can do what the live view needs."""
    able = os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return able and not os.environ.get("CI") and sys.stdout.isatty() and sys.stderr.isatty()


def ready_line(
    exchange: Exchange, admin: str | None, hints: Mapping[str, str], *, as_json: bool
) -> str:
    """What `serve` says once every port answers: an interface. Hints stand in it as JSON only."""
    facts: dict[str, str | int | Mapping[str, str]] = {
        "ws": exchange.ws_url,
        "rest": exchange.rest_url,
        **({} if admin is None else {"admin": admin}),
        "seed": exchange.seed,
        "pid": os.getpid(),
    }
    if as_json:
        facts |= {"hints": hints} if hints else {}
        return json.dumps(facts, separators=(",", ":"))
    return "mockex ready " + " ".join(f"{key}={value}" for key, value in facts.items())


def write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
