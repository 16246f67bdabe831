"""What happened at an exchange, line by line, as it is told beside a failed test.

What flows all the time (events, pings, REST requests of one endpoint) is summed up until something
else happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mockex.server.doubled import Doubled
from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Delivered,
    Ended,
    HalfClosed,
    Opened,
    Pinged,
    Ponged,
    Refused,
    Requested,
    Upgraded,
)
from mockex.server.views import Connections, Deliveries
from mockex.server.words import Teller, cut, many, numbered, span, worth_a_line

_MOST_PARTS = 3  # of what flowed


def happened(entries: Iterable[AnyEntry]) -> list[str]:
    """A journal, or a part of one that begins before its first connection, as lines. Times in front
    are seconds since the exchange opened, or since the first entry."""
    lines = _Lines()
    for entry in entries:
        if isinstance(entry, Opened):
            lines = _Lines()
        lines.apply(entry)
    return lines.all()


class _Lines:
    def __init__(self) -> None:
        self._began: float | None = None
        self._lines: list[str] = []
        self._teller = Teller()
        self._connections = Connections()
        self._deliveries = Deliveries()
        self._doubled = Doubled()
        self._unfinished: dict[int, str] = {}  # attempts and closes that nothing has followed
        self._flow: Counter[tuple[str, str]] = Counter()  # unit, and of whom
        self._flowed = (0.0, 0.0)

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        if self._began is None:
            self._began = entry.t
        self._connections.apply(entry)
        self._deliveries.apply(entry)
        if self._sum_up(entry):
            return
        words = self._teller.told(entry)
        match entry:
            case Attempted(conn=conn) | Closed(conn=conn) | HalfClosed(conn=conn):
                waits = self._line(entry.t, f"{words}, and nothing since")
                self._unfinished.setdefault(conn, waits)
            case Upgraded(conn=conn) | Refused(conn=conn) | Ended(conn=conn):
                self._unfinished.pop(conn, None)
            case _:
                pass
        if worth_a_line(entry):
            self._say(entry.t, str(words))
        for text in self._doubled.apply(entry, self._connections, {}):
            self._say(entry.t, text)

    def all(self) -> list[str]:
        """All lines so far."""
        self._say_flow()
        return [*self._lines, *self._unfinished.values()]

    def _sum_up(self, entry: AnyEntry) -> bool:
        """Whether an entry is one of those that are summed up."""
        match entry:
            case Delivered(audience=audience, streams=streams):
                to = numbered(sorted(self._deliveries.members(audience)))
                for name, batch in streams.items():
                    self._add(entry.t, "event", f"of {cut(name)} to {to}", batch.events)
            case Pinged(conn=conn):
                self._add(entry.t, "ping", f"to c{conn}")
            case Ponged(conn=conn):
                self._add(entry.t, "pong", f"of c{conn}")
            case Requested(method=method, target=target, status=status):
                path = cut(target.partition("?")[0])
                self._add(entry.t, "request", f"{method} {path} answered with {status}")
            case _:
                return False
        return True

    def _add(self, t: float, unit: str, what: str, n: int = 1) -> None:
        self._flowed = (self._flowed[0] if self._flow else t, t)
        self._flow[unit, what] += n

    def _say_flow(self) -> None:
        if not self._flow:
            return
        (since, until), flow = self._flowed, self._flow
        self._flow = Counter()
        parts = [f"{many(n, unit)} {what}" for (unit, what), n in flow.most_common(_MOST_PARTS)]
        if len(flow) > _MOST_PARTS:
            parts.append(f"and {len(flow) - _MOST_PARTS} more of that kind")
        lasted = f" in {span(until - since)}" if until > since else ""
        self._lines.append(self._line(since, f"{'; '.join(parts)}{lasted}"))

    def _say(self, t: float, text: str) -> None:
        self._say_flow()
        self._lines.append(self._line(t, text))

    def _line(self, t: float, text: str) -> str:
        return f"{t - (self._began or 0.0):8.3f}  {text}"
