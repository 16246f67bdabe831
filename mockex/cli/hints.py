"""Hints: the lines that point a published library at a running exchange.

They are data (`hints.toml`), by library and profile. `ci/hints.py` puts these very lines into a
program of each library and runs it against an exchange.
"""

from __future__ import annotations

import difflib
import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

DATA = Path(__file__).with_name("hints.toml")
COMMENT = {"Python": "#", "Go": "//", "JavaScript": "//"}
LIST = "list"
WIDTH = 88


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """How one library is pointed at an exchange of one profile. `version` is the one that it was
    tested with; `<ws>` and `<rest>` stand for where the exchange is."""

    name: str
    profile: str
    language: str
    package: str
    version: str
    imports: str
    lines: str
    know: tuple[str, ...]

    def code(self, ws: str, rest: str) -> tuple[str, str]:
        """Its imports and its lines for an exchange that is at these URLs."""
        return _filled(self.imports, ws, rest), _filled(self.lines, ws, rest)

    def text(self, ws: str, rest: str) -> str:
        """All of it, to be pasted: what is no code is a comment."""
        sign = COMMENT[self.language]
        imports, lines = self.code(ws, rest)
        head = f"{self.package} {self.version} ({self.language}, {self.profile})"
        notes = (_filled(note, ws, rest) for note in self.know)
        comments = [head, *(line for note in notes for line in textwrap.wrap(note, WIDTH))]
        return "\n".join([*(f"{sign} {line}" for line in comments), imports, "", lines])


def _filled(text: str, ws: str, rest: str) -> str:
    return text.strip().replace("<ws>", ws).replace("<rest>", rest)


@cache
def hints() -> dict[str, dict[str, Hint]]:
    """All of them, by name and then by profile."""
    data: dict[str, dict[str, Any]] = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {
        name: {
            profile: Hint(
                name=name,
                profile=profile,
                language=library["language"],
                **{**hint, "know": tuple(hint["know"])},
            )
            for profile, hint in library.items()
            if profile != "language"
        }
        for name, library in data.items()
    }


def hint_lines() -> Iterator[str]:
    """A line for each name, for `--hints list`."""
    width = max(map(len, hints()))
    for name, by_profile in hints().items():
        tested = ", ".join(
            f"{profile} {hint.package} {hint.version}" for profile, hint in by_profile.items()
        )
        language = next(iter(by_profile.values())).language
        yield f"{name:<{width}}  {language:<10}  {tested}"


def hints_named(names: Sequence[str], profile: str) -> list[Hint]:
    """The hints of these names for a profile.

    Raises:
        click.UsageError: there is none of a name, or not for this profile.
    """
    found = []
    for name in names:
        by_profile = hints().get(name)
        if by_profile is None:
            near = difflib.get_close_matches(name.lower(), hints(), n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise click.UsageError(
                f"--hints: there is none for {name!r}. {meant}`--hints list` names them all."
            )
        if profile not in by_profile:
            raise click.UsageError(
                f"--hints: {name} has none for {profile}, only for {', '.join(by_profile)}."
            )
        found.append(by_profile[profile])
    return found
