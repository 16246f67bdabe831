"""A diagnosis as lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection

from mockex.doctor.answer import Answer, Diagnosis, State

_WORDS = {State.OK: "ok", State.LACKING: "lacks", State.BROKEN: "broken"}
_COLOURS = {State.OK: "green", State.LACKING: "yellow", State.BROKEN: "red"}
_NAME = 14
_INDENT = 8 + _NAME
_NARROW = 60  # columns; below, what was found stands on a line of its own

Paint = Callable[[str, str], str]  # a text, a colour


def plain(text: str, _: str) -> str:
    """No colour."""
    return text


def told(
    diagnosis: Diagnosis,
    also: Collection[str] = (),
    *,
    verbose: bool = False,
    width: int | None = None,
    paint: Paint = plain,
) -> list[str]:
    """A line for each answer, what repairs it below; with `verbose` also what it is needed for and
    how it was found. At the end what counts. `also` names what is required beside what always is;
    `width` None: lines are as long as they are."""
    lines = []
    for answer in diagnosis.answers:
        lines += _lines(answer, verbose, width, paint)
    return [*lines, "", *_wrapped(_sentence(diagnosis, also), width, 0)]


def _lines(answer: Answer, verbose: bool, width: int | None, paint: Paint) -> list[str]:
    word = paint(f"{_WORDS[answer.state]:<8}", _COLOURS[answer.state])
    what = answer.what
    fine = answer.state is State.OK
    if not fine:
        what = f"{what} (for {answer.needed_for})"
    indent = _INDENT if width is None or width >= _NARROW else 2
    first, *rest = _wrapped(what, width, indent)
    if indent == _INDENT:
        lines = [f"{word}{answer.name:<{_NAME}}{first.lstrip()}", *rest]
    else:
        lines = [f"{word}{answer.name}", first, *rest]
    if answer.repair:  # never broken: it is there to be copied
        lines.append(f"{'':{indent}}{answer.repair}")
    if verbose:
        if fine:
            lines += _wrapped(f"for {answer.needed_for}", width, indent)
        lines += [f"{'':{indent}}{detail}" for detail in answer.details]
    return lines


def _wrapped(text: str, width: int | None, indent: int) -> list[str]:
    if width is None:
        return [" " * indent + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(diagnosis: Diagnosis, also: Collection[str]) -> str:
    unmet = [answer.name for answer in diagnosis.unmet(also)]
    others = [
        answer.name
        for answer in diagnosis.answers
        if answer.state is not State.OK and answer.name not in unmet
    ]
    ends = "All that is needed is there."
    if unmet:
        ends = f"Needed, and missing or broken: {', '.join(unmet)}."
    if others:
        ends += f" Worth a look: {', '.join(others)}."
    return ends
