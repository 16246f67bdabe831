"""How attempts follow a loss: how many are bearable, and whether they get rarer."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean

from mockex.server.journal import Attempted, Noted
from mockex_conformance.checks.attempts import Waits, waits_of
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import clock, many, moments_of, span
from mockex_conformance.report.figures.plot import Plot, Point, linear, logarithmic
from mockex_conformance.verdict import CaseVerdict, Finding

_IMMEDIATE_S = 0.001  # the axis begins here: what comes sooner stands at its edge
_CURVE = 40  # points of a line that is bent by the logarithm


def attempts(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """Attempts since a loss, the time on a logarithmic axis, and how many were bearable; None if
    there was none."""
    moments = moments_of(recording, verdict)
    began = recording.began
    found_s = about.at_s if about is not None else moments.until_s
    phase = _phase(recording, found_s)
    losses = [mark.at_s for mark in moments.faults if mark.at_s <= found_s]
    since_s = phase.t - began if phase is not None else (losses[-1] if losses else 0.0)
    end_s = _phase_end(recording, since_s) if phase is not None else moments.until_s
    times = [a.t - began for a in recording.of(Attempted) if since_s <= a.t - began <= end_s]
    if not times:
        return None
    first_s = next(
        (mark.at_s for mark in moments.faults if since_s <= mark.at_s <= times[-1]), since_s
    )
    first_s = min(first_s, times[0])
    after = [(max(t - first_s, _IMMEDIATE_S), float(n)) for n, t in enumerate(times, 1)]
    allowed = _allowed(recording, phase, about, first_s, times, end_s)
    ends = max(after[-1][0], 10 * _IMMEDIATE_S)
    most = max(len(after), *(min(y, 1.3 * len(after)) for _, y in allowed), 1)
    plot = Plot(
        logarithmic("time since the loss, logarithmic", _IMMEDIATE_S, ends, _told),
        linear("attempts", most, whole=True),
    )
    plot.line([(t, n) for t, n in allowed if n <= plot.top], "limit")
    if allowed:
        shown = [point for point in allowed if point[1] <= plot.top]
        if shown:
            plot.note(*shown[len(shown) // 3], "bearable")
    plot.steps([(_IMMEDIATE_S, 0), *after], ends)
    plot.dots(after)
    title = "Attempts since the loss"
    sentence = (
        f"{many(len(times), 'attempt')} after the loss at {clock(first_s)}, the "
        f"first after {span(times[0] - first_s)}, the last after {span(times[-1] - first_s)}"
    )
    if len(times) > 2:
        gaps = [b - a for a, b in pairwise(times)]
        sentence += f"; between them {span(min(gaps))} to {span(max(gaps))}"
    return Figure("attempts", title, sentence + ".", plot.svg(title))


def _told(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _phase(recording: Recording, found_s: float) -> Noted | None:
    """The phase of counting that the finding is in."""
    began = [n for n in recording.noted("attempts-counted") if n.t - recording.began <= found_s]
    return began[-1] if began else None


def _phase_end(recording: Recording, since_s: float) -> float:
    ends = [n.t - recording.began for n in recording.noted("attempts-counted-end")]
    return next((end for end in ends if end >= since_s), float("inf"))


def _allowed(
    recording: Recording,
    phase: Noted | None,
    about: Finding | None,
    first_s: float,
    times: list[float],
    end_s: float,
) -> list[Point]:
    """How many attempts would have been bearable, from the begin of the window that was judged:
    6 x C + w x C / scale (catalogue, section 5)."""
    if phase is None:
        return []
    held = max(1, int(phase.detail.get("connections", 1)))
    per_s = held / recording.terms.scale
    begin_s, before = times[0], 0
    window_s = about.evidence.get("window_s") if about is not None else None
    if about is not None and isinstance(window_s, int | float):
        begin_s = max(about.at_s - window_s, times[0])
        before = sum(t < begin_s - 0.001 for t in times)
    last_s = min(end_s, times[-1]) - begin_s
    points = []
    for n in range(_CURVE + 1):
        after_s = last_s * n / _CURVE
        x = max(begin_s + after_s - first_s, _IMMEDIATE_S)
        points.append((x, before + 6 * held + after_s * per_s))
    return points


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
        logarithmic("waited, log", max(min(every), 0.01), max(every), _told),
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
    return [(float(n), max(s, 0.01)) for w in outage.of.values() for n, s in enumerate(w, 1)]


def _columns(outage: Waits) -> list[list[float]]:
    """The waits before the first attempt, the second and so on, of those who made it."""
    longest = max(map(len, outage.of.values()), default=0)
    return [[w[n] for w in outage.of.values() if len(w) > n] for n in range(longest)]


def _means(outage: Waits) -> list[float]:
    return [max(mean(column), 0.01) for column in _columns(outage)]


def _spreads(outage: Waits) -> str:
    widest = max(
        ((max(c) - min(c)) / max(mean(c), 1e-9) for c in _columns(outage)[1:] if len(c) > 1),
        default=0.0,
    )
    return f"from the second on those of all processes differ by up to {widest:.0%}"
