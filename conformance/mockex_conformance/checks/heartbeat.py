"""Pings and pongs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mockex.server.journal import (
    AnyEntry,
    Closed,
    Ended,
    HalfClosed,
    Noted,
    Pinged,
    Ponged,
    Received,
)
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding

_PONG_TIMEOUT = "Pong timeout"  # what the exchange gives as the reason (spot 3.1)


class PongRepeats(Check, frozen=True, tag="pong_repeats"):
    """A ping neither answered with its payload nor settled by the answer to a later one, within
    `within_ms`, on a connection that lived so long. Unsolicited pongs are ignored."""

    within_ms: float = 1000

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first ping that was not answered."""
        standstills = Standstills(recording.entries)
        open_pings: dict[int, list[Pinged]] = {}
        strange: dict[int, str] = {}
        for entry in recording.entries:
            for conn, pings in open_pings.items():
                if pings and standstills.overdue(pings[0].t, self._due(pings[0]), entry.t):
                    return [self._found(recording, pings[0], strange.get(conn))]
            match entry:
                case Pinged(conn=conn):
                    open_pings.setdefault(conn, []).append(entry)
                case Ponged(conn=conn, payload=payload):
                    pings = open_pings.get(conn, [])
                    answered = [n for n, ping in enumerate(pings) if ping.payload == payload]
                    if answered:
                        del pings[: answered[-1] + 1]
                    elif pings:
                        strange[conn] = payload
                case Closed(conn=conn) | HalfClosed(conn=conn) | Ended(conn=conn):
                    open_pings.pop(conn, None)
                case _:
                    pass
        return []

    def _due(self, ping: Pinged) -> float:
        return ping.t + self.within_ms / 1000

    def _found(self, recording: Recording, ping: Pinged, strange: str | None) -> Finding:
        sent = bytes.fromhex(ping.payload)
        message = (
            f"the ping with payload {sent!r} on c{ping.conn} was not answered with its payload "
            f"within {self.within_ms:.0f} ms"
        )
        if strange is not None:
            message += f"; a pong with payload {bytes.fromhex(strange)!r} came instead"
        return finding(self, recording, message, ping.t, payload=ping.payload)


def slowest_pong_s(entries: Iterable[AnyEntry]) -> float:
    """How long the exchange waited longest for a pong, in seconds; 0 if it never had to. An answer
    to a later ping settles those before it."""
    slowest = 0.0
    pings: dict[int, list[Pinged]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, Pinged):
            pings[entry.conn].append(entry)
        elif isinstance(entry, Ponged):
            waiting = pings[entry.conn]
            answered = [n for n, ping in enumerate(waiting) if ping.payload == entry.payload]
            if answered:
                slowest = max(slowest, entry.t - waiting[0].t)
                del waiting[: answered[-1] + 1]
    return slowest


class NoPongTimeout(Check, frozen=True, tag="no_pong_timeout"):
    """The exchange closed a connection because no pong had come in time."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first of them, with the slowest pong until then."""
        for index, entry in enumerate(recording.entries):
            if isinstance(entry, Closed) and entry.by == "server" and entry.reason == _PONG_TIMEOUT:
                slowest_s = slowest_pong_s(recording.entries[:index])
                came = f"the slowest pong before came after {slowest_s:.2f} s"
                message = (
                    f"the exchange closed c{entry.conn}, whose pongs did not come in time; "
                    + (came if slowest_s else "none came before")
                )
                return [
                    finding(
                        self, recording, message, entry.t, conn=entry.conn,
                        slowest_s=round(slowest_s, 3),
                    )
                ]  # fmt: skip
        return []


class OwnPings(Check, frozen=True, tag="own_pings"):
    """Within a landmark `quiet` (`window_s`) the testee sent more than one ping a second of its own
    time on one connection, counted with two to spare in any window."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first connection with too many."""
        scale, until = recording.terms.scale, -1.0
        sent: dict[int, list[float]] = defaultdict(list)
        for entry in recording.entries:
            if isinstance(entry, Noted) and entry.name == "quiet":
                until = entry.t + entry.detail["window_s"]
                sent.clear()
            elif isinstance(entry, Received) and entry.opcode == "ping" and entry.t <= until:
                times = sent[entry.conn]
                times.append(entry.t)
                for earlier, begin in enumerate(times):
                    window_s, pings = entry.t - begin, len(times) - earlier
                    if pings > window_s / scale + 2:
                        message = (
                            f"{pings} pings of its own on c{entry.conn} within {window_s:.2f} s, "
                            f"on a connection that is pinged; one in {scale:g} s is enough"
                        )
                        return [finding(self, recording, message, entry.t, conn=entry.conn)]
        return []
