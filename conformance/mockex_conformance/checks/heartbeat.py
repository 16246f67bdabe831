"""Pings and pongs."""

from __future__ import annotations

from mockex.server.journal import Closed, Ended, HalfClosed, Pinged, Ponged
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding


class PongRepeats(Check, frozen=True, tag="pong_repeats"):
    """A ping neither answered with its payload nor settled by the answer to a later one, within
    `within_ms`, on a connection that lived so long. Unsolicited pongs are ignored."""

    within_ms: float = 1000

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first ping that was not answered."""
        open_pings: dict[int, list[Pinged]] = {}
        strange: dict[int, str] = {}
        for entry in recording.entries:
            for conn, pings in open_pings.items():
                if pings and self._late(recording, pings[0], entry.t):
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

    def _late(self, recording: Recording, ping: Pinged, now: float) -> bool:
        due = ping.t + self.within_ms / 1000
        return now > due and now > due + recording.stood_still_s(ping.t, now)

    def _found(self, recording: Recording, ping: Pinged, strange: str | None) -> Finding:
        sent = bytes.fromhex(ping.payload)
        message = (
            f"the ping with payload {sent!r} on c{ping.conn} was not answered with its payload "
            f"within {self.within_ms:.0f} ms"
        )
        if strange is not None:
            message += f"; a pong with payload {bytes.fromhex(strange)!r} came instead"
        return finding(self, recording, message, ping.t, payload=ping.payload)
