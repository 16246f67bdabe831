"""The swimlane of a case: connections over time, with faults, landmarks and findings across.

Its time is stretched; the moments that matter are written with their times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from mockex.server.words import many, numbered
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.canvas import Scale, by_pixel, escape, framed, header, placed
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.lanes import (
    ASKED,
    Lane,
    Span,
    connection_lanes,
    folded,
    rest_lane,
    testee_lanes,
)
from mockex_conformance.report.figures.moments import (
    Mark,
    Moments,
    clock,
    counted,
    important,
    moments_of,
)
from mockex_conformance.report.figures.stretching import Stretched
from mockex_conformance.verdict import CaseVerdict

_LEFT, _RIGHT = 40, 268  # where time begins and ends; beyond it stands what became of a lane
_TOP, _ROW, _TALL = 34, 15, 25  # a row with words above its line is taller
_MOST_CONNECTIONS, _MOST_PROCESSES = 14, 3
_MOST_FAULTS, _MOST_TICKS = 24, 24  # that get room of their own


def swimlane(recording: Recording, verdict: CaseVerdict) -> Figure | None:
    """The lanes of a case; None if nobody ever connected and nothing was started."""
    moments = moments_of(recording, verdict)
    elsewhere = any(finding.check == "same_endpoint" for finding in verdict.findings)
    connections = connection_lanes(recording, moments.until_s, endpoints=elsewhere)
    processes = testee_lanes(recording, moments.until_s)
    rest = rest_lane(recording, moments.until_s)
    if not connections and not processes:
        return None
    rows = folded(connections, _MOST_CONNECTIONS, _spoken_of(verdict))
    rows += [rest] if rest else []
    rows += folded(processes, _MOST_PROCESSES)
    title = "What happened on each connection"
    return Figure(
        kind="swimlane",
        title=title,
        sentence=_sentence(moments, connections),
        svg=drawn(title, rows, moments),
        explains=tuple(range(1, len(verdict.findings) + 1)),
    )


def _spoken_of(verdict: CaseVerdict) -> list[int]:
    """The connections that findings name."""
    found: list[int] = []
    for one in verdict.findings:
        numbers = one.evidence.get("connections", [])
        if isinstance(numbers, list):
            found += [n for n in numbers if isinstance(n, int)]
        found += [n for name in ("conn", "connection")
                  if isinstance(n := one.evidence.get(name), int)]  # fmt: skip
    return found


def legend() -> Figure:
    """How to read a swimlane: one that shows each mark once, with words for it."""
    lanes = [
        Lane(label="c1", began=0, dial=[(0, 1)], open=[(1, 2)], live=[(2, 4)], ended=4,
             by_exchange=True, outcome="RST, exchange", ticks=[(2, "")]),
        Lane(label="c2", began=4.2, dial=[(4.2, 4.6)], live=[(4.6, 8)], mute=[(5.4, 8)], ended=8,
             outcome="FIN, testee"),
        Lane(label="+41", began=5, like=41, live=[(5, inf)], outcome="1 stream"),
        Lane(label="testee", began=0, busy=[(0, inf)], outcome="runs",
             ticks=[(0.5, "start"), (4.1, "connecting")]),
    ]  # fmt: skip
    moments = Moments(
        faults=[Mark(4, "a fault, seen")],
        landmarks=[Mark(3, "landmark")],
        findings=[Mark(9, "1")],
        until_s=9.5,
    )
    title = "How to read a swimlane"
    sentence = (
        "A row for each connection: dotted while it is dialled, thin without a stream, thick while "
        "streams are delivered, broken while nothing is sent on it. A cross is an end by the "
        "exchange, a bar one by the testee; how, stands at the right, or what it has in the end. "
        "+41 are 41 more that ended alike. Dashed lines are faults at the moment at which they "
        "were seen, numbers the findings, small strokes what the testee says, is told or asks for. "
        "Time is stretched where much happens."
    )
    return Figure("legend", title, sentence, drawn(title, lanes, moments))


def drawn(title: str, rows: Sequence[Lane], moments: Moments) -> str:
    """Lanes under each other as one SVG element, with the moments of the case across."""
    time = Stretched(_seen(rows, moments), moments.until_s)

    def across(t: float) -> int:
        return round(_LEFT + time.at(t) * (_RIGHT - _LEFT))

    bottom = _TOP
    drawing = _Drawing(across)
    for lane in rows:
        bottom += _TALL if lane.worded else _ROW
        drawing.lane(lane, bottom - _ROW // 2)
    below, above = header(moments, across, bottom)
    parts = [*below, *drawing.parts(), *above]
    landmarks = {
        x: counted(mark.label for mark in marks)
        for x, marks in by_pixel(moments.landmarks, across).items()
    }
    ticks = "".join(f"M{x} {bottom}v4" for x in landmarks)
    parts.append(
        f'<path class="grid" d="M{_LEFT} {bottom}H{_RIGHT}"/><path class="say" d="{ticks}"/>'
    )
    parts += placed(landmarks, bottom + 13, "ink")
    parts += placed(_told(moments, across), bottom + 26, "")
    return framed(title, bottom + 32, parts)


def _told(moments: Moments, across: Scale) -> dict[int, str]:
    """The moments whose time is written, the most important first, each time once."""
    told: dict[str, int] = {}
    for at_s in important(moments):
        told.setdefault(clock(at_s) if at_s else "0", across(at_s))
    places: dict[int, str] = {}
    for text, x in told.items():
        places.setdefault(x, text)
    return places


def _seen(rows: Sequence[Lane], moments: Moments) -> Iterable[float]:
    """The moments at which something is to be told apart: what many did alike needs no room of its
    own."""
    shown = [lane for lane in rows if lane.like == 1]
    numbers = {lane.number for lane in shown}
    for mark in moments.faults:
        if len(moments.faults) <= _MOST_FAULTS or numbers & set(mark.conns):
            yield mark.at_s
    for marks in (moments.landmarks, moments.findings):
        yield from (mark.at_s for mark in marks)
    for lane in rows:
        yield lane.began
        if lane.like > 1:
            continue
        for spans in (lane.dial, lane.open, lane.live, lane.busy):
            for span in spans:
                yield from span
        if len(lane.ticks) <= _MOST_TICKS:
            yield from (at for at, _ in lane.ticks)


class _Drawing:
    """All that looks alike, over all lanes, is one path."""

    def __init__(self, across: Scale) -> None:
        self._across = across
        self._paths: dict[str, list[str]] = {}
        self._texts: list[str] = []

    def lane(self, lane: Lane, y: int) -> None:
        """Draw one lane, `y` its middle."""
        for css, spans in (
            ("dial", lane.dial),
            ("open", lane.open),
            ("live", _without(lane.live, lane.mute)),
            ("mute", lane.mute),
            ("open", lane.busy),
        ):
            for begin, end in self._pixels(spans):
                self._add(css, f"M{begin} {y}H{end}")
        if lane.ended is not None:
            x = self._across(lane.ended)
            shape = f"M{x - 3} {y - 4}l6 8m0-8l-6 8" if lane.by_exchange else f"M{x} {y - 6}v12"
            self._add("them" if lane.by_exchange else "self", shape)
        for x in dict.fromkeys(self._across(at) for at in lane.failed):
            self._add("miss", f"M{x - 2} {y - 3}l4 6m0-6l-4 6")
        for x in dict.fromkeys(self._across(at) for at, _ in lane.ticks):
            self._add("say", f"M{x} {y - 5}v10")
        in_order = sorted(lane.ticks, key=lambda tick: _rank(tick[1]))
        words = {self._across(at): word for at, word in in_order if word}
        self._texts += placed(words, y - 7, "", least=_LEFT)
        self._texts.append(
            f'<text class="ink" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">'
            f'{escape(lane.label)}</text><text x="{_RIGHT + 6}" y="{y + 4}">'
            f"{escape(lane.outcome)}</text>"
        )

    def parts(self) -> list[str]:
        """The elements, bars below marks."""
        order = ("dial", "open", "mute", "live", "say", "self", "them", "miss")
        return [
            *(f'<path class="{css}" d="{"".join(dict.fromkeys(self._paths[css]))}"/>'
              for css in order if css in self._paths),
            *self._texts,
        ]  # fmt: skip

    def _add(self, css: str, path: str) -> None:
        self._paths.setdefault(css, []).append(path)

    def _pixels(self, spans: Iterable[Span]) -> list[tuple[int, int]]:
        """Spans as pixels, at least one wide; those that touch are one."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted((self._across(a), self._across(b)) for a, b in spans):
            end = max(end, begin + 1)
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        return merged


