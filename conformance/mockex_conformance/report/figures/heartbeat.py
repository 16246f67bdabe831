"""From ping to pong."""

from __future__ import annotations

from collections import defaultdict

from mockex.server.journal import Closed, Ended, HalfClosed, Pinged, Ponged
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.checked import checked
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import moments_of, span
from mockex_conformance.report.figures.plot import Plot, Point, logarithmic, over_time
from mockex_conformance.verdict import CaseVerdict, Finding

_LEAST_S = 0.0001


def pings(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """The delay of each pong, and how long each ping without one had waited; None if nobody was
    pinged."""
    moments = moments_of(recording, verdict)
    answered, open_ = delays(recording, moments.until_s)
    if not answered and not open_:
        return None
    within_ms = checked(recording, "pong_repeats").get("within_ms")
    limit_s = within_ms / 1000 if isinstance(within_ms, int | float) else None
    every = [seconds for _, seconds in (*answered, *open_)]
    plot = Plot(
        over_time(moments),
        logarithmic(
            "ping to pong, log",
            max(_LEAST_S, min(every)),
            max([*every, 2 * limit_s if limit_s else 0]),
            lambda s: f"{s:g} s" if s >= 1 else f"{s * 1000:g} ms",
        ),
    )
    if limit_s:
        plot.limit(limit_s, f"deadline: {span(limit_s)}")
    plot.moments(moments)
    plot.dots(answered)
    plot.dots(open_, "miss")
    title = "From each ping to its pong"
    times = sorted(seconds for _, seconds in answered)
    sentence = (
        f"{len(answered)} of {len(answered) + len(open_)} pings were answered with their payload"
    )
    if times:
        sentence += (
            f", after {span(times[len(times) // 2])} in the middle, {span(times[-1])} at most"
        )
    if open_:
        sentence += "; a cross is a ping that was not, as high as it had waited when the case ended"
        sentence += " or its connection did"
    return Figure("pings", title, sentence + ".", plot.svg(title))


def delays(recording: Recording, until_s: float) -> tuple[list[Point], list[Point]]:
    """When pings were written, and after how long they were answered, or had waited in vain: one
    that the answer to a later one settled is neither, and neither is one that had hardly waited."""
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
