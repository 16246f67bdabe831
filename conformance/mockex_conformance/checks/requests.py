"""What the testee sends to the exchange: not too often, not too long, and nothing twice."""

from __future__ import annotations

import json
from collections import Counter

from mockex.server.journal import Lagged, Noted, Pinged, Ponged, Received, Replied, Subscribed
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_LONGEST_WINDOW_S = 5.0
_TOO_MANY_STREAMS = 4  # code of the error (spot 4.3)


class MessageRate(Check, frozen=True, tag="message_rate"):
    """More than `limit` x (w + 0.25) + 1 messages of the testee on one connection in a window of
    w = 1 to 5 seconds.

    Texts, binary frames and pings count, and pongs that answer nothing. Pongs that answer a ping do
    not: the suite pings far more often than any exchange (catalogue, section 3).
    """

    limit: int

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the worst window of each connection, at most three."""
        lags = Recording(list(recording.of(Lagged)), recording.terms)
        findings = []
        for conn, times in self._messages(recording).items():
            worst = self._worst(times, lags)
            if worst is not None:
                count, window_s, at = worst
                message = (
                    f"{count} messages within {window_s:.2f} s on c{conn}; the exchange allows "
                    f"{self.limit} a second"
                )
                findings.append(finding(self, recording, message, at, connection=conn))
        return findings[:3]

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

    def _worst(self, times: list[float], lags: Recording) -> tuple[int, float, float] | None:
        """Messages, window and end of the window that is furthest above what is allowed."""
        worst: tuple[int, float, float] | None = None
        most = 0.0
        first = 0
        for last, at in enumerate(times):
            while at - times[first] > _LONGEST_WINDOW_S:
                first += 1
            for begin in range(first, last + 1):
                count, window_s = last - begin + 1, at - times[begin]
                surplus = count - self._allowed(window_s)
                if surplus <= most:
                    continue
                # While our own loop stands still, messages gather that were sent one by one.
                surplus = count - self._allowed(window_s, lags.lag_s(times[begin], at))
                if surplus > most:
                    worst, most = (count, window_s, at), surplus
        return worst

    def _allowed(self, window_s: float, lag_s: float = 0.0) -> float:
        return self.limit * (max(1.0, window_s) + lag_s + 0.25) + 1


class RequestSize(Check, frozen=True, tag="request_size"):
    """A request longer than `most` bytes: the exchange cuts it there, and answers no more than an
    error without an `id`."""

    most: int

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
