"""`mockex init`, `mockex try` and `mockex schema`, for whoever writes a testee."""

from __future__ import annotations

from pathlib import Path

import click

from mockex.cli import say, say_json
from mockex.cli.help import Choice, Command, option
from mockex.errors import ConfigError
from mockex_conformance import results
from mockex_conformance.cli.completing import schemas, testees
from mockex_conformance.cli.options import (
    COMMAND,
    TakesCommand,
    json_option,
    profile_option,
    seed_option,
)
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find_all, from_command
from mockex_conformance.scaffold import LANGUAGES, OTHER


@click.command(
    cls=Command,
    examples="""
    mockex schema
    mockex schema testee-says > testee-says.json
    mockex schema --write docs/schema/
    """,
)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=schemas)
@option(
    "--write", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write all of them into DIR, a file each.",
)  # fmt: skip
@option("--json", "as_json", is_flag=True, help="The list as JSON.")
def schema(name: str | None, write: Path | None, as_json: bool) -> None:
    """JSON Schema of a line or file, or a list of all names.

    NAME is what is read or written: what testees say, settings, records, and what each command
    prints with --json.
    """
    from mockex_conformance import schema as published

    if write is not None:
        if name is not None:
            raise ConfigError("--write", str(write), "no NAME beside it: it writes them all")
        published.write_all(write)
    elif name is not None:
        say(published.text(name))
    elif as_json:
        say_json([results.Named(known, about) for known, about in published.names().items()])
    else:
        for known, about in published.names().items():
            say(f"{known:<15}{about}")


@click.command(
    cls=Command,
    examples="""
    mockex init --lang python my-adapter
    mockex init --lang other .
    """,
)
@option(
    "--lang", "language", required=True, type=Choice([*LANGUAGES, OTHER]), metavar="LANGUAGE",
    help=f"One of {', '.join(LANGUAGES)}; {OTHER}: anything else.",
)  # fmt: skip
@click.argument(
    "folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]"
)
@json_option
def init(language: str, folder: Path, as_json: bool) -> None:
    """Write a testee to begin with into DIR: a testee.toml and a small adapter.

    For `other` it is the testee.toml alone. DIR is made if it is not there; nothing in it is
    overwritten.
    """
    from mockex_conformance import scaffold

    files = scaffold.write(language, folder)
    missing = scaffold.missing_tools(folder)
    if as_json:
        say_json(results.Begun(str(folder.resolve()), [str(file) for file in files], missing))
        return
    names = ", ".join(str(file.relative_to(folder)) for file in files)
    say(f"Wrote {names} into {folder.resolve()}")
    if language == OTHER:
        say(scaffold.OTHER_MUST)
    for tool in missing:
        say(f"Install {tool}: it is not on PATH")
    say(f"Judge it:    mockex conform {folder} --smoke")
    say(f"Talk to it:  mockex try {folder}")
    if language != OTHER:
        say("Then put your adapter in its place: docs/writing-a-shim.md")


@click.command(
    "try",
    cls=TakesCommand,
    examples="""
    mockex try my-adapter/
    echo 'wait live' | mockex try reference --for 2
    mockex try --level 0 -- node adapter.js
    mockex try my-adapter/ --json < requests.txt
    """,
)
@click.argument(
    "testee", required=False, metavar="TESTEE | -- COMMAND…", shell_complete=testees
)  # fmt: skip
@profile_option
@option("--streams", default="", metavar="LIST", help="Held from the start, with commas.")
@option(
    "--mode", type=Choice(["combined", "raw"]), metavar="MODE",
    help="combined or raw. Default: its first.",
)  # fmt: skip
@option(
    "--level", type=click.IntRange(0, 2), metavar="N",
    help="Spoken to as. Default: its own; 2 for a COMMAND.",
)  # fmt: skip
@option("--no-start", is_flag=True, help="Leave `start` to who types (level 2).")
@option(
    "--hide", "hidden", multiple=True, metavar="METHOD",
    help="Do not show these, as `event`. Repeatable.",
)  # fmt: skip
@option(
    "--for", "stay_s", type=click.FloatRange(0), default=0, metavar="SECONDS",
    help="Stay so long after the last request.",
)  # fmt: skip
@seed_option
@option("--json", "as_json", is_flag=True, help="What is shown as JSON, an object a line.")
@click.pass_context
def try_(
    ctx: click.Context,
    testee: str | None,
    profile: str | None,
    streams: str,
    mode: str | None,
    level: int | None,
    no_start: bool,
    hidden: tuple[str, ...],
    stay_s: float,
    seed: int,
    as_json: bool,
) -> None:
    """Talk to one testee by hand, against a healthy exchange.

    Type `subscribe ethusdc@aggTrade`, `reconnect`, `wait live`, or `help`. Shown is what it says
    (>), is told (<), does at the exchange (~), prints (|), and what is wrong (!): exit code 1.
    """
    from mockex_conformance import trying

    command = ctx.meta.get(COMMAND)
    described = _meant(testee, command)
    if level is None:
        level = described.level if command is None else 2
    trial = trying.Trial(
        testee=described,
        level=level,
        profile=profile or described.profiles[0],
        streams=[name for name in streams.split(",") if name],
        mode=mode or described.modes[0],
        hidden=hidden,
        stay_s=stay_s,
        seed=seed,
        starts=not no_start,
        as_json=as_json,
    )
    ctx.exit(trying.run(trial))


def _meant(selector: str | None, command: list[str] | None) -> Description:
    if (selector is None) == (command is None):
        raise click.UsageError("Name a testee, or give a command line behind '--'.")
    if command is not None:
        if not command:
            raise click.UsageError("There is no command line behind '--'.")
        return from_command(command)
    found = find_all([selector or ""])
    if len(found) > 1:
        names = ", ".join(testee.name for testee in found[:3])
        raise ConfigError("TESTEE", selector, f"one testee, not {len(found)} ({names} …)")
    return found[0]
