"""Coming back: in time, politely, and then leaving it alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    Faulted,
    HalfClosed,
    Noted,
    Upgraded,
)
from mockex.server.views import Connections, Deliveries
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.checks.clues import clue
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding

EVENTLESS = -2.0  # since then: before the -1 of who never got an event


def states(entries: list[AnyEntry]) -> Iterator[tuple[AnyEntry, Connections, Deliveries]]:
    """Each entry, and the two views as they are after it."""
    connections, deliveries = Connections(), Deliveries()
    for entry in entries:
        connections.apply(entry)
        deliveries.apply(entry)
        yield entry, connections, deliveries


def missing(
    streams: list[str],
    k: int,
    since: float,
    connections: Connections,
    deliveries: Deliveries,
    ports: list[int],
    but: Collection[int] = (),
) -> Iterator[str]:
    """Streams without K live deliveries, other than on the connections `but`, on each of which an
    event was written after `since`; with several processes, each at a port of its own, those of
    each."""
    for stream in streams:
        fresh = Counter(
            c.port
            for c in connections.delivering(stream)
            if c.number not in but and (deliveries.last_at(c.number, stream) or -1.0) > since
        )
        yield from _lacking(stream, k, fresh, ports)


def _lacking(stream: str, k: int, counts: Counter[int], ports: list[int]) -> list[str]:
    return [
        stream if len(ports) == 1 else f"{stream} (process {number} of {len(ports)})"
        for number, port in enumerate(ports, 1)
        if counts[port] < k
    ]


class Recovered(Check, frozen=True, tag="recovered"):
    """Some wanted stream was not live, or not recovered, in time.

    Judges every landmark `awaiting-live` and `awaiting-recovery`: `since`, `within_s`. With
    `eventless`, on a market that stands still, deliveries without an event are live.

    Excused if we stood still, at once, as long as a handshake may take: all that were under way had
    to be given up then, and attempts are not to be had without end.
    """

    def excused(self, recording: Recording, found: Finding, standstills: Standstills) -> float:
        """See the class."""
        at = recording.began + found.at_s
        waits = [*recording.noted("awaiting-live"), *recording.noted("awaiting-recovery")]
        since = max((wait.detail["since"] for wait in waits if wait.t <= at), default=at)
        still_s = standstills.longest(since, at)
        return still_s if still_s >= recording.terms.patience_s("handshake_timeout_ms") else 0.0

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first landmark that was not met in time."""
        waiting: Noted | None = None
        streams = recording.terms.streams
        behind, ports = streams, [0]
        standstills = Standstills(recording.entries)
        for entry, connections, deliveries in states(recording.entries):
            if isinstance(entry, Noted):
                if entry.name in ("awaiting-live", "awaiting-recovery"):
                    waiting = entry
                    streams = behind = entry.detail.get("streams", streams)
                    ports = entry.detail.get("ports", ports)
                elif entry.name == "no-attempt":
                    return [self._no_attempt(recording, entry)]
            if waiting is None:
                continue
            since, within_s = waiting.detail["since"], waiting.detail["within_s"]
            until = since + within_s
            if standstills.overdue(since, until, entry.t):
                return [self._late(recording, waiting, behind)]
            k = recording.terms.k
            fresh_since = EVENTLESS if waiting.detail.get("eventless") else since
            behind = list(missing(streams, k, fresh_since, connections, deliveries, ports))
            if not behind:
                waiting = None
        return []

    def _late(self, recording: Recording, waiting: Noted, behind: list[str]) -> Finding:
        since, within_s = waiting.detail["since"], waiting.detail["within_s"]
        shown = ", ".join(behind[:3]) + (f" and {len(behind) - 3} more" if len(behind) > 3 else "")
        what = "never went live" if waiting.name == "awaiting-live" else "not recovered"
        after = "the start" if waiting.name == "awaiting-live" else "the fault"
        awaited = {name.partition(" ")[0] for name in behind}  # of whichever process
        why = clue(recording, awaited, since, since + within_s)
        return finding(
            self,
            recording,
            f"{what}: no events of {shown} within {within_s:.1f} s of {after}"
            + (f"; {why}" if why else ""),
            since + within_s,
            streams=behind,
            limit_ms=waiting.detail.get("limit_ms"),
        )

    def _no_attempt(self, recording: Recording, entry: Noted) -> Finding:
        within_s = entry.detail["within_s"]
        return finding(
            self,
            recording,
            f"not recovered: no attempt to connect within {within_s:.1f} s",
            entry.t,
        )


