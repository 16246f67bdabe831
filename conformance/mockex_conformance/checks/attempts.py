"""How attempts are spaced while the exchange is away: rarer and rarer, not in step with others,
never before the time that was told.

An outage lies between the landmarks `waits-counted` and `waits-counted-end`. Processes of one
testee are told apart by the port that they were given. A *wait* is the time from the end of an
attempt, or of the connection that was lost, to the next attempt: unlike an instant, it is not
blurred by the wake-ups of many processes on a busy machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import mean, median

from mockex.server.journal import AnyEntry, Attempted, Ended, Noted, Refused
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_IMMEDIATE_S = 0.05  # a first wait below it is an immediate first retry
_GRACE_S = 0.05  # of a time that the exchange dictates
_ROOM = 5  # the longest wait is at least so many first ones, or nothing can grow

Waits = list[list[float]]  # of each process, in order


def waits_of(entries: Iterable[AnyEntry]) -> list[tuple[float, Waits]]:
    """For each outage its end, and the waits of each process that made an attempt in it."""
    ports: dict[int, int] = {}
    open_at: defaultdict[int, set[int]] = defaultdict(set)  # attempts and connections, by port
    over_at: dict[int, float] = {}
    counted: dict[int, list[float]] | None = None
    outages: list[tuple[float, Waits]] = []
    for entry in entries:
        match entry:
            case Noted(name="waits-counted"):
                counted = {}
            case Noted(name="waits-counted-end") if counted is not None:
                outages.append((entry.t, list(counted.values())))
                counted = None
            case Attempted(conn=conn, port=port):
                if counted is not None:
                    # One that is made while another is under way has not waited.
                    wait_s = 0.0 if open_at[port] else entry.t - over_at.get(port, entry.t)
                    counted.setdefault(port, []).append(wait_s)
                ports[conn] = port
                open_at[port].add(conn)
            case Ended(conn=conn) | Refused(conn=conn) if conn in open_at[ports.get(conn, 0)]:
                open_at[ports[conn]].discard(conn)
                over_at[ports[conn]] = entry.t
            case _:
                pass
    return outages


class DelaysGrow(Check, frozen=True, tag="delays_grow"):
    """In two outages, one after the other, the last two of so many waits of all processes were on
    average less than `least` times as long as the first two.

    An immediate first retry is left out. Of one outage alone a right adapter with decorrelated
    jitter and an immediate first retry would fail 2.5 in 1,000; of two, less than one in 100,000,
    and a fixed delay with a jitter of a half still fails in 9,990 of 10,000 (simulated 400,000
    times each).
    """

    attempts: int = 6
    processes: int = 8
    least: float = 1.5

    def growth(self, waits: Waits) -> float | None:
        """How many times as long the last two waits are as the first two; None if a process made
        too few attempts."""
        counted = [_grown(w[: self.attempts]) for w in waits if len(w) >= self.attempts]
        if len(counted) < self.processes:
            return None
        first = mean(wait for w in counted for wait in w[:2])
        last = mean(wait for w in counted for wait in w[-2:])
        return last / max(first, 1e-9)

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        outages = waits_of(recording.entries)
        grown = [found for _, waits in outages if (found := self.growth(waits)) is not None]
        if len(grown) < 2 or max(grown) >= self.least or self._without_room(recording):
            return []
        message = (
            f"attempts do not get rarer: the last two of {self.attempts} waits are "
            f"{grown[0]:.2f} and, in a second outage, {grown[1]:.2f} times as long as the first "
            f"two; {self.least:g} times is growth"
        )
        waits_ms = [[[round(s * 1000) for s in w] for w in waits] for _, waits in outages]
        return [finding(self, recording, message, outages[-1][0], waits_ms=waits_ms)]

    def unmet(self, recording: Recording) -> str:
        """Too few attempts, or no room for longer waits."""
        grown = [self.growth(waits) for _, waits in waits_of(recording.entries)]
        if any(found is not None and found >= self.least for found in grown):
            return ""
        if not grown or None in grown:
            return f"not each of {self.processes} processes made {self.attempts} attempts in time"
        return self._without_room(recording)

    def _without_room(self, recording: Recording) -> str:
        """Why nothing can grow here, empty if it can."""
        terms = recording.terms
        first_s = mean(
            _grown(w)[0] for _, waits in waits_of(recording.entries) for w in waits if len(w) > 1
        )
        cap_ms, first_ms = terms.limits["reconnect_cap_ms"], first_s * 1000 / terms.scale
        if cap_ms >= _ROOM * first_ms:
            return ""
        return (
            f"the first wait is {first_ms / 1000:.1f} s: below `reconnect_cap_ms` = {cap_ms:g} "
            f"nothing can grow to {_ROOM} times that"
        )


def _grown(waits: list[float]) -> list[float]:
    """The waits in which growth can show: not an immediate first retry."""
    return waits[1:] if waits[0] < _IMMEDIATE_S else waits


class HerdIsSpread(Check, frozen=True, tag="herd_is_spread"):
    """At each of the attempts 2, 3 and 4 the waits of all processes differed by less than `least`
    of their median: what lost its connections together comes back together.

    A jitter of 10 % in all (0.9 to 1 times the delay) is taken for none in less than 2 of 100,000
    runs.
    """

    processes: int = 8
    least: float = 0.05

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        for at, waits in waits_of(recording.entries):
            spreads = self._spreads(waits)
            if spreads and max(spreads) < self.least:
                shown = ", ".join(f"{spread:.1%}" for spread in spreads)
                message = (
                    f"{len(waits)} processes come back in step: their waits before attempts 2, 3 "
                    f"and 4 differ by {shown}; {self.least:.0%} at one of them is spread"
                )
                waits_ms = [[round(s * 1000, 1) for s in w[:4]] for w in waits]
                return [finding(self, recording, message, at, waits_ms=waits_ms)]
        return []

    def unmet(self, recording: Recording) -> str:
        """Too few attempts."""
        if any(self._spreads(waits) for _, waits in waits_of(recording.entries)):
            return ""
        return f"not each of {self.processes} processes made 4 attempts in time"

    def _spreads(self, waits: Waits) -> list[float]:
        """(longest - shortest) / median of each of the three; nothing if attempts are missing."""
        if sum(len(w) >= 4 for w in waits) < self.processes:
            return []
        columns = [[w[index] for w in waits if len(w) >= 4] for index in (1, 2, 3)]
        return [(max(c) - min(c)) / max(median(c), 1e-9) for c in columns]


class WaitsAsTold(Check, frozen=True, tag="waits_as_told"):
    """An attempt earlier than the exchange had told: landmark `told-to-wait` (`connection` that was
    refused, `status`, `seconds`)."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each refusal that was not heeded."""
        refused = {entry.conn: entry.t for entry in recording.of(Refused)}
        attempts = [entry.t for entry in recording.of(Attempted)]
        findings = []
        for told in recording.noted("told-to-wait"):
            at, seconds = refused[told.detail["connection"]], told.detail["seconds"]
            early = next((t for t in attempts if at < t < at + seconds - _GRACE_S), None)
            if early is not None:
                message = (
                    f"refused with {told.detail['status']} and told to wait {seconds:g} s, it "
                    f"tried again after {early - at:.2f} s"
                )
                findings.append(finding(self, recording, message, early))
        return findings
