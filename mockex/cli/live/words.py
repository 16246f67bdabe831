"""Entries of the journal in words, for a person who watches."""

from __future__ import annotations

from collections.abc import Sequence

from mockex.server.journal import (
    AnyEntry,
    Closed,
    Ended,
    Faulted,
    Refused,
    Replied,
    Requested,
    Retimed,
    Slowed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)

WHO = {"client": "client", "server": "exchange"}
MOST_NAMES = 4  # of streams in one line
MOST_NUMBERS = 6  # of connections
MOST_CHARS = 200  # of what somebody else wrote


class Words:
    """What a person wants to know, a line an entry; what a connection goes through many times a
    minute (events, pings, pongs) has none."""

    def __init__(self) -> None:
        self._closed: dict[int, list[Closed]] = {}

    def told(self, entry: AnyEntry) -> str:
        """One entry in words; empty for those that nobody misses."""
        match entry:
            case Upgraded(conn=conn, target=target):
                return f"c{conn} opened {cut(target)}"
            case Refused(conn=conn, status=status, reason=reason):
                return f"c{conn} refused with {status}: {cut(reason)}"
            case Subscribed(conn=conn, streams=streams, via=via):
                return _subscribed(entry) if via == "request" or entry.silent else ""
            case Unsubscribed(conn=conn, streams=streams):
                return f"c{conn} unsubscribed {listed(streams)}"
            case Replied(conn=conn, text=text) if '"error"' in text or '"code"' in text:
                return f"c{conn} was answered {cut(text)}"
            case Requested(status=status) if status >= 400:
                return f"{entry.method} {cut(entry.target)} was answered with {status}"
            case Slowed(conn=conn, full=full):
                how = "too slowly: its send buffer is full" if full else "again"
                return f"c{conn} reads {how}"
            case Closed(conn=conn):
                self._closed.setdefault(conn, []).append(entry)
            case Ended(conn=conn):
                return _ended(entry, self._closed.pop(conn, []))
            case Faulted():
                return _faulted(entry)
            case Retimed():
                return _retimed(entry)
            case _:
                pass
        return ""


def listed(names: Sequence[str]) -> str:
    """Names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(map(cut, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")


def numbered(conns: Sequence[int]) -> str:
    """Connections by number, and how many more there are."""
    more = len(conns) - MOST_NUMBERS
    shown = ", ".join(f"c{conn}" for conn in conns[:MOST_NUMBERS])
    return shown + (f" and {more} more" if more > 0 else "")


def cut(text: str) -> str:
    """What somebody else wrote, as long as it fits and without what a terminal would obey."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:MOST_CHARS])
    return shown + ("..." if len(text) > MOST_CHARS else "")


def _subscribed(entry: Subscribed) -> str:
    never = f"; never sent: {listed(entry.silent)}" if entry.silent else ""
    again = f"; again: {listed(entry.again)}" if entry.again else ""
    return f"c{entry.conn} subscribed {listed(entry.streams)}{never}{again}"


def _ended(entry: Ended, frames: list[Closed]) -> str:
    """Who began: after an orderly close it is the exchange that hangs up, whoever began."""
    if not frames:
        how = f"{entry.how.upper()} without a close frame"
        return f"c{entry.conn} ended by the {WHO[entry.by]}: {how}"
    first, *answers = frames
    code = "without a code" if first.code is None else str(first.code)
    reason = f" ({cut(first.reason)})" if first.reason else ""
    answered = "answered" if answers else "not answered"
    reset = f"; reset by the {WHO[entry.by]}" if entry.how == "rst" else ""
    return (
        f"c{entry.conn} closed by the {WHO[first.by]}: close frame {code}{reason}, "
        f"{answered}{reset}"
    )


def _faulted(entry: Faulted) -> str:
    if entry.phase == "ended" and entry.detail:
        why = entry.detail.removeprefix(f"{entry.kind}: ")
        return f"fault {entry.fault} {entry.kind} could not be done: {cut(why)}"
    on = f" on {numbered(entry.conns)}" if entry.conns else ""
    detail = f": {cut(entry.detail)}" if entry.detail else ""
    return f"fault {entry.fault} {entry.kind} {entry.phase}{on}{detail}"


def _retimed(entry: Retimed) -> str:
    match entry.how:
        case "frozen":
            return "the clock stands still"
        case "resumed":
            return "the clock goes on"
        case "speed-set":
            return f"the clock passes at {entry.speed:g} times the speed"
        case how:
            return f"the clock is {how}: {entry.exchange_s:.1f} s since the opening"
