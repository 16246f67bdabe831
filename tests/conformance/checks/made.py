"""Recordings made by hand, for the tests of checks."""

from __future__ import annotations

from typing import Any

from mockex.server.journal import AnyEntry, Noted, Opened
from mockex_conformance.recording import Recording, Terms

OVER = Noted(t=100.0, name="body-over")  # long after whatever a test is about


def made(*entries: AnyEntry, profile: str = "usdm", seed: int = 7, **terms: Any) -> Recording:
    """A recording that opens at 0 s and holds these entries; `terms` are what is not as usual."""
    usual: dict[str, Any] = {
        "case": "x", "number": "X-01", "testee": "t", "version": "1", "mode": "combined",
        "level": 2, "k": 1, "scale": 1.0, "streams": [], "limits": {},
    }  # fmt: skip
    opened = Opened(
        t=0.0, version="", profile=profile, dated="", seed=seed, epoch_ms=0, speed=1.0, ws_port=1,
        rest_port=2,
    )  # fmt: skip
    return Recording([opened, *entries], Terms(profile=profile, seed=seed, **{**usual, **terms}))
