"""What explains failures, read from their recordings, as much of it as fits on the page.

The rule, which the page says too: the first figure of each failure, then the other figures, then
wire logs, each in the order of `by_importance`. What does not fit is left out whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mockex_conformance.rejudging import NoRecording, read_recording
from mockex_conformance.report.figures import figures_of, wire_log
from mockex_conformance.report.page.content import Failure, by_importance
from mockex_conformance.verdict import CaseVerdict

_TAIL_LINES, _TAIL_CHARACTERS = 12, 1500
_MOMENTS = 5  # of a case whose surroundings its wire log shows


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many failures lack a figure, and how many the folded logs, for want of room."""

    figures: int = 0
    logs: int = 0


@dataclass(frozen=True, slots=True)
class _Piece:
    failure: Failure
    turn: int  # 0: its first figure, 1: another one, 2: logs
    text: Markup


def fill(failures: Sequence[Failure], folder: Path, macros: Any, spare: int) -> LeftOut:
    """Give the failures their evidence, at most `spare` bytes of it. `macros` are those of
    `parts.html.j2`."""
    pieces: list[_Piece] = []
    unread = 0
    wanted = 0  # bytes of the first figures: once they are too many, the rest need not be read
    for failure in by_importance(failures):
        if wanted > spare:
            unread += 1
            continue
        mine = _pieces(failure, folder, macros)
        pieces += mine
        wanted += sum(_size(piece.text) for piece in mine if piece.turn == 0)
    lacking: dict[bool, set[str]] = {True: set(), False: set()}
    for piece in sorted(pieces, key=lambda piece: piece.turn):
        drawn = piece.turn < 2
        if (size := _size(piece.text)) > spare:
            lacking[drawn].add(piece.failure.anchor)
            continue
        spare -= size
        (piece.failure.evidence if drawn else piece.failure.folded).append(piece.text)
    return LeftOut(len(lacking[True]) + unread, len(lacking[False]) + unread)


def _size(text: str) -> int:
    return len(text.encode())


def _pieces(failure: Failure, folder: Path, macros: Any) -> list[_Piece]:
    """All that explains a failure: of its first verdict, which stands for those like it."""
    verdict = failure.parts[0].verdict
    pieces = []
    if said := _last_words(folder, verdict):
        pieces.append(_Piece(failure, 2, macros.stderr(said, verdict)))
    if not verdict.journal:
        return pieces
    try:
        recording = read_recording(folder / verdict.journal)
    except NoRecording:  # removed since, or cut by a kill before it began
        return pieces
    for index, figure in enumerate(figures_of(recording, verdict)):
        pieces.append(_Piece(failure, min(index, 1), macros.figure(figure)))
    around = [finding.at_s for finding in failure.parts[0].findings[:_MOMENTS]]
    if lines := wire_log(recording, around or None):
        pieces.append(_Piece(failure, 2, macros.wire(lines, verdict)))
    return pieces


def _last_words(folder: Path, verdict: CaseVerdict) -> list[str]:
    """The last lines that the testee wrote on its stderr."""
    if not verdict.stderr:
        return []
    try:
        said = (folder / verdict.stderr).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return said.strip()[-_TAIL_CHARACTERS:].splitlines()[-_TAIL_LINES:]
