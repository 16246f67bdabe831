"""When a fault happens: at once, once enough was seen, or again and again.

Faults fire on what was seen, not after a sleep; `Every` is for demonstrations by hand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Now:
    """At once."""


@dataclass(frozen=True, slots=True)
class AfterEvents:
    """Once `n` events were written to one live delivery of the fault's stream, counted from the
    injection."""

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n must be at least 1, got {self.n}")


@dataclass(frozen=True, slots=True)
class Every:
    """Every `seconds` of the exchange's clock, `times` times; the first after one period."""

    seconds: float
    times: int

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ValueError(f"seconds must be positive, got {self.seconds}")
        if self.times < 1:
            raise ValueError(f"times must be at least 1, got {self.times}")


Trigger = Now | AfterEvents | Every
