"""Events of one stream on their way: sent by the exchange, presented by the testee."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf

from mockex.server.journal import AnyEntry, Delivered, Said
from mockex.server.views import Deliveries
from mockex.server.words import many
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.deliveries import stream_of
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import Mark, Moments, clock, moments_of
from mockex_conformance.report.figures.plot import Axis, Plot, Point, linear, over_time
from mockex_conformance.verdict import CaseVerdict, Finding

_AROUND = 14  # events before and after the finding

Event = tuple[float, int]  # when, id


def events(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """Which event was presented when, near the finding: in order is a rising line. None if nothing
    was presented."""
    stream = stream_of(recording, about)
    presented = [
        (said.t - recording.began, int(said.params["id"]))
        for said in recording.of(Said)
        if said.method == "event" and said.params.get("stream") == stream
        and isinstance(said.params.get("id"), int)
    ]  # fmt: skip
    if not presented:
        return None
    at_s = about.at_s if about is not None else presented[-1][0]
    here = sum(at < at_s - 0.0005 for at, _ in presented)
    near = presented[max(0, here - _AROUND) : here + _AROUND]
    sent = _sent(recording, str(stream), near)
    order = {n: float(i) for i, n in enumerate(sorted({n for _, n in (*near, *sent)}), 1)}
    first_s, last_s = near[0][0], near[-1][0]
    shift = max(first_s - 0.02 * (last_s - first_s) - 0.001, 0.0)
    window = _moved(moments_of(recording, verdict), shift, last_s)
    x = over_time(window)
    x = Axis(f"seconds since {clock(shift)}", x.low, x.high, x.ticks, stretched=x.stretched)
    plot = Plot(x, linear("event, by its id", len(order), whole=True))
    plot.moments(window)
    plot.dots([(at - shift, order[n]) for at, n in sent], "cross")
    plot.line([(at - shift, order[n]) for at, n in near], "one")
    plot.dots([(at - shift, order[n]) for at, n in near])
    title = f"Events of {stream} near the finding"
    return Figure("events", title, _sentence(near, sent), plot.svg(title))


def _sent(recording: Recording, stream: str, near: Sequence[Event]) -> list[Event]:
    """The last event of each flush while `near` were presented, and shortly before."""
    low, high = near[0][0] - 0.2, near[-1][0]
    found: list[Event] = []
    members = Deliveries()
    for entry in recording.entries:
        members.apply(entry)
        at = entry.t - recording.began
        if isinstance(entry, Delivered) and low <= at <= high and stream in entry.streams:
            found += [(at, entry.streams[stream].last_id)] * bool(members.members(entry.audience))
    return found


def _moved(moments: Moments, since_s: float, until_s: float) -> Moments:
    """The moments between two times, counted from the first."""

    def moved(marks: Sequence[Mark]) -> list[Mark]:
        return [
            Mark(m.at_s - since_s, m.label) for m in marks if since_s <= m.at_s <= until_s + 0.001
        ]

    return Moments(
        moved(moments.faults), moved(moments.landmarks), moved(moments.findings),
        max(until_s - since_s, 0.001),
    )  # fmt: skip


def _sentence(near: Sequence[Event], sent: Sequence[Event]) -> str:
    numbers = [n for _, n in near]
    twice = sum(numbers.count(n) > 1 for n in set(numbers))
    back = sum(b < a for a, b in pairwise(numbers))
    missed = len({n for _, n in sent} - set(numbers))
    wrong = [f"{many(twice, 'event')} came twice"] if twice else []
    wrong += [f"{many(back, 'time')} an older one came after a newer"] if back else []
    wrong += [f"{missed:,} were sent and do not stand here"] if missed else []
    return (
        f"Dots are the {len(near)} events that were presented from {clock(near[0][0])} to "
        f"{clock(near[-1][0])}, joined in their order; crosses are what was sent. "
        + ("; ".join(wrong) if wrong else "Each came once, in order")
        + "."
    )


def presented(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """How many events had been sent, to whichever connection, and not been presented yet, over
    time; None if none was."""
    stream = stream_of(recording, about)
    moments = moments_of(recording, verdict)
    behind: list[Point] = [(0.0, 0)]
    newest, sent, shown = -1, 0, 0
    for entry in recording.entries:
        at = max(0.0, entry.t - recording.began)
        if at > moments.until_s:
            break
        if isinstance(entry, Delivered) and stream in entry.streams:
            batch = entry.streams[stream]
            if batch.last_id > newest:  # another connection may have had it already
                newest = batch.last_id
                sent += batch.events
        elif _presents(entry, stream):
            shown += 1
        else:
            continue
        behind.append((at, max(sent - shown, 0)))
    if not sent and not shown:
        return None
    most = max(n for _, n in behind)
    plot = Plot(over_time(moments), linear("sent and not presented", most, whole=True))
    plot.moments(moments)
    plot.steps(behind, inf)
    title = f"Events of {stream} that were sent and not presented"
    sentence = (
        f"{many(sent, 'event')} sent, {shown:,} presented by {clock(moments.until_s)}; at most "
        f"{most:g} were sent and not presented yet, {behind[-1][1]:g} in the end."
    )
    return Figure("presented", title, sentence, plot.svg(title))


def _presents(entry: AnyEntry, stream: str | None) -> bool:
    return (
        isinstance(entry, Said) and entry.method == "event" and entry.params.get("stream") == stream
    )
