"""Moving from a connection that still works to its successor: without a gap, and in time."""

from __future__ import annotations

from dataclasses import dataclass

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    HalfClosed,
    Noted,
    Upgraded,
)
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
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
        ms = (until - gap.since) * 1000
        message = (
            f"no live delivery for {f'{ms:.0f}' if ms >= 1 else 'less than 1'} ms: {gap.cause}, "
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
            if (
                isinstance(entry, Closed)
                and entry.by == "server"
                and entry.code == 1001
                and view.all[entry.conn].closing_at is None  # no answer to a close of the testee
            ):
                message = (
                    f"c{entry.conn} was cut at its lifetime of {self.lifetime_s:g} s: the testee "
                    "had not moved its streams to another before"
                )
                return [finding(self, recording, message, entry.t)]
            view.apply(entry)
        return []


class OneUpgradePerRound(Check, frozen=True, tag="one_upgrade_per_round"):
    """Between a landmark `round` (`what` happened) and the next `round-over` more connections were
    upgraded than ended.

    Counted at the end, because a successor may come before the end of what it follows. One that was
    answered late because our own loop stood still is not counted: the testee may have given it up.
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each round with a surplus."""
        standstills = Standstills(recording.entries)
        patience_s = recording.terms.patience_s("handshake_timeout_ms")
        findings: list[Finding] = []
        what = ""
        view = Connections()
        live: set[int] = set()
        upgraded: list[int] = []
        for entry in recording.entries:
            view.apply(entry)
            match entry:
                case Noted(name="round"):
                    what, upgraded = entry.detail["what"], []
                    live = {c.number for c in view.live()}
                case Upgraded(conn=conn, t=t):
                    if not standstills.excuse(t, patience_s):
                        upgraded.append(conn)
                case Noted(name="round-over"):
                    lost = sum(not view.all[number].live for number in live)
                    if len(upgraded) > max(1, lost):
                        names = ", ".join(f"c{n}" for n in upgraded)
                        message = (
                            f"{len(upgraded)} connections ({names}) were opened for {lost} that "
                            f"{'was' if lost == 1 else 'were'} lost: {what} are one reason each"
                        )
                        findings.append(finding(self, recording, message, entry.t))
                case _:
                    pass
        return findings
