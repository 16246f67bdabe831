"""How many connections carry a stream: the incident's own question."""

from __future__ import annotations

from itertools import pairwise

from mockex.server.journal import AnyEntry, Attempted, Faulted, Subscribed, Upgraded
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding


def _named(numbers: list[int]) -> str:
    return ", ".join(f"c{number}" for number in numbers)


class DeliveriesAtMost(Check, frozen=True, tag="deliveries_at_most"):
    """More than `k` live deliveries of a stream for longer than `overlap_ms`.

    With `pending`, attempts that are not answered yet count as well, with a grace of 50 ms
    (CONN-06). `moving`: `k` is what is right while a connection and its successor overlap.
    """

    k: int
    streams: list[str]
    overlap_ms: float = 0
    pending: bool = False
    moving: bool = False

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """At most `k` at any moment: nothing can take back one too many."""
        if self.overlap_ms or self.pending or not isinstance(entry, Subscribed | Upgraded):
            return False
        return any(len(connections.delivering(s)) > self.k for s in self.streams)

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each stream, at the first moment."""
        view = Connections()
        over: dict[str, tuple[float, list[int]]] = {}
        findings: dict[str, Finding] = {}
        counts: dict[str, list[int]] = {stream: [] for stream in self.streams}
        for entry in recording.entries:
            if isinstance(entry, Faulted) and entry.phase == "injected":
                for stream in self.streams:
                    counts[stream].append(len(view.delivering(stream)))
            view.apply(entry)
            if not isinstance(entry, Faulted | Attempted | Upgraded | Subscribed) and not over:
                continue
            for stream in self.streams:
                if stream not in findings:
                    self._look(recording, view, stream, entry.t, over, findings, counts[stream])
        end = recording.entries[-1].t if recording.entries else 0.0
        for stream, (since, numbers) in over.items():
            if stream not in findings:  # it was still so at the end
                findings[stream] = self._found(
                    recording, stream, since, end, numbers, counts[stream]
                )
        return list(findings.values())

    def _look(
        self,
        recording: Recording,
        view: Connections,
        stream: str,
        now: float,
        over: dict[str, tuple[float, list[int]]],
        findings: dict[str, Finding],
        counts: list[int],
    ) -> None:
        numbers = [c.number for c in view.delivering(stream)]
        if self.pending:
            numbers = sorted([*numbers, *(c.number for c in view.pending())])
        if len(numbers) <= self.k:
            since, were = over.pop(stream, (now, []))
            if were and now - since > self._allowed_s(recording, since, now):
                findings[stream] = self._found(recording, stream, since, now, were, counts)
        elif stream not in over or len(numbers) > len(over[stream][1]):
            over[stream] = (over.get(stream, (now,))[0], numbers)

    def _allowed_s(self, recording: Recording, since: float, now: float) -> float:
        grace_s = max(self.overlap_ms / 1000, 0.05 if self.pending else 0.0)
        return grace_s + recording.lag_s(since, now)

    def _found(
        self,
        recording: Recording,
        stream: str,
        since: float,
        until: float,
        numbers: list[int],
        counts: list[int],
    ) -> Finding:
        what = "is delivered on" if not self.pending else "has"
        which = "live connections" if not self.pending else "connections, dialling or live,"
        allowed = f"exactly {self.k} is allowed"
        if self.moving:
            allowed = f"at most {self.k} are allowed, while one replaces another"
        message = f"stream {stream} {what} {len(numbers)} {which} ({_named(numbers)}); {allowed}"
        growth = _growth([*counts, len(numbers)])
        return finding(
            self,
            recording,
            message + (f"; {growth}" if growth else ""),
            since,
            stream=stream,
            connections=numbers,
            lasted_s=round(until - since, 3),
        )


def _growth(counts: list[int]) -> str:
    """Whether the number grew by one or doubled from loss to loss; nothing if it cannot be told."""
    steps = [(a, b) for a, b in pairwise(counts) if b > a > 0]
    if not steps:
        return ""
    if all(b == a + 1 for a, b in steps):
        return "one more than before the loss"
    if all(b == 2 * a for a, b in steps):
        return "twice as many as before the loss"
    return f"before and after losses: {', '.join(map(str, counts))}"
