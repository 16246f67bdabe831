"""A run as one HTML page: nothing is fetched, it is whole without its script, and on paper.

First the sentence, then the matrix, then each failure with what was seen, when, what replays it,
typical causes, and the figures that explain it; last what was run. It is made of the run's folder
alone, at any time. All text goes through the template's escaping; only figures are markup of ours.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mockex.cli import ExitCode
from mockex_conformance.incident import (
    RECORD_ROWS,
    Disagreement,
    Rounds,
    record_growth,
    record_traffic,
)
from mockex_conformance.rejudging import NoRecording, read_recording
from mockex_conformance.report import text
from mockex_conformance.report.figures import STYLE, legend
from mockex_conformance.report.figures.deliveries import Steps, deliveries_over_time, describe, svg
from mockex_conformance.report.later import Told, tell
from mockex_conformance.report.lines import RunLine
from mockex_conformance.report.page.content import SIGNS, START, content_of
from mockex_conformance.report.page.evidence import fill
from mockex_conformance.report.record import NoRecord
from mockex_conformance.verdict import CaseVerdict, Verdict

LIMIT = 300_000  # bytes of a page: it is mailed, attached to builds and opened on telephones
DEMO = "demo.json"  # what `demo` adds to a folder
_CHARTED = "CONN-01"
_CHARTS = 12  # more are not compared by eye
# What HTML forbids, and what turns the direction of the text around it.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]"
)

_CODE = re.compile(r"`([^`]+)`")
_ISSUE = re.compile(r"\b([\w.-]+/[\w.-]+)#(\d+)")


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
    headline: str


@dataclass(frozen=True, slots=True)
class Page:
    """What is on a page."""

    told: Told
    charts: Sequence[Steps] = ()
    incident: Incident | None = None


def write_page(folder: Path, out: Path) -> None:
    """Write the page of the run in `folder` to the file `out`.

    Raises:
        NoRecord: there is no run in the folder; says why.
    """
    out.write_text(render(page_of(folder)), encoding="utf-8", errors="replace")


def page_of(folder: Path) -> Page:
    """What the folder of a run holds, also of one that was interrupted.

    Raises:
        NoRecord: there is none, or what `demo` added cannot be read.
    """
    told = tell(folder)
    if not (folder / DEMO).exists():
        return Page(told, comparison(told.result.verdicts, folder))
    try:
        incident = msgspec.json.decode((folder / DEMO).read_bytes(), type=Incident)
    except msgspec.DecodeError as error:
        raise NoRecord(folder / DEMO, str(error)) from None
    return Page(told, _rounds(incident, folder), incident)


def _rounds(incident: Incident, folder: Path) -> list[Steps]:
    from mockex_conformance.measuring import rounds_charts  # all that judges: late

    return rounds_charts(incident.rounds, folder)


def comparison(verdicts: Sequence[CaseVerdict], folder: Path) -> list[Steps]:
    """Deliveries over time of each testee: of CONN-01 if it was run, else of the first case that
    left a recording."""
    chosen: dict[str, CaseVerdict] = {}
    for verdict in verdicts:
        if not verdict.journal or not (folder / verdict.journal).exists():
            continue
        before = chosen.get(verdict.testee)
        if before is None or (verdict.number == _CHARTED and before.number != _CHARTED):
            chosen[verdict.testee] = verdict
    made = []
    for verdict in list(chosen.values())[:_CHARTS]:
        try:
            recording = read_recording(folder / verdict.journal)
        except NoRecording:
            continue
        if recording.terms.streams:
            title = f"{verdict.testee}, {verdict.profile}, {recording.terms.number}"
            made.append(deliveries_over_time(recording.entries, recording.terms.streams[0], title))
    return made


def render(page: Page, *, limit: int = LIMIT) -> str:
    """The page as text of at most `limit` bytes, if what cannot be left out allows it."""
    environment = _environment()
    template = environment.get_template("report.html.j2")
    content = content_of(page.told.result.verdicts)
    facts = _facts(page)
    bare = template.render(content=content, lacking=[], **facts)
    # Half a kilobyte for the sentence that says what is lacking.
    spare = limit - len(bare.encode()) - 500
    macros: Any = environment.get_template("parts.html.j2").module
    lacking = fill(content, page.told.folder, macros, spare)
    return template.render(content=content, lacking=lacking, **facts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mockex_conformance", "report/page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters.update(coded=_coded, linked=_linked)
    environment.globals.update(signs=SIGNS, moment=text.moment)
    return environment


def _printable(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNPRINTABLE.sub("\ufffd", value)
    return value


def _coded(words: str) -> Markup:
    """Words with what is code in them, as the catalogue and reasons have it."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_printable(words)))))  # noqa: S704 - escaped


def _linked(words: str) -> Markup:
    """Words of the catalogue, with its issues as links."""
    link = r'<a href="https://github.com/\1/issues/\2" rel="noreferrer">\1#\2</a>'
    return Markup(_ISSUE.sub(link, _coded(words)))  # noqa: S704 - escaped


def _facts(page: Page) -> dict[str, Any]:
    """What the template needs besides the content."""
    most = max((chart.most for chart in page.charts), default=0)
    until = max((chart.until_s for chart in page.charts), default=0.0)
    told = page.told
    incident = page.incident
    script = _asset("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "told": told,
        "run": told.run,
        "incident": incident,
        "headline": incident.headline if incident else told.conclusion,
        "mark": _mark(told),
        "machine": _machine(told.run),
        "conditions": [_condition(*pair) for pair in told.run.conditions.items()],
        "started": datetime.fromtimestamp(told.run.started_ms / 1000, UTC),
        "start": START,
        "partial": text.left_out(told.result.verdicts),
        "abilities": text.abilities,
        "limits": text.limits,
        "known": text.known,
        "charts": [
            (chart.title, Markup(svg(chart, most=most, until_s=until)), describe(chart))  # noqa: S704 - svg() escapes
            for chart in page.charts
        ],
        "legend": legend(),
        "record_rows": RECORD_ROWS,
        "record_traffic": record_traffic(),
        "record_growth": record_growth(),
        "style": Markup(_asset("style.css") + STYLE),  # noqa: S704 - ours
        "script": Markup(script),  # noqa: S704 - ours
        "digest": digest,
        "limit_kb": LIMIT // 1000,
    }


def _machine(run: RunLine) -> str:
    named = (str(run.machine.get(part, "")) for part in ("system", "release", "machine"))
    return f"{' '.join(filter(None, named))}, {run.machine.get('cores', '?')} cores"


def _condition(name: str, value: str | float) -> tuple[str, str]:
    """`case_limit_s`, 180.0 as `case limit`, `180 s`."""
    if isinstance(value, str):
        return name, value
    unit = " s" if name.endswith("_s") else ""
    return name.removesuffix("_s").replace("_", " "), f"{value:g}{unit}"


def _mark(told: Told) -> Verdict:
    """The verdict whose colour and sign the sentence has."""
    if told.result.exit_code is ExitCode.FAILED:
        return Verdict.FAIL
    if told.result.exit_code is ExitCode.OK and not told.lacks:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def _asset(name: str) -> str:
    return (files("mockex_conformance") / "report" / "page" / name).read_text(encoding="utf-8")