class LiveAtEnd(Check, frozen=True, tag="live_at_end"):
    """At the landmark `end` a stream was not delivered on K connections."""

    # What was sent to us while we stood still comes at once, which a limit is there to refuse.
    gives_up_after = ("handshake_timeout_ms", "ack_timeout_ms")

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        streams, ports = recording.terms.streams, [0]
        for entry, connections, _ in states(recording.entries):
            if not isinstance(entry, Noted):
                continue
            streams = entry.detail.get("streams", streams)
            ports = entry.detail.get("ports", ports)
            if entry.name == "end":
                dead = [
                    name
                    for stream in streams
                    for name in _lacking(
                        stream,
                        recording.terms.k,
                        Counter(c.port for c in connections.delivering(stream)),
                        ports,
                    )
                ]
                if dead:
                    message = f"{', '.join(dead[:3])} not delivered at the end of the case"
                    return [finding(self, recording, message, entry.t)]
        return []


class Stays(Check, frozen=True, tag="stays"):
    """An attempt, or a loss caused by the testee, within a landmark `quiet` (`window_s`). What
    answers an end by the exchange causes none."""

    gives_up_after = ("stall_detect_ms", "data_silence_ms")

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first unrest."""
        until = -1.0
        over: set[int] = set()
        for entry in recording.entries:
            match entry:
                case Closed(conn=conn, by="server") | HalfClosed(conn=conn, by="server"):
                    over.add(conn)
                case Noted(name="quiet"):
                    until = entry.t + entry.detail["window_s"]
                case Attempted(conn=conn) if entry.t <= until:
                    message = f"a new connection (c{conn}) although nothing was lost"
                    return [finding(self, recording, message, entry.t)]
                case Closed(conn=conn, by="client") | HalfClosed(conn=conn, by="client"):
                    if entry.t <= until and conn not in over:
                        message = (
                            f"the testee ended c{conn}{_in_its_words(entry)} although nothing was "
                            "wrong with it"
                        )
                        return [finding(self, recording, message, entry.t)]
                case Ended(conn=conn, by="client", how="rst") if (
                    entry.t <= until and conn not in over
                ):
                    message = f"the testee reset c{conn} although nothing was wrong with it"
                    return [finding(self, recording, message, entry.t)]
                case _:
                    pass
        return []


def _in_its_words(entry: Closed | HalfClosed) -> str:
    """What a close frame says beyond that all is well."""
    if not isinstance(entry, Closed) or entry.code in (None, 1000, 1001):
        return ""
    return f" with {entry.code}" + (f" ({entry.reason})" if entry.reason else "")


class AttemptRate(Check, frozen=True, tag="attempt_rate"):
    """More attempts than 6 x C + w x C / scale in a window of w seconds, between the landmarks
    `attempts-counted` (`connections`: C) and `attempts-counted-end`. `phase`, if it is there, is
    what became of each attempt.

    Simulated 4,000 times each: full jitter from 0.5 s with an immediate first retry never fails
    at scale 0.1 and 1; a retry every 10 ms fails at once (catalogue, section 5).
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each phase: its worst window."""
        findings: list[Finding] = []
        times: list[float] = []
        counting: Noted | None = None
        for entry in recording.entries:
            if isinstance(entry, Noted) and entry.name == "attempts-counted":
                counting, times = entry, []
            elif isinstance(entry, Attempted) and counting is not None:
                times.append(entry.t)
            elif isinstance(entry, Noted) and entry.name == "attempts-counted-end" and counting:
                findings += self._phase(recording, counting, times)
                counting = None
        if counting is not None:
            findings += self._phase(recording, counting, times)
        return findings

    def _phase(self, recording: Recording, counting: Noted, times: list[float]) -> list[Finding]:
        held = max(1, counting.detail["connections"])
        scale = recording.terms.scale
        per_s = held / scale
        worst = (0.0, 0, 0.0, 0.0)  # surplus, attempts, window, at
        # The surplus of a window is one of its end less one of its begin, so the best begin so far
        # is the best for each end: thousands of attempts are looked at once.
        first = 0
        for last, at in enumerate(times):
            if times[last] * per_s - last > times[first] * per_s - first:
                first = last
            window_s, attempts = at - times[first], last - first + 1
            surplus = attempts - 6 * held - window_s * per_s
            if surplus > worst[0]:
                worst = (surplus, attempts, window_s, at)
        if not worst[0]:
            return []
        _, attempts, window_s, at = worst
        phase = counting.detail.get("phase")
        message = (
            f"{attempts} attempts in {window_s:.2f} s; {6 * held + window_s * held / scale:.0f} "
            f"are bearable for {held} connection{'s' if held > 1 else ''}"
            f"{f'; each was {phase}' if phase else ''}"
        )
        return [finding(self, recording, message, at, attempts=attempts, window_s=window_s)]


class NoAttempt(Check, frozen=True, tag="no_attempt"):
    """An attempt between the landmark `closed` and the end."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first attempt."""
        closed: Noted | None = None
        for entry in recording.entries:
            if isinstance(entry, Noted) and entry.name == "closed":
                closed = entry
            elif isinstance(entry, Attempted) and closed is not None:
                message = (
                    f"connected again (c{entry.conn}) {entry.t - closed.t:.2f} s after it was "
                    "closed for good"
                )
                return [finding(self, recording, message, entry.t)]
        return []


