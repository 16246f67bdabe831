"""What a person asked `mockex conform` for. It stands in the record, so that the run can be gone on
with."""

from __future__ import annotations

import msgspec


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The arguments of `conform` as they count, wherever they came from (command line, variables);
    those that change no verdict (`--jobs`, `--out`, `--only-failed`) left out."""

    testees: list[str] = []
    command: list[str] = []  # what stood behind `--`
    cases: list[str] = []
    exclude: list[str] = []
    level: int | None = None
    severities: list[str] = []
    smoke: bool = False
    shard: str = ""
    profiles: list[str] = []
    repeat: int = 1
    strict: bool = False
    seed: int = 7
    ground: str = "real"
    time_scale: float | None = None
    case_limit: float | None = None
    deadline_factor: float = 1.25
    quiet_factor: float = 1.0
