"""What the testee sends to the exchange: not too often, not too long, and nothing twice."""

from __future__ import annotations

import json
from collections import Counter

from mockex.profile import profile_named
from mockex.server.journal import (
    AnyEntry,
    Closed,
    Noted,
    Pinged,
    Ponged,
    Received,
    Replied,
    Subscribed,
)
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding

_LONGEST_SPAN_S = 5.0
_TO_SPARE_S = 0.25
_TOO_MANY_STREAMS = 4  # code of the error (spot 4.3)


class MessageRate(Check, frozen=True, tag="message_rate"):
    """The testee sent more messages on one connection than `limit` a second allows, or the exchange
    closed a connection because of that.

    Who keeps to the limit in every second may send it all at once, and again a second later: n
    messages that span s seconds are too many above `limit` for each second that has begun, with a
    quarter of a second and one message to spare, for any s up to 5.

    Texts, binary frames and pings count, and pongs that answer nothing. Pongs that answer a ping do
    not: the suite pings far more often than any exchange (catalogue, section 3).
    """

    limit: int

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each connection, at most three: its worst stretch, or its close."""
        standstills = Standstills(recording.entries)
        messages = self._messages(recording)
        found: dict[int, Finding] = {}
        for conn, times in messages.items():
            worst = self._worst(times, standstills)
            if worst is not None:
                count, span_s, at = worst
                told = f"{count} messages within {span_s:.2f} s on c{conn}"
                found[conn] = self._found(recording, conn, told, at)
        for closed in recording.of(Closed):
            conn, at = closed.conn, closed.t
            if conn in found or not self._too_many(closed, recording.terms.profile):
                continue
            second = [t for t in messages.get(conn, ()) if at - 1.0 <= t <= at]
            late_s = standstills.between(at - 1.0, at)
            if len(second) > self._allowed(0.0) + self.limit * late_s:
                told = f"c{conn} was closed with 1008 after {len(second)} messages in a second"
                found[conn] = self._found(recording, conn, told, at)
        return list(found.values())[:3]

    def _found(self, recording: Recording, conn: int, told: str, at: float) -> Finding:
        message = f"{told}; the exchange allows {self.limit} a second"
        return finding(self, recording, message, at, connection=conn)

    @staticmethod
    def _too_many(closed: Closed, profile: str) -> bool:
        return (
            closed.by == "server"
            and closed.reason == profile_named(profile).texts.too_many_requests
        )

    @staticmethod
    def _messages(recording: Recording) -> dict[int, list[float]]:
        """When they came, by connection."""
        times: dict[int, list[float]] = {}
        unanswered: Counter[tuple[int, str]] = Counter()
        for entry in recording.entries:
            match entry:
                case Pinged(conn=conn, payload=payload):
                    unanswered[conn, payload] += 1
                case Ponged(conn=conn, payload=payload) if unanswered[conn, payload]:
                    unanswered[conn, payload] -= 1
                case Received(conn=conn) | Ponged(conn=conn):
                    times.setdefault(conn, []).append(entry.t)
                case _:
                    pass
        return times

    def _worst(
        self, times: list[float], standstills: Standstills
    ) -> tuple[int, float, float] | None:
        """Messages, span and end of the stretch that is furthest above what is allowed."""
        worst: tuple[int, float, float] | None = None
        most = 0.0
        first = 0
        for last, at in enumerate(times):
            while at - times[first] > _LONGEST_SPAN_S:
                first += 1
            for begin in range(first, last + 1):
                count, span_s = last - begin + 1, at - times[begin]
                surplus = count - self._allowed(span_s)
                if surplus <= most:
                    continue
                # While our own loop stands still, messages gather that were sent one by one; it
                # reads them directly afterwards.
                late_s = standstills.between(times[begin] - _TO_SPARE_S, at)
                surplus = count - self._allowed(span_s + late_s)
                if surplus > most:
                    worst, most = (count, span_s, at), surplus
        return worst

    def _allowed(self, span_s: float) -> int:
        return self.limit * (int(span_s + _TO_SPARE_S) + 1) + 1


class RequestSize(Check, frozen=True, tag="request_size"):
    """A request longer than `most` bytes: the exchange cuts it there, and answers no more than an
    error without an `id`."""

    most: int

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """It was sent, and nothing makes that good."""
        return isinstance(entry, Received) and entry.opcode == "text" and entry.size > self.most

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first of them."""
        for entry in recording.of(Received):
            if entry.opcode == "text" and entry.size > self.most:
                message = (
                    f"a request of {entry.size} bytes on c{entry.conn}; the exchange cuts it at "
                    f"{self.most}"
                )
                return [finding(self, recording, message, entry.t, connection=entry.conn)]
        return []


