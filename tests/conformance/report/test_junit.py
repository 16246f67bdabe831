"""JUnit XML as CI systems read it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from mockex_conformance.description import Description, Expect
from mockex_conformance.report.junit import junit, write_junit
from mockex_conformance.report.lines import RunLine, run_line
from mockex_conformance.report.outcome import outcome
from mockex_conformance.verdict import CaseVerdict, Severity

from .conftest import SENTENCE, MakeVerdict


def document(verdicts: list[CaseVerdict], run: RunLine | None = None) -> ET.Element:
    run = run or run_line(seed=7, command=["mockex"])
    return junit(run, outcome(verdicts, run.testees))


def test_each_testee_is_a_suite_and_each_case_a_test(make_verdict: MakeVerdict) -> None:
    root = document([make_verdict(), make_verdict(profile="spot"), make_verdict(testee="other")])
    assert [suite.get("name") for suite in root] == ["orderly", "other"]
    cases = root.findall("testsuite[@name='orderly']/testcase")
    assert [(c.get("classname"), c.get("name")) for c in cases] == [
        ("orderly.usdm", "connection/one-delivery-after-reset"),
        ("orderly.spot", "connection/one-delivery-after-reset"),
    ]


def test_a_suite_says_on_which_ground_it_was_judged(make_verdict: MakeVerdict) -> None:
    root = document([make_verdict(), make_verdict(testee="other", ground="virtual")])
    said = [p.get("value") for p in root.findall(".//property[@name='ground']")]
    assert said == ["real", "virtual"]


def test_a_failure_carries_the_sentence_and_the_command_that_replays_it(
    make_verdict: MakeVerdict,
) -> None:
    failure = document([make_verdict("FAIL")]).find(".//failure")
    assert failure is not None
    assert failure.get("message") == SENTENCE
    assert failure.get("type") == "MUST"
    assert "mockex conform orderly --case CONN-01" in (failure.text or "")


def test_what_could_not_be_judged_is_an_error_and_what_is_unsupported_is_skipped(
    make_verdict: MakeVerdict,
) -> None:
    root = document(
        [
            make_verdict("INCONCLUSIVE", reason="Reset was not seen"),
            make_verdict("ERROR", number="CONN-02", reason="the worker died"),
            make_verdict("UNSUPPORTED", number="CLOSE-02", reason="declare level = 2"),
        ]
    )
    errors = root.findall(".//error")
    assert [(e.get("type"), e.get("message")) for e in errors] == [
        ("INCONCLUSIVE", "Reset was not seen"),
        ("ERROR", "the worker died"),
    ]
    assert [s.get("message") for s in root.findall(".//skipped")] == ["declare level = 2"]
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == (
        "3",
        "0",
        "2",
        "1",
    )


def test_a_should_that_does_not_count_is_no_failure(make_verdict: MakeVerdict) -> None:
    root = document([make_verdict("FAIL", severity=Severity.SHOULD)])
    assert root.get("failures") == "0"
    assert SENTENCE in (root.findtext(".//system-out") or "")


def test_a_known_failure_is_skipped_and_a_mended_one_fails(make_verdict: MakeVerdict) -> None:
    testee = Description(
        name="orderly",
        command=["x"],
        expect=[Expect(case="CONN-01", verdict="FAIL", reason="no time yet")],
    )
    run = run_line(seed=7, command=["mockex"], testees=[testee])
    skipped = document([make_verdict("FAIL")], run).find(".//skipped")
    assert skipped is not None
    assert skipped.get("message") == "known FAIL: no time yet"
    failure = document([make_verdict("PASS")], run).find(".//failure")
    assert failure is not None
    assert "take the [[expect]] out" in (failure.get("message") or "")


def test_characters_that_xml_cannot_hold_do_not_make_the_file_unreadable(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    run = run_line(seed=7, command=["mockex"])
    verdict = make_verdict("ERROR", reason="said \x1b[31m \x00 <b> & \ud800")
    path = tmp_path / "junit.xml"
    write_junit(path, run, outcome([verdict]))
    error = ET.parse(path).find(".//error")
    assert error is not None
    assert error.get("message") == "said \ufffd[31m \ufffd <b> & \ufffd"
