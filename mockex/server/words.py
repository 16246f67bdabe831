"""The journal in words: what happened at an exchange, as a person would tell it.

What flows all the time (events, pings, REST requests of one endpoint) is summed up until something
else happens. A stream that comes to be delivered on more than one connection is called out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Delivered,
    Ended,
    Faulted,
    HalfClosed,
    Lagged,
    Opened,
    Pinged,
    Ponged,
    Received,
    Refused,
    Replied,
    Requested,
    Retimed,
    Slowed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Connections, Deliveries

_WHO = {"client": "the client", "server": "the exchange"}
_PHASES = {"injected": "is injected", "seen": "is seen", "ended": "is over"}
_LONG = 100  # characters of what somebody else wrote
_MOST_NAMES = 3
_STOOD_STILL_S = 0.1  # of our own loop, before it is worth a line


class Teller:
    """Makes lines of entries, in their order. Times in front are seconds since the exchange opened,
    or since the first entry."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._lines: list[str] = []
        self._connections = Connections()
        self._deliveries = Deliveries()
        self._dialling: dict[int, float] = {}  # attempts without an answer
        self._closing: set[int] = set()  # connections with a close frame
        self._flow: Counter[tuple[str, str]] = Counter()  # unit, and of whom
        self._flowed = (0.0, 0.0)
        self._twice: dict[str, int] = {}  # streams and on how many connections

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        if self._began is None:
            self._began = entry.t
        if self._sum_up(entry):
            return
        self._connections.apply(entry)
        self._deliveries.apply(entry)
        text = self._told(entry)
        if text:
            self._say(entry.t, text)
        if isinstance(entry, Upgraded | Subscribed | Unsubscribed | Closed | HalfClosed | Ended):
            self._look_twice(entry.t)

    def lines(self) -> list[str]:
        """All lines so far."""
        self._say_flow()
        waits = [
            self._line(at, f"c{conn} dials, and has no answer yet")
            for conn, at in self._dialling.items()
        ]
        return self._lines + waits

    # --- what flows ---

    def _sum_up(self, entry: AnyEntry) -> bool:
        """Whether an entry is one of those that are summed up."""
        match entry:
            case Delivered(audience=audience, streams=streams):
                self._deliveries.apply(entry)
                to = _names(f"c{n}" for n in sorted(self._deliveries.members(audience)))
                for name, batch in streams.items():
                    self._add(entry.t, "event", f"of {name} to {to}", batch.events)
            case Pinged(conn=conn):
                self._add(entry.t, "ping", f"to c{conn}")
            case Ponged(conn=conn):
                self._add(entry.t, "pong", f"of c{conn}")
            case Requested(method=method, target=target, status=status):
                path = _cut(target.partition("?")[0])
                self._add(entry.t, "request", f"{method} {path}, answered with {status}")
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
        parts = [
            f"{n} {unit}{'s' if n > 1 else ''} {what}"
            for (unit, what), n in flow.most_common(_MOST_NAMES)
        ]
        if len(flow) > _MOST_NAMES:
            parts.append(f"and {len(flow) - _MOST_NAMES} more of that kind")
        lasted = f"within {until - since:.3f} s: " if until > since else ""
        self._lines.append(self._line(since, f"{lasted}{'; '.join(parts)}"))

    # --- what happens ---

    def _told(self, entry: AnyEntry) -> str:
        match entry:
            case Faulted():
                hit = f" on {_names(f'c{n}' for n in entry.conns)}" if entry.conns else ""
                why = f" ({_cut(entry.detail)})" if entry.detail else ""
                return f"fault {entry.fault}, {entry.kind}, {_PHASES[entry.phase]}{hit}{why}"
            case Lagged(late_s=late_s) if late_s >= _STOOD_STILL_S:
                return f"the exchange itself stood still for {late_s:.3f} s"
            case Retimed(how=how, speed=speed):
                return f"the exchange's clock is {how} (speed {speed:g})"
            case Attempted() | Upgraded() | Refused() | Closed() | HalfClosed() | Ended():
                return self._life(entry)
            case _:
                return _asked(entry)

    def _life(self, entry: AnyEntry) -> str:
        """How a connection begins and ends."""
        match entry:
            case Attempted(conn=conn, t=t):
                self._dialling[conn] = t
            case Upgraded(conn=conn, target=target):
                self._dialling.pop(conn, None)
                return f"c{conn} opens {_cut(target)}"
            case Refused(conn=conn, status=status, reason=reason):
                self._dialling.pop(conn, None)
                return f"c{conn} is refused with {status}: {_cut(reason)}"
            case Closed(conn=conn, by=by, code=code, reason=reason):
                self._closing.add(conn)
                number = "no code" if code is None else str(code)
                said = f" ({_cut(reason)})" if reason else ""
                return f"c{conn}: {_WHO[by]} sends a close frame, {number}{said}"
            case HalfClosed(conn=conn, by=by):
                return f"c{conn}: {_WHO[by]} sends a FIN"
            case Ended(conn=conn, by=by, how=how):
                self._dialling.pop(conn, None)
                # After a close frame it is the exchange that hangs up, whoever began.
                began = "" if conn in self._closing else f" by {_WHO[by]}"
                return f"c{conn} is over, {how.upper()}{began}"
            case _:
                pass
        return ""

    def _look_twice(self, t: float) -> None:
        """Say where a stream comes to be delivered more than once, and where no more."""
        streams = {name for c in self._connections.live() for name in c.streams}
        for name in sorted(streams | self._twice.keys()):
            numbers = [c.number for c in self._connections.delivering(name)]
            before, now = self._twice.pop(name, 1), len(numbers)
            if now > 1:
                self._twice[name] = now
                if now > before:
                    on = _names(f"c{n}" for n in numbers)
                    self._say(t, f"{name} is now delivered on {now} connections: {on}")

    # --- lines ---

    def _say(self, t: float, text: str) -> None:
        self._say_flow()
        self._lines.append(self._line(t, text))

    def _line(self, t: float, text: str) -> str:
        return f"{t - (self._began or 0.0):8.3f}  {text}"


