"""Moving from a connection that still works to its successor: without a gap, and in time."""

from __future__ import annotations

from dataclasses import dataclass

from mockex.server.journal import AnyEntry, Attempted, Closed, Ended, HalfClosed, Noted
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding


@dataclass(slots=True)
class _Gap:
    since: float
    cause: str
    opened: int  # connections since the handover began


class NoGapInDeliveries(Check, frozen=True, tag="no_gap_in_deliveries"):
    """Between a landmark `handover` (`after` what) and the next `handover-over`, or the end, a
    stream had fewer than K live deliveries, for however short a time."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first gap of each handover."""
        findings: list[Finding] = []
        view = Connections()
        begun: Noted | None = None
        gap: _Gap | None = None
        told, opened = False, 0
        for entry in recording.entries:
            view.apply(entry)
            match entry:
                case Noted(name="handover"):
                    begun, gap, told, opened = entry, None, False, 0
                case Attempted():
                    opened += 1
                case _:
                    pass
            if begun is None or told:
                continue
            over = isinstance(entry, Noted) and entry.name == "handover-over"
            short = not over and self._short(recording, view)
            if short and gap is None:
                gap = _Gap(entry.t, _cause(entry), opened)
            elif not short and gap is not None:
                findings.append(self._found(recording, begun, gap, entry.t))
                gap, told = None, True
            if over:
                begun = None
        if begun is not None and gap is not None:  # it was still so at the end
            findings.append(self._found(recording, begun, gap, recording.entries[-1].t))
        return findings

    def _short(self, recording: Recording, view: Connections) -> bool:
        terms = recording.terms
        return any(len(view.delivering(stream)) < terms.k for stream in terms.streams)

    def _found(self, recording: Recording, begun: Noted, gap: _Gap, until: float) -> Finding:
        new = "the new one was not live" if gap.opened else "no new one had been opened"
        message = (
            f"no live delivery for {(until - gap.since) * 1000:.0f} ms: {gap.cause}, "
            f"{gap.since - begun.t:.2f} s after {begun.detail['after']}, and {new}"
        )
        return finding(self, recording, message, gap.since, lasted_s=round(until - gap.since, 3))


def _cause(entry: AnyEntry) -> str:
    if isinstance(entry, Closed | HalfClosed | Ended):
        who = "the testee" if entry.by == "client" else "the exchange"
        return f"{who} ended c{entry.conn}"
    return "there were too few connections from the beginning"


class RenewedInTime(Check, frozen=True, tag="renewed_in_time"):
    """The exchange cut a connection at its lifetime: close 1001, which nothing else in the case
    has."""

    lifetime_s: float

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first cut."""
        view = Connections()
        for entry in recording.entries:
            if isinstance(entry, Closed) and entry.by == "server" and entry.code == 1001:
                if view.all[entry.conn].closing_at is not None:
                    continue  # the answer to the testee's own close frame
                newer = [c for c in view.live() if c.number > entry.conn]
                message = f"c{entry.conn} was cut at its lifetime of {self.lifetime_s:g} s: "
                if newer:
                    since_s = entry.t - (newer[0].upgraded_at or entry.t)
                    message += (
                        f"the testee has kept it for {since_s:.1f} s beside c{newer[0].number}"
                    )
                else:
                    message += "the testee has not opened another before"
                return [finding(self, recording, message, entry.t)]
            view.apply(entry)
        return []
