"""What a person decided for a run, and the times of a case that follow from it and from what the
testee declares (catalogue, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from mockex.faults import LinkTerms
from mockex_conformance.case import Unsupported
from mockex_conformance.description import Description
from mockex_conformance.harness.ground import Ground

OVERTIME_S = 30.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the person who started the run decided."""

    seed: int = 7
    ground: Ground = Ground.REAL
    time_scale: float = 0.1
    case_limit_s: float = 180.0
    deadline_factor: float = 1.25
    quiet_factor: float = 1.0
    link: LinkTerms | None = None  # that the testee's way to the exchange leads over
    folder: str = ""  # where it was started
    observe: bool = True  # sample what the testee holds while it runs


def default_limit_ms(testee: Description, name: str, profile: str) -> float:
    """A limit as declared, or its default (catalogue, section 3)."""
    value = getattr(testee.limits, name)
    if value is None and name == "stall_detect_ms":
        return 60_000 if profile == "spot" else 600_000
    if value is None:
        raise Unsupported(f"needs `{name}` under [limits] of testee.toml")
    return float(value)


class Times:
    """The times of one case for one testee on one profile. What is written in a case is in
    unscaled ms."""

    def __init__(
        self, testee: Description, product: str, conditions: Conditions, least_scale: float = 0.0
    ) -> None:
        self.testee = testee
        self.product = product
        self.scale = max(conditions.time_scale, least_scale) if testee.scales_time else 1.0
        self._conditions = conditions

    @property
    def longest_s(self) -> float:
        """How long the case may take in all: what one wait may take, and half a minute."""
        return self._conditions.case_limit_s + OVERTIME_S

    def limit_ms(self, name: str) -> float:
        """A limit of `[limits]`, unscaled."""
        return default_limit_ms(self.testee, name, self.product)

    def scaled_s(self, ms: float) -> float:
        """Seconds of the testee's clock."""
        return ms / 1000 * self.scale

    def deadline_s(self, ms: float) -> float:
        """Must-happen deadline."""
        return self.scaled_s(ms) * self._conditions.deadline_factor + 1.0

    def quiet_s(self, ms: float) -> float:
        """Must-not-happen window."""
        return self.scaled_s(ms) * self._conditions.quiet_factor

    def needs(self, ms: float, what: str) -> None:
        """Say that the case waits up to `ms` of the testee's clock.

        Raises:
            Unsupported: that is more than the case limit.
        """
        seconds = self.deadline_s(ms)
        if seconds > self._conditions.case_limit_s:
            raise Unsupported(
                f"needs {seconds:.0f} s; lower `{what}` or raise `--case-limit` "
                f"(now {self._conditions.case_limit_s:.0f} s)"
            )
