"""The page: valid, self-contained, escaped, complete, small enough."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.server.journal import AnyEntry, Journal, Noted
from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Expect, Limits
from mockex_conformance.incident import Round, Rounds, compare, disagreements, paragraphs
from mockex_conformance.measuring import rounds_journal
from mockex_conformance.recording import Terms
from mockex_conformance.report import html
from mockex_conformance.report.figures.deliveries import deliveries_over_time
from mockex_conformance.report.html import DEMO, LIMIT, Caught, Incident, Page, render, write_page
from mockex_conformance.report.later import Told
from mockex_conformance.report.lines import EndLine, RunLine, run_line
from mockex_conformance.report.outcome import outcome
from mockex_conformance.report.record import NoRecord, RecordWriter
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict

from .conftest import SENTENCE, STREAM, MakeVerdict
from .document import Document, words


def page(
    verdicts: Sequence[CaseVerdict],
    *,
    run: RunLine | None = None,
    folder: Path = Path(),
    **more: Any,
) -> Page:
    run = run or run_line(seed=7, command=["mockex", "conform", "a & b"])
    return Page(Told(folder, run, outcome(verdicts), 12.0), **more)


def document(verdicts: Sequence[CaseVerdict], **more: Any) -> Document:
    return Document(render(page(verdicts, **more)))


# --- what stands on it ----------------------------------------------------------------------------


def test_the_sentence_comes_first(make_verdict: MakeVerdict) -> None:
    shown = document([make_verdict(ground="virtual")])
    assert shown.text("h1") == "On the virtual ground: 1 PASS. Every required case passes."
    assert words(shown.all("h1")[0]) in words(shown.one("header"))
    assert shown.one("title").text == f"✓ mockex: {shown.text('h1')}"


def test_each_cell_that_did_not_pass_leads_to_why(make_verdict: MakeVerdict) -> None:
    verdicts = [
        make_verdict("FAIL"),
        make_verdict(testee="other"),
        make_verdict("UNSUPPORTED", testee="third", reason="declare `renews`"),
    ]
    shown = document(verdicts)
    cells = shown.all("table[@class='matrix']/tbody/tr/td/a")
    targets = [cell.attrib["href"][1:] for cell in cells]
    assert targets == ["CONN-01.1", "unsupported-1"]
    assert SENTENCE in words(shown.by_id(targets[0]))
    assert "declare renews" in words(shown.by_id(targets[1]))


def test_a_verdict_is_never_a_colour_alone(make_verdict: MakeVerdict) -> None:
    kinds = [str(kind) for kind in Verdict]
    few = document([make_verdict(kind, number="CONN-01") for kind in kinds[:1]])
    assert "✓ PASS" in few.text("table[@class='matrix']")
    many = document([make_verdict(kind, testee=f"t{i}") for i, kind in enumerate(kinds)])
    row = words(many.one("table[@class='matrix']/tbody/tr[2]"))
    assert row.endswith("MUST L0 ✓ ✗ ? – ! ≈")
    for kind in kinds:
        assert kind in many.text("p[@class='legend soft']")


def test_a_failure_says_what_was_seen_when_and_how_it_is_run_again(
    make_verdict: MakeVerdict,
) -> None:
    shown = document([make_verdict("FAIL", journal="journal/x.jsonl", notes=["half of it"])])
    told = words(shown.by_id("CONN-01.1"))
    assert f"{SENTENCE} at 3.250 s into the case, after Reset on c4" in told
    assert "replay mockex conform orderly --case CONN-01 --profile usdm --seed 7" in told
    assert "journal journal/x.jsonl" in told
    assert "note: half of it" in told


def test_a_case_that_was_failed_says_its_rule_typical_causes_and_where_to_look(
    make_verdict: MakeVerdict,
) -> None:
    shown = document([make_verdict("FAIL")])
    assert "A connection that the peer resets is replaced" in words(shown.by_id("CONN-01"))
    about = shown.text("aside")
    assert "Typical causes Two owners of one connection" in about
    assert "Look at Who dials after a faulted" in about
    assert "What the case does Ten times" in about
    assert "recws-org/recws#20" in about


def test_a_case_that_the_catalogue_does_not_have_any_more_is_told_without_it(
    make_verdict: MakeVerdict,
) -> None:
    shown = document([make_verdict("FAIL", case="connection/gone", number="CONN-99")])
    assert SENTENCE in words(shown.by_id("CONN-99.1"))
    assert shown.all("aside") == []


def test_the_same_on_the_other_profile_is_a_line(make_verdict: MakeVerdict) -> None:
    on_spot = make_verdict("FAIL", profile="spot")
    later = [Finding(check="x", message=SENTENCE.replace("3", "4"), at_s=9.5)]
    told = words(document([on_spot, make_verdict("FAIL", findings=later)]).by_id("CONN-01.1"))
    assert told.count(STREAM) == 1
    assert "usdm: the same, at 9.500 s into the case, before any fault" in told


def test_something_else_on_the_other_profile_is_told(make_verdict: MakeVerdict) -> None:
    other = make_verdict("ERROR", profile="spot", reason="the worker was killed")
    told = words(document([make_verdict("FAIL"), other]).by_id("CONN-01.1"))
    assert SENTENCE in told
    assert "! ERROR orderly spot the worker was killed" in told


def test_who_never_went_live_is_told_once(make_verdict: MakeVerdict) -> None:
    probe = {"journal": "journal/orderly-usdm-PROBE.jsonl"}
    failed = [
        make_verdict("FAIL", number=number, case=f"connection/{number}", **probe)
        for number in ("CONN-01", "CONN-02", "CONN-03")
    ]
    shown = document(failed)
    (told,) = shown.all("article")
    assert "and so CONN-01, CONN-02, CONN-03" in words(told)
    cells = shown.all("table[@class='matrix']/tbody/tr/td/a")
    assert [cell.attrib["href"] for cell in cells] == ["#START.1"] * 3
    assert "The base URL does not come from MOCKEX_WS_URL" in shown.text("aside")


def test_who_went_live_on_one_profile_only_is_led_to_what_each_did(
    make_verdict: MakeVerdict,
) -> None:
    probe = {"journal": "journal/orderly-usdm-PROBE.jsonl"}
    failed = [
        make_verdict("FAIL", number=number, case=f"connection/{number}", **probe)
        for number in ("CONN-01", "CONN-02")
    ]
    there = make_verdict("FAIL", number="CONN-01", case="connection/CONN-01", profile="spot")
    shown = document([*failed, there])
    cells = shown.all("table[@class='matrix']/tbody/tr/td/a")
    assert [c.attrib["href"] for c in cells] == ["#START.1", "#CONN-01.1", "#START.1"]


def test_long_lists_of_connections_are_cut(make_verdict: MakeVerdict) -> None:
    listed = ", ".join(f"c{n}" for n in range(1, 31))
    findings = [Finding(check="x", message=f"30 connections ({listed}) for one", at_s=1)] * 9
    told = words(document([make_verdict("FAIL", findings=findings)]).by_id("CONN-01.1"))
    assert "30 connections (c1, c2, c3, c4, c5, and 25 more) for one" in told
    assert "and 4 more, in run.jsonl" in told


def test_many_failures_of_a_testee_are_told_by_kind_first(make_verdict: MakeVerdict) -> None:
    failed = [
        make_verdict("FAIL", number=number, case=f"connection/{number}", findings=[
            Finding(check=check, message=said, at_s=1.0)
        ])
        for number, check, said in (
            ("CONN-01", "recovered", "not recovered within 3.0 s"),
            ("CONN-02", "flat", "9 sockets, 1 before"),
            ("CONN-03", "recovered", "not recovered within 4.0 s"),
            ("CONN-04", "recovered", "not recovered within 5.0 s"),
        )
    ]  # fmt: skip
    shown = document(failed)
    assert shown.text("div[@class='summary']") == (
        "orderly: 4 failures of 2 kinds "
        "not recovered within 3.0 s CONN-01 CONN-03 CONN-04 9 sockets, 1 before CONN-02"
    )
    assert document(failed[:3]).all("div[@class='summary']") == []


def test_a_known_failure_says_that_it_is(make_verdict: MakeVerdict) -> None:
    shown = document([make_verdict("FAIL", expected="no watchdog yet, #7")])
    assert "known: no watchdog yet, #7" in words(shown.by_id("CONN-01.1"))


def test_where_something_did_not_pass_the_page_says_how_figures_are_read(
    make_verdict: MakeVerdict,
) -> None:
    assert document([make_verdict()]).all("details[@class='legend']") == []
    legend = document([make_verdict("FAIL")]).text("details[@class='legend']")
    assert "A row for each connection" in legend


def test_reasons_of_what_was_not_run_are_told_once_for_all_who_lack_the_same(
    make_verdict: MakeVerdict,
) -> None:
    verdicts = [
        make_verdict("UNSUPPORTED", testee=testee, reason="the case is about spot")
        for testee in ("one", "two")
    ]
    assert "one, two is UNSUPPORTED (CONN-01): the case is about spot" in document(verdicts).text()


def test_what_was_run_is_said_with_units(make_verdict: MakeVerdict) -> None:
    run = run_line(
        seed=11, command=["mockex", "conform", "x y"], cases=["CONN-01"], repeat=3, strict=True,
        conditions={"ground": "virtual", "case_limit_s": 1800.0, "time_scale": 1.0},
    )  # fmt: skip
    told = document([make_verdict()], run=run).text("section[last()]")
    assert "command mockex conform x y" in told
    assert "seed 11" in told
    assert "case limit 1800 s" in told
    assert "time scale 1 " in told
    assert "cases 1, each 3 times, strict: a SHOULD counts" in told
    assert "cores" in told


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
    shown = document([make_verdict()], run=run)
    assert "close_ms = 500" in shown.text()
    assert "FAIL of HB-03 (no watchdog, #7)" in shown.text()
    assert "https://example.org/orderly" in shown.links
    assert not any("javascript" in link for link in shown.links)


def the_incident(verdicts: Sequence[CaseVerdict], bug: str) -> Incident:
    rounds = [
        Rounds(bug, "usdm", tuple(Round(n, n + 1, n + 1, n + 9, 3.1 * (n + 1)) for n in range(4))),
        Rounds("incident-python-bug", "usdm", skipped="its interpreter is missing"),
    ]
    return Incident(
        rounds=rounds,
        caught=[Caught(bug, "CONN-01", 2.5)],
        paragraphs=paragraphs([compare(verdicts, "incident-go-fix3", bug)]),
        disagreements=disagreements(verdicts, rounds),
        headline="The bug grows",
    )


def test_the_incident_is_told_with_its_figures(
    tmp_path: Path, make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    bug = "incident-go-bug"
    verdicts = [make_verdict("FAIL", testee=bug), make_verdict(testee="incident-go-fix3")]
    recorded(tmp_path, verdicts)
    (tmp_path / DEMO).write_bytes(msgspec.json.encode(the_incident(verdicts, bug)))
    journal = Journal(rounds_journal(tmp_path, bug))
    for entry in leaky_journal:
        journal.append(entry)
    journal.close()
    write_page(tmp_path, tmp_path / "report.html")
    shown = Document((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert shown.text("h1") == "The bug grows"
    text = shown.text()
    assert "1 PASS, 1 FAIL. 1 required failed." in text
    assert "KB/s = 3.100 × deliveries +0.000, R² 1.00000. One healthy connection: 3.100" in text
    assert "5.5 296 828" in text
    assert "3.12 × goroutines -79.9, R² 0.997" in text
    assert "incident-go-bug was caught by CONN-01 2.50 s after its process was started" in text
    assert "incident-python-bug was not measured: its interpreter is missing" in text
    assert "It mends 1 case: CONN-01" in text
    assert "Nowhere, among what was judged" in text
    (chart,) = shown.all("div[@class='charts']/figure")
    assert "live deliveries over 5 s, at most 3, 3 at the end; 2 × Reset" in words(chart)


# --- safe, whole, readable ------------------------------------------------------------------------


def test_nothing_is_fetched_and_nothing_but_our_script_runs(
    make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    charts = [deliveries_over_time(leaky_journal, STREAM, "orderly")]
    rendered = render(page([make_verdict("FAIL")], charts=charts))
    shown = Document(rendered)
    (policy,) = [e for e in shown.all("meta") if "http-equiv" in e.attrib]
    assert "default-src 'none'" in policy.attrib["content"]
    assert re.search(r"script-src 'sha256-[\w+/]+='", policy.attrib["content"])
    assert len(shown.all("script")) == 1
    assert [link.attrib for link in shown.all("link")] == [{"rel": "icon", "href": "data:,"}]
    assert not shown.all("img") + shown.all("iframe") + shown.all("object")
    assert not re.search(r"url\(|@import", rendered)
    handlers = [name for e in shown.root.iter() for name in e.attrib if name.startswith("on")]
    assert handlers == []
    inner = {link for link in shown.links if link.startswith("#")}
    assert shown.links - inner <= {
        "data:,",
        *(link for link in shown.links if link.startswith("https://github.com/")),
    }


def test_every_id_is_there_once_and_every_link_leads(make_verdict: MakeVerdict) -> None:
    verdicts = [
        make_verdict("FAIL", testee=testee, number=number, case=f"connection/{number}")
        for testee, number in product(("a b", "a-b", "a/b", "ü"), ("CONN-01", "CONN-02"))
    ]
    shown = document(verdicts)
    assert len(shown.ids) == len(set(shown.ids))
    assert {link[1:] for link in shown.links if link.startswith("#")} <= set(shown.ids)
    assert len(shown.all("article")) == 8


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_whatever_a_testee_is_called_and_says_is_text(said: str) -> None:
    verdict = CaseVerdict(
        testee=said or "x", case="connection/one-delivery-after-reset", number="CONN-01",
        profile="usdm", verdict=Verdict.FAIL, severity=Severity.MUST, level=Level.L0,
        duration_s=1.0, seed=7, requirement="rule " + said,
        reason="</p><script>alert(1)</script> a/b#1" + said,
        findings=[Finding(check="x", message=said + "<img src=x onerror=alert(1)>`", at_s=1)],
        notes=[said], replay=said, expected=said,
    )  # fmt: skip
    shown = document([verdict])
    assert len(shown.all("script")) == 1
    assert shown.all("img") == []
    assert "<script>alert(1)</script> a/b#1" in shown.text()
    assert not any("a/b" in link for link in shown.links)


def test_landmarks_a_language_and_a_way_past_the_head(make_verdict: MakeVerdict) -> None:
    shown = document([make_verdict("FAIL")])
    assert shown.root.attrib["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer"):
        assert len(shown.all(landmark)) == 1, landmark
    first = shown.all("a")[0]
    assert (first.attrib["class"], first.attrib["href"]) == ("skip", "#verdicts")
    headings = [int(e.tag[1]) for e in shown.root.iter() if re.fullmatch("h[1-6]", str(e.tag))]
    assert headings[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))
    for table in shown.all("table"):
        assert all("scope" in head.attrib for head in table.iter("th"))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2, definitions)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(make_verdict: MakeVerdict, scheme: str) -> None:
    style = document([make_verdict()]).one("style").text or ""
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[["light", "dark"].index(scheme)]))
    pairs = [
        (text, ground)
        for text in ("ink", "soft", "fail", "mark", "line", "pass", "warn")
        for ground in ("ground", "card")
    ]
    pairs += [(kind, f"{kind}-ground") for kind in ("pass", "fail", "warn")]
    for text, ground in pairs:
        dark, light = sorted(luminance(colours[name]) for name in (text, ground))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


# --- from a folder --------------------------------------------------------------------------------


def recorded(
    folder: Path, verdicts: Sequence[CaseVerdict], entries: Sequence[AnyEntry] = ()
) -> list[CaseVerdict]:
    """A run's folder with these verdicts; each has a recording with these entries."""
    for name in ("journal", "stderr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    kept = []
    with RecordWriter(folder / "run.jsonl", run_line(seed=7, command=["mockex"])) as writer:
        for verdict in verdicts:
            writer.add(verdict)
            kept.append(verdict)
            if entries and verdict.journal:
                record_case(folder / verdict.journal, verdict, entries)
        writer.end(EndLine(exit_code=1, counts={}, duration_s=2.0))
    return kept


def record_case(path: Path, verdict: CaseVerdict, entries: Sequence[AnyEntry]) -> None:
    terms = {
        "case": verdict.case, "number": verdict.number, "testee": verdict.testee, "version": "",
        "profile": verdict.profile, "mode": "raw", "level": 0, "k": 1, "scale": 1.0, "seed": 7,
        "streams": [STREAM], "limits": {},
    }  # fmt: skip
    assert set(terms) <= set(Terms.__struct_fields__)
    journal = Journal(path)
    for entry in (entries[0], Noted(t=entries[0].t, name="case", detail=terms), *entries[1:]):
        journal.append(entry)
    journal.close()


def test_the_page_is_made_of_a_folder_with_figures_logs_and_last_words(
    tmp_path: Path, make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    failed = make_verdict("FAIL", journal="journal/a.jsonl", stderr="stderr/a.txt")
    recorded(tmp_path, [failed], leaky_journal)
    (tmp_path / failed.stderr).write_text("early\n" * 20 + "Traceback \x1b[31m<b>\nboom\n")
    write_page(tmp_path, tmp_path / "again.html")
    shown = Document((tmp_path / "again.html").read_text(encoding="utf-8"))
    article = shown.by_id("CONN-01.1")
    assert len(list(article.iter("figure"))) >= 1
    assert "stderr (usdm, its last 12 lines)" in words(article)
    assert "Traceback \ufffd[31m<b> boom" in words(article)
    assert words(shown.by_id("deliveries")) == "Deliveries over time"


def test_a_recording_that_is_gone_or_cut_costs_its_figures_only(
    tmp_path: Path, make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    gone = make_verdict("FAIL", journal="journal/gone.jsonl", stderr="stderr/gone.txt")
    cut = make_verdict("FAIL", testee="cut", journal="journal/cut.jsonl")
    recorded(tmp_path, [gone, cut], leaky_journal)
    (tmp_path / gone.journal).unlink()
    file = tmp_path / cut.journal
    file.write_bytes(file.read_bytes()[:40])
    write_page(tmp_path, tmp_path / "report.html")
    shown = Document((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert SENTENCE in words(shown.by_id("CONN-01.1"))
    assert SENTENCE in words(shown.by_id("CONN-01.2"))
    assert shown.all("article//figure") == []


def test_a_run_without_its_end_says_so(tmp_path: Path, make_verdict: MakeVerdict) -> None:
    recorded(tmp_path, [make_verdict()])
    record = tmp_path / "run.jsonl"
    record.write_bytes(b"\n".join(record.read_bytes().split(b"\n")[:2]) + b'\n{"type":"ver')
    write_page(tmp_path, tmp_path / "report.html")
    shown = Document((tmp_path / "report.html").read_text(encoding="utf-8"))
    said = "1 PASS so far. The run was ended before its last case (verdicts so far: 1)"
    assert said in shown.text("h1")
    assert (shown.one("title").text or "").startswith("? ")


def test_a_folder_without_a_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoRecord, match=r"there is no run\.jsonl"):
        write_page(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_what_demo_added_and_cannot_be_read_is_refused_by_name(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    recorded(tmp_path, [make_verdict()])
    (tmp_path / DEMO).write_text('{"rounds": [')
    with pytest.raises(NoRecord, match=r"demo\.json is no record of a run: Input data was truncat"):
        write_page(tmp_path, tmp_path / "report.html")


def test_each_testee_has_one_chart_to_compare(
    tmp_path: Path, make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    verdicts = [
        make_verdict(
            testee=testee, profile=profile, number=number, case=f"connection/{number}",
            journal=f"journal/{testee}-{profile}-{number}.jsonl",
        )
        for testee, profile, number in product(
            ("a", "b"), ("spot", "usdm"), ("CONN-02", "CONN-01")
        )
    ]  # fmt: skip
    recorded(tmp_path, verdicts, leaky_journal)
    charts = html.page_of(tmp_path).charts
    assert [chart.title for chart in charts] == ["a, spot, CONN-01", "b, spot, CONN-01"]


# --- size -----------------------------------------------------------------------------------------


def crowd(share: float) -> list[CaseVerdict]:
    """Ten testees by 94 cases on two profiles, of which a share is failed."""
    catalogue = list(all_cases().values())
    numbered = [(c.number, c.id, c) for c in catalogue]
    extra = iter(catalogue)
    while len(numbered) < 94:
        case = next(extra)
        numbered.append((f"{case.number[:-2]}{len(numbered)}", f"{case.id}-too", case))
    draw = Random(7)
    verdicts = []
    for index, (number, case_id, case) in product(range(10), numbered):
        testee = f"incident-python-fix{index}-client"
        count = draw.choice((1, 1, 2, 3)) if draw.random() < share else 0
        for profile in ("spot", "usdm"):
            findings = [
                Finding(check="x", message=SENTENCE, at_s=draw.random() * 20, fault="Reset on c1")
                for _ in range(count)
            ]
            verdicts.append(
                CaseVerdict(
                    testee=testee, case=case_id, number=number, profile=profile,
                    verdict=Verdict.FAIL if count else Verdict.PASS, severity=case.severity,
                    level=case.level, duration_s=1, seed=7, findings=findings,
                    requirement="A connection that the peer resets is replaced by one new one.",
                    replay=f"mockex conform {testee} --case {number} --profile {profile} --seed 7",
                    journal=f"journal/{testee}-{profile}-{number}.jsonl",
                )
            )  # fmt: skip
    return verdicts


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 1.0])
def test_ten_testees_by_94_cases_with_recordings_stay_below_300_kb(
    tmp_path: Path, leaky_journal: list[AnyEntry], share: float
) -> None:
    verdicts = crowd(share)
    (tmp_path / "journal").mkdir()
    for verdict in verdicts:
        if verdict.verdict is Verdict.FAIL and verdict.profile == "spot":
            record_case(tmp_path / verdict.journal, verdict, leaky_journal)
    rendered = render(page(verdicts, folder=tmp_path))
    assert len(rendered.encode()) <= LIMIT
    shown = Document(rendered)
    targets = {a.attrib["href"][1:] for a in shown.all("td/a")}
    assert targets <= set(shown.ids)
    failed = {(v.number, v.testee) for v in verdicts if v.verdict is Verdict.FAIL}
    assert len(targets) == len(failed)
    if share == 0.05:  # there is room for more than words
        assert len(shown.all("article//figure")) > 20
    if share == 0.2:  # each failure is told
        assert len(shown.all("article")) == len(failed)


def test_what_must_comes_first_and_of_equals_one_of_each_testee(
    tmp_path: Path, make_verdict: MakeVerdict, leaky_journal: list[AnyEntry]
) -> None:
    verdicts = [
        make_verdict(
            "FAIL", testee=testee, number=number, case=f"connection/{number}", severity=severity,
            journal=f"journal/{testee}-{number}.jsonl",
        )
        for testee in ("a", "b")
        for number, severity in (
            ("CONN-01", Severity.SHOULD), ("CONN-02", Severity.MUST), ("CONN-03", Severity.MUST),
        )
    ]  # fmt: skip
    recorded(tmp_path, verdicts, leaky_journal)
    whole = render(html.page_of(tmp_path))
    one = max(
        len(figure) for figure in re.findall(r"<figure class=.swim.*?</figure>", whole, re.DOTALL)
    )
    told = render(page(verdicts, folder=tmp_path), limit=len(render(page(verdicts))) + 3 * one)
    shown = Document(told)
    drawn = [a.attrib["id"] for a in shown.all("article") if a.find(".//figure") is not None]
    assert drawn[:2] == ["CONN-02.1", "CONN-02.2"]
    assert "CONN-01.1" not in drawn
    assert re.search(r"Of 6 failures: \d without figures", shown.text())
