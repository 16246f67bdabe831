"""How attempts follow a loss or a pause, and how many are bearable."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mockex.server.journal import Attempted, Noted
from mockex.server.views import Connections
from mockex.server.words import many, span
from mockex_conformance.checks import FewAttemptsAfterPause
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.checked import checked
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import Moments, clock, moments_of
from mockex_conformance.report.figures.plot import Plot, Point, linear, logarithmic, power_s
from mockex_conformance.verdict import CaseVerdict, Finding

_LEAST_S = 0.001  # the axis begins here: what comes sooner stands at its edge
_FEW = 3
_CURVE = 40  # points of a line that is bent by the logarithm


@dataclass(frozen=True, slots=True)
class _After:
    """Attempts (`times`) after `what`, which was at `since_s`; how many of them would have been
    bearable, by time since then."""

    what: str
    since_s: float
    times: list[float]
    bearable: list[Point]


def attempts(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """Attempts since a loss or a pause, the time on a logarithmic axis, and how many were bearable;
    None if there are so few that the swimlane shows them."""
    seen = _after(recording, moments_of(recording, verdict), about)
    times = seen.times
    if len(times) < _FEW:
        return None
    points = [(max(t - seen.since_s, _LEAST_S), float(n)) for n, t in enumerate(times, 1)]
    ends = max(points[-1][0], 10 * _LEAST_S)
    most = max(len(times), *(min(n, 1.3 * len(times)) for _, n in seen.bearable), 1)
    plot = Plot(
        logarithmic(f"time since {seen.what}, logarithmic", _LEAST_S, ends, power_s),
        linear("attempts", most, whole=True),
    )
    bearable = [(t, n) for t, n in seen.bearable if n <= plot.top]
    if bearable:
        plot.line(bearable, "limit")
        plot.note(*bearable[len(bearable) // 3], "bearable")
    plot.steps([(_LEAST_S, 0), *points], ends)
    plot.dots(points)
    gaps = [b - a for a, b in pairwise(times)]
    title = f"Attempts since {seen.what}"
    sentence = (
        f"{many(len(times), 'attempt')} after {seen.what} at {clock(seen.since_s)}, the first "
        f"after {span(times[0] - seen.since_s)}, the last after {span(times[-1] - seen.since_s)}; "
        f"between them {span(min(gaps))} to {span(max(gaps))}."
    )
    return Figure("attempts", title, sentence, plot.svg(title))


def _after(recording: Recording, moments: Moments, about: Finding | None) -> _After:
    """What the finding is about: a pause, a phase in which attempts are counted, or the loss before
    it."""
    found_s = about.at_s if about is not None else moments.until_s
    if about is not None and about.check == FewAttemptsAfterPause.__struct_config__.tag:
        return _after_pause(recording, moments)
    phases = [n for n in recording.noted("attempts-counted") if n.t - recording.began <= found_s]
    if phases:
        return _in_phase(recording, moments, phases[-1], about)
    losses = [mark.at_s for mark in moments.faults if mark.at_s <= found_s]
    since_s = losses[-1] if losses else 0.0
    return _After("the loss", since_s, _times(recording, since_s, moments.until_s), [])


def _times(recording: Recording, since_s: float, until_s: float) -> list[float]:
    times = (entry.t - recording.began for entry in recording.of(Attempted))
    return [t for t in times if since_s <= t <= until_s]


def _after_pause(recording: Recording, moments: Moments) -> _After:
    """Since the landmark `going-on`: `most` attempts are calm for each connection that was live at
    the landmark `suspended`."""
    check = checked(recording, FewAttemptsAfterPause) or FewAttemptsAfterPause()
    view, had, since_s = Connections(), 1, 0.0
    for entry in recording.entries:
        view.apply(entry)
        if isinstance(entry, Noted) and entry.name == "suspended":
            had = max(1, len(view.live()))
        elif isinstance(entry, Noted) and entry.name == "going-on":
            since_s = entry.t - recording.began
    times = _times(recording, since_s, moments.until_s)
    calm = float(check.most * had)
    return _After("the pause", since_s, times, [(_LEAST_S, calm), (check.window_s, calm)])


def _in_phase(
    recording: Recording, moments: Moments, phase: Noted, about: Finding | None
) -> _After:
    """Between the landmarks `attempts-counted` and `attempts-counted-end`, since the loss in it. In
    w seconds 6 x C + w x C / scale are bearable (catalogue, section 5); the line begins where the
    window does that was judged."""
    since_s = phase.t - recording.began
    ends = [n.t - recording.began for n in recording.noted("attempts-counted-end")]
    until_s = min([end for end in ends if end >= since_s], default=moments.until_s)
    times = _times(recording, since_s, until_s)
    if not times:
        return _After("the loss", since_s, [], [])
    lost = [mark.at_s for mark in moments.faults if since_s <= mark.at_s <= times[0]]
    loss_s = lost[0] if lost else since_s
    begin_s = times[0]
    window_s = about.evidence.get("window_s") if about is not None else None
    if about is not None and isinstance(window_s, int | float):
        begin_s = max(about.at_s - window_s, begin_s)
    before = sum(t < begin_s - 0.001 for t in times)  # the finding is rounded
    held = max(1, int(phase.detail.get("connections", 1)))
    bearable = []
    for n in range(_CURVE + 1):
        after_s = (times[-1] - begin_s) * n / _CURVE
        allowed = before + 6 * held + after_s * held / recording.terms.scale
        bearable.append((max(begin_s + after_s - loss_s, _LEAST_S), allowed))
    return _After("the loss", loss_s, times, bearable)
