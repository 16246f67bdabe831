"""Whoever stops trying says so."""

from __future__ import annotations

from mockex.server.journal import Attempted, Exited, Noted, Said
from mockex_conformance.checks.base import finding
from mockex_conformance.checks.process import Alive
from mockex_conformance.checks.recovery import missing, states
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding


class NoSilentEnd(Alive, frozen=True, tag="no_silent_end"):
    """After the landmark `well-again` (`within_s`) data did not flow in time, and neither had the
    testee said `gave_up` nor had its process ended with another code than 0.

    An `Alive` that lets a process end if its exit code says so.
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        for entry in recording.of(Exited):
            if not entry.expected:
                message = "the process ended with exit code 0, as if all were well"
                return [] if entry.code else [finding(self, recording, message, entry.t)]
        if any(entry.method == "gave_up" for entry in recording.of(Said)):
            return []
        return self._not_back(recording)

    def _not_back(self, recording: Recording) -> list[Finding]:
        terms, standstills = recording.terms, Standstills(recording.entries)
        well: Noted | None = None
        attempts: list[float] = []
        for entry, connections, deliveries in states(recording.entries):
            if isinstance(entry, Attempted):
                attempts.append(entry.t)
            elif isinstance(entry, Noted) and entry.name == "well-again":
                well = entry
            if well is None:
                continue
            until = well.t + well.detail["within_s"]
            if standstills.overdue(well.t, until, entry.t):
                return [self._found(recording, well, attempts)]
            if not any(missing(terms.streams, terms.k, well.t, connections, deliveries, [0])):
                return []
        return []

    def _found(self, recording: Recording, well: Noted, attempts: list[float]) -> Finding:
        within_s = well.detail["within_s"]
        late = [t for t in attempts if t > well.t]
        if late:
            message = f"not recovered within {within_s:.1f} s of the end of a long outage"
            return finding(self, recording, message, late[-1], attempts=len(late))
        message = (
            "gave up without a word: the process lives and has not said `gave_up`, and there was "
            f"no attempt within {within_s:.1f} s of the end of the outage"
        )
        if attempts:
            message += f"; the last one was {well.t - attempts[-1]:.1f} s before that"
        return finding(self, recording, message, well.t + within_s)
