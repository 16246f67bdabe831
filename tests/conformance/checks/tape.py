"""Recordings made by hand, one line of happening at a time, and the end of the case in them."""

from __future__ import annotations

from typing import Any

import msgspec

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Delivered,
    Ended,
    Exited,
    Faulted,
    Joined,
    Left,
    Noted,
    Subscribed,
    Upgraded,
)
from mockex_conformance.case import Case, Run
from mockex_conformance.checks import DeliveriesAtMost
from mockex_conformance.checks.base import Check
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding, Level, Severity
from tests.conformance.checks.made import made

S = "ethusdc@depth5@100ms"
AT_MOST = DeliveriesAtMost(k=1, streams=[S])


class Tape:
    """Writes a recording, one line of happening at a time. Times in seconds from 0."""

    def __init__(self, *, scale: float = 1.0) -> None:
        limits = {"close_ms": 2000.0, "handshake_timeout_ms": 1000.0, "stall_detect_ms": 2000.0}
        opened = made(scale=scale, streams=[S], limits=limits)
        self.terms, self.entries = opened.terms, opened.entries
        self.faults = 0

    def add(self, *entries: AnyEntry) -> Tape:
        self.entries += entries
        return self

    def note(self, t: float, name: str, **detail: Any) -> Tape:
        return self.add(Noted(t=t, name=name, detail=detail))

    def attempt(self, t: float, conn: int, port: int = 0) -> Tape:
        return self.add(Attempted(t=t, conn=conn, peer_port=conn, port=port))

    def connect(self, t: float, conn: int, *streams: str, port: int = 0) -> Tape:
        """An attempt that is upgraded and subscribes by its URL, in an audience of its own."""
        return self.attempt(t, conn, port).add(
            Upgraded(t=t, conn=conn, target="/", route="", mode="combined"),
            Subscribed(t=t, conn=conn, streams=list(streams or (S,)), via="url"),
            Joined(t=t, conn=conn, audience=conn),
        )

    def event(
        self, t: float, conn: int, *, step: int = 0, events: int = 1, size: int = 100
    ) -> Tape:
        batch = Batch(1, 1, events, size)
        return self.add(Delivered(t=t, audience=conn, step=step, streams={S: batch}))

    def fault(self, t: float, kind: str, *conns: int) -> Tape:
        """A fault of the exchange that ends these connections with a RST."""
        self.faults += 1
        number = self.faults
        self.add(Faulted(t=t, fault=number, kind=kind, phase="injected"))
        for conn in conns:
            self.add(Left(t=t, conn=conn, audience=conn))
            self.add(Ended(t=t, conn=conn, by="server", how="rst"))
        return self.add(Faulted(t=t, fault=number, kind=kind, phase="seen", conns=list(conns)))

    @property
    def recording(self) -> Recording:
        return Recording(self.entries, self.terms)

    def found(self, check: Check) -> list[Finding]:
        return check.judge(self.recording)

    def says(self, check: Check) -> str:
        found = self.found(check)
        assert found, "the check must see this"
        return found[0].message


def recovering(event_at: float | None) -> Tape:
    tape = Tape().connect(1, 1).fault(2, "Reset", 1)
    tape.note(2, "awaiting-recovery", since=2.0, within_s=1.0, limit_ms=0, streams=[S])
    tape.connect(2.5, 2)
    if event_at is not None:
        tape.event(event_at, 2)
    return tape.note(5, "body-over")


async def _body(run: Run) -> None:
    raise NotImplementedError


CASE = Case("x", "X-01", Severity.MUST, Level.L0, _body, "It is so.")


def outcome(tape: Tape, ended: str, *checks: Check, reason: str = "") -> Recording:
    tape.note(90, "body-over")
    detail = {
        "checks": [msgspec.to_builtins(check) for check in checks],
        "ended": ended,
        "reason": reason,
        "notes": [],
    }
    # What the harness does afterwards is nobody's finding.
    tape.add(Exited(t=95, run=1, code=-9, expected=False))
    tape.note(99, "outcome", **detail)
    return Recording(tape.entries, tape.terms, detail)
