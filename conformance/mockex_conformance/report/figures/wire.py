"""What went over the wire and what the case did, in lines for people.

Each entry of the journal is a line in words (`telling.py`). What goes on all the time (deliveries,
pings, events that are presented) is one line until something else happens; and of what happens
alike again and again (attempts that are refused) the first is told, and how often it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mockex.server.words import span
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.moments import moments_of
from mockex_conformance.report.figures.telling import Direction, Told, tell
from mockex_conformance.verdict import Finding

_DEFAULT_MOMENTS = 4
_LONGEST_CYCLE, _OFTEN = 8, 5  # lines; times
_NUMBER = re.compile(r"\d[\d.]*")
_ARROWS = {"in": "→", "out": "←", "": " "}


@dataclass(frozen=True, slots=True)
class WireLine:
    """One line. `t` counts seconds since the case began; `connection` is `c3`, `REST`, `testee`,
    `suite` or empty; `direction` is seen from the exchange; `what` is a word (`deliveries`,
    `fault`, `close`), `text` is for people; `marked`: a fault or a finding."""

    t: float
    connection: str
    direction: Direction
    what: str
    text: str
    marked: bool = False


def wire_log(
    recording: Recording,
    around: Sequence[float] | None = None,
    most: int = 80,
    findings: Sequence[Finding] = (),
) -> list[WireLine]:
    """The lines next to the moments `around` (seconds since the case began), at most `most`, of
    which each moment has its share; by default those of the `findings`, which are lines too, or of
    the first faults. What was left out in between is one line."""
    lines = _folded(recording)
    for number, finding in enumerate(findings, 1):
        line = WireLine(finding.at_s, "suite", "", "finding", f"{number}: {finding.message}", True)
        lines.insert(_last_before(lines, finding.at_s) + 1, line)
    if len(lines) <= most:
        return lines
    if around is None:
        faults = moments_of(recording).faults
        around = [f.at_s for f in findings] or [mark.at_s for mark in faults[:_DEFAULT_MOMENTS]]
    return _with_gaps(lines, _near(lines, around or [0.0], most))


def wire_text(recording: Recording) -> str:
    """The whole log as text: a line each, runs folded, the time in seconds since the case began.
    An arrow to the right is what came from the testee."""
    return "".join(
        f"{line.t:10.4f}  {line.connection:<6} {_ARROWS[line.direction]} "
        f"{line.what:<12} {line.text}".rstrip()
        + "\n"
        for line in _folded(recording)
    )


def _near(lines: Sequence[WireLine], around: Sequence[float], most: int) -> set[int]:
    """Which lines to keep: each moment's, then in turn those before and after. What led to a moment
    tells more than what followed it."""
    starts = list(dict.fromkeys(_last_before(lines, at) for at in around))[: most // 4]
    budget = most - len(starts) - 1  # the others say what was left out
    kept: set[int] = set()
    for distance in range(len(lines)):
        for start in starts:
            behind = () if distance % 2 else (start + distance // 2,)
            for n in (start - distance, *behind):
                if 0 <= n < len(lines) and len(kept) < budget:
                    kept.add(n)
    return kept


def _last_before(lines: Sequence[WireLine], at: float) -> int:
    """The last line that is not behind `at`, which is rounded to a millisecond; -1 if all are."""
    return max((n for n, line in enumerate(lines) if line.t <= at + 0.0005), default=-1)


def _with_gaps(lines: Sequence[WireLine], kept: set[int]) -> list[WireLine]:
    shown: list[WireLine] = []
    gap: list[WireLine] = []
    for n, line in enumerate(lines):
        if n not in kept:
            gap.append(line)
            continue
        shown += _left_out(gap)
        gap = []
        shown.append(line)
    return shown + _left_out(gap)


def _left_out(gap: Sequence[WireLine]) -> list[WireLine]:
    if len(gap) < 2:
        return list(gap)
    took = span(gap[-1].t - gap[0].t)
    return [WireLine(gap[0].t, "", "", "…", f"{len(gap)} lines in {took} are not shown")]


@dataclass(slots=True)
class _Run:
    """What repeats: the first of them, how many, their bytes, until when."""

    at: float
    told: Told
    times: int
    size: int
    until: float

    def line(self) -> WireLine:
        """The run as a line."""
        told = self.told
        text = told.text
        if told.folds and self.times > 1:
            text = told.folded(self.times, self.size)
            text += f" in {span(self.until - self.at)}"
        return WireLine(self.at, told.connection, told.direction, told.what, text, told.marked)


def _folded(recording: Recording) -> list[WireLine]:
    """All lines. Runs go on beside each other until something happens that stands by itself; each
    is told where it began."""
    runs: list[_Run] = []
    going: dict[str, _Run] = {}
    for at, told in _told(recording):
        if told.folds:
            run = going.get(told.folds)
            if run is not None:
                run.times += 1
                run.size += told.size
                run.until = at
                continue
        else:
            going.clear()
        run = _Run(at, told, 1, told.size, at)
        runs.append(run)
        if told.folds:
            going[told.folds] = run
    return _storms_folded([run.line() for run in runs])


def _storms_folded(lines: list[WireLine]) -> list[WireLine]:
    """What happened again and again, alike but for its numbers, once and how often it came."""
    shapes = [(line.what, line.direction, _NUMBER.sub("#", line.text)) for line in lines]
    shown: list[WireLine] = []
    at = 0
    while at < len(lines):
        length, times = _cycle(shapes, at)
        shown += lines[at : at + length]
        if times > 1:
            rest = lines[at + length : at + length * times]
            conns = list(dict.fromkeys(x.connection for x in rest if x.connection[1:].isdigit()))
            took = span(rest[-1].t - lines[at].t)
            text = f"the same {times - 1:,} times more in {took}"
            if len(conns) > 1:
                text += f", {conns[0]} to {conns[-1]}"
            shown.append(WireLine(rest[0].t, "", "", "…", text, any(x.marked for x in rest)))
        at += length * times
    return shown


def _cycle(shapes: Sequence[object], at: int) -> tuple[int, int]:
    """How long what repeats from here on is, and how often it comes: `(1, 1)` if nothing does."""
    for length in range(1, _LONGEST_CYCLE + 1):
        end = at + length
        while end < len(shapes) and shapes[end] == shapes[end - length]:
            end += 1
        times = (end - at) // length
        if times >= _OFTEN:
            return length, times
    return 1, 1


def _told(recording: Recording) -> Iterable[tuple[float, Told]]:
    for entry, told in tell(recording.entries):
        yield max(0.0, round(entry.t - recording.began, 6)), told
