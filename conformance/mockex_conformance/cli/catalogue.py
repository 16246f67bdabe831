"""`mockex cases`: the catalogue."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

import click
from rich.table import Table
from rich.text import Text

from mockex.errors import ConfigError
from mockex_conformance import explaining
from mockex_conformance.case import Case, all_cases
from mockex_conformance.cli.options import selection_options
from mockex_conformance.report.terminal import console
from mockex_conformance.selection import matches, select
from mockex_conformance.verdict import Severity

_READABLE = 100  # columns of running text


@click.group(invoke_without_command=True)
@click.pass_context
def cases(ctx: click.Context) -> None:
    """The catalogue of cases: a list, or one explained."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_cases)


@cases.command("list")
@selection_options
def list_cases(
    cases: Sequence[str] = (),
    exclude: Sequence[str] = (),
    level: int | None = None,
    severities: Sequence[Severity] = (),
) -> None:
    """Number, severity, level, id and requirement of each case."""
    out = console(sys.stdout)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("case", "", "", "id", "requirement"):
        table.add_column(heading, no_wrap=heading != "requirement")
    for case in select(
        all_cases(), include=cases, exclude=exclude, level=level, severities=severities
    ):
        table.add_row(
            case.number, case.severity, f"L{int(case.level)}", case.id, Text(case.requirement)
        )
    out.print(table)


@cases.command()
@click.argument("case_id", metavar="CASE")
def explain(case_id: str) -> None:
    """One case: rule, stimulus, evidence, typical causes, what to look at. CASE is an id or a
    number."""
    found: list[Case] = [c for c in all_cases().values() if matches(c, case_id)]
    if not found:
        found = select(all_cases(), include=[case_id])  # names the nearest one
    if not found:
        raise ConfigError("CASE", case_id, "an id or number; see 'mockex cases'")
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
