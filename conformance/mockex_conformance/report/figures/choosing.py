"""Which figures explain which verdict: one table."""

from __future__ import annotations

from mockex_conformance.recording import Recording
from mockex_conformance.report.figures.figure import Figure
from mockex_conformance.verdict import CaseVerdict


def figures_of(recording: Recording, verdict: CaseVerdict) -> list[Figure]:
    """The figures that explain the verdict, the most telling first; none for a recording in which
    nothing happened."""
    return []
