"""What is asked for: which streams are delivered, and how much is sent to ask for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf

from mockex.server.journal import Attempted, Noted, Received, Subscribed
from mockex.server.views import Connections
from mockex.server.words import many
from mockex_conformance.checks.requests import MessageRate, names_in
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.checked import checked
from mockex_conformance.report.figures.deliveries import CHANGES
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import clock, moments_of
from mockex_conformance.report.figures.plot import Plot, Point, linear, over_time
from mockex_conformance.verdict import CaseVerdict, Finding


def delivered_streams(
    recording: Recording, verdict: CaseVerdict, _: Finding | None
) -> Figure | None:
    """How many different streams were delivered, and how many deliveries there were, beside what
    was wanted; None if nothing ever was."""
    moments = moments_of(recording, verdict)
    different: list[Point] = [(0.0, 0)]
    together: list[Point] = [(0.0, 0)]
    view = Connections()
    for entry in recording.entries:
        at = max(0.0, entry.t - recording.began)
        if at > moments.until_s:
            break
        view.apply(entry)
        if isinstance(entry, CHANGES):
            counts: Counter[str] = Counter()
            for connection in view.live():
                counts.update(connection.streams)
            different.append((at, len(counts)))
            together.append((at, counts.total()))
    most = max(n for _, n in together)
    if not most:
        return None
    wanted = _wanted(recording)
    plot = Plot(
        over_time(moments, (at for at, _ in together)),
        linear("streams", max(most, wanted), whole=True),
    )
    plot.limit(wanted * recording.terms.k, f"wanted: {wanted * recording.terms.k}")
    plot.moments(moments)
    plot.steps(together, inf, "two")
    plot.steps(different, inf)
    title = "Streams that are delivered"
    sentence = (
        f"{many(wanted, 'stream')} wanted, on {many(recording.terms.k, 'connection')} each. The "
        f"solid line is how many different ones were delivered ({different[-1][1]:g} at the end), "
        f"the dashed one counts each connection that has one: {most:g} at most, "
        f"{together[-1][1]:g} at the end."
    )
    return Figure("streams", title, sentence, plot.svg(title))


def _wanted(recording: Recording) -> int:
    """As many as the last comparison wanted, or as the case has."""
    wanted: Iterable[str] = recording.terms.streams
    for noted in recording.noted("subscriptions"):
        wanted = noted.detail.get("streams", wanted)
    return len(set(wanted))


def asked_for(recording: Recording, verdict: CaseVerdict, _: Finding | None) -> Figure | None:
    """Names and requests on each connection, in the order of the connections; None if nothing was
    asked for."""
    names: Counter[int] = Counter()
    requests: Counter[int] = Counter()
    for entry in recording.entries:
        match entry:
            case Noted(name="body-over"):
                break
            case Attempted(conn=conn):
                names[conn] += 0
            case Subscribed(conn=conn, via="url", streams=streams):
                names[conn] += len(streams)
            case Received(conn=conn, opcode="text", text=text):
                requests[conn] += 1
                names[conn] += len(names_in(text))
            case _:
                pass
    used = [(conn, n) for conn, n in sorted(names.items()) if n or requests[conn]]
    if not used:
        return None
    wanted = _wanted(recording)
    top = max(wanted, *(n for _, n in used), *(requests[conn] for conn, _ in used))
    plot = Plot(linear("connection", max(names), whole=True), linear("asked for", top, whole=True))
    plot.limit(wanted, f"streams that are wanted: {wanted}")
    plot.dots(((float(conn), float(requests[conn])) for conn, _ in used), "cross")
    plot.dots((float(conn), float(n)) for conn, n in used)
    title = "What each connection asked for"
    (first, few), (last, most) = used[0], used[-1]
    sentence = (
        f"Dots are names of streams, crosses requests. {many(few, 'name')} in "
        f"{many(requests[first], 'request')} on c{first}, {most:,} in {requests[last]:,} on "
        f"c{last}; {many(wanted, 'stream')} wanted."
    )
    return Figure("asked for", title, sentence, plot.svg(title))


def messages(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """Messages of the testee in the second before each of them, on the connection that the finding
    names or the busiest one, and what the exchange allows; None if it never sent any."""
    moments = moments_of(recording, verdict)
    times: dict[int, list[float]] = {}
    for received in recording.of(Received):
        at = received.t - recording.began
        if at <= moments.until_s:
            times.setdefault(received.conn, []).append(at)
    if not times:
        return None
    named = about.evidence.get("connection") if about is not None else None
    conn = named if named in times else max(times, key=lambda c: len(times[c]))
    points: list[Point] = []
    first = 0
    for n, at in enumerate(times[conn]):
        while at - times[conn][first] >= 1.0:
            first += 1
        points.append((at, n - first + 1))
    most_at, most = max(points, key=lambda point: point[1])
    check = checked(recording, MessageRate)
    limit = check.limit if check is not None else 0
    plot = Plot(
        over_time(moments, times[conn]),
        linear("messages in a second", max(most, limit), whole=True),
    )
    if limit:
        plot.limit(limit, f"the exchange allows {limit} a second")
    plot.moments(moments)
    plot.dots(points)
    title = f"Messages of the testee on c{conn}"
    sentence = (
        f"{many(len(points), 'message')}, at most {most:g} within a second, at {clock(most_at)}"
    )
    sentence += f"; the exchange allows {limit}." if limit else "."
    return Figure("messages", title, sentence, plot.svg(title))
