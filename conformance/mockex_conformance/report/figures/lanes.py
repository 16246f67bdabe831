"""Lanes of a case: what became of each connection, each process of the testee, and REST."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Literal

from mockex.server.journal import (
    Answered,
    Asked,
    Attempted,
    Closed,
    Delivered,
    Ended,
    Exited,
    HalfClosed,
    Launched,
    Refused,
    Requested,
    Said,
    Signalled,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Connection, Connections, Deliveries
from mockex.server.words import many
from mockex_conformance.recording import Recording

_MUTE_S = 1.5  # so long without an event a connection counts as one that is sent nothing
_SAID = ("state", "stale", "gap", "resync", "refused", "error", "gave_up")
ASKED = ("start", "subscribe", "unsubscribe", "close")
_BY = {"server": "exchange", "client": "testee"}

Span = tuple[float, float]


@dataclass(slots=True, kw_only=True)
class Lane:
    """A row: times count from the beginning of the recording, and a span that is open has no end.

    `dial`: from the attempt to the answer; `open`: upgraded and without streams; `live`: with
    streams, and `mute` those parts of it in which no event was written; `busy`: a process. `ended`
    is when and by whom. `outcome` is how it stood at the end, in a few words; `ticks` are other
    moments, with a word where there is one.
    """

    label: str
    began: float
    number: int = 0  # of the connection
    dial: list[Span] = field(default_factory=list)
    open: list[Span] = field(default_factory=list)
    live: list[Span] = field(default_factory=list)
    mute: list[Span] = field(default_factory=list)
    busy: list[Span] = field(default_factory=list)
    ended: float | None = None
    by_exchange: bool = False
    outcome: str = ""
    ticks: list[tuple[float, str]] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)  # requests that were refused
    like: int = 1  # how many it stands for

    @property
    def worded(self) -> bool:
        """Whether words stand at its ticks."""
        return any(word for _, word in self.ticks)


@dataclass(slots=True)
class _Making:
    """A lane of a connection that is being made."""

    lane: Lane
    phase: Literal["dial", "open", "live", "over"]
    since: float

    def turn(self, phase: Literal["open", "live", "over"], at: float) -> None:
        """The present span ends and another begins."""
        self.close(at)
        self.phase, self.since = phase, at

    def close(self, at: float) -> None:
        """The present span ends."""
        spans = {"dial": self.lane.dial, "open": self.lane.open, "live": self.lane.live}
        if self.phase in spans:
            spans[self.phase].append((self.since, at))


def connection_lanes(
    recording: Recording, until_s: float, *, endpoints: bool = False
) -> list[Lane]:
    """A lane for each connection, in the order in which they were attempted. What happens after
    `until_s` is not looked at. With `endpoints` each says where it went."""
    made: dict[int, _Making] = {}
    view, deliveries = Connections(), Deliveries()
    written: dict[int, list[float]] = {}
    for entry in recording.entries:
        at = max(0.0, entry.t - recording.began)
        if at > until_s:
            break
        view.apply(entry)
        deliveries.apply(entry)
        match entry:
            case Attempted(conn=conn):
                lane = Lane(label=f"c{conn}", began=at, number=conn, outcome="no answer")
                made[conn] = _Making(lane, "dial", at)
            case Upgraded(conn=conn):
                made[conn].turn("open", at)
                made[conn].lane.outcome = _streams(0)
            case Refused(conn=conn, status=status):
                _over(made[conn], at, f"refused {status}", by_exchange=True)
            case Subscribed(conn=conn) | Unsubscribed(conn=conn) if made[conn].phase != "over":
                count = len(view.all[conn].streams)
                made[conn].turn("live" if count else "open", at)
                made[conn].lane.outcome = _streams(count)
                made[conn].lane.ticks.append((at, ""))
            case Delivered(audience=audience):
                for conn in deliveries.members(audience):
                    written.setdefault(conn, []).append(at)
            case Closed(conn=conn) | HalfClosed(conn=conn) | Ended(conn=conn):
                if made[conn].phase != "over":
                    how = f"{_how(entry)}, {_BY[entry.by]}"
                    _over(made[conn], at, how, by_exchange=entry.by == "server")
            case _:
                pass
    for conn, making in made.items():
        making.close(inf)
        making.lane.mute = mute_parts(making.lane.live, written.get(conn, ()), until_s)
        making.lane.ticks += _endpoint(view.all[conn], recording.began) if endpoints else []
    return [making.lane for making in made.values()]


def _endpoint(connection: Connection, began: float) -> list[tuple[float, str]]:
    """Where it went, at the moment of its upgrade."""
    if connection.upgraded_at is None:
        return []
    return [(connection.upgraded_at - began, f"{connection.route or '/'} {connection.mode}")]


def _over(making: _Making, at: float, outcome: str, *, by_exchange: bool) -> None:
    making.turn("over", at)
    making.lane.ended, making.lane.by_exchange, making.lane.outcome = at, by_exchange, outcome


def _how(entry: Closed | HalfClosed | Ended) -> str:
    match entry:
        case Closed(code=code):
            return "close" if code is None else str(code)
        case Ended(how=how):
            return how.upper()
        case _:
            return "FIN"


def _streams(n: int) -> str:
    return many(n, "stream") if n else "no stream"


def mute_parts(live: Sequence[Span], written: Sequence[float], until_s: float) -> list[Span]:
    """The parts of `live` in which nothing was written for longer than a moment."""
    mute: list[Span] = []
    for begin, end in live:
        moments = [begin, *(t for t in written if begin <= t <= end), end]
        mute += [(a, b) for a, b in pairwise(moments) if min(b, until_s) - a > _MUTE_S]
    return mute


def testee_lanes(recording: Recording, until_s: float) -> list[Lane]:
    """A lane for each start of the testee: what it said and was asked, signals, its end."""
    began = recording.began
    lanes: dict[int, Lane] = {}
    asked: set[tuple[int, int]] = set()
    for entry in recording.entries:
        at = max(0.0, entry.t - began)
        if at > until_s:
            break
        match entry:
            case Launched(run=run):
                lanes[run] = Lane(label="testee", began=at, outcome="runs")
            case Said(run=run, method=method, params=params) if run in lanes and method in _SAID:
                told = str(params.get("state", method)) if method == "state" else method
                lanes[run].ticks.append((at, told))
            case Asked(run=run, id=number, method=method) if method in ASKED and run in lanes:
                asked.add((run, number))
                lanes[run].ticks.append((at, method))
            case Answered(run=run, id=number) if (run, number) in asked:
                lanes[run].ticks.append((at, "refused" if entry.error is not None else ""))
            case Signalled(run=run, signal=signal) if run in lanes:
                lanes[run].ticks.append((at, signal))
            case Exited(run=run, code=code) if run in lanes:
                lanes[run].ended = at
                lanes[run].outcome = f"exit {code}" if code >= 0 else f"signal {-code}"
            case _:
                pass
    if len(lanes) > 1:
        for run, lane in lanes.items():
            lane.label = f"t{run}"
    for lane in lanes.values():
        lane.busy = [(lane.began, inf if lane.ended is None else lane.ended)]
    return list(lanes.values())


def rest_lane(recording: Recording, until_s: float) -> Lane | None:
    """One lane of all REST requests; None if there was none."""
    lane: Lane | None = None
    for requests, request in enumerate(recording.of(Requested), 1):
        at = max(0.0, request.t - recording.began)
        if at > until_s:
            break
        lane = lane or Lane(label="REST", began=at)
        if request.status < 400:
            lane.ticks.append((at, ""))
        else:
            lane.failed.append(at)
        lane.outcome = many(requests, "request")
        if lane.failed:
            lane.outcome = f"{len(lane.failed)} of {requests} bad"
    return lane


def folded(lanes: Sequence[Lane], most: int, keep: Iterable[int] = ()) -> list[Lane]:
    """At most `most` lanes, or little more: of those that ended alike the first two stand for all,
    and one lane has the others, laid over each other. Connections in `keep` are alike to nobody."""
    if len(lanes) <= most:
        return list(lanes)
    kept = set(list(dict.fromkeys(keep))[: most // 2])
    rows = [lane for lane in lanes if lane.number in kept]
    alike: dict[str, list[Lane]] = {}
    for lane in lanes:
        if lane.number not in kept or not lane.number:
            alike.setdefault(_kind(lane), []).append(lane)
    rest: list[Lane] = []
    for group in alike.values():
        shown = group if len(group) <= 3 else [*group[:2], over_each_other(group[2:])]
        if len(rows) + len(shown) <= most:
            rows += shown
        else:
            rest += group
    rows.sort(key=lambda lane: lane.began)
    return [*rows, over_each_other(rest, "others")] if rest else rows


def _kind(lane: Lane) -> str:
    """What lanes have in common that are told by one of them."""
    return f"{lane.outcome} {bool(lane.live)} {bool(lane.open)}"


def over_each_other(lanes: Sequence[Lane], what: str = "") -> Lane:
    """One lane that has the spans of all, and the outcome of all unless it is said."""
    one = Lane(label=f"+{len(lanes)}", began=lanes[0].began, like=len(lanes))
    one.outcome = what or lanes[0].outcome
    for lane in lanes:
        one.dial += lane.dial
        one.open += lane.open
        one.live += lane.live
        one.busy += lane.busy
        if lane.ended is not None:
            one.ticks.append((lane.ended, ""))
    return one
