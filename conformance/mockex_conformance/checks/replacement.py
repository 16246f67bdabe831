"""What replaces a lost connection: one at the same place, and nothing besides it."""

from __future__ import annotations

from mockex.server.journal import (
    AnyEntry,
    Closed,
    Ended,
    Faulted,
    HalfClosed,
    Noted,
    Pinged,
    Ponged,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding

Endpoint = tuple[str, str, str]  # host, route, mode


def _endpoint(entry: Upgraded) -> Endpoint:
    return entry.headers.get("host", ""), entry.route, entry.mode


def _shown(endpoint: Endpoint) -> str:
    host, route, mode = endpoint
    return f"{host}{route or '/'} ({mode})"


class SameEndpoint(Check, frozen=True, tag="same_endpoint"):
    """After the first fault a connection was opened at another host, route or mode than any before
    it; or a stream was asked for at another than before, such as a route that does not carry it.

    A stream may move from the URL to a request, or back: that is the same endpoint.
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each connection that is elsewhere."""
        known: set[Endpoint] = set()
        carriers: dict[str, set[Endpoint]] = {}
        endpoints: dict[int, Endpoint] = {}
        findings: dict[int, Finding] = {}
        lost = False
        for entry in recording.entries:
            conn, message = 0, ""
            match entry:
                case Faulted(phase="injected"):
                    lost = True
                case Upgraded(conn=conn):
                    endpoints[conn] = endpoint = _endpoint(entry)
                    if not lost:
                        known.add(endpoint)
                    elif endpoint not in known:
                        message = (
                            f"c{conn} went to {_shown(endpoint)}; before the loss it was "
                            f"{' and '.join(sorted(map(_shown, known)))}"
                        )
                case Subscribed(conn=conn, streams=streams):
                    endpoint = endpoints[conn]
                    if not lost:
                        for name in streams:
                            carriers.setdefault(name, set()).add(endpoint)
                        continue
                    moved = [n for n in streams if n in carriers and endpoint not in carriers[n]]
                    if moved:
                        before = " and ".join(sorted(map(_shown, carriers[moved[0]])))
                        silent = ", which does not carry it" * (moved[0] in entry.silent)
                        message = (
                            f"{moved[0]} was asked for at {_shown(endpoint)} on c{conn}{silent}; "
                            f"before the loss it was {before}"
                        )
                case _:
                    continue
            if message and conn not in findings:
                findings[conn] = finding(self, recording, message, entry.t)
        return list(findings.values())


class OthersUntouched(Check, frozen=True, tag="others_untouched"):
    """After a fault the testee closed, or subscribed anew, a connection that the fault had not hit
    and that was live when it was injected."""

    gives_up_after = ("stall_detect_ms", "data_silence_ms", "ack_timeout_ms")

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first connection that was touched."""
        view = Connections()
        others: set[int] = set()
        for entry in recording.entries:
            match entry:
                case Faulted(phase="injected"):
                    others = {c.number for c in view.live()}
                case Faulted(phase="seen", conns=conns):
                    others -= set(conns)
                case _:
                    pass
            view.apply(entry)
            conn, what = _touched(entry)
            if conn in others:
                message = f"{what} c{conn}, which nothing had happened to"
                return [finding(self, recording, message, entry.t, connection=conn)]
        return []


def _touched(entry: AnyEntry) -> tuple[int, str]:
    """The connection that the testee did something to, and what; 0 if it did nothing."""
    match entry:
        case Closed(conn=conn, by="client") | HalfClosed(conn=conn, by="client"):
            return conn, "the testee ended"
        case Ended(conn=conn, by="client"):
            return conn, "the testee ended"
        case Subscribed(conn=conn):
            return conn, "the testee subscribed anew on"
        case Unsubscribed(conn=conn):
            return conn, "the testee unsubscribed on"
        case _:
            return 0, ""


class OnePerChange(Check, frozen=True, tag="one_per_change"):
    """Since the first landmark `line-changed` (`what` it is now) more connections were upgraded
    than were live then, times the landmarks so far: at most one replacement of each for each change
    of the line, whoever ended it.

    One that was answered late because our own loop stood still is not counted: the testee may have
    given it up.
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding, at the first surplus, with all that came."""
        view = Connections()
        standstills = Standstills(recording.entries)
        patience_s = recording.terms.patience_s("handshake_timeout_ms")
        held = 0
        changes: list[str] = []
        upgraded: list[int] = []
        surplus: Upgraded | None = None
        for entry in recording.entries:
            view.apply(entry)
            match entry:
                case Noted(name="line-changed"):
                    held = held or len(view.live())
                    changes.append(entry.detail["what"])
                case Upgraded(conn=conn, t=t) if changes:
                    if not standstills.excuse(t, patience_s):
                        upgraded.append(conn)
                    if len(upgraded) > held * len(changes):
                        surplus = surplus or entry
                case _:
                    pass
        if surplus is None:
            return []
        names = ", ".join(f"c{n}" for n in upgraded[:5])
        if len(upgraded) > 5:
            names += f" and {len(upgraded) - 5} more"
        message = (
            f"{len(upgraded)} new connections ({names}) on a line that became "
            f"{' and then '.join(changes)}; {held * len(changes)} would have been one for each of "
            f"{held} at each change"
        )
        return [finding(self, recording, message, surplus.t, connections=upgraded)]


class LagGone(Check, frozen=True, tag="lag_gone"):
    """Within `within_s` of the landmark `line-clear` no ping that was written behind it was
    answered on K live deliveries of each stream: events still come late, or not at all."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        view = Connections()
        standstills = Standstills(recording.entries)
        clear: Noted | None = None
        late: list[str] = []
        pings: set[tuple[int, str]] = set()
        answered: set[int] = set()
        for entry in recording.entries:
            if clear is not None:
                until = clear.t + clear.detail["within_s"]
                if standstills.overdue(clear.t, until, entry.t):
                    return [self._found(recording, clear, late, until)]
            view.apply(entry)
            match entry:
                case Noted(name="line-clear"):
                    clear = entry
                case Pinged(conn=conn, payload=payload) if clear is not None:
                    pings.add((conn, payload))
                case Ponged(conn=conn, payload=payload) if (conn, payload) in pings:
                    answered.add(conn)
                case _:
                    pass
            if clear is None:
                continue
            late = [
                stream
                for stream in clear.detail["streams"]
                if sum(c.number in answered for c in view.delivering(stream)) < recording.terms.k
            ]
            if not late:
                return []
        return []

    def _found(self, recording: Recording, clear: Noted, late: list[str], until: float) -> Finding:
        more = f" and {len(late) - 1} more" if len(late) > 1 else ""
        message = (
            f"{late[0]}{more}: {clear.detail['within_s']:.1f} s after the line was clear no ping "
            "of then was answered where it is delivered"
        )
        return finding(self, recording, message, until, streams=late)
