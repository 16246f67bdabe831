"""Silence and pauses: noticed, not held against the next connection, and not made up for."""

from __future__ import annotations

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Ended,
    HalfClosed,
    Noted,
    Said,
    Subscribed,
    Unsubscribed,
)
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding


def silence_noticed(entry: AnyEntry, connections: Connections) -> list[str]:
    """Streams of which this entry shows that the testee has noticed something: it says that they
    are stale, asks for them anew, or leaves the connection that carries them. `connections` may
    have taken the entry in, or not."""
    match entry:
        case Said(method="stale"):
            return [str(entry.params.get("stream", ""))]
        case Subscribed(streams=streams) | Unsubscribed(streams=streams):
            return streams
        case (
            Closed(conn=conn, by="client")
            | HalfClosed(conn=conn, by="client")
            | Ended(conn=conn, by="client")
        ):
            return list(connections.all[conn].streams)
        case _:
            return []


class NoticedSilence(Check, frozen=True, tag="noticed_silence"):
    """A stream of a landmark `silence` (`streams`, `since`, `within_s`) was neither said to be
    stale, nor asked for anew, nor was its connection replaced in time."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first landmark that was not met."""
        view = Connections()
        waiting: Noted | None = None
        left: dict[str, None] = {}
        standstills = Standstills(recording.entries)
        for entry in recording.entries:
            view.apply(entry)
            if isinstance(entry, Noted) and entry.name == "silence":
                waiting, left = entry, dict.fromkeys(entry.detail["streams"])
            if waiting is None:
                continue
            since, within_s = waiting.detail["since"], waiting.detail["within_s"]
            until = since + within_s
            if left and standstills.overdue(since, until, entry.t):
                names = ", ".join(left)
                message = (
                    f"{names} fell silent on a connection that is well; within {within_s:.1f} s "
                    "this was neither said, nor asked for anew, nor replaced"
                )
                return [finding(self, recording, message, until, streams=list(left))]
            for name in silence_noticed(entry, view):
                left.pop(name, None)
        return []


class Kept(Check, frozen=True, tag="kept"):
    """Within a landmark `keep` (`conn`, `window_s`, `why`) the testee ended that connection, or
    dialled another one. `why` says why it was to be kept, in words for the finding. One that the
    exchange ended is nobody's to keep any more, and neither is one whose handshake was given up
    because our own loop stood still and answered it late."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most."""
        keep: Noted | None = None
        patience_s = recording.terms.patience_s("handshake_timeout_ms")
        standstills = Standstills(recording.entries)
        dialled: dict[int, float] = {}
        for entry in recording.entries:
            if isinstance(entry, Attempted):
                dialled[entry.conn] = entry.t
            if isinstance(entry, Noted) and entry.name == "keep":
                keep = entry
            if keep is None or entry.t > keep.t + keep.detail["window_s"]:
                continue
            kept, after_s = keep.detail["conn"], entry.t - keep.t
            match entry:
                case (
                    Closed(conn=conn, by="server")
                    | HalfClosed(conn=conn, by="server")
                    | Ended(conn=conn, by="server")
                ) if conn == kept:
                    return []
                case (
                    Closed(conn=conn, by="client")
                    | HalfClosed(conn=conn, by="client")
                    | Ended(conn=conn, by="client")
                ) if conn == kept:
                    began = dialled.get(kept, keep.t)
                    still_s = standstills.between(began - patience_s, entry.t)
                    if still_s >= patience_s / 2 and entry.t - began <= patience_s + still_s:
                        return []
                    message = f"the testee ended c{kept} when it was {after_s:.2f} s old"
                case Attempted(conn=conn):
                    message = f"a new connection (c{conn}) when c{kept} was {after_s:.2f} s old"
                case _:
                    continue
            message += f", although {keep.detail['why']}"
            return [finding(self, recording, message, entry.t, conn=kept)]
        return []


class FewAttemptsAfterPause(Check, frozen=True, tag="few_attempts_after_pause"):
    """More than `most` attempts for each connection that was live at the landmark `suspended` in
    the first `window_s` after the landmark `going-on`."""

    most: int = 3
    window_s: float = 2.0

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding at most, with all that were counted."""
        view = Connections()
        had = 1
        began: float | None = None
        times: list[float] = []
        for entry in recording.entries:
            view.apply(entry)
            if isinstance(entry, Noted) and entry.name == "suspended":
                had = max(1, len(view.live()))
            elif isinstance(entry, Noted) and entry.name == "going-on":
                began = entry.t
            elif (
                isinstance(entry, Attempted)
                and began is not None
                and entry.t <= began + self.window_s
            ):
                times.append(entry.t)
        if began is None or len(times) <= self.most * had:
            return []
        message = (
            f"{len(times)} attempts in the first {times[-1] - began:.2f} s after a pause in which "
            f"{had} connection{'s were' if had > 1 else ' was'} lost; {self.most * had} are calm"
        )
        return [finding(self, recording, message, times[self.most * had], attempts=len(times))]
