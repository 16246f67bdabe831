"""How attempts are spaced while the exchange is away: rarer and rarer, not in step with others,
never before the time that was told.

An outage lies between the landmarks `waits-counted` and `waits-counted-end`. Processes of one
testee are told apart by the port that they were given. A *wait* is the time from the end of an
attempt, or of the connection that was lost, to the next attempt: unlike an instant, it is not
blurred by the wake-ups of many processes on a busy machine.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import mean, median

from mockex.server.journal import AnyEntry, Attempted, Ended, Lagged, Noted, Refused
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_IMMEDIATE_S = 0.05  # a first wait below it is an immediate first retry
_GRACE_S = 0.05  # of a time that the exchange dictates
_ROOM = 5  # the longest wait is at least so many first ones, or nothing can grow
_IN_A_ROW = 3


@dataclass(slots=True)
class Waits:
    """One outage: the waits of each process in it, by its port, in order."""

    ended_at: float = 0.0
    of: dict[int, list[float]] = field(default_factory=dict)
    lag_s: float = 0.0  # the largest of our own loop: by so much a wait may seem longer

    def in_ms(self) -> list[list[int]]:
        """As evidence."""
        return [[round(s * 1000) for s in waits] for waits in self.of.values()]


def waits_of(entries: Iterable[AnyEntry]) -> list[Waits]:
    """Every outage of a recording, one that is not over included."""
    ports: dict[int, int] = {}
    open_at: defaultdict[int, set[int]] = defaultdict(set)  # attempts and connections, by port
    over_at: dict[int, float] = {}
    now: Waits | None = None
    found: list[Waits] = []
    for entry in entries:
        match entry:
            case Noted(name="waits-counted"):
                now = Waits()
                found.append(now)
            case Noted(name="waits-counted-end"):
                now = None
            case Attempted(conn=conn, port=port):
                if now is not None:
                    # One that is made while another is under way has not waited.
                    wait_s = 0.0 if open_at[port] else entry.t - over_at.get(port, entry.t)
                    now.of.setdefault(port, []).append(wait_s)
                ports[conn] = port
                open_at[port].add(conn)
            case Ended(conn=conn) | Refused(conn=conn) if conn in open_at[ports.get(conn, 0)]:
                open_at[ports[conn]].discard(conn)
                over_at[ports[conn]] = entry.t
            case Lagged(late_s=late_s) if now is not None:
                now.lag_s = max(now.lag_s, late_s)
            case _:
                pass
        if now is not None:
            now.ended_at = entry.t
    return found


class DelaysGrow(Check, frozen=True, tag="delays_grow"):
    """In two outages, one after the other, the last two of so many waits of all processes were on
    average less than `least` times as long as the first two.

    An immediate first retry is left out. Judged by one outage, decorrelated jitter behind an
    immediate first retry, which is right, would be failed in 2.5 of 1,000 runs; by two, in less
    than 2 of 100,000, full and equal jitter in none of 500,000, and a fixed delay with a jitter of
    a half is still failed in more than 999 of 1,000.
    """

    attempts: int = 6
    processes: int = 8
    least: float = 1.5

    def growth(self, outage: Waits) -> float | None:
        """How many times as long the last two waits are as the first two; None if a process made
        too few attempts."""
        made = [_grown(w[: self.attempts]) for w in outage.of.values() if len(w) >= self.attempts]
        if len(made) < self.processes:
            return None
        first = mean(wait for waits in made for wait in waits[:2])
        last = mean(wait for waits in made for wait in waits[-2:])
        return last / max(first, 1e-9)

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        outages = waits_of(recording.entries)
        grown = [times for outage in outages if (times := self.growth(outage)) is not None]
        if len(grown) < 2 or max(grown) >= self.least or self._without_room(recording):
            return []
        message = (
            f"attempts do not get rarer: the last two of {self.attempts} waits are "
            f"{grown[0]:.2f} and, in a second outage, {grown[1]:.2f} times as long as the first "
            f"two; {self.least:g} times is growth"
        )
        evidence = [outage.in_ms() for outage in outages]
        return [finding(self, recording, message, outages[-1].ended_at, waits_ms=evidence)]

    def unmet(self, recording: Recording) -> str:
        """Too few attempts, or no room for longer waits."""
        grown = [self.growth(outage) for outage in waits_of(recording.entries)]
        if any(times is not None and times >= self.least for times in grown):
            return ""
        if not grown or None in grown:
            return f"not each of {self.processes} processes made {self.attempts} attempts in time"
        return self._without_room(recording)

    def _without_room(self, recording: Recording) -> str:
        """Why nothing can grow here, empty if it can."""
        first_s = mean(
            _grown(waits)[0]
            for outage in waits_of(recording.entries)
            for waits in outage.of.values()
            if len(waits) > 1
        )
        cap_ms = recording.terms.limits["reconnect_cap_ms"]
        first_ms = first_s * 1000 / recording.terms.scale
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
    """At three attempts in a row, from the second on, the waits of all processes differed by less
    than `least` of their median: what lost its connections together comes back together.

    A jitter of a tenth (0.9 to 1 times the delay) is taken for none in 2 of 100,000 runs of four
    attempts and in 5 of six; one of a fifth, or full jitter, in none of 2,000,000.
    """

    processes: int = 8
    least: float = 0.05

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        for outage in waits_of(recording.entries):
            spreads = [spread_s / middle_s for spread_s, middle_s in self._spreads(outage)]
            for first in range(len(spreads) - _IN_A_ROW + 1):
                row = spreads[first : first + _IN_A_ROW]
                if max(row) < self.least:
                    message = (
                        f"{self.processes} processes come back in step: their waits before "
                        f"attempts {first + 2} to {first + 1 + _IN_A_ROW} differ by "
                        f"{', '.join(f'{spread:.1%}' for spread in row)}; {self.least:.0%} at one "
                        "of them is spread"
                    )
                    at, evidence = outage.ended_at, outage.in_ms()
                    return [finding(self, recording, message, at, waits_ms=evidence)]
        return []

    def settled(self, outage: Waits) -> bool:
        """Whether enough was seen: at one attempt they are further apart than our own lateness
        explains, or they are in step at three in a row."""
        spreads = self._spreads(outage)
        near = [spread_s < self.least * middle_s for spread_s, middle_s in spreads]
        in_step = any(all(near[n : n + _IN_A_ROW]) for n in range(len(near) - _IN_A_ROW + 1))
        return len(spreads) >= _IN_A_ROW and (
            in_step or any(s - outage.lag_s >= self.least * m for s, m in spreads)
        )

    def unmet(self, recording: Recording) -> str:
        """Too few attempts, or our own loop was too late to tell."""
        outages = waits_of(recording.entries)
        if any(self.settled(outage) for outage in outages):
            return ""
        if not any(len(self._spreads(outage)) >= _IN_A_ROW for outage in outages):
            return f"not each of {self.processes} processes made {_IN_A_ROW + 1} attempts in time"
        lag_s = max(outage.lag_s for outage in outages)
        return (
            f"our own loop was up to {lag_s * 1000:.0f} ms late, and the waits of "
            f"{self.processes} processes do not differ by more than that: run it by itself"
        )

    def _spreads(self, outage: Waits) -> list[tuple[float, float]]:
        """Longest minus shortest, and the median, of the waits before attempt 2, 3 and so on, as
        far as all processes have come."""
        whole = [waits for waits in outage.of.values() if len(waits) > _IN_A_ROW]
        if len(whole) < self.processes:
            return []
        columns = list(zip(*whole, strict=False))[1:]
        return [(max(c) - min(c), max(median(c), 1e-9)) for c in columns]


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


class NoStorm(Check, frozen=True, tag="no_storm"):
    """More than `most` attempts within a second. Judged in every case, which ends with it: owners
    that start more owners double at each loss, and neither side would live to the end.

    A right testee with a connection for each of 1,100 streams stays well below.
    """

    most: int = 3000

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """Whether the attempt `most` before this one is not a second old."""
        if not isinstance(entry, Attempted):
            return False
        before = connections.all.get(entry.conn - self.most)
        return before is not None and entry.t - before.attempted_at <= 1

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        times: deque[float] = deque(maxlen=self.most + 1)
        for entry in recording.of(Attempted):
            times.append(entry.t)
            if len(times) > self.most and entry.t - times[0] <= 1:
                message = (
                    f"{self.most} attempts to connect within {entry.t - times[0]:.2f} s: what "
                    "reconnects multiplies; the case was ended there"
                )
                return [finding(self, recording, message, entry.t)]
        return []
