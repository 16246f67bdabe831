"""What is sent to the testee: as much after the losses as before."""

from __future__ import annotations

from collections import Counter

from mockex.server.journal import Delivered, Noted
from mockex.server.views import Connections, Deliveries
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding


class TrafficFlat(Check, frozen=True, tag="traffic_flat"):
    """Between landmarks `measure` and `measured`: a step with more or fewer than K events of a
    stream; or bytes of the last measurement off by more than `tolerance` from the first.

    Counted by step of the market, not by the clock, so a late timer of ours fails nobody.
    """

    streams: list[str]
    tolerance: float = 0.02

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each measurement that is off, and one for bytes."""
        connections, deliveries = Connections(), Deliveries()
        measuring: Noted | None = None
        events: Counter[tuple[int, str]] = Counter()
        total = 0
        sums: list[tuple[float, int, int]] = []  # at, bytes, steps
        findings: list[Finding] = []
        for entry in recording.entries:
            connections.apply(entry)
            deliveries.apply(entry)
            match entry:
                case Noted(name="measure"):
                    measuring, total = entry, 0
                    events.clear()
                case Noted(name="measured") if measuring is not None:
                    steps = len({step for step, _ in events})
                    sums.append((entry.t, total, steps))
                    findings += self._uneven(recording, entry, events)
                    measuring = None
                case Delivered(audience=audience, step=step, streams=streams) if measuring:
                    members = len(deliveries.members(audience))
                    for name, batch in streams.items():
                        if name in self.streams:
                            events[step, name] += members * batch.events
                            total += members * batch.bytes
                case _:
                    pass
        return findings + self._bytes(recording, sums)

    def _uneven(
        self, recording: Recording, at: Noted, events: Counter[tuple[int, str]]
    ) -> list[Finding]:
        k = recording.terms.k
        steps = sorted({step for step, _ in events})
        for stream in self.streams:
            wrong = {step: events[step, stream] for step in steps if events[step, stream] != k}
            if wrong:
                worst = max(wrong.values(), key=lambda n: abs(n - k))
                message = (
                    f"stream {stream}: {worst} events a step instead of {k}, in {len(wrong)} of "
                    f"{len(steps)} steps {at.detail.get('when', '')}".rstrip()
                )
                return [finding(self, recording, message, at.t, stream=stream)]
        return []

    def _bytes(self, recording: Recording, sums: list[tuple[float, int, int]]) -> list[Finding]:
        if len(sums) < 2 or not sums[0][1] or not sums[0][2] or not sums[-1][2]:
            return []
        before, after = sums[0][1] / sums[0][2], sums[-1][1] / sums[-1][2]
        ratio = after / before
        if abs(ratio - 1) <= self.tolerance:
            return []
        message = f"{after:.0f} bytes a step after the losses, {before:.0f} before: x {ratio:.2f}"
        return [finding(self, recording, message, sums[-1][0], before=before, after=after)]
