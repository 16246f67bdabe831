"""Live deliveries of a stream over time: the incident's own question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from mockex.server.journal import (
    AnyEntry,
    Closed,
    Ended,
    Faulted,
    HalfClosed,
    Noted,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Connections
from mockex_conformance.checks import DeliveriesAtMost
from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.checked import checked
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.report.figures.moments import Mark, Moments, clock, counted, moments_of
from mockex_conformance.report.figures.plot import Plot, linear, over_time
from mockex_conformance.verdict import CaseVerdict, Finding

# What changes which streams stand on live connections.
CHANGES = (Upgraded, Subscribed, Unsubscribed, Closed, HalfClosed, Ended)


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function: from `at_s` on there are `count` live deliveries. `marks` are the moments
    of faults that were seen, with their kind. Seconds count from the first entry."""

    title: str
    points: tuple[tuple[float, int], ...]
    marks: tuple[tuple[float, str], ...]
    until_s: float

    @property
    def most(self) -> int:
        """The largest count."""
        return max((count for _, count in self.points), default=0)

    @property
    def last(self) -> int:
        """The count at the end."""
        return self.points[-1][1] if self.points else 0


def deliveries_over_time(
    entries: Iterable[AnyEntry], stream: str, title: str, *, pending: bool = False
) -> Steps:
    """Live deliveries of `stream` as the journal shows them, up to the landmark `body-over`: what
    follows is the suite ending the testee. With `pending`, attempts without an answer count too."""
    view = Connections()
    began: float | None = None
    end = 0.0
    points: list[tuple[float, int]] = [(0.0, 0)]
    marks: list[tuple[float, str]] = []
    for entry in entries:
        if began is None:
            began = entry.t
        if isinstance(entry, Noted) and entry.name == "body-over":
            end = max(entry.t - began, end)
            break
        at = max(entry.t - began, end)  # a late beat is journaled under the time it was due
        end = at
        view.apply(entry)
        count = len(view.delivering(stream)) + (len(view.pending()) if pending else 0)
        if count != points[-1][1]:
            if points[-1][0] == at:
                points.pop()
            points.append((at, count))
        if isinstance(entry, Faulted) and entry.phase == "seen":
            marks.append((at, entry.kind))
    return Steps(title, tuple(points), tuple(marks), end)


def svg(steps: Steps, *, most: int | None = None, until_s: float | None = None) -> str:
    """The chart as an SVG element. Charts that are compared get the same `most` and `until_s`."""
    until = max(until_s or 0.0, steps.until_s, 0.1)
    moments = Moments([Mark(at, kind) for at, kind in steps.marks], (), (), until)
    plot = Plot(
        over_time(moments), linear("live deliveries", max(most or 0, steps.most), whole=True)
    )
    plot.moments(moments)
    plot.steps(steps.points, steps.until_s)
    return plot.svg(describe(steps))


def describe(steps: Steps) -> str:
    """The chart in a sentence, for those who do not see it."""
    kinds = ", ".join(dict.fromkeys(kind for _, kind in steps.marks)) or "fault"
    return (
        f"{steps.title}: live deliveries over {steps.until_s:.0f} s, at most {steps.most}, "
        f"{steps.last} at the end; {len(steps.marks)} × {kinds}"
    )


def deliveries(recording: Recording, verdict: CaseVerdict, about: Finding | None) -> Figure | None:
    """Live deliveries of the stream that the finding names, or of the first; None if the case has
    no stream."""
    stream = stream_of(recording, about)
    if stream is None:
        return None
    k = recording.terms.k
    pending = checked(recording, DeliveriesAtMost, pending=True) is not None
    steps = deliveries_over_time(recording.entries, stream, stream, pending=pending)
    moments = moments_of(recording, verdict)
    plot = Plot(
        over_time(moments, (at for at, _ in steps.points)),
        linear(
            "live or pending" if pending else "live deliveries", max(steps.most, k + 1), whole=True
        ),
    )
    plot.limit(k, f"right: {k}")
    plot.moments(moments)
    plot.steps(steps.points, inf)
    what = "Live deliveries" + (" and pending attempts" if pending else "")
    title = f"{what} of {stream}"
    return Figure("deliveries", title, _sentence(steps, moments, k), plot.svg(title))


def stream_of(recording: Recording, about: Finding | None) -> str | None:
    """The stream that a finding is about; by default the first of the case."""
    known = recording.terms.streams
    if about is not None:
        one = about.evidence.get("stream")
        if isinstance(one, str):
            return one
        for names in about.evidence.values():
            if isinstance(names, list) and names and isinstance(names[0], str):
                named = names[0].partition(" ")[0]
                if "@" in named:
                    return named
    return known[0] if known else None


def _sentence(steps: Steps, moments: Moments, k: int) -> str:
    told = f"{k} {'is' if k == 1 else 'are'} right; at most {steps.most} at once"
    first = next((at for at, count in steps.points if count == steps.most), 0.0)
    told += f", first at {clock(first)}" if steps.most > k else ""
    told += f", and {steps.last} at the end ({clock(moments.until_s)})"
    return told + (f", after {_kinds(moments.faults)}." if moments.faults else ".")


def _kinds(faults: Sequence[Mark]) -> str:
    return counted(mark.label for mark in faults)
