"""What a shell offers for the values of the suite's commands: cases, testees, schemas."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def case_names(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Numbers, as they are typed by hand; ids as soon as what is typed can be none."""
    from mockex_conformance.case import all_cases

    cases = list(all_cases().values())
    upper = incomplete.upper()
    numbers = [c for c in cases if c.number.startswith(upper)]
    if numbers:
        return [CompletionItem(c.number, help=c.requirement) for c in numbers]
    return [CompletionItem(c.id, help=c.requirement) for c in cases if c.id.startswith(incomplete)]


def testees(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Testees of ours by name; files and folders where none begins so."""
    from mockex_conformance.harness.load import own_names

    ours = _beginning(own_names(), incomplete)
    return ours if ours and incomplete != "." else [CompletionItem(incomplete, type="file")]


def judged_cases(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Cases of the run that is replayed; all, where there is none."""
    from mockex.errors import MockexError
    from mockex_conformance.report.record import read_record

    try:
        record = read_record(Path(ctx.params["what"]))
    except (MockexError, OSError, KeyError, TypeError):
        return case_names(ctx, param, incomplete)
    numbers = dict.fromkeys(verdict.number for verdict in record.verdicts)
    return _beginning(numbers, incomplete.upper())


def schemas(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of schemas."""
    from mockex_conformance import schema

    return [
        CompletionItem(name, help=about)
        for name, about in schema.names().items()
        if name.startswith(incomplete)
    ]


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
