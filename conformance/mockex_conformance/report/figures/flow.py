"""Events of each stream: when they flowed, and when nothing came although it was asked for."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from mockex.server.journal import Delivered, Said
from mockex.server.views import Connections
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.deliveries import CHANGES, stream_of
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.lanes import Lane, Span, mute_parts, over_each_other
from mockex_conformance.report.figures.moments import Moments, clock, moments_of
from mockex_conformance.report.figures.swimlane import drawn
from mockex_conformance.verdict import CaseVerdict, Finding

_MOST = 10
_MOMENT_S = 0.5  # a stream that is away for less is on its way from one connection to the next
_LETTERS = 13  # for a name

_NAMING = ("stale", "gap", "resync", "refused", "error")


def flow(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """A row for each stream, that of the finding first; None if there are not several: the
    swimlane shows a single one."""
    moments = moments_of(recording, verdict)
    lanes = stream_lanes(recording, moments.until_s)
    if len(lanes) < 2:
        return None
    first = str(stream_of(recording, about))
    names = sorted(lanes, key=lambda name: name != first)
    rows = [lanes[name] for name in names[:_MOST]]
    if names[_MOST:]:
        rows.append(over_each_other([lanes[name] for name in names[_MOST:]], "others"))
    title = "Events of each stream"
    told = _told(first, lanes, moments)
    sentence = f"A row for each stream, broken where nothing was sent{told}."
    return Figure("flow", title, sentence, drawn(title, rows, moments))


def stream_lanes(recording: Recording, until_s: float) -> dict[str, Lane]:
    """By name: when a stream stood on a live connection, in which parts of that no event was sent,
    and what the testee said of it."""
    view = Connections()
    lanes: dict[str, Lane] = {}
    since: dict[str, float] = {}
    written: dict[str, list[float]] = {}
    for entry in recording.entries:
        at = max(0.0, entry.t - recording.began)
        if at > until_s:
            break
        if isinstance(entry, Delivered):
            for name in entry.streams:
                written.setdefault(name, []).append(at)
            continue
        if isinstance(entry, Said):
            lane = lanes.get(str(entry.params.get("stream")))
            if entry.method in _NAMING and lane is not None:
                lane.ticks.append((at, entry.method))
            continue
        view.apply(entry)
        if not isinstance(entry, CHANGES):
            continue
        now = {name for connection in view.live() for name in connection.streams}
        for name in sorted(now - since.keys()):
            since[name] = at
            lanes.setdefault(name, Lane(label="", began=at, outcome=_short(name)))
        for name in sorted(since.keys() - now):
            lanes[name].live.append((since.pop(name), at))
    for name, begin in since.items():
        lanes[name].live.append((begin, inf))
    for name, lane in lanes.items():
        lane.mute = mute_parts(lane.live, written.get(name, ()), until_s)
    return lanes


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


def _told(first: str, lanes: dict[str, Lane], moments: Moments) -> str:
    if first not in lanes:
        return f"; {first} was never asked for" if "@" in first else ""
    silent = _silent(lanes[first], moments.until_s)
    if not silent:
        return f"; {first} was sent all the time"
    told = [
        f"{clock(begin)} to {'the end' if end >= moments.until_s else clock(end)}"
        for begin, end in silent
    ]
    more = f" and {len(told) - 3} times more" if len(told) > 3 else ""
    others = sum(name != first and bool(_silent(lanes[name], moments.until_s)) for name in lanes)
    too = f"; of {others} more, too" if others else ""
    return f": of {first} from {', '.join(told[:3])}{more}{too}"


def _silent(lane: Lane, until_s: float) -> list[Span]:
    """From its beginning on: while it stood on no live connection, or nothing was written."""
    absent = [
        (end, begin)
        for (_, end), (begin, _) in pairwise([*lane.live, (until_s, until_s)])
        if begin - end > _MOMENT_S
    ]
    return sorted([*lane.mute, *absent])
