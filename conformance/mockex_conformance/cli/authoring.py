"""`mockex init`, `mockex try` and `mockex schema`, for whoever writes a testee."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mockex.cli import say
from mockex.errors import ConfigError
from mockex_conformance.cli.options import COMMAND, DEFAULT_SEED, TakesCommand
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find_all, from_command
from mockex_conformance.scaffold import LANGUAGES, OTHER


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
def schema(name: str | None) -> None:
    """JSON Schema of lines and files: NAME, or a list of all names."""
    from mockex_conformance import schema as schemas

    if name is not None:
        say(json.dumps(schemas.schema(name), indent=2))
        return
    for known, about in schemas.names().items():
        say(f"{known:<14}{about}")


@click.command()
@click.option(
    "--lang", "language", required=True, type=click.Choice([*LANGUAGES, OTHER]),
    help=f"What the testee is written in; `{OTHER}`: anything else.",
)  # fmt: skip
@click.argument(
    "folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]"
)
def init(language: str, folder: Path) -> None:
    """Write a testee to begin with into DIR: a testee.toml and a small adapter.

    For `other` it is the testee.toml alone. DIR is made if it is not there; nothing in it is
    overwritten.
    """
    from mockex_conformance import scaffold

    files = scaffold.write(language, folder)
    names = ", ".join(str(file.relative_to(folder)) for file in files)
    say(f"Wrote {names} into {folder.resolve()}")
    if language == OTHER:
        say(scaffold.OTHER_MUST)
    for tool in scaffold.missing_tools(folder):
        say(f"Install {tool}: it is not on PATH")
    say(f"Judge it:    mockex conform {folder} --smoke")
    say(f"Talk to it:  mockex try {folder}")
    if language != OTHER:
        say("Then put your adapter in its place: docs/writing-a-shim.md")


@click.command("try", cls=TakesCommand)
@click.argument("testee", required=False, metavar="TESTEE | -- COMMAND…")
@click.option(
    "--profile", type=click.Choice(["spot", "usdm"]),
    help="Default: the first of the testee's own.",
)  # fmt: skip
@click.option("--streams", default="", metavar="LIST", help="To hold from the start, with commas.")
@click.option("--mode", type=click.Choice(["combined", "raw"]), help="Default: its first.")
@click.option(
    "--level", type=click.IntRange(0, 2),
    help="What it is spoken to as. Default: what it declares; 2 for a COMMAND.",
)  # fmt: skip
@click.option("--no-start", is_flag=True, help="Leave `start` to who types (level 2).")
@click.option(
    "--hide", "hidden", multiple=True, metavar="METHOD",
    help="Notifications that are not shown, `event` for example. Repeatable.",
)  # fmt: skip
@click.option(
    "--for", "stay_s", type=click.FloatRange(0), default=0, metavar="SECONDS",
    help="Stay so long after the end of the requests.",
)  # fmt: skip
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Of the market.")
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
) -> None:
    """Talk to one testee by hand, against a healthy exchange.

    Requests are read from the terminal or from a pipe: `subscribe ethusdc@aggTrade`, `reconnect`,
    `status`, or a JSON object; `wait live` and `wait 2` hold up what follows; `help` lists them.
    What the testee says (>), what it is told (<), what happens at the exchange (~), prints (|) and
    what is wrong (!) is shown line by line. The exit code is 1 if it said or did something wrong.
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
