"""From ping to pong."""

from __future__ import annotations

from collections import defaultdict
from math import inf

from mockex.server.journal import Closed, Ended, HalfClosed, Pinged, Ponged
from mockex.server.words import span
from mockex_conformance.checks import PongRepeats
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.checked import checked
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import moments_of
from mockex_conformance.report.figures.plot import Plot, Point, logarithmic, over_time, power_s
from mockex_conformance.verdict import CaseVerdict, Finding

_LEAST_S = 0.0001


def pings(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """The delay of each pong, and how long each ping without one had waited; None if nobody was
    pinged."""
    moments = moments_of(recording, verdict)
    check = checked(recording, PongRepeats)
    limit_s = check.within_ms / 1000 if check is not None else None
    answered, open_ = delays(recording, moments.until_s, limit_s or inf)
    if not answered and not open_:
        return None
    every = [seconds for _, seconds in (*answered, *open_)]
    plot = Plot(
        over_time(moments),
        logarithmic(
            "ping to pong, log",
            max(_LEAST_S, min(every)),
            max([*every, 2 * limit_s if limit_s else 0]),
            power_s,
        ),
    )
    if limit_s:
        plot.limit(limit_s, f"deadline: {span(limit_s)}")
    plot.moments(moments)
    plot.dots(answered)
    plot.dots(open_, "miss")
    title = "From each ping to its pong"
    times = sorted(seconds for _, seconds in answered)
    every_ping = len(answered) + len(open_)
    sentence = f"{len(answered)} of {every_ping} pings were answered with their payload"
    if times:
        middle, most = span(times[len(times) // 2]), span(times[-1])
        sentence += f", after {middle} in the middle, {most} at most"
    if open_:
        sentence += (
            "; a cross is a ping that was not, as high as it had waited when the case or its "
            "connection ended, or a later one was answered"
        )
    return Figure("pings", title, sentence + ".", plot.svg(title))


def delays(
    recording: Recording, until_s: float, late_s: float = inf
) -> tuple[list[Point], list[Point]]:
    """When pings were written, and after how long they were answered, or had waited in vain. One
    that the answer to a later one settled before it was late is neither, and neither is one that
    had hardly waited."""
    answered: list[Point] = []
    left: list[Point] = []
    waiting: dict[int, list[Pinged]] = defaultdict(list)
    for entry in recording.entries:
        if entry.t - recording.began > until_s:
            break
        match entry:
            case Pinged(conn=conn):
                waiting[conn].append(entry)
            case Ponged(conn=conn, payload=payload):
                pings = waiting[conn]
                for n, ping in enumerate(pings):
                    if ping.payload == payload:
                        answered.append((ping.t - recording.began, max(entry.t - ping.t, _LEAST_S)))
                        settled = [_waited(recording, before, entry.t) for before in pings[:n]]
                        left += [point for point in settled if point[1] > late_s]
                        del pings[: n + 1]
                        break
            case Closed(conn=conn) | HalfClosed(conn=conn) | Ended(conn=conn):
                left += [_waited(recording, ping, entry.t) for ping in waiting.pop(conn, [])]
            case _:
                pass
    end = recording.began + until_s
    left += [_waited(recording, ping, end) for pings in waiting.values() for ping in pings]
    slowest = max((seconds for _, seconds in answered), default=0.0)
    return answered, [point for point in left if point[1] > max(slowest, _LEAST_S)]


def _waited(recording: Recording, ping: Pinged, until: float) -> Point:
    return ping.t - recording.began, max(until - ping.t, _LEAST_S)
