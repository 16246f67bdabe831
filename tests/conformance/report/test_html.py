"""The page: self-contained, escaped, complete."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from mockex.server.journal import AnyEntry
from mockex_conformance.description import Description, Expect, Limits
from mockex_conformance.incident import Round, Rounds, compare, disagreements, paragraphs
from mockex_conformance.report.chart import deliveries_over_time
from mockex_conformance.report.html import Caught, Incident, Page, render, write_html
from mockex_conformance.report.lines import run_line
from mockex_conformance.report.outcome import outcome
from mockex_conformance.verdict import CaseVerdict

from .conftest import SENTENCE, STREAM, MakeVerdict

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Balanced(HTMLParser):
    """Fails on tags that are not closed, and collects what matters."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            if name in ("href", "src") and value:
                self.links.add(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(verdicts: list[CaseVerdict], **more: object) -> Page:
    run = run_line(seed=7, command=["mockex", "conform", "a & b"])
    return Page(run, outcome(verdicts), 12.0, **more)  # type: ignore[arg-type]


def test_the_head_says_on_which_ground_it_was_judged(make_verdict: MakeVerdict) -> None:
    document = render(page([make_verdict(ground="virtual")]))
    assert "<h1>On the virtual ground: 1 PASS. Every required case passes.</h1>" in document


def test_the_page_says_what_a_testee_declares(make_verdict: MakeVerdict) -> None:
    testees = [
        Description(
            name="orderly", command=["x"], home="https://example.org/orderly",
            limits=Limits(close_ms=500),
            expect=[Expect(case="HB-03", verdict="FAIL", reason="no watchdog", issue="#7")],
        ),
        Description(name="sly", command=["x"], home="javascript:alert(1)"),
    ]  # fmt: skip
    run = run_line(seed=7, command=["mockex"], testees=testees)
    document = parsed(render(Page(run, outcome([make_verdict()]), 1.0)))
    assert "close_ms = 500" in document.text
    assert "FAIL of HB-03 (no watchdog, #7)" in document.text
    assert "https://example.org/orderly" in document.links
    assert not any("javascript" in link for link in document.links)


def parsed(rendered: str) -> Balanced:
    parser = Balanced()
    parser.feed(rendered)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_runs_nothing_and_fetches_nothing(
    make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    charts = [deliveries_over_time(leaky_journal, STREAM, "orderly")]
    rendered = render(page([make_verdict("FAIL")], charts=charts))
    parser = parsed(rendered)
    assert not parser.tags & {"script", "link", "img", "iframe", "object"}
    assert all(link.startswith("#") for link in parser.links)
    assert not re.search(r"url\(|@import|https?:", rendered)


def test_each_failed_cell_leads_to_its_finding(make_verdict: MakeVerdict) -> None:
    parser = parsed(render(page([make_verdict("FAIL"), make_verdict(testee="other")])))
    assert parser.links == {"#orderly-usdm-CONN-01"}
    assert parser.links <= {"#" + name for name in parser.ids}
    assert SENTENCE in parser.text
    assert "✗ FAIL" in parser.text
    assert "✓ PASS" in parser.text
    assert "mockex conform orderly --case CONN-01 --profile usdm --seed 7" in parser.text


def test_text_of_a_testee_is_escaped(make_verdict: MakeVerdict) -> None:
    parser = parsed(render(page([make_verdict("ERROR", reason="<script>alert(1)</script>")])))
    assert "script" not in parser.tags
    assert "<script>alert(1)</script>" in parser.text


def test_many_testees_are_rows(make_verdict: MakeVerdict) -> None:
    parser = parsed(render(page([make_verdict(testee=f"t{i}") for i in range(6)])))
    assert "t5 usdm ✓ PASS" in parser.text


def test_unsupported_testees_are_named_with_the_reason(make_verdict: MakeVerdict) -> None:
    parser = parsed(render(page([make_verdict("UNSUPPORTED", reason="install Go")])))
    assert "orderly is UNSUPPORTED (CONN-01): install Go" in parser.text


def test_the_incident_is_told_with_its_figures(
    tmp_path: Path, make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    bug, fix = "incident-go-bug", "incident-go-fix3"
    verdicts = [make_verdict("FAIL", testee=bug), make_verdict(testee=fix)]
    rounds = [
        Rounds(bug, "usdm", tuple(Round(n, n + 1, n + 1, n + 9, 3.1 * (n + 1)) for n in range(4))),
        Rounds("incident-python-bug", "usdm", skipped="its interpreter is missing"),
    ]
    incident = Incident(
        rounds=rounds,
        caught=[Caught(bug, "CONN-01", 2.5)],
        paragraphs=paragraphs([compare(verdicts, fix, bug)]),
        disagreements=disagreements(verdicts, rounds),
    )
    path = tmp_path / "report.html"
    charts = [deliveries_over_time(leaky_journal, STREAM, bug)]
    write_html(path, page(verdicts, incident=incident, charts=charts, headline="The bug grows"))
    text = parsed(path.read_text()).text
    assert "KB/s = 3.100 × deliveries +0.000, R² 1.00000. One healthy connection: 3.100" in text
    assert "5.5 296 828" in text
    assert "3.12 × goroutines -79.9, R² 0.997" in text
    assert "incident-go-bug was caught by CONN-01 2.50 s after its process was started" in text
    assert "incident-python-bug was not measured: its interpreter is missing" in text
    assert "It mends 1 case: CONN-01" in text
    assert "Nowhere, among what was judged" in text
