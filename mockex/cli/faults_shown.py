"""Faults in words and tables. A table is the same into a pipe, but for its width."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mockex.cli import say
from mockex.faults.catalogue import Field, Kind

Row = tuple[str, ...]


def named(told: dict[str, Any]) -> str:
    """A fault, short."""
    return f"fault {told['id']}, {told['fault']}"


def described(told: dict[str, Any]) -> str:
    """A fault with its fields."""
    fields = " ".join(fields_shown(told["fields"]))
    return f"{named(told)}{' ' if fields else ''}{fields}"


def fields_shown(fields: dict[str, Any] | None) -> Iterator[str]:
    """Fields as `add` takes them."""
    for name, value in (fields or {}).items():
        yield f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def on_whom(told: dict[str, Any]) -> str:
    """The connections that it hit."""
    conns = told["conns"]
    if not conns:
        return ""
    more = f" and {len(conns) - 5} more" if len(conns) > 5 else ""
    return f" on {', '.join(f'c{conn}' for conn in conns[:5])}{more}"


def of_script(moment: dict[str, Any], file: Path) -> str:
    """What happened to a fault of a script."""
    what = moment["phase"]
    if what == "ended" and moment["detail"]:
        what = f"not done: {moment['detail']}"
    else:
        what += on_whom(moment)
    return f"{moment['at_s']:8.3f} s  {file.name}:{moment['line']}  {named(moment)}  {what}"


# --- tables --------------------------------------------------------------------------------------


def show_faults(told: Sequence[dict[str, Any]]) -> None:
    """All injected faults."""
    if not told:
        say("no fault was injected")
        return
    heads = ("id", "fault", "phase", "on", "seen", "injected", "connections", "fields", "why not")
    show(heads, [_of_fault(one) for one in told])


def show_kinds(kinds: Iterable[Kind]) -> None:
    """All kinds, one a line."""
    show(
        ("fault", "fields", "what"),
        [
            (
                kind.spelled,
                " ".join(signature(field) for field in own_fields(kind)) or "-",
                ("link; " if kind.on_link else "") + ("lasts" if kind.lasts else "passes"),
            )
            for kind in kinds
        ],
    )


def show_kind(kind: Kind) -> None:
    """One kind with all that is known of it."""
    say(f"{kind.name}, or {kind.spelled}")
    say(kind.about)
    notes = [("needs a link: `mockex serve --toxiproxy auto`", kind.on_link),
             ("lasts until it is ended: `mockex faults clear`", kind.lasts)]  # fmt: skip
    for note, holds in notes:
        if holds:
            say(f"It {note}.")
    rows = [
        (
            field.name,
            field.type,
            field.unit or "-",
            "needed" if field.required else "-" if field.default is None else str(field.default),
            field.about or "-",
        )
        for field in kind.fields
    ]
    show(("field", "is", "unit", "default", "about"), rows)


def own_fields(kind: Kind) -> list[Field]:
    """The fields that not every kind has."""
    return [field for field in kind.fields if field.name not in ("stream", "connection")]


def signature(field: Field) -> str:
    """A field as `add` takes it."""
    return f"{field.name}=…" if field.required else f"[{field.name}={field.default}]"


def show(heads: Row, rows: Sequence[Row]) -> None:
    """A table with its heads: as wide as the terminal, elsewhere a line for each row."""
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            say("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console().print(table)


def _of_fault(told: dict[str, Any]) -> Row:
    return (
        str(told["id"]),
        told["fault"],
        told["phase"],
        "on" if told["on"] else "off",
        f"{told['times_seen']}x",
        f"{told['injected_s']:.3f}s",
        ",".join(f"c{conn}" for conn in told["conns"]) or "-",
        " ".join(fields_shown(told["fields"])) or "-",
        told["failure"] or "-",
    )
