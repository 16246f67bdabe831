"""What the testee holds open: connections that it must close, and how many it owns."""

from __future__ import annotations

from mockex.server.journal import AnyEntry, Closed, Ended, HalfClosed, Noted, Sampled
from mockex.server.views import Connections
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
                if standstills.overdue(landmark.t, until, entry.t):
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


class SocketsAtMost(Check, frozen=True, tag="sockets_at_most"):
    """Between the landmarks `sockets-watched` and `sockets-over` (or the end) the testee owned more
    sockets to the port of the streams than C + `more`.

    C is what it owned at the landmark `sockets-before`, as the newest sample had it, or the
    connections that were live then, whichever is more. Both landmarks may stand together.
    """

    more: int = 0

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most: the sample with the most."""
        view = Connections()
        latest = before = 0
        watching = False
        worst: Sampled | None = None
        for entry in recording.entries:
            view.apply(entry)
            match entry:
                case Noted(name="sockets-before"):
                    before = max(latest, len(view.live()))
                case Noted(name="sockets-watched"):
                    watching = True
                case Noted(name="sockets-over"):
                    watching = False
                case Sampled(stream_sockets=latest) if watching:
                    if worst is None or latest > worst.stream_sockets:
                        worst = entry
                case Sampled(stream_sockets=latest):
                    pass
                case _:
                    pass
        if worst is None or worst.stream_sockets <= before + self.more:
            return []
        message = (
            f"{worst.stream_sockets} sockets to the exchange at once, {before} before the fault; "
            f"at most {before + self.more} are right"
        )
        return [finding(self, recording, message, worst.t, states=worst.own_sockets)]


class NoSurplus(Check, frozen=True, tag="no_surplus"):
    """At a landmark `pool-counted` (`allowed`, `after`) more connections were live, idle ones
    included, or more sockets to the port of the streams owned, than `allowed`: as many as before
    the first loss."""

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """Who had all the time to close them has them still."""
        return (
            isinstance(entry, Noted)
            and entry.name == "pool-counted"
            and len(connections.live()) > entry.detail["allowed"]
        )

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first surplus."""
        view = Connections()
        sockets = 0
        for entry in recording.entries:
            view.apply(entry)
            if isinstance(entry, Sampled):
                sockets = entry.stream_sockets
            if not isinstance(entry, Noted) or entry.name != "pool-counted":
                continue
            allowed, after = entry.detail["allowed"], entry.detail["after"]
            connections = view.live()
            if len(connections) > allowed:
                idle = sum(not c.streams for c in connections)
                names = ", ".join(f"c{c.number}" for c in connections)
                message = (
                    f"{len(connections)} connections after {after} ({names}; {idle} without a "
                    f"stream), {allowed} before the first loss"
                )
            elif sockets > allowed:
                message = f"{sockets} sockets after {after}, {allowed} before the first loss"
            else:
                continue
            return [finding(self, recording, message, entry.t, allowed=allowed)]
        return []
