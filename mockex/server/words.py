"""The journal in words: what an entry says to a person, the same wherever it is told.

Who tells decides what to leave out, what to fold and what to put in front. `Words` are in parts,
because some are told in columns; as text they are one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Behind,
    Closed,
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

_LONGEST = 160  # characters of what somebody else wrote
_MOST_NAMES = 5
# A lag that has words. A shorter one changes no verdict by itself: 50 ms is the shortest time that
# one turns on (that of a retry "at once"), and every machine is late by less, many times a minute.
_STOOD_STILL_S = 0.05
_BY = {"client": "by the client", "server": "by the exchange"}


@dataclass(frozen=True, slots=True)
class Words:
    """An entry in words: of which connection (None: of none), what it is, and what more."""

    conn: int | None
    what: str
    more: str = ""

    def __str__(self) -> str:
        of = "" if self.conn is None else f"c{self.conn}"
        return " ".join(filter(None, (of, self.what, self.more)))


class Teller:
    """Puts the entries of a journal into words, in their order."""

    def __init__(self) -> None:
        self._frames: dict[int, list[Closed]] = {}  # of connections that are not over
        self._seen: set[int] = set()  # faults

    def told(self, entry: AnyEntry) -> Words | None:
        """The words for an entry of an exchange; None for flushes and their audiences, which mean
        something together only, for lags that change nothing, and for what a suite has written."""
        match entry:
            case Closed(conn=conn):
                self._frames.setdefault(conn, []).append(entry)
                return _closed(entry)
            case Ended(conn=conn):
                return _ended(entry, self._frames.pop(conn, []))
            case Faulted(phase="seen", fault=fault):
                self._seen.add(fault)
                return _around(entry)
            case Faulted(phase="ended", fault=fault, detail="") if fault not in self._seen:
                return Words(None, "fault", f"{fault} {entry.kind} ended, never seen")
            case _:
                return _opening(entry) or _open(entry) or _around(entry)


def worth_a_line(entry: AnyEntry) -> bool:
    """Whether somebody who watches would miss it: not what a connection goes through many times a
    minute, nor what the next entry says as well. Close frames are told with the end."""
    match entry:
        case Subscribed():
            return entry.via == "request" or bool(entry.silent)
        case Received():
            return entry.opcode in ("binary", "invalid")
        case Replied(text=text):
            return '"error"' in text or '"code"' in text
        case Requested(status=status):
            return status >= 400
        case Lagged(late_s=late_s):
            return late_s >= _STOOD_STILL_S
        case Upgraded() | Refused() | Unsubscribed() | Slowed() | Ended() | Faulted() | Retimed():
            return True
        case _:
            return False


def _opening(entry: AnyEntry) -> Words | None:
    """From the attempt to what is asked for."""
    match entry:
        case Attempted(conn=conn):
            return Words(conn, "dialled")
        case Upgraded(conn=conn, target=target):
            return Words(conn, "opened", cut(target))
        case Refused(conn=conn, status=status, reason=reason):
            return Words(conn, "was refused", f"with {status}: {cut(reason)}")
        case Subscribed(conn=conn, streams=streams):
            how = " by the URL" if entry.via == "url" else ""
            never = f"; never sent: {listed(entry.silent)}" if entry.silent else ""
            again = f"; again: {listed(entry.again)}" if entry.again else ""
            return Words(conn, "subscribed", f"{listed(streams)}{how}{never}{again}")
        case Unsubscribed(conn=conn, streams=streams):
            return Words(conn, "unsubscribed", listed(streams))
        case _:
            return None


def _open(entry: AnyEntry) -> Words | None:
    """What happens on a connection that is open, and over REST."""
    match entry:
        case Received(conn=conn, opcode="text", text=text):
            return Words(conn, "sent", cut(text))
        case Received(conn=conn, opcode="ping", size=size):
            return Words(conn, "sent", f"a ping of {many(size, 'byte')}")
        case Received(conn=conn, opcode=opcode, size=size):
            return Words(conn, "sent", f"{many(size, 'byte')} that are no request ({opcode})")
        case Replied(conn=conn, text=text):
            return Words(conn, "was told", cut(text))
        case Pinged(conn=conn, payload=payload):
            return Words(conn, "ping", _payload(payload))
        case Ponged(conn=conn, payload=payload):
            return Words(conn, "pong", _payload(payload))
        case Slowed(conn=conn, full=full):
            how = "too slowly: its send buffer is full" if full else "again"
            return Words(conn, "reads", how)
        case HalfClosed(conn=conn, by=by):
            return Words(conn, "half-closed", f"{_BY[by]}: FIN")
        case Requested(method=method, target=target, status=status):
            return Words(None, cut(method), f"{cut(target)} was answered with {status}")
        case _:
            return None


def _around(entry: AnyEntry) -> Words | None:
    """What is done to the exchange, and how it fares."""
    match entry:
        case Faulted():
            return Words(None, "fault", f"{entry.fault} {entry.kind} {_faulted(entry)}")
        case Retimed():
            return Words(None, "the clock", _retimed(entry))
        case Lagged(late_s=late_s) if late_s >= _STOOD_STILL_S:
            return Words(None, "the exchange", f"itself stood still for {span(late_s)}")
        case Behind(late_s=late_s):
            return Words(None, "the market", f"ran {span(late_s)} late")
        case Opened(profile=profile, seed=seed):
            return Words(None, "opened", f"{profile}, seed {seed}")
        case _:
            return None


def _closed(entry: Closed) -> Words:
    return Words(entry.conn, "close frame", f"{_frame(entry)} {_BY[entry.by]}")


def _ended(entry: Ended, frames: Sequence[Closed]) -> Words:
    """Who began: after an orderly close it is the exchange that hangs up, whoever began."""
    if not frames:
        how = f"{_BY[entry.by]}: {entry.how.upper()} without a close frame"
        return Words(entry.conn, "ended", how)
    first = frames[0]
    answered = "answered" if any(f.by != first.by for f in frames) else "not answered"
    reset = f"; RST {_BY[entry.by]}" if entry.how == "rst" else ""
    how = f"{_BY[first.by]}: close frame {_frame(first)}, {answered}{reset}"
    return Words(entry.conn, "closed", how)


def _frame(entry: Closed) -> str:
    code = "without a code" if entry.code is None else str(entry.code)
    return code + (f" ({cut(entry.reason)})" if entry.reason else "")


def _faulted(entry: Faulted) -> str:
    if entry.phase == "ended" and entry.detail:
        return f"could not be done: {cut(entry.detail.removeprefix(f'{entry.kind}: '))}"
    on = f" on {numbered(entry.conns)}" if entry.conns else ""
    return f"{entry.phase}{on}" + (f": {cut(entry.detail)}" if entry.detail else "")


def _retimed(entry: Retimed) -> str:
    match entry.how:
        case "frozen":
            return "stands still"
        case "resumed":
            return "goes on"
        case "speed-set":
            return f"passes at {entry.speed:g} times the speed"
        case how:
            return f"is {how}: {entry.exchange_s:.1f} s since the opening"


def _payload(payload: str) -> str:
    """Bytes in hexadecimal, as text where they are text."""
    if not payload:
        return "empty"
    try:
        text = bytes.fromhex(payload).decode("ascii")
    except ValueError:
        text = ""
    return repr(text) if text and text.isprintable() else cut(f"0x{payload}")


# --- parts of a line ------------------------------------------------------------------------------


def cut(text: str) -> str:
    """What somebody else wrote, on one line, as long as it fits."""
    return printable(text[:_LONGEST]) + ("..." if len(text) > _LONGEST else "")


def printable(text: str) -> str:
    """Text without what a terminal would obey, what breaks a line, and what XML or UTF-8 has not:
    each such character is a `?`, which every locale has."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def listed(names: Iterable[str]) -> str:
    """`a, b and 5 more`."""
    known = list(names)
    if len(known) <= _MOST_NAMES:
        return ", ".join(map(cut, known))
    shown = known[: _MOST_NAMES - 1]
    return f"{', '.join(map(cut, shown))} and {len(known) - len(shown)} more"


def numbered(conns: Iterable[int]) -> str:
    """Connections: `c1, c2 and 5 more`."""
    return listed(f"c{conn}" for conn in conns)


def many(n: int, what: str) -> str:
    """`1 request`, `1,200 requests`."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def span(seconds: float) -> str:
    """How long something took."""
    if seconds < 0.0095:
        return f"{seconds * 1000:.1f} ms" if seconds >= 0.00005 else "0 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"
