"""`mockex cases`: the catalogue."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

import click
from rich.table import Table
from rich.text import Text

from mockex.cli import complain, say_json
from mockex.cli.help import Group
from mockex.errors import ConfigError
from mockex_conformance import explaining, results
from mockex_conformance.case import Case, all_cases
from mockex_conformance.cli.completing import case_names
from mockex_conformance.cli.options import json_option, selection_options
from mockex_conformance.report.terminal import console
from mockex_conformance.selection import matches, select, unmatched
from mockex_conformance.verdict import Severity

_FOR_ALL_COLUMNS = 110  # of a list with ids; else numbers and requirements
_READABLE = 100  # columns of running text


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples="""
    mockex cases explain CONN-01
    mockex cases list --case 'HB-*' --severity must
    mockex cases --json
    """,
)
@json_option
@click.pass_context
def cases(ctx: click.Context, as_json: bool) -> None:
    """What there is to pass: a list of all cases, or one explained."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_cases, as_json=as_json)


@cases.command("list")
@selection_options
@json_option
def list_cases(
    cases: Sequence[str] = (),
    exclude: Sequence[str] = (),
    level: int | None = None,
    severities: Sequence[Severity] = (),
    as_json: bool = False,
) -> None:
    """Number, severity, level, id and requirement of each case; number and requirement alone on a
    terminal of less than 110 columns."""
    known = all_cases()
    for said in unmatched([*cases, *exclude], known.values()):
        complain(said)
    chosen = select(known, include=cases, exclude=exclude, level=level, severities=severities)
    if as_json:
        say_json([results.listed(case) for case in chosen])
        return
    out = console(sys.stdout)
    narrow = out.width < _FOR_ALL_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="bold")
    all_ = ("case", "severity", "level", "id", "requirement")
    for heading in ("case", "requirement") if narrow else all_:
        table.add_column(heading, no_wrap=heading != "requirement")
    for case in chosen:
        more = () if narrow else (case.severity, f"L{int(case.level)}", case.id)
        table.add_row(case.number, *more, Text(case.requirement))
    out.print(table)


@cases.command(
    examples="""
    mockex cases explain CONN-01
    mockex cases explain 'heartbeat/*' --json
    """
)
@click.argument("case_id", metavar="CASE", shell_complete=case_names)
@json_option
def explain(case_id: str, as_json: bool) -> None:
    """One case: rule, stimulus, evidence, typical causes, what to look at. CASE is an id or a
    number."""
    found: list[Case] = [c for c in all_cases().values() if matches(c, case_id)]
    if not found:
        found = select(all_cases(), include=[case_id])  # names the nearest one
    if not found:
        hint = "".join(unmatched([case_id], all_cases().values()))
        raise ConfigError("CASE", case_id, f"an id or number: {hint}")
    if as_json:
        say_json([results.explained(case) for case in found])
        return
    out = console(sys.stdout)
    for index, case in enumerate(found):
        if index:
            out.print()
        told = explaining.explain(case)
        out.print(Text(f"{case.number}  {case.id}", style="bold"))
        out.print(Text(", ".join(explaining.terms(case)), style="dim"))
        for heading, text in (
            ("Rule", told.rule),
            *(("Stimulus", paragraph) for paragraph in told.stimulus),
            *told.labelled.items(),
        ):
            out.print()
            out.print(Text(heading, style="bold"))
            out.print(Text(_indented(text, out.width)))


def _indented(text: str, width: int) -> str:
    return textwrap.fill(
        text,
        min(width, _READABLE),
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


@cases.command()
def markdown() -> None:
    """The whole catalogue as Markdown: docs/cases.md."""
    click.echo(explaining.page(all_cases().values()), nl=False)
