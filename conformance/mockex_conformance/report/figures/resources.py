"""What the testee holds and uses: threads, descriptors, sockets, memory, tasks, processor time."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import get_args

from mockex.server.journal import Noted, Sampled
from mockex_conformance.checks.resources import (
    CpuAtMost,
    Flat,
    Metric,
    Slope,
    theil_sen,
    value_of,
)
from mockex_conformance.checks.sockets import SocketsAtMost
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.checked import checked
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import moments_of
from mockex_conformance.report.figures.plot import Plot, Point, linear, over_time
from mockex_conformance.verdict import CaseVerdict, Finding

_MIB = 2**20
_METRICS: tuple[Metric, ...] = get_args(Metric)


def held(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """The metric that a finding names, over time, with its baseline and what is still flat; None
    if it was never sampled."""
    metric = _metric(about)
    if metric is None:
        return None
    unit = _MIB if metric == "memory" else 1
    points = _values(recording, metric)
    if not points:
        return None
    moments = moments_of(recording, verdict)
    base = _baseline(recording, metric)
    check = checked(recording, Flat, metric=metric)
    n = check.n if check is not None else 0
    slack = 32.0 if metric == "memory" else max(5.0, n / 10)
    top = max(value for _, value in points)
    name = "MiB of memory" if metric == "memory" else metric
    limit = None if base is None else base / unit + slack
    plot = Plot(over_time(moments), linear(name, max(top / unit, limit or 0) * 1.05))
    if limit is not None:
        plot.limit(limit, f"still flat: {limit:g}")
    plot.moments(moments)
    plot.steps([(at, value / unit) for at, value in points], moments.until_s)
    title = f"{name[0].upper()}{name[1:]} of the testee"
    last = points[-1][1] / unit
    sentence = f"At most {top / unit:.4g}, {last:.4g} at the end"
    if base is not None and limit is not None:
        sentence = (
            f"{base / unit:.4g} before, at most {top / unit:.4g} later, {last:.4g} at the end; up "
            f"to {limit:.4g} is flat" + (f" for {n} {check.what}" if check is not None else "")
        )
    return Figure("held", title, sentence + ".", plot.svg(title))


def _metric(about: Finding | None) -> Metric | None:
    """Which metric a finding of `flat` is about, by its words."""
    if about is None:
        return None
    if "CLOSE_WAIT" in about.message:
        return "sockets"
    longest_first = sorted(_METRICS, key=len, reverse=True)
    return next((metric for metric in longest_first if metric in about.message), None)


def _values(recording: Recording, metric: Metric) -> list[Point]:
    found = [(e.t - recording.began, value_of(metric, e)) for e in recording.entries]
    values = [(max(at, 0.0), float(value)) for at, value in found if value is not None]
    until_s = moments_of(recording).until_s
    return [(at, value) for at, value in values if at <= until_s] or values[:1]


def _baseline(recording: Recording, metric: Metric) -> float | None:
    """As the check takes it: the median of the samples at the landmarks `baseline`."""
    latest: int | None = None
    taken: list[int] = []
    for entry in recording.entries:
        if isinstance(entry, Noted) and entry.name == "baseline" and latest is not None:
            taken.append(latest)
        elif (value := value_of(metric, entry)) is not None:
            latest = value
    return median(taken) if taken else None


def memory_slope(
    recording: Recording, verdict: CaseVerdict, about: Finding | None
) -> Figure | None:
    """Memory at each reconnect with the slope through it; None without values."""
    values = about.evidence.get("values") if about is not None else None
    if not isinstance(values, list) or not all(isinstance(v, int) for v in values):
        return None
    if len(values) < 2:
        return None
    slope, low, high = theil_sen(values)
    middle = median(value - slope * n for n, value in enumerate(values, 1))
    last = len(values)
    low_mib = min(values) / _MIB
    plot = Plot(
        linear("reconnects", last, whole=True),
        linear("MiB of memory more than at first", max(max(values) / _MIB - low_mib, 0.1)),
    )
    ends = [(float(n), max((slope * n + middle) / _MIB - low_mib, 0.0)) for n in (1, last)]
    plot.line(ends, "fit")
    check = checked(recording, Slope)
    if check is not None:
        bearable = check.per_cycle_kib / 1024 * (last - 1)
        plot.line([(1, 0), (last, bearable)], "limit")
        plot.note(last, bearable, f"bearable: {check.per_cycle_kib:g} KiB each")
    plot.dots([(float(n), value / _MIB - low_mib) for n, value in enumerate(values, 1)])
    title = "Memory at each reconnect"
    sentence = (
        f"{slope / 1024:.0f} KiB more with each of {last} reconnects (95 %: {low / 1024:.0f} to "
        f"{high / 1024:.0f}), from {low_mib:.1f} to {max(values) / _MIB:.1f} MiB."
    )
    return Figure("memory", title, sentence, plot.svg(title))


def processor(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """The share of a core that was used from sample to sample, of the time in which the testee
    could have run, and what is right for one that waits; None without samples of it."""
    samples = [s for s in recording.of(Sampled) if s.cpu_s]
    moments = moments_of(recording, verdict)
    points: list[Point] = []
    for before, after in pairwise(samples):
        used_s, wall_s = after.cpu_s - before.cpu_s, after.t - before.t
        if after.run == before.run and wall_s > 0 and used_s >= 0:
            free_s = max(wall_s - (after.queued_s - before.queued_s), used_s)
            points.append((before.t - recording.began, 100 * used_s / free_s))
    if not points:
        return None
    top = max(share for _, share in points)
    plot = Plot(over_time(moments), linear("% of a core", max(top, 1) * 1.05))
    measured = _measured(recording)
    for since, until in measured:
        plot.band(since, until)
    check = checked(recording, CpuAtMost)
    if check is not None:
        plot.limit(100 * check.share, f"right: {check.share:.0%}")
    plot.moments(moments)
    plot.steps(points, min(samples[-1].t - recording.began, moments.until_s))
    title = "Processor time of the testee"
    sentence = (
        f"At most {top:.0f} % of a core from one sample to the next, of the time it could run"
    )
    if measured:
        sentence += "; what was judged is shaded"
    return Figure("processor", title, sentence + ".", plot.svg(title))


def _measured(recording: Recording) -> list[Point]:
    found: list[Point] = []
    since: float | None = None
    for noted in recording.of(Noted):
        if noted.name == "cpu-measured":
            since = noted.t - recording.began
        elif noted.name == "cpu-measured-end" and since is not None:
            found.append((since, noted.t - recording.began))
            since = None
    return found


def stream_sockets(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """Sockets of the testee to the port of the streams, over time; None without samples."""
    samples = list(recording.of(Sampled))
    moments = moments_of(recording, verdict)
    points = [(s.t - recording.began, float(s.stream_sockets)) for s in samples]
    points = [(max(at, 0.0), n) for at, n in points if at <= moments.until_s]
    if not points:
        return None
    top = max(n for _, n in points)
    plot = Plot(over_time(moments), linear("sockets to the streams", top + 1, whole=True))
    allowed = _allowed_sockets(recording)
    if allowed is not None:
        plot.limit(allowed, f"allowed: {allowed:g}")
    plot.moments(moments)
    plot.steps(points, moments.until_s)
    title = "Sockets to the exchange, by the operating system"
    sentence = f"At most {top:g}, {points[-1][1]:g} at the end"
    sentence += f"; {allowed:g} are right." if allowed is not None else "."
    return Figure("sockets", title, sentence, plot.svg(title))


def _allowed_sockets(recording: Recording) -> float | None:
    """What the checks compare with: a landmark that names it, or the count before the fault."""
    for noted in recording.noted("pool-counted"):
        allowed = noted.detail.get("allowed")
        if isinstance(allowed, int | float):
            return float(allowed)
    latest = 0
    for entry in recording.entries:
        if isinstance(entry, Sampled):
            latest = entry.stream_sockets
        elif isinstance(entry, Noted) and entry.name == "sockets-before":
            check = checked(recording, SocketsAtMost)
            return float(max(latest, 1) + (check.more if check is not None else 0))
    return None
