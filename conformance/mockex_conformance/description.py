"""`testee.toml` as a value (adapter-protocol, section 1). Reading and checking it: see `load`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

MAX_STREAMS = 1024  # that a testee holds unless it says otherwise: what one connection carries


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[limits]` (catalogue, section 3): ms and MiB, unscaled. None: the default of the profile,
    or, for `data_silence_ms`, no such watch."""

    reconnect_first_ms: float = 5_000
    reconnect_cap_ms: float = 30_000
    handshake_timeout_ms: float = 10_000
    stall_detect_ms: float | None = None  # 60,000 on spot, 600,000 on usdm
    data_silence_ms: float | None = None
    ack_timeout_ms: float = 10_000
    takeover_ms: float = 2_000
    overlap_ms: float = 10_000
    stable_ms: float = 10_000
    close_ms: float = 5_000
    book_ready_ms: float = 10_000
    queue_mib: float = 64
    max_message_mib: float = 16


# Nobody may declare his way out of a case (catalogue, section 3).
CEILINGS: dict[str, float] = {
    "reconnect_first_ms": 10_000,
    "reconnect_cap_ms": 60_000,
    "handshake_timeout_ms": 30_000,
    "stall_detect_ms": 600_000,  # SPOT_STALL_MS for whoever knows spot
    "data_silence_ms": 600_000,
    "ack_timeout_ms": 30_000,
    "takeover_ms": 10_000,
    "overlap_ms": 60_000,
    "stable_ms": 60_000,
    "close_ms": 15_000,
    "book_ready_ms": 60_000,
    "queue_mib": 1_024,
    "max_message_mib": 64,
}


SPOT_STALL_MS = 60_000  # the exchange's pong deadline there


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[expect]]`: a known failure, on one profile or on all."""

    case: str
    verdict: str
    reason: str
    issue: str = ""
    profile: str = ""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What a testee says of itself: in `testee.toml`, and in the record of a run."""

    name: str
    version: str = ""
    level: int = 0
    profiles: list[str] = msgspec.field(default_factory=lambda: ["spot", "usdm"])
    modes: list[str] = msgspec.field(default_factory=lambda: ["combined"])
    streams: list[str] = []
    max_streams: int = MAX_STREAMS
    keeps_books: bool = False
    tls: str = "either"
    deliveries_per_stream: int = 1
    scales_time: bool = False
    renews: bool = False
    home: str = ""


class Description(Declared, frozen=True, kw_only=True):
    """A testee as its author describes it. `file` is None for a one-line command."""

    command: list[str]
    entry: str = ""
    build: list[str] = []
    cwd: Path = Path()
    env: dict[str, str] = {}
    limits: Limits = Limits()
    expect: list[Expect] = []
    must_fail: list[str] = []  # [mutant] of our own wrong testees: case numbers it must fail
    also_fails: dict[str, str] = {}  # case number to reason
    may_fail: dict[str, str] = {}
    file: Path | None = None

    @property
    def digest(self) -> str:
        """A few characters that are others as soon as anything is described otherwise; the same
        on every machine, wherever the file lies."""
        here = msgspec.structs.replace(self, cwd=Path(), file=None)
        return hashlib.sha256(msgspec.json.encode(here, enc_hook=str)).hexdigest()[:12]
