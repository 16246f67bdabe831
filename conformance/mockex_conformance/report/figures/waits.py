"""How long a testee waits before each attempt: rarer and rarer, not in step, not before it may."""

from __future__ import annotations

from statistics import mean

from mockex.server.journal import Attempted, Refused
from mockex.server.words import span
from mockex_conformance.checks.attempts import Waits, waits_of
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import moments_of
from mockex_conformance.report.figures.plot import Plot, Point, linear, logarithmic, power_s
from mockex_conformance.report.figures.rows import Row, rows
from mockex_conformance.verdict import CaseVerdict, Finding

_LEAST_S = 0.01  # the axis begins here


def as_told(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """After each refusal that told how long to wait, how long it was to the next attempt; None if
    there was no such refusal, or nobody tried again."""
    until = recording.began + moments_of(recording, verdict).until_s
    refused = {entry.conn: entry.t for entry in recording.of(Refused)}
    tried = [entry.t for entry in recording.of(Attempted) if entry.t <= until]
    bars: list[Row] = []
    for told in recording.noted("told-to-wait"):
        at, seconds = refused.get(told.detail.get("connection", 0)), told.detail.get("seconds")
        again = next((t - at for t in tried if at is not None and t > at), None)
        if again is None or seconds is None:
            continue
        early = again < seconds
        label, text = str(told.detail.get("status", "refused")), span(again)
        bars.append(Row(label=label, value=again, limit=seconds, text=text, bad=early))
    if not bars:
        return None
    title = "How long it waited after it was told to"
    sentence = ", ".join(
        f"after {bar.label} it was told {bar.limit:g} s and waited {bar.text}" for bar in bars
    )
    picture = rows(title, "seconds since the refusal; dashed red: not before", bars)
    return Figure("told", title, f"{sentence[0].upper()}{sentence[1:]}.", picture)


def waits(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """The waits before each attempt, of all processes, in each outage; None if there was none."""
    outages = [outage for outage in waits_of(recording.entries) if any(outage.of.values())]
    points = [_points(outage) for outage in outages[:2]]
    every = [seconds for of in points for _, seconds in of]
    if not every:
        return None
    longest = max(len(w) for outage in outages for w in outage.of.values())
    plot = Plot(
        linear("wait before attempt number", longest, whole=True),
        logarithmic("waited, log", max(min(every), _LEAST_S), max(every), power_s),
    )
    for css, of in zip(("dot", "cross"), points, strict=False):
        plot.dots(of, css)
    means = _means(outages[0])
    plot.line([(float(n), seconds) for n, seconds in enumerate(means, 1)], "fit")
    processes = max(len(outage.of) for outage in outages)
    title = "Waits before each attempt" + (f", {processes} processes" if processes > 1 else "")
    told = ", ".join(span(seconds) for seconds in means[:6])
    sentence = f"On average the waits were {told}"
    sentence += " and so on" if len(means) > 6 else ""
    sentence += f"; {_spreads(outages[0])}" if processes > 1 else ""
    if len(points) > 1:
        sentence += "; dots are the first outage, crosses the second"
    return Figure("waits", title, sentence + ".", plot.svg(title))


def _points(outage: Waits) -> list[Point]:
    return [(float(n), max(s, _LEAST_S)) for w in outage.of.values() for n, s in enumerate(w, 1)]


def _columns(outage: Waits) -> list[list[float]]:
    """The waits before the first attempt, the second and so on, of those who made it."""
    longest = max(map(len, outage.of.values()), default=0)
    return [[w[n] for w in outage.of.values() if len(w) > n] for n in range(longest)]


def _means(outage: Waits) -> list[float]:
    return [max(mean(column), _LEAST_S) for column in _columns(outage)]


def _spreads(outage: Waits) -> str:
    widest = max(
        ((max(c) - min(c)) / max(mean(c), 1e-9) for c in _columns(outage)[1:] if len(c) > 1),
        default=0.0,
    )
    return f"from the second on those of all processes differ by up to {widest:.0%}"
