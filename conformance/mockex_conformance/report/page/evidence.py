"""What is told of failures and what explains them, as much of it as fits on the page.

In turns: the kinds of failures; then, for each in the order of `by_importance`, what was found; how
it is replayed, and what the case does; the first figure; the other figures and the logs. What does
not fit is left out whole, and the page says of how many failures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mockex_conformance.recording import Recording
from mockex_conformance.rejudging import NoRecording, read_recording
from mockex_conformance.report.figures import figures_of, wire_log
from mockex_conformance.report.page.content import Content, Failure, by_importance
from mockex_conformance.verdict import CaseVerdict

_TAIL_LINES, _TAIL_CHARACTERS = 12, 1500
_AROUND = 30  # bytes of markup that a text gets where it stands
_SMALLEST = 1000  # bytes of a figure
_MOMENTS = 5  # of a case whose surroundings its wire log shows


class Room:
    """What is left of the page, in bytes."""

    def __init__(self, spare: int) -> None:
        self._spare = spare

    @property
    def full(self) -> bool:
        """Whether no figure fits any more."""
        return self._spare < _SMALLEST

    def put(self, text: Markup, into: list[Markup]) -> bool:
        """Add the text if it fits."""
        size = len(text.encode()) + _AROUND
        if size > self._spare:
            return False
        self._spare -= size
        into.append(text)
        return True


def fill(content: Content, folder: Path, macros: Any, spare: int) -> list[str]:
    """Put into `spare` bytes what fits; returns in words how many failures lack what. `macros` are
    those of `parts.html.j2`."""
    room = Room(spare)
    ordered = by_importance(content.failures)
    several = len({column.mode for column in content.columns}) > 1
    for summary in content.summaries:
        room.put(macros.summary(summary), summary.shown)
    untold = [f for f in ordered if not room.put(macros.told(f, several), f.told)]
    lost = [f for f in ordered if f.told and not room.put(macros.facts(f, several), f.facts)]
    unsaid = [
        chapter
        for chapter in content.chapters
        if chapter.about and not room.put(macros.course(chapter), chapter.course)
    ]
    bare, thin, unlogged = _explain([f for f in ordered if f.facts], folder, macros, room)
    lacking = {
        "told by name only": len(untold),
        "without the command that replays them": len(lost),
        "without what their case does": sum(len(chapter.failures) for chapter in unsaid),
        "without figures": bare,
        "with some of their figures": thin,
        "without logs": unlogged,
    }
    return [f"{count} {what}" for what, count in lacking.items() if count]


def _explain(
    failures: Iterable[Failure], folder: Path, macros: Any, room: Room
) -> tuple[int, int, int]:
    """Figures and logs; returns how many failures lack all figures, some, and logs."""
    bare = thin = unlogged = 0
    later: list[tuple[Failure, list[Markup]]] = []
    for failure in failures:
        if room.full:  # it need not be read
            bare += 1
            unlogged += 1
            continue
        first, *others = _figures(failure, folder, macros) or [Markup()]
        if room.put(first, failure.figures):
            later.append((failure, others))
        else:
            bare += 1
            later.append((failure, []))
    for failure, others in later:
        thin += not all(room.put(figure, failure.figures) for figure in others)
        unlogged += room.full or not all(
            room.put(log, failure.logs) for log in _logs(failure, folder, macros)
        )
    return bare, thin, unlogged


def _recording(failure: Failure, folder: Path) -> Recording | None:
    """That of its first verdict, which stands for those like it."""
    journal = failure.parts[0].verdict.journal
    if not journal:
        return None
    try:
        return read_recording(folder / journal)
    except NoRecording:  # removed since, or cut by a kill before it began
        return None


def _figures(failure: Failure, folder: Path, macros: Any) -> list[Markup]:
    recording = _recording(failure, folder)
    if recording is None:
        return []
    return [macros.figure(figure) for figure in figures_of(recording, failure.parts[0].verdict)]


def _logs(failure: Failure, folder: Path, macros: Any) -> Iterator[Markup]:
    part = failure.parts[0]
    if said := _last_words(folder, part.verdict):
        yield macros.stderr(said, part.verdict)
    recording = _recording(failure, folder)
    if recording is not None:
        around = [finding.at_s for finding in part.findings[:_MOMENTS]]
        if lines := wire_log(recording, around or None):
            yield macros.wire(lines, part.verdict)


def _last_words(folder: Path, verdict: CaseVerdict) -> list[str]:
    """The last lines that the testee wrote on its stderr."""
    if not verdict.stderr:
        return []
    try:
        said = (folder / verdict.stderr).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return said.strip()[-_TAIL_CHARACTERS:].splitlines()[-_TAIL_LINES:]
