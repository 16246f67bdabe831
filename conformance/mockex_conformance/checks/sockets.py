"""What the testee holds open: connections that it must close, and how many it owns."""

from __future__ import annotations

from mockex.server.journal import Closed, Ended, HalfClosed, Noted
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding


class ClosedByTestee(Check, frozen=True, tag="closed_by_testee"):
    """A connection of a landmark `must-close` had no FIN, RST or close frame from the testee in
    time.

    The landmark names `connections` (numbers, upgraded or not), `within_s` (a deadline of what must
    happen, counted from the landmark) and `why`: what it should have been closed after, in words
    for the finding. A close before the landmark counts too; a connection that the exchange itself
    ended is nobody's to close any more.
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each landmark that was not met in time."""
        waiting: list[tuple[Noted, set[int]]] = []
        over: set[int] = set()
        findings: list[Finding] = []
        standstills = Standstills(recording.entries)
        for entry in recording.entries:
            due = [(landmark, left - over) for landmark, left in waiting]
            waiting = [(landmark, left) for landmark, left in due if left]
            for landmark, left in list(waiting):
                until = landmark.t + landmark.detail["within_s"]
                if entry.t > until and entry.t > until + standstills.between(landmark.t, entry.t):
                    waiting.remove((landmark, left))
                    findings.append(self._found(recording, landmark, left, until))
            match entry:
                case Noted(name="must-close"):
                    waiting.append((entry, set(entry.detail["connections"])))
                case Closed(conn=conn, by="client") | HalfClosed(conn=conn, by="client"):
                    over.add(conn)
                case Ended(conn=conn):
                    over.add(conn)
                case _:
                    pass
        return findings

    def _found(
        self, recording: Recording, landmark: Noted, left: set[int], until: float
    ) -> Finding:
        numbers = sorted(left)
        message = (
            f"{', '.join(f'c{n}' for n in numbers)} still open {landmark.detail['within_s']:.1f} s "
            f"after {landmark.detail['why']}"
        )
        return finding(self, recording, message, until, connections=numbers)