def in_words(entries: Iterable[AnyEntry]) -> list[str]:
    """A journal, or a part of one that begins before its first connection, as lines."""
    teller = Teller()
    for entry in entries:
        if isinstance(entry, Opened):
            teller = Teller()
        teller.apply(entry)
    return teller.lines()


def _asked(entry: AnyEntry) -> str:
    """What a client asks for, and is told."""
    match entry:
        case Subscribed(conn=conn, streams=streams, silent=silent, via=via):
            never = f"never sent: {_names(silent)}" if silent else ""
            if via == "url":  # the line before has them
                return f"c{conn}: {never}" if never else ""
            return f"c{conn} subscribes {_names(streams)}" + (f"; {never}" if never else "")
        case Unsubscribed(conn=conn, streams=streams):
            return f"c{conn} unsubscribes {_names(streams)}"
        case Received(conn=conn, opcode="binary" | "invalid" as opcode, size=size):
            return f"c{conn} sends {size} bytes that are no request ({opcode})"
        case Replied(conn=conn, text=text) if '"error"' in text or '"code"' in text:
            return f"c{conn} is told {_cut(text)}"
        case Slowed(conn=conn, full=full):
            return f"c{conn} " + ("does not read: its buffer is full" if full else "reads on")
        case _:
            return ""


def _names(names: Iterable[str]) -> str:
    known = list(names)
    shown = ", ".join(known[:_MOST_NAMES])
    rest = len(known) - _MOST_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def _cut(text: str) -> str:
    """What somebody else wrote, as long as it fits and without what a terminal would obey."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:_LONG])
    return shown + ("…" if len(text) > _LONG else "")
