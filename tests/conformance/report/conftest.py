"""Verdicts and journals made by hand: the report reads values, so nothing needs to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Ended,
    Faulted,
    Noted,
    Opened,
    Subscribed,
    Upgraded,
)
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict

STREAM = "ethusdc@depth5@100ms"
SENTENCE = f"stream {STREAM} is delivered on 3 live connections (c1, c4, c5); exactly 1 is allowed"

MakeVerdict = Callable[..., CaseVerdict]


@pytest.fixture
def make_verdict() -> MakeVerdict:
    """A verdict with sensible facts; a FAIL has a finding."""

    def make(verdict: str = "PASS", **changes: Any) -> CaseVerdict:
        facts: dict[str, Any] = {
            "testee": "orderly",
            "case": "connection/one-delivery-after-reset",
            "number": "CONN-01",
            "profile": "usdm",
            "verdict": Verdict(verdict),
            "severity": Severity.MUST,
            "level": Level.L0,
            "duration_s": 1.5,
            "seed": 7,
            "requirement": "A connection that the peer resets is replaced by one new connection.",
            "replay": "mockex conform orderly --case CONN-01 --profile usdm --seed 7",
        }
        if verdict == "FAIL":
            facts["findings"] = [
                Finding(
                    check="deliveries_at_most", message=SENTENCE, at_s=3.25, fault="Reset on c4"
                )
            ]
        return CaseVerdict(**(facts | changes))

    return make


@pytest.fixture
def leaky_journal() -> list[AnyEntry]:
    """One connection, reset after 2 s, two in its place, reset after 4 s, three; over after 5 s."""
    entries: list[AnyEntry] = [
        Opened(
            t=100.0, version="0", profile="usdm", dated="", seed=7, epoch_ms=0, speed=1.0,
            ws_port=1, rest_port=2,
        )
    ]  # fmt: skip
    conn = 0

    def connect(t: float) -> None:
        nonlocal conn
        conn += 1
        entries.append(Attempted(t=t, conn=conn, peer_port=4000 + conn))
        entries.append(Upgraded(t=t, conn=conn, target="/ws", route="", mode="raw"))
        entries.append(Subscribed(t=t, conn=conn, streams=[STREAM], via="url"))

    connect(100.0)
    for at, live in ((102.0, [1]), (104.0, [2, 3])):
        entries.append(Faulted(t=at, fault=1, kind="Reset", phase="seen", conns=live))
        entries.extend(Ended(t=at, conn=c, by="server", how="rst") for c in live)
        for index in range(len(live) + 1):
            connect(at + 0.25 + index / 10)
    entries.append(Noted(t=105.0, name="outcome"))
    return entries
