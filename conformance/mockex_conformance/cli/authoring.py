"""`mockex init`, `mockex try`, `mockex schema`: for whoever writes a testee."""

from __future__ import annotations

import json

import click

from mockex.cli import say


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
