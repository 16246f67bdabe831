"""What was asked for: all of it, nothing else, and no more each time."""

from __future__ import annotations

from collections import Counter

from mockex.server.journal import Noted, Received, Subscribed
from mockex.server.views import Connections
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.checks.requests import names_in
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_SHOWN = 20  # names in the evidence
_TOO_MANY = "on more connections than allowed"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


class SubscriptionsEqual(Check, frozen=True, tag="subscriptions_equal"):
    """At a landmark `subscriptions` (`streams`) a stream was missing, surplus or doubled, over all
    live connections."""

    gives_up_after = ("handshake_timeout_ms", "ack_timeout_ms")

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each landmark that differs, at most three."""
        view = Connections()
        findings: list[Finding] = []
        for entry in recording.entries:
            view.apply(entry)
            if not (isinstance(entry, Noted) and entry.name == "subscriptions"):
                continue
            wanted = set(entry.detail["streams"])
            on: dict[str, list[int]] = {}  # the connections that serve a stream asked for
            for connection in view.live():
                for name, served in connection.streams.items():
                    on.setdefault(name, []).extend([connection.number] if served else [])
            k = recording.terms.k
            wrong = {
                "missing": sorted(wanted - set(on)),
                "surplus": sorted(set(on) - wanted),
                _TOO_MANY: sorted(name for name in wanted if len(on.get(name, ())) > k),
            }
            told = [f"{_some(names)} {what}" for what, names in wrong.items() if names]
            if most := max((on[name] for name in wrong[_TOO_MANY]), key=len, default=[]):
                told[-1] += f" ({_some([f'c{conn}' for conn in most])}; {k} allowed)"
            if told:
                after = entry.detail.get("after", "the start")
                message = f"subscriptions after {after}: {'; '.join(told)}"
                shown = {what: names[:_SHOWN] for what, names in wrong.items()}
                findings.append(finding(self, recording, message, entry.t, **shown))
        return findings[:3]


class NeverMultiplied(Check, frozen=True, tag="never_multiplied"):
    """At the last landmark `census` the live connections had been sent more names or messages than
    at the first one, or a name stood on more than K connections."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each kind of growth."""
        view = Connections()
        names: Counter[int] = Counter()
        messages: Counter[int] = Counter()
        counted: list[tuple[float, int, int]] = []
        for entry in recording.entries:
            view.apply(entry)
            match entry:
                case Subscribed(conn=conn, via="url", streams=streams):
                    names[conn] += len(streams)
                case Received(conn=conn, opcode="text", text=text):
                    messages[conn] += 1
                    names[conn] += len(names_in(text))
                case Noted(name="census"):
                    live = [c.number for c in view.live()]
                    counted.append(
                        (entry.t, sum(names[c] for c in live), sum(messages[c] for c in live))
                    )
                case _:
                    pass
        if len(counted) < 2:
            return []
        (_, first_names, first_messages), (at, last_names, last_messages) = counted[0], counted[-1]
        findings = []
        if last_names > first_names:
            message = (
                f"after the last loss {last_names} names were asked for, {first_names} after the "
                "first: the list grows"
            )
            findings.append(finding(self, recording, message, at))
        if last_messages > first_messages:
            message = (
                f"after the last loss {last_messages} requests were sent, {first_messages} after "
                "the first"
            )
            findings.append(finding(self, recording, message, at))
        return findings
