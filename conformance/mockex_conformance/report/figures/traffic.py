"""What is sent to the testee: over time, and against the number of live deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from mockex.server.journal import Delivered, Noted
from mockex.server.views import Connections, Deliveries
from mockex_conformance.incident import fit
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import clock, moments_of
from mockex_conformance.report.figures.plot import Plot, Point, linear, over_time
from mockex_conformance.verdict import CaseVerdict, Finding

_BINS = 120  # at most; one is as long as a few steps of the market at least
_SHORTEST_S = 0.5


@dataclass(slots=True)
class Slice:
    """A piece of time, and the bytes written in it to all connections together."""

    since_s: float
    length_s: float
    bytes: int = 0

    @property
    def kb_s(self) -> float:
        """Thousand bytes a second."""
        return self.bytes / self.length_s / 1000


def slices(recording: Recording, until_s: float) -> list[Slice]:
    """A recording cut into equal pieces; the last one is left out if it is not whole."""
    length_s = max(_SHORTEST_S, until_s / _BINS)
    made: list[Slice] = []
    members = Deliveries()
    for entry in recording.entries:
        at = max(0.0, entry.t - recording.began)
        if at >= until_s:
            break
        while at >= len(made) * length_s:
            made.append(Slice(len(made) * length_s, length_s))
        members.apply(entry)
        if isinstance(entry, Delivered):
            many = len(members.members(entry.audience))
            made[-1].bytes += many * sum(batch.bytes for batch in entry.streams.values())
    if made and made[-1].since_s + length_s > until_s:
        made.pop()
    return made


def traffic(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """KB/s over time, with what was measured first as what is right; None if it was too short."""
    moments = moments_of(recording, verdict)
    made = slices(recording, moments.until_s)
    if len(made) < 2 or not any(piece.bytes for piece in made):
        return None
    most = max(made, key=lambda piece: piece.kb_s)
    plot = Plot(over_time(moments), linear("KB/s", most.kb_s))
    measured = list(_measured(recording, made))
    for since, until, _kb_s in measured:
        plot.band(since, until)
    if measured:
        plot.limit(measured[0][2], f"at first: {measured[0][2]:.1f} KB/s")
    plot.moments(moments)
    plot.steps(
        [(piece.since_s, piece.kb_s) for piece in made], made[-1].since_s + made[-1].length_s
    )
    title = "What was sent to the testee"
    sentence = f"At most {most.kb_s:.1f} KB/s, at {clock(most.since_s)}"
    if measured:
        sentence += f"; {measured[0][2]:.1f} KB/s when it was measured first"
    if len(measured) > 1:
        sentence += f", {measured[-1][2]:.1f} KB/s when it was measured last (shaded)"
    return Figure("traffic", title, sentence + ".", plot.svg(title))


def _measured(recording: Recording, made: list[Slice]) -> Iterator[tuple[float, float, float]]:
    """Since, until, and KB/s of the pieces of time that lie in each measurement."""
    since: float | None = None
    for noted in recording.of(Noted):
        at = noted.t - recording.began
        if noted.name == "measure":
            since = at
        elif noted.name == "measured" and since is not None:
            inside = [
                piece.kb_s
                for piece in made
                if since < piece.since_s + piece.length_s and piece.since_s < at
            ]
            whole = inside[1:-1] or inside
            if whole:
                yield since, at, sum(whole) / len(whole)
            since = None


def traffic_by_deliveries(
    recording: Recording, verdict: CaseVerdict, _: Finding | None
) -> Figure | None:
    """KB/s against live deliveries, a point for each step of the market, with the line through
    them; None if the number of deliveries never changed."""
    points = _steps(recording, moments_of(recording, verdict).until_s)
    line = fit(points)
    if line is None:
        return None
    most = max(points)
    plot = Plot(
        linear("live deliveries, all streams", most[0], whole=True),
        linear("KB/s", max(kb_s for _, kb_s in points)),
    )
    plot.line(
        [(0, max(line.intercept, 0)), (most[0], line.slope * most[0] + line.intercept)], "fit"
    )
    plot.dots(points)
    told = f"KB/s = {line.slope:.2f} × deliveries {line.intercept:+.2f}"
    plot.note(0, most[1], told)
    title = "KB/s against live deliveries"
    sentence = f"{told}, R² {line.r2:.3f}, by {len(points)} steps of the market."
    return Figure("traffic by deliveries", title, sentence, plot.svg(title))


def _steps(recording: Recording, until_s: float) -> list[Point]:
    """Live deliveries at each step of the market, and KB/s by what was sent in it."""
    connections, members = Connections(), Deliveries()
    sent: dict[int, tuple[float, float, int]] = {}  # when, deliveries, bytes, by step
    live = 0
    for entry in recording.entries:
        if entry.t - recording.began > until_s:
            break
        connections.apply(entry)
        members.apply(entry)
        if isinstance(entry, Delivered):
            many = len(members.members(entry.audience))
            size = many * sum(batch.bytes for batch in entry.streams.values())
            at, deliveries, before = sent.get(entry.step, (entry.t, float(live), 0))
            sent[entry.step] = (at, deliveries, before + size)
        else:
            live = sum(len(connections.delivering(s)) for s in recording.terms.streams)
    apart = [(b[0] - a[0]) for a, b in pairwise(sent.values()) if b[0] > a[0]]
    if not apart:
        return []
    step_s = median(apart)
    return [(deliveries, size / step_s / 1000) for _, deliveries, size in sent.values()]