class StreamsFit(Check, frozen=True, tag="streams_fit"):
    """A connection asked for more streams than one may carry: refused with the error of code 4."""

    most: int

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """It was refused, and the streams are lost."""
        return isinstance(entry, Replied) and _error_code(entry.text) == _TOO_MANY_STREAMS

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first refusal."""
        for entry in recording.of(Replied):
            if _error_code(entry.text) == _TOO_MANY_STREAMS:
                message = (
                    f"more than {self.most:,} streams were asked for on c{entry.conn}; the "
                    f"exchange refused it: {entry.text}"
                )
                return [finding(self, recording, message, entry.t, connection=entry.conn)]
        return []


class NamedOnce(Check, frozen=True, tag="named_once"):
    """Between the landmarks `asked-for` and `subscriptions` (`streams`) a stream was named more
    than K times, or one that is not wanted any more was named at all.

    Counts names in URLs and in SUBSCRIBE requests; both on the same connection are one.
    """

    gives_up_after = ("ack_timeout_ms",)

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for names that came too often, one for those that came back."""
        counting = False
        urls: set[tuple[int, str]] = set()
        requests: Counter[tuple[int, str]] = Counter()
        for entry in recording.entries:
            match entry:
                case Noted(name="asked-for"):
                    counting = True
                case Subscribed(conn=conn, via="url", streams=streams) if counting:
                    urls.update((conn, name) for name in streams)
                case Received(conn=conn, opcode="text", text=text) if counting:
                    requests.update((conn, name) for name in names_in(text))
                case Noted(name="subscriptions") if counting:
                    by_url_alone = [key for key in urls if not requests[key]]
                    named = Counter(name for _, name in [*requests.elements(), *by_url_alone])
                    return self._wrong(recording, entry, named)
                case _:
                    pass
        return []

    def _wrong(self, recording: Recording, at: Noted, named: Counter[str]) -> list[Finding]:
        wanted = set(at.detail["streams"])
        findings = []
        back = sorted(set(named) - wanted)
        if back:
            message = f"{', '.join(back)} asked for again, although not wanted any more"
            findings.append(finding(self, recording, message, at.t, streams=back))
        often = {name: n for name, n in sorted(named.items()) if n > recording.terms.k}
        if often:
            told = ", ".join(f"{name} {n} times" for name, n in often.items())
            findings.append(finding(self, recording, f"asked for too often: {told}", at.t))
        return findings


def names_in(text: str) -> list[str]:
    """The names in a SUBSCRIBE request, each time that one stands there. One that was cut in the
    journal is read as far as it goes."""
    if "SUBSCRIBE" not in text:
        return []
    try:
        message = json.loads(text)
    except ValueError:
        return [part for part in text.split('"') if "@" in part]
    if not isinstance(message, dict) or message.get("method") != "SUBSCRIBE":
        return []
    params = message.get("params")
    return [str(name) for name in params] if isinstance(params, list) else []


def _error_code(text: str) -> object:
    """The code of an error, in an object of its own or not; None for what is no error."""
    try:
        reply = json.loads(text)
    except ValueError:  # cut in the journal
        return None
    error = reply.get("error", reply)
    return error.get("code") if isinstance(error, dict) else None
