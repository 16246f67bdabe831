"""Why no events came: what the exchange saw meanwhile, in words for a finding."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Closed,
    Faulted,
    Refused,
    Replied,
    Subscribed,
    Upgraded,
)
from mockex_conformance.recording import Recording


@dataclass(slots=True)
class _Seen:
    """What happened between two moments. `ours` are connections that a fault of ours hit."""

    ours: set[int]
    attempts: int = 0
    connections: int = 0
    asked: set[str] = field(default_factory=set)
    silent: dict[str, str] = field(default_factory=dict)  # streams that nothing serves, and where
    refused: Counter[str] = field(default_factory=Counter)

    def take(self, entry: AnyEntry, routes: dict[int, str]) -> None:
        match entry:
            case Attempted():
                self.attempts += 1
            case Upgraded():
                self.connections += 1
            case Subscribed(conn=conn, streams=names):
                self.asked.update(names)
                self.silent |= dict.fromkeys(entry.silent, f"c{conn} at {routes[conn] or '/'}")
            case Refused(conn=conn, status=status, reason=reason) if conn not in self.ours:
                self.refused[f"a handshake was refused with {status} ({reason})"] += 1
            case Closed(conn=conn, by="server", code=code, reason=why) if conn not in self.ours:
                self.refused[f"the exchange closed a connection with {code} ({why})"] += 1
            case Replied(text=text) if _is_error(text):
                self.refused[f"a request was refused: {text}"] += 1
            case _:
                pass


def clue(recording: Recording, streams: set[str], since: float, until: float) -> str:
    """The most telling thing between two moments that was no fault of ours; empty if there is
    none. `streams` are those that were awaited."""
    seen = _Seen({conn for entry in recording.of(Faulted) for conn in entry.conns})
    routes: dict[int, str] = {}
    for entry in recording.entries:
        if isinstance(entry, Upgraded):
            routes[entry.conn] = entry.route
        if since <= entry.t <= until:
            seen.take(entry, routes)
    unserved = [f"{name} on {seen.silent[name]}" for name in sorted(streams & {*seen.silent})]
    if unserved:
        return f"asked for where nothing serves it: {', '.join(unserved[:3])}"
    if seen.refused:
        ((what, times),) = seen.refused.most_common(1)
        return what + (f", {times} times" if times > 1 else "")
    if not seen.attempts:
        return "there was no attempt to connect"
    if not seen.connections:
        return f"{_counted(seen.attempts, 'attempt')}, none of which became a connection"
    if not seen.asked & streams:
        return f"{_counted(seen.connections, 'connection')}, none of which asked for any of them"
    return ""


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" + ("s" if n > 1 else "")


def _is_error(text: str) -> bool:
    try:
        reply = json.loads(text)
    except ValueError:
        return False
    return isinstance(reply, dict) and ("error" in reply or "code" in reply)
