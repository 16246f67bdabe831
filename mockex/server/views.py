"""Views of the journal: questions of tests and checks, each answered by folding entries.

A view is fed with `apply` in the journal's order, live (`journal.listen(view.apply)`) or from a
recording, and gives the same answer in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Delivered,
    Ended,
    Faulted,
    HalfClosed,
    Joined,
    Left,
    Pinged,
    Ponged,
    Refused,
    Subscribed,
    Unsubscribed,
    Upgraded,
)


@dataclass(slots=True)
class Connection:
    """What the journal says of one connection. `live` is None before the upgrade."""

    number: int
    attempted_at: float
    upgraded_at: float | None = None
    ended_at: float | None = None
    closing_at: float | None = None  # first close frame, FIN or RST
    ended_by: Literal["client", "server"] | None = None
    target: str = ""
    route: str = ""
    mode: str = ""
    peer_port: int = 0
    port: int = 0  # of ours, where there are several; 0: the first
    refused: bool = False
    streams: dict[str, bool] = field(default_factory=dict)  # name to "is served"

    @property
    def live(self) -> bool:
        """Upgraded, no close frame sent or received, no FIN or RST."""
        return self.upgraded_at is not None and self.closing_at is None

    @property
    def pending(self) -> bool:
        """Accepted and neither upgraded, refused nor ended."""
        return self.upgraded_at is None and self.closing_at is None and not self.refused


def _number(connection: Connection) -> int:
    return connection.number


class Connections:
    """All connections, and which of them deliver a stream: *live deliveries*.

    Those that are over are many in the end, and are not looked at again.
    """

    def __init__(self) -> None:
        self.all: dict[int, Connection] = {}
        self._open: dict[int, Connection] = {}  # neither refused nor ending
        self._serving: dict[str, dict[int, Connection]] = {}  # of those, by stream

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        match entry:
            case Attempted(t=t, conn=conn):
                self.all[conn] = self._open[conn] = Connection(
                    conn, t, peer_port=entry.peer_port, port=entry.port
                )
            case Upgraded(t=t, conn=conn):
                connection = self.all[conn]
                connection.upgraded_at = t
                connection.target, connection.route = entry.target, entry.route
                connection.mode = entry.mode
            case Refused(conn=conn):
                self.all[conn].refused = True
                self._open.pop(conn, None)
            case Subscribed(conn=conn, streams=streams, silent=silent):
                connection = self.all[conn]
                for name in streams:
                    connection.streams[name] = name not in silent
                    if connection.closing_at is None:
                        self._serving.setdefault(name, {})[conn] = connection
            case Unsubscribed(conn=conn, streams=streams):
                for name in streams:
                    self.all[conn].streams.pop(name, None)
                    self._serving.get(name, {}).pop(conn, None)
            case Closed(t=t, conn=conn) | HalfClosed(t=t, conn=conn):
                self._ending(conn, t, entry.by)
            case Ended(t=t, conn=conn):
                self._ending(conn, t, entry.by)
                self.all[conn].ended_at = t
            case _:
                pass

    def _ending(self, conn: int, t: float, by: Literal["client", "server"]) -> None:
        connection = self.all[conn]
        if connection.closing_at is None:
            connection.closing_at = t
            connection.ended_by = by
            self._open.pop(conn, None)
            for name in connection.streams:
                self._serving.get(name, {}).pop(conn, None)

    def delivering(self, stream: str | None = None) -> list[Connection]:
        """Live connections on which `stream` (None: any stream) is served, oldest first."""
        if stream is None:
            return [c for c in self._open.values() if c.live and any(c.streams.values())]
        serving = [
            c for c in self._serving.get(stream, {}).values() if c.live and c.streams[stream]
        ]
        return sorted(serving, key=_number) if len(serving) > 1 else serving

    def live(self) -> list[Connection]:
        """Live connections, idle ones included."""
        return [c for c in self._open.values() if c.live]

    def pending(self) -> list[Connection]:
        """Attempts that are neither upgraded nor refused nor over."""
        return [c for c in self._open.values() if c.pending]


@dataclass(slots=True)
class Tally:
    """Events and bytes of one stream on one connection."""

    events: int = 0
    bytes: int = 0
    last_at: float | None = None
    last_id: int | None = None


class Deliveries:
    """What was written: per connection and stream, folded from flushes and audiences."""

    def __init__(self) -> None:
        self._members: dict[int, set[int]] = {}
        self.tallies: dict[tuple[int, str], Tally] = {}

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        match entry:
            case Joined(conn=conn, audience=audience):
                self._members.setdefault(audience, set()).add(conn)
            case Left(conn=conn, audience=audience):
                self._members[audience].discard(conn)
            case Delivered(t=t, audience=audience, streams=streams):
                for conn in self._members.get(audience, ()):
                    for name, batch in streams.items():
                        tally = self.tallies.setdefault((conn, name), Tally())
                        tally.events += batch.events
                        tally.bytes += batch.bytes
                        tally.last_at, tally.last_id = t, batch.last_id
            case _:
                pass

    def members(self, audience: int) -> frozenset[int]:
        """Connections that are in the audience now."""
        return frozenset(self._members.get(audience, ()))

    def events(self, conn: int, stream: str) -> int:
        """Events of `stream` written to `conn` so far."""
        tally = self.tallies.get((conn, stream))
        return tally.events if tally else 0

    def last_at(self, conn: int, stream: str) -> float | None:
        """When the last event of `stream` was written to `conn`."""
        tally = self.tallies.get((conn, stream))
        return tally.last_at if tally else None


@dataclass(slots=True)
class Heartbeat:
    """The pongs of one connection: `copied` have the payload of a ping that was still open,
    `empty` none, `foreign` another."""

    pings: int = 0
    copied: int = 0
    empty: int = 0
    foreign: int = 0
    open: list[str] = field(default_factory=list)  # payloads of pings without an answer


class Heartbeats:
    """Who answers pings, and how."""

    def __init__(self) -> None:
        self.of: dict[int, Heartbeat] = {}

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        match entry:
            case Pinged(conn=conn, payload=payload):
                beat = self.of.setdefault(conn, Heartbeat())
                beat.pings += 1
                beat.open.append(payload)
            case Ponged(conn=conn, payload=payload):
                beat = self.of.setdefault(conn, Heartbeat())
                if payload in beat.open:
                    beat.copied += 1
                    # It settles those before it as well (spot 3.1.4).
                    del beat.open[: beat.open.index(payload) + 1]
                elif payload:
                    beat.foreign += 1
                else:
                    beat.empty += 1
            case _:
                pass


@dataclass(slots=True)
class Fault:
    """What the journal says of one injected fault. Times are of the loop's clock; `detail` is of
    what was seen last, `failure` why it could not be done."""

    number: int
    kind: str
    injected_at: float
    times_seen: int = 0
    seen_at: float | None = None  # the last time
    ended_at: float | None = None
    conns: list[int] = field(default_factory=list)  # that it hit
    detail: str = ""
    failure: str = ""

    @property
    def phase(self) -> Literal["injected", "seen", "ended"]:
        """The last step in its life."""
        if self.ended_at is not None:
            return "ended"
        return "seen" if self.times_seen else "injected"


class Faults:
    """All injected faults, and each step in their lives."""

    def __init__(self) -> None:
        self.all: dict[int, Fault] = {}
        self.steps: list[Faulted] = []

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        if not isinstance(entry, Faulted):
            return
        self.steps.append(entry)
        if entry.phase == "injected":
            self.all[entry.fault] = Fault(entry.fault, entry.kind, entry.t)
            return
        fault = self.all[entry.fault]
        fault.conns += [conn for conn in entry.conns if conn not in fault.conns]
        if entry.phase == "seen":
            fault.times_seen += 1
            fault.seen_at, fault.detail = entry.t, entry.detail
        else:
            fault.ended_at, fault.failure = entry.t, entry.detail
