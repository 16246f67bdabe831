"""How commands show themselves: options in groups, one short line each, examples, 80 columns or
what the terminal has. Limits of numbers stand in the error, not in every line.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import click

Rows = Sequence[tuple[str, str]]
_WIDEST = 80
_NARROWEST = 30
_LEAST_TEXT = 24  # columns beside them
_TERMS = 26  # columns of an option and its value; what is longer has its text on the next line


class _Formatter(click.HelpFormatter):
    """Click's own never gets below 50 columns, and a terminal may have 40."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            columns = shutil.get_terminal_size().columns
            width = max(min(columns, max_width or _WIDEST), _NARROWEST)
        super().__init__(indent_increment, width, max_width)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Terms and texts; below each other where there is no room for two columns."""
        rows = list(rows)
        widest = min(max((len(term) for term, _ in rows), default=0), col_max, _TERMS)
        if self.width - self.current_indent - widest - col_spacing >= _LEAST_TEXT:
            super().write_dl(rows, widest, col_spacing)
            return
        for term, text in rows:
            self.write(f"{'':>{self.current_indent}}{term.rstrip()}\n")
            with self.indentation():
                self.write_text(text)


class _Context(click.Context):
    formatter_class = _Formatter


class Option(click.Option):
    """An option whose help does not say its range."""

    def get_help_extra(self, ctx: click.Context) -> Any:
        """What stands in brackets behind the help."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


option = partial(click.option, cls=Option)


class Choice(click.Choice[str]):
    """A choice that names the nearest one when it refuses."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Said of a value that is none of them."""
        known = [self.normalize_choice(choice, ctx) for choice in self.choices]
        near = difflib.get_close_matches(self.normalize_choice(value, ctx), known, n=1)
        said = super().get_invalid_choice_message(value, ctx)
        return f"{said} Did you mean {near[0]!r}?" if near else said


class Together(NamedTuple):
    """Options that are understood together, as one line of the help. Each keeps a text of its own,
    which shells show where they complete it."""

    names: tuple[str, ...]
    text: str


class Command(click.Command):
    """`parts` are headings and the parameters under each, those that matter first; what is in none
    of them comes last. `examples` are lines of a shell."""

    context_class = _Context

    def __init__(
        self,
        *args: Any,
        parts: Mapping[str, Sequence[str | Together]] | None = None,
        examples: str = "",
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.parts = parts or {}
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, in their groups."""
        left = {
            "help" if "--help" in param.opts else param.name or "": record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx))
        }
        sections = {
            heading: [_row(left, part) for part in parts] for heading, parts in self.parts.items()
        }
        sections["Other options" if self.parts else "Options"] = [*left.values()]
        terms = [term for rows in sections.values() for term, _ in rows if len(term) <= _TERMS]
        for heading, rows in sections.items():
            _section(formatter, heading, rows, max(map(len, terms), default=0))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        super().format_epilog(ctx, formatter)
        show_examples(formatter, self.examples)


class Group(click.Group):
    """A group that refuses an unknown command with the nearest one that exists."""

    context_class = _Context
    command_class = Command
    group_class = type

    def __init__(self, *args: Any, examples: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with, and the rest."""
        name = args[0]
        known = self.get_command(ctx, name) is not None
        if not known and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"See '{ctx.command_path} --help'."
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        super().format_epilog(ctx, formatter)
        show_examples(formatter, self.examples)


def show_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """Lines of a shell as they are: who copies one wants it whole."""
    if examples:
        formatter.write("\nExamples:\n")
        for line in examples.strip().splitlines():
            formatter.write(f"  {line.strip()}\n")


def _row(left: dict[str, tuple[str, str]], part: str | Together) -> tuple[str, str]:
    """The line of `part`, whose options are then no longer `left`."""
    if isinstance(part, str):
        return left.pop(part)
    return ", ".join(left.pop(name)[0] for name in part.names), part.text


def _section(formatter: click.HelpFormatter, heading: str, rows: Rows, widest: int) -> None:
    """Rows whose texts begin `widest` columns further on."""
    if rows:
        with formatter.section(heading):
            formatter.write_dl([(f"{term:<{widest}}", text) for term, text in rows])
