"""Which streams go more than once to one program, since when, and how often they did.

A change of one connection costs the same however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mockex.server.journal import (
    AnyEntry,
    Closed,
    Ended,
    HalfClosed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Connections
from mockex.server.words import cut, numbered

_EACH = 6  # deliveries up to which each one more is said


@dataclass(frozen=True, slots=True)
class Program:
    """A program of this machine that holds the other end of connections."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


@dataclass(slots=True)
class Stream:
    """One stream: its live deliveries, by the program that they go to, and its past. Whose program
    is not known (None) may be of the same as any other."""

    of: dict[Program | None, dict[int, None]] = field(default_factory=dict)
    live: int = 0
    doubled: int = 0  # deliveries to a program that has more than one
    told: int = 0
    since: float = 0.0
    times: int = 0
    before_s: float = 0.0  # how long it was, before now

    def conns(self) -> list[int]:
        """The connections that are doubled."""
        if not self.doubled:
            return []
        return sorted(n for conns in self._groups() for n in conns)

    def program(self) -> Program | None:
        """Whose they are, if it is known and they are all of one."""
        groups = self._groups()
        owners = [owner for owner, conns in self.of.items() if any(conns is g for g in groups)]
        return owners[0] if len(owners) == 1 else None

    def seconds(self, now: float) -> float:
        """How long it was doubled in all."""
        return self.before_s + (now - self.since if self.doubled else 0.0)

    def set(self, conn: int, program: Program | None, *, delivers: bool) -> None:
        """A connection delivers it, or does no longer."""
        conns = self.of.get(program, {})
        if delivers == (conn in conns):
            return
        if delivers:
            self.of.setdefault(program, conns)[conn] = None
        else:
            del conns[conn]
            if not conns:
                del self.of[program]
        self.live += 1 if delivers else -1
        self.doubled = sum(map(len, self._groups()))

    def _groups(self) -> list[dict[int, None]]:
        if None in self.of:
            return list(self.of.values()) if self.live > 1 else []
        return [conns for conns in self.of.values() if len(conns) > 1]


class Doubled:
    """All streams."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}

    def apply(
        self, entry: AnyEntry, connections: Connections, owners: Mapping[int, Program | None]
    ) -> list[str]:
        """Take in one entry, after `connections` did; what is to be said of it. `owners` are the
        programs of connections, as far as they are known."""
        match entry:
            case Subscribed(conn=conn, streams=streams) | Unsubscribed(conn=conn, streams=streams):
                names = streams
            case Upgraded(conn=conn) | Closed(conn=conn) | HalfClosed(conn=conn) | Ended(conn=conn):
                names = list(connections.all[conn].streams)
            case _:
                return []
        connection, owner = connections.all[conn], owners.get(conn)
        said = []
        for name in names:
            delivers = connection.live and connection.streams.get(name, False)
            if text := self._set(name, conn, owner, entry.t, delivers=delivers):
                said.append(text)
        return said

    def _set(
        self, name: str, conn: int, program: Program | None, t: float, *, delivers: bool
    ) -> str:
        """A connection delivers a stream, or does no longer; what is to be said of it, if
        anything. Of many it is not said at each one more."""
        stream = self.streams.get(name)
        if stream is None:
            if not delivers:
                return ""
            stream = self.streams[name] = Stream()
        was = stream.doubled
        stream.set(conn, program, delivers=delivers)
        now = stream.doubled
        if now and not was:
            stream.since, stream.times, stream.told = t, stream.times + 1, 0
        if now > was and (now <= _EACH or now >= 2 * stream.told):
            stream.told = now
            owner = stream.program()
            whose = f" of {owner}" if owner is not None else ""
            return f"{cut(name)} is delivered {now} times: {numbered(stream.conns())}{whose}"
        if was and not now:
            lasted = t - stream.since
            stream.before_s += lasted
            return f"{cut(name)} is no longer delivered twice, after {lasted:.1f} s"
        if not stream.live and not stream.times:
            del self.streams[name]
        return ""
