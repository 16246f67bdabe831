"""JUnit XML as CI systems read it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import xmlschema

from mockex_conformance.description import Description, Expect
from mockex_conformance.report import junit as reports
from mockex_conformance.report.junit import junit, write_junit
from mockex_conformance.report.lines import RunLine, run_line
from mockex_conformance.report.outcome import outcome
from mockex_conformance.verdict import CaseVerdict, Severity

from .conftest import SENTENCE, MakeVerdict

SCHEMA = xmlschema.XMLSchema10(Path(__file__).with_name("junit.xsd"))


def document(
    verdicts: list[CaseVerdict], run: RunLine | None = None, lacks: str = ""
) -> ET.Element:
    """What is written, read back; the schema has no objection."""
    run = run or run_line(seed=7, command=["mockex"])
    written = reports.document(run, outcome(verdicts, run.testees), lacks)
    SCHEMA.validate(written.decode())
    return ET.fromstring(written)


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
    suite = root.find("testsuite")
    assert suite is not None
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["3", "0", "2", "1"]


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


def test_a_schema_refuses_what_ci_systems_do_not_know(make_verdict: MakeVerdict) -> None:
    root = junit(run_line(seed=7, command=["mockex"]), outcome([make_verdict()]))
    root.set("skipped", "0")
    with pytest.raises(xmlschema.XMLSchemaValidationError, match="skipped"):
        SCHEMA.validate(ET.tostring(root, encoding="unicode"))


def test_a_suite_says_when_it_was_run_by_what_and_with_which_seed(
    make_verdict: MakeVerdict,
) -> None:
    run = msgspec.structs.replace(
        run_line(seed=11, command=["mockex"], shard="2/8"),
        started_ms=1_764_115_200_500,
        versions={"python": "3.13.0", "mockex": "9.9"},
    )
    suite = document([make_verdict()], run).find("testsuite")
    assert suite is not None
    assert suite.get("timestamp") == "2025-11-26T00:00:00"
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    facts = {"seed": "11", "python": "3.13.0", "mockex": "9.9", "shard": "2/8"}
    assert properties.items() >= facts.items()


def test_what_did_not_pass_says_beside_it_how_it_is_run_again(make_verdict: MakeVerdict) -> None:
    root = document(
        [
            make_verdict("FAIL", journal="journal/x.jsonl", stderr="stderr/x.txt"),
            make_verdict("ERROR", number="HB-01", case="a/b", reason="the worker died"),
            make_verdict("PASS", number="HB-02", case="a/c"),
        ]
    )
    failed, broken, passed = root.iter("testcase")
    assert failed.findtext("system-out") == (
        "replay  mockex conform orderly --case CONN-01 --profile usdm --seed 7\n"
        "journal journal/x.jsonl\n"
        "stderr  stderr/x.txt"
    )
    assert "replay  mockex conform" in (broken.findtext("system-out") or "")
    assert passed.find("system-out") is None


def test_the_same_case_in_two_modes_is_two_tests(make_verdict: MakeVerdict) -> None:
    root = document([make_verdict(mode="combined"), make_verdict("FAIL", mode="raw")])
    names = [case.get("classname") for case in root.iter("testcase")]
    assert names == ["orderly.usdm.combined", "orderly.usdm.raw"]


def test_a_run_that_is_not_whole_is_red(make_verdict: MakeVerdict) -> None:
    lacks = "The run was ended before its last case"
    root = document([make_verdict()], lacks=lacks)
    assert (root.get("tests"), root.get("errors")) == ("2", "1")
    error = root.find("testsuite[@name='mockex conform']/testcase[@name='run/complete']/error")
    assert error is not None
    assert error.get("message") == lacks


def test_a_testee_that_says_very_much_does_not_make_a_file_that_nobody_can_open(
    make_verdict: MakeVerdict,
) -> None:
    root = document([make_verdict("ERROR", reason="x" * 1_000_000)])
    error = root.find(".//error")
    assert error is not None
    assert (error.get("message") or "").endswith("… (1000000 characters)")
    assert len(ET.tostring(root)) < 20_000