def _rank(word: str) -> int:
    """Which words are placed first: signals, what was asked and refused, then what it says."""
    return 0 if word.isupper() else 1 if word in (*ASKED, "refused") else 2


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """Spans less the holes in them, which are in order and do not overlap."""
    left: list[Span] = []
    for begin, end in spans:
        at = begin
        for low, high in holes:
            if begin <= low and high <= end:
                left.append((at, low))
                at = high
        left.append((at, end))
    return [(a, b) for a, b in left if b > a]


def _sentence(moments: Moments, lanes: Sequence[Lane]) -> str:
    """The drawing in words."""
    refused = sum(lane.outcome.startswith("refused") for lane in lanes)
    told = [f"{many(len(lanes), 'connection')} in {clock(moments.until_s)}"]
    if refused:
        told[0] += f", {refused} of them refused"
    if moments.faults:
        told.append(
            f"Seen: {counted(mark.label for mark in moments.faults)}, first at "
            f"{clock(moments.faults[0].at_s)}"
        )
    states: dict[str, list[str]] = {}
    for mark in moments.findings:
        when, what = clock(mark.at_s), _state_at(lanes, mark.at_s)
        states.setdefault(f"({when}) {what}", []).append(mark.label)
    for state, numbers in list(states.items())[:3]:
        told.append(f"at finding{'s' * (len(numbers) > 1)} {', '.join(numbers)} {state}")
    return ". ".join(f"{part[0].upper()}{part[1:]}" for part in told) + "."


def _state_at(lanes: Sequence[Lane], at_s: float) -> str:
    live = [lane.number for lane in lanes if _at(lane.live, at_s)]
    told = f"{numbered(live)} {'are' if len(live) > 1 else 'is'} live" if live else "none is live"
    dialling = [
        lane.number
        for lane in lanes
        if _at(lane.dial, at_s) and not (lane.open or lane.live or lane.ended)
    ]
    return told + (f", {numbered(dialling)} not answered" if dialling else "")


def _at(spans: Sequence[Span], at: float) -> bool:
    """Whether a span covers the moment; one that ends just then does not."""
    return any(begin <= at < end for begin, end in spans)
