"""What comes out of judging: findings, verdicts, and the one function that makes the second of the
first (catalogue, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any

import msgspec


class Severity(StrEnum):
    """What a FAIL counts for (catalogue, section 2)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Level(IntEnum):
    """What the testee offers (catalogue, section 2)."""

    L0 = 0
    L1 = 1
    L2 = 2


class Verdict(StrEnum):
    """The outcome of one case for one testee on one profile."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNSUPPORTED = "UNSUPPORTED"
    ERROR = "ERROR"
    FLAKY = "FLAKY"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a check found wrong with a testee.

    `message` names the cause in one sentence; `at_s` is the moment in seconds since the case
    began; `fault` the last fault before it, in words; `evidence` the numbers behind the sentence.
    """

    check: str
    message: str
    at_s: float
    fault: str = ""
    evidence: dict[str, Any] = {}


class CaseVerdict(
    msgspec.Struct, frozen=True, kw_only=True, tag="verdict", tag_field="type", omit_defaults=True
):
    """One line of a run's record: one case, one testee, one profile."""

    testee: str
    case: str  # id, `connection/one-delivery-after-reset`
    number: str  # `CONN-01`
    profile: str
    verdict: Verdict
    severity: Severity
    level: Level
    duration_s: float
    seed: int
    requirement: str  # first line of the case's docstring: the rule
    mode: str = "combined"
    ground: str = "real"
    turn: int = 1  # of the repetitions
    findings: list[Finding] = []
    reason: str = ""  # why INCONCLUSIVE, UNSUPPORTED or ERROR: says what to do about it
    notes: list[str] = []
    replay: str = ""  # the command that runs this one again
    journal: str = ""  # file of the recording, relative to the run's folder
    stderr: str = ""
    link: str = ""  # between testee and exchange: by whom it is made, and its terms
    expected: str = ""  # the reason of a matching [[expect]]


def decide(
    findings: Sequence[Finding], *, error: str = "", unsupported: str = "", inconclusive: str = ""
) -> Verdict:
    """ERROR, else FAIL if there is any finding (even if a later fault was not seen), else
    UNSUPPORTED, else INCONCLUSIVE, else PASS."""
    if error:
        return Verdict.ERROR
    if findings:
        return Verdict.FAIL
    if unsupported:
        return Verdict.UNSUPPORTED
    return Verdict.INCONCLUSIVE if inconclusive else Verdict.PASS
