"""What the live view shows: made of the journal's entries and the time, and of nothing else.

`Watch.apply` takes each entry in order and returns the lines that it is worth; `Watch.picture` is
the state at a moment. That a stream is delivered twice to one program is seen between two entries,
so it is told even if it is over before anybody looks. Nothing is done for an event: a flush to an
audience is one entry, whatever it holds and however many get it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from mockex.server.doubled import Doubled, Program
from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Behind,
    Delivered,
    Ended,
    Joined,
    Lagged,
    Left,
    Opened,
    Refused,
    Requested,
    Slowed,
)
from mockex.server.views import Connection, Connections, Fault, Faults
from mockex.server.words import Teller, cut, worth_a_line

WINDOW_S = 2.0  # that rates are of
BEHIND_S = 1.0  # without a break, before it counts as behind, and how long ago it may have said so
BREAK_S = 0.1  # what is over sooner is none: the exchange says no more often that it is late


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what happened, `at_s` after the opening; `urgent`: it must not be missed."""

    at_s: float
    text: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection that is open. Rates are of the last two seconds."""

    number: int
    peer_port: int
    program: Program | None
    path: str
    streams: int
    age_s: float
    events_per_s: float
    bytes_per_s: float
    state: str  # empty: it is live


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream, on how many live connections it is delivered, and how often one program had it
    more than once: `twice` are the connections that do now."""

    name: str
    live: int
    twice: tuple[int, ...]
    times: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FaultRow:
    """An injected fault; `lasts`: it does something still, `over`: it has ended."""

    number: int
    kind: str
    times_seen: int
    lasts: bool
    over: bool
    conns: tuple[int, ...]
    failure: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The state at a moment. Of each list only the most important are there, these first, `…_all`
    counts all; `twice` is how many streams go more than once to one program, `times` how often one
    came to."""

    up_s: float
    live: int
    pending: int
    over: int
    refused: int
    events_per_s: float
    bytes_per_s: float
    requests: int
    requests_refused: int
    behind_s: float
    twice: int
    times: int
    connections: list[ConnectionRow]
    connections_all: int
    streams: list[StreamRow]
    streams_all: int
    faults: list[FaultRow]
    faults_all: int


@dataclass(slots=True)
class _Rate:
    """How fast two totals grow."""

    samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def of(self, now: float, events: int, size: int) -> tuple[float, float]:
        """A second's worth of each, now that the totals are these."""
        samples = self.samples
        if not samples or samples[-1][0] < now:
            samples.append((now, events, size))
        while len(samples) > 2 and samples[1][0] <= now - WINDOW_S:
            samples.popleft()
        began, events_then, size_then = samples[0]
        passed = now - began
        if passed <= 0:
            return 0.0, 0.0
        return (events - events_then) / passed, (size - size_then) / passed


@dataclass(slots=True)
class _Behind:
    """Whether the market cannot keep up: steps have been late for a while, one after the other. A
    standstill, of a machine that is busy or an exchange that starts, is made up for in a moment."""

    since: float = 0.0
    until: float = 0.0  # when it was said last
    exchange_s: float = 0.0

    def apply(self, entry: Behind) -> None:
        """A step has run late."""
        said_at = entry.t + entry.late_s
        if entry.t > self.until + BREAK_S:  # the step was not due yet when the last one had run
            self.since = said_at
        self.until, self.exchange_s = said_at, entry.exchange_s

    def by_s(self, now: float) -> float:
        """By how many exchange seconds; 0 if it keeps up."""
        lasts = self.until - self.since >= BEHIND_S and now - self.until < BEHIND_S
        return self.exchange_s if lasts else 0.0


class _Sent:
    """Events and bytes written to each connection: one sum for an audience, whoever is in it."""

    def __init__(self) -> None:
        self._audiences: dict[int, list[int]] = {}  # events, bytes, members
        self._joined: dict[int, tuple[int, int, int]] = {}  # audience, and its sums then
        self._before: dict[int, tuple[int, int]] = {}  # in audiences that it has left
        self.events = 0
        self.bytes = 0

    def join(self, conn: int, audience: int) -> None:
        sums = self._audiences.setdefault(audience, [0, 0, 0])
        sums[2] += 1
        self._joined[conn] = (audience, sums[0], sums[1])

    def leave(self, conn: int) -> None:
        audience = self._joined[conn][0]
        self._before[conn] = self.of(conn)
        del self._joined[conn]
        self._audiences[audience][2] -= 1
        if not self._audiences[audience][2]:
            del self._audiences[audience]

    def deliver(self, entry: Delivered) -> None:
        sums = self._audiences.get(entry.audience)
        if sums is None:
            return
        events = size = 0
        for batch in entry.streams.values():
            events += batch.events
            size += batch.bytes
        sums[0] += events
        sums[1] += size
        self.events += events * sums[2]
        self.bytes += size * sums[2]

    def of(self, conn: int) -> tuple[int, int]:
        events, size = self._before.get(conn, (0, 0))
        if conn in self._joined:
            audience, events_then, size_then = self._joined[conn]
            sums = self._audiences[audience]
            return events + sums[0] - events_then, size + sums[1] - size_then
        return events, size

    def forget(self, conn: int) -> None:
        self._before.pop(conn, None)


