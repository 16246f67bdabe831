"""A run as one HTML page: no scripts, nothing fetched, readable on paper and in the dark.

The page holds the sentence, the matrix, the findings, the deliveries over time, and what `demo`
measured. All text goes through the template's escaping; only the charts are markup of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mockex_conformance.incident import (
    RECORD_ROWS,
    Comparison,
    Disagreement,
    Rounds,
    record_growth,
    record_traffic,
)
from mockex_conformance.report import text
from mockex_conformance.report.chart import Steps, describe, svg
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.outcome import Outcome
from mockex_conformance.report.settling import column
from mockex_conformance.report.terminal import sentence
from mockex_conformance.verdict import CaseVerdict, Verdict

MARKS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.FLAKY: "≈",
    Verdict.ERROR: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNSUPPORTED: "–",
}


@dataclass(frozen=True, slots=True)
class Caught:
    """How long after the start of its process a testee was caught by a case."""

    testee: str
    number: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Incident:
    """What `demo` adds to a run."""

    rounds: Sequence[Rounds]
    caught: Sequence[Caught]
    paragraphs: Sequence[tuple[str, str]]  # heading, text
    disagreements: Sequence[Disagreement]
    comparisons: Sequence[Comparison] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What is on a page."""

    run: RunLine
    result: Outcome
    duration_s: float
    charts: Sequence[Steps] = field(default_factory=tuple)
    incident: Incident | None = None
    headline: str = ""


def write_html(path: Path, page: Page) -> None:
    """Write the page to `path`."""
    path.write_text(render(page), encoding="utf-8")


def render(page: Page) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("mockex_conformance", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    verdicts = page.result.verdicts
    most = max((chart.most for chart in page.charts), default=0)
    until = max((chart.until_s for chart in page.charts), default=0.0)
    return environment.get_template("report.html.j2").render(
        page=page,
        headline=page.headline or sentence(page.result),
        result_sentence=sentence(page.result),
        machine=text.machine(page.run),
        started=datetime.fromtimestamp(page.run.started_ms / 1000, UTC),
        cases=list(dict.fromkeys((v.number, v.case, v.requirement) for v in verdicts)),
        owners=list(dict.fromkeys(column(v) for v in verdicts)),
        cells={(column(v), v.case): v for v in verdicts},
        marks=MARKS,
        anchor=anchor,
        findings=[v for v in verdicts if v.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)],
        unsupported=_reasons(verdicts),
        left_out=text.left_out(verdicts),
        facts=text.facts,
        limits=text.limits,
        known=text.known,
        charts=[
            (chart.title, Markup(svg(chart, most=most, until_s=until)), describe(chart))  # noqa: S704 - svg() escapes
            for chart in page.charts
        ],
        record_rows=RECORD_ROWS,
        record_traffic=record_traffic(),
        record_growth=record_growth(),
    )


def anchor(verdict: CaseVerdict) -> str:
    """The id of a verdict's findings on the page."""
    return f"{verdict.testee}-{verdict.profile}-{verdict.number}"


def _reasons(verdicts: Sequence[CaseVerdict]) -> list[tuple[str, str, str]]:
    """Testee, numbers, reason of what was UNSUPPORTED; one row for each reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.verdict is Verdict.UNSUPPORTED:
            groups.setdefault((verdict.testee, verdict.reason), []).append(verdict.number)
    return [(t, " ".join(dict.fromkeys(ns)), why) for (t, why), ns in groups.items()]
