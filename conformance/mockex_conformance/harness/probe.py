"""The probe: what is run once for each testee and profile before anything is judged.

A testee that does not go live at all would fail every case after its own deadline; it fails them
at once instead (catalogue, 6.1). The level that it claims is checked on the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from mockex_conformance.case import Case, Run
from mockex_conformance.verdict import Finding, Level, Severity


async def _probe(run: Run) -> None:
    """Nothing: the harness has started the testee and waited until it is live."""


PROBE = Case(
    id="probe",
    number="PROBE",
    severity=Severity.MUST,
    level=Level.L0,
    body=_probe,
    requirement="The testee connects and gets events of every stream that it was given.",
)


def never_live(findings: Iterable[Finding]) -> list[Finding]:
    """What the probe found, as every case of that testee is told it."""
    return [
        Finding(
            check="live",
            message=f"never went live: {found.message.removeprefix('never went live: ')}",
            at_s=found.at_s,
            evidence=found.evidence,
        )
        for found in findings
    ]