class Watch:
    """The exchange as somebody who watches sees it. `program_of` tells which program has a port of
    this machine, None if that is not known; it is asked when the connection comes, for a port may
    be another's later."""

    def __init__(self, program_of: Callable[[int], Program | None]) -> None:
        self._program_of = program_of
        self._teller = Teller()
        self._opened_at = 0.0
        self._connections = Connections()
        self._open: dict[int, Connection] = {}
        self._owners: dict[int, Program | None] = {}
        self._faults = Faults()
        self._sent = _Sent()
        self._rate = _Rate()
        self._rates: dict[int, _Rate] = {}
        self._doubled = Doubled()
        self._slow: set[int] = set()
        self._refused = 0
        self._requests = 0
        self._requests_refused = 0
        self._behind = _Behind()

    def apply(self, entry: AnyEntry) -> list[Line]:
        """Take in one entry; the lines that it is worth."""
        if isinstance(entry, Delivered):  # nearly all of them
            self._sent.deliver(entry)
            return []
        self._take(entry)
        at_s = entry.t - self._opened_at
        words = self._teller.told(entry)
        unnoticed = isinstance(entry, Lagged) and not self._open  # as when the exchange starts
        lines = [Line(at_s, str(words))] if worth_a_line(entry) and not unnoticed else []
        lines += [
            Line(at_s, text, urgent=True)
            for text in self._doubled.apply(entry, self._connections, self._owners)
        ]
        if isinstance(entry, Ended):
            self._forget(entry.conn)
        return lines

    def _take(self, entry: AnyEntry) -> None:
        self._connections.apply(entry)
        self._faults.apply(entry)
        match entry:
            case Opened(t=t):
                self._opened_at = t
            case Attempted(conn=conn):
                self._open[conn] = self._connections.all[conn]
                self._owners[conn] = self._program_of(entry.peer_port)
            case Refused():
                self._refused += 1
            case Joined(conn=conn, audience=audience):
                self._sent.join(conn, audience)
            case Left(conn=conn):
                self._sent.leave(conn)
            case Slowed(conn=conn, full=full):
                (self._slow.add if full else self._slow.discard)(conn)
            case Requested(status=status):
                self._requests += 1
                self._requests_refused += status >= 400
            case Behind():
                self._behind.apply(entry)
            case _:
                pass

    def _forget(self, conn: int) -> None:
        self._open.pop(conn, None)
        self._owners.pop(conn, None)
        self._rates.pop(conn, None)
        self._slow.discard(conn)
        self._sent.forget(conn)

    # --- the picture ---------------------------------------------------------------------------

    def picture(self, now: float, *, lasting: Collection[int] = (), most: int = 20) -> Picture:
        """The state at `now`, with at most so many rows of each kind. `lasting` are the faults that
        do something still, which the journal alone does not say."""
        live, pending = self._connections.live(), self._connections.pending()
        refused_open = sum(connection.refused for connection in self._open.values())
        events_per_s, bytes_per_s = self._rate.of(now, self._sent.events, self._sent.bytes)
        faults, streams = list(self._faults.all.values()), self._doubled.streams
        return Picture(
            up_s=now - self._opened_at,
            live=len(live),
            pending=len(pending),
            over=len(self._connections.all) - len(self._open) + refused_open - self._refused,
            refused=self._refused,
            events_per_s=events_per_s,
            bytes_per_s=bytes_per_s,
            requests=self._requests,
            requests_refused=self._requests_refused,
            behind_s=self._behind.by_s(now),
            twice=sum(stream.doubled > 0 for stream in streams.values()),
            times=sum(stream.times for stream in streams.values()),
            connections=self._connection_rows(now, most),
            connections_all=len(self._open) - refused_open,
            streams=self._stream_rows(now, most),
            streams_all=len(streams),
            faults=[
                _fault_row(fault, lasting)
                for fault in heapq.nlargest(
                    most, faults, key=lambda f: (f.number in lasting, f.number)
                )
            ],
            faults_all=len(faults),
        )

    def _connection_rows(self, now: float, most: int) -> list[ConnectionRow]:
        """Those of a stream that is delivered twice come before others, then the oldest."""
        twice = {n for each in self._doubled.streams.values() for n in each.conns()}
        shown = heapq.nsmallest(
            most,
            (c for c in self._open.values() if not c.refused),
            key=lambda c: (c.number not in twice, c.number),
        )
        rows = []
        for connection in shown:
            number = connection.number
            rate = self._rates.setdefault(number, _Rate())
            events_per_s, bytes_per_s = rate.of(now, *self._sent.of(number))
            rows.append(
                ConnectionRow(
                    number=number,
                    peer_port=connection.peer_port,
                    program=self._owners[number],
                    path=cut(connection.target),
                    streams=len(connection.streams),
                    age_s=now - connection.attempted_at,
                    events_per_s=events_per_s,
                    bytes_per_s=bytes_per_s,
                    state=self._state(connection),
                )
            )
        return rows

    def _state(self, connection: Connection) -> str:
        if connection.pending:
            return "pending"
        if not connection.live:
            return "closing"
        return "slow" if connection.number in self._slow else ""

    def _stream_rows(self, now: float, most: int) -> list[StreamRow]:
        """Those that are doubled first, then those that were, then by name."""
        first = heapq.nsmallest(
            most,
            self._doubled.streams.items(),
            key=lambda item: (not item[1].doubled, not item[1].times, item[0]),
        )
        return [
            StreamRow(cut(name), each.live, tuple(each.conns()), each.times, each.seconds(now))
            for name, each in first
        ]


def _fault_row(fault: Fault, lasting: Collection[int]) -> FaultRow:
    return FaultRow(
        number=fault.number,
        kind=fault.kind,
        times_seen=fault.times_seen,
        lasts=fault.number in lasting,
        over=fault.ended_at is not None,
        conns=tuple(fault.conns),
        failure=fault.failure,
    )