class OneUpgradePerLoss(Check, frozen=True, tag="one_upgrade_per_loss"):
    """More connections upgraded after a loss than were lost.

    One that was answered late because our own loop stood still is not counted: the testee may have
    given it up already.
    """

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first surplus."""
        view = Connections()
        standstills = Standstills(recording.entries)
        patience_s = recording.terms.patience_s("handshake_timeout_ms")
        kind, lost, upgraded = "", set[int](), list[int]()
        open_before: set[int] = set()
        for entry in recording.entries:
            if isinstance(entry, Faulted) and entry.phase == "injected":
                kind, lost, upgraded = entry.kind, set(), []
                open_before = {c.number for c in view.live()}
            view.apply(entry)
            if isinstance(entry, Closed | HalfClosed | Ended) and entry.conn in open_before:
                lost.add(entry.conn)
            elif isinstance(entry, Upgraded) and kind:
                if standstills.excuse(entry.t, patience_s):
                    continue
                upgraded.append(entry.conn)
                if len(upgraded) > max(1, len(lost)):
                    names = ", ".join(f"c{n}" for n in upgraded)
                    message = (
                        f"{len(upgraded)} connections ({names}) replaced {len(lost)} lost by {kind}"
                    )
                    return [finding(self, recording, message, entry.t)]
        return []


class FewConnections(Check, frozen=True, tag="few_connections"):
    """After a fault more than `most` connections were upgraded for each one that was lost, until
    all streams flowed again."""

    most: int = 3
    gives_up_after = ("handshake_timeout_ms",)

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first connection too many."""
        view = Connections()
        open_before: set[int] = set()
        lost: set[int] = set()
        upgraded: list[int] | None = None  # None: nothing is wrong
        for entry in recording.entries:
            match entry:
                case Faulted(phase="injected"):
                    open_before, lost, upgraded = {c.number for c in view.live()}, set(), []
                case Noted(name="recovered"):
                    upgraded = None
                case Closed(conn=conn) | HalfClosed(conn=conn) | Ended(conn=conn):
                    lost |= {conn} & open_before
                case Upgraded(conn=conn) if upgraded is not None:
                    upgraded.append(conn)
                    if len(upgraded) > self.most * max(1, len(lost)):
                        message = (
                            f"not back after {len(upgraded) - 1} connections, and it opened another"
                        )
                        return [finding(self, recording, message, entry.t, connections=upgraded)]
                case _:
                    pass
            view.apply(entry)
        return []
