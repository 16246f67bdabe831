"""`mockex init`, `mockex try`, `mockex schema`: for whoever writes a testee."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mockex.cli import say
from mockex_conformance.scaffold import LANGUAGES


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
    "--lang", "language", required=True, type=click.Choice(list(LANGUAGES)),
    help="What the testee is written in.",
)  # fmt: skip
@click.argument(
    "folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]"
)
def init(language: str, folder: Path) -> None:
    """Write a testee to begin with into DIR: a testee.toml and a small adapter.

    DIR is made if it is not there; nothing in it is overwritten.
    """
    from mockex_conformance import scaffold

    files = scaffold.write(language, folder)
    names = ", ".join(str(file.relative_to(folder)) for file in files)
    say(f"Wrote {names} into {folder.resolve()}")
    for tool in scaffold.missing_tools(folder):
        say(f"Install {tool}: it is not on PATH")
    say(f"Judge it:    mockex conform {folder} --smoke")
    say(f"Talk to it:  mockex try {folder}")
    say("Then put your adapter in its place: docs/writing-a-shim.md")
