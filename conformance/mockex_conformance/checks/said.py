"""What the testee says and answers, where the case is about its word."""

from __future__ import annotations

from mockex.server.journal import (
    Answered,
    AnyEntry,
    Asked,
    Closed,
    Ended,
    HalfClosed,
    Noted,
    Said,
    Unsubscribed,
)
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding

NAMING_SILENCE = ("stale", "refused", "error")


class SilenceTold(Check, frozen=True, tag="silence_told"):
    """Until `within_s` after a landmark `must-tell` (`stream`) the testee did not say that
    something is wrong with the stream: by `stale`, `refused` or `error` naming it."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        waiting: Noted | None = None
        told: set[str] = set()
        standstills = Standstills(recording.entries)
        for entry in recording.entries:
            if isinstance(entry, Said) and entry.method in NAMING_SILENCE:
                told.add(entry.params.get("stream", ""))
            if isinstance(entry, Noted) and entry.name == "must-tell":
                waiting = entry
            if waiting is None:
                continue
            stream = waiting.detail["stream"]
            until = waiting.t + waiting.detail["within_s"]
            if standstills.overdue(waiting.t, until, entry.t):
                message = (
                    f"{stream} was acknowledged and never sent, and nothing was said of it within "
                    f"{waiting.detail['within_s']:.1f} s: no {', '.join(NAMING_SILENCE[:-1])} or "
                    f"{NAMING_SILENCE[-1]} names it"
                )
                return [finding(self, recording, message, until, stream=stream)]
            if stream in told:
                return []
        return []


class Undisturbed(Check, frozen=True, tag="undisturbed"):
    """From a landmark `leave-alone` (`streams`) on, the testee ended the delivery of one of these
    streams more than `times` x K times, by ending its connection or by unsubscribing it."""

    times: int = 1
    gives_up_after = ("stall_detect_ms", "data_silence_ms")

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first that is disturbed too often."""
        view = Connections()
        ends: dict[str, list[float]] = {}
        for entry in recording.entries:
            for name in _ended_by_testee(entry, view):
                if name in ends:
                    ends[name].append(entry.t)
                    if len(ends[name]) > self.times * recording.terms.k:
                        message = (
                            f"{name} was delivered as it should be, and the testee ended that "
                            f"{len(ends[name])} times"
                        )
                        return [finding(self, recording, message, entry.t, stream=name)]
            view.apply(entry)
            if isinstance(entry, Noted) and entry.name == "leave-alone":
                ends = {name: [] for name in entry.detail["streams"]}
        return []


def _ended_by_testee(entry: AnyEntry, before: Connections) -> list[str]:
    """Streams whose delivery on a live connection ends here, by the testee's doing."""
    match entry:
        case Unsubscribed(conn=conn, streams=streams):
            return [n for n in streams if before.all[conn].live and before.all[conn].streams.get(n)]
        case Closed(conn=conn, by="client") | HalfClosed(conn=conn, by="client"):
            pass
        case Ended(conn=conn, by="client"):
            pass
        case _:
            return []
    connection = before.all[conn]
    return [n for n, served in connection.streams.items() if served and connection.live]


class LiveIsTrue(Check, frozen=True, tag="live_is_true"):
    """At a landmark `subscriptions` (`streams`), or when the case was over, the last `state` of the
    testee was `live` and a stream that is wanted was delivered nowhere."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        view = Connections()
        state = ""
        streams = recording.terms.streams
        for entry in recording.entries:
            view.apply(entry)
            if isinstance(entry, Said) and entry.method == "state":
                state = entry.params["state"]
            if not isinstance(entry, Noted):
                continue
            streams = entry.detail.get("streams", streams)
            if state == "live" and entry.name in ("subscriptions", "body-over"):
                dead = [name for name in streams if not view.delivering(name)]
                if dead:
                    message = f"says that it is live, and delivers no {', '.join(dead[:3])}"
                    return [finding(self, recording, message, entry.t, streams=dead)]
        return []


class AnsweredInTime(Check, frozen=True, tag="answered_in_time"):
    """A `subscribe` or `unsubscribe` was refused, or not answered within `within_s` (times the
    deadline factor of the run: it is what must happen)."""

    within_s: float = 1.0

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first of them."""
        open_: dict[tuple[int, int], Asked] = {}
        standstills = Standstills(recording.entries)
        for entry in recording.entries:
            for asked in open_.values():
                until = asked.t + self.within_s * recording.terms.deadline_factor
                if standstills.overdue(asked.t, until, entry.t):
                    message = f"{asked.method!r} was not answered within {self.within_s:g} s"
                    return [finding(self, recording, message, until, method=asked.method)]
            if isinstance(entry, Asked) and entry.method in ("subscribe", "unsubscribe"):
                open_[entry.run, entry.id] = entry
            elif isinstance(entry, Answered):
                answered = open_.pop((entry.run, entry.id), None)
                if answered is not None and entry.error is not None:
                    message = f"{answered.method!r} was refused: {entry.error.get('message', '')}"
                    return [finding(self, recording, message, entry.t, method=answered.method)]
        return []
