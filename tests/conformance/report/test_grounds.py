"""Both grounds side by side: a cell for each testee and case, each difference with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description
from mockex_conformance.harness.load import find
from mockex_conformance.report.grounds import Known, Side, differences, main, page
from mockex_conformance.report.lines import run_line
from mockex_conformance.report.record import RecordWriter
from mockex_conformance.verdict import CaseVerdict

from .conftest import MakeVerdict

DOCS = Path(__file__).resolve().parents[3] / "docs"


def side(*verdicts: CaseVerdict, command: str = "mockex conform orderly --out out/real") -> Side:
    first = run_line(seed=7, command=command.split(), cases=["CONN-01", "HB-01"])
    return Side(first, verdicts)


def rows(text: str) -> dict[str, list[str]]:
    """The table: testee to its cells; the headings under `testee`."""
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: cells for name, *cells in table}


def test_one_sign_where_all_agree(make_verdict: MakeVerdict) -> None:
    verdicts = [
        make_verdict(verdict, profile=profile, testee=testee)
        for testee, verdict in (("orderly", "PASS"), ("leaky", "FAIL"))
        for profile in ("spot", "usdm")
    ]
    text = page(side(*verdicts), side(*verdicts))
    assert rows(text) == {"testee": ["CONN-01"], "orderly": ["✓"], "leaky": ["✗"]}
    assert "None in these runs." in text


def test_the_cases_stand_in_the_order_of_the_run(make_verdict: MakeVerdict) -> None:
    verdicts = [make_verdict(number="HB-01"), make_verdict(number="CONN-01")]
    assert rows(page(side(*verdicts), side(*verdicts)))["testee"] == ["CONN-01", "HB-01"]


def test_profiles_that_differ_stand_beside_each_other(make_verdict: MakeVerdict) -> None:
    verdicts = [make_verdict("PASS", profile="spot"), make_verdict("FAIL", profile="usdm")]
    assert rows(page(side(*verdicts), side(*verdicts)))["orderly"] == ["spot ✓ usdm ✗"]


def test_a_difference_is_marked_and_listed_with_its_reason(make_verdict: MakeVerdict) -> None:
    real = side(make_verdict("PASS", profile="spot"), make_verdict("PASS", profile="usdm"))
    virtual = side(make_verdict("FAIL", profile="spot"), make_verdict("FAIL", profile="usdm"))
    known = Known(reasons={("orderly", "CONN-01"): "it is up to the jitter"})
    text = page(real, virtual, known)
    assert rows(text)["orderly"] == ["✓→✗"]
    line = "- `orderly` CONN-01 (spot and usdm): PASS → FAIL: it is up to the jitter"
    assert line in text.splitlines()


def test_a_difference_without_a_reason_is_said_to_be_one(make_verdict: MakeVerdict) -> None:
    real, virtual = side(make_verdict("PASS")), side(make_verdict("INCONCLUSIVE"))
    (found,) = differences(real, virtual)
    assert (found.profiles, found.reason) == (("usdm",), "")
    assert "PASS → INCONCLUSIVE: **not explained**" in page(real, virtual)


def test_a_case_that_it_is_made_to_fail_is_bold(make_verdict: MakeVerdict) -> None:
    both = side(make_verdict("FAIL"))
    known = Known(rows={"orderly": ["CONN-01"]})
    assert rows(page(both, both, known))["orderly"] == ["**✗**"]


def test_what_the_virtual_ground_does_not_support_is_no_difference(
    make_verdict: MakeVerdict,
) -> None:
    real = side(make_verdict("FAIL"), make_verdict("PASS", number="HB-01"))
    virtual = side(
        make_verdict("UNSUPPORTED", reason="threads are a machine's"),
        make_verdict("PASS", number="HB-01"),
    )
    text = page(real, virtual)
    assert rows(text)["orderly"] == ["(✗)", "✓"]
    assert "- CONN-01, of every testee: threads are a machine's." in text
    assert differences(real, virtual) == []


def test_testees_without_an_entry_are_named(make_verdict: MakeVerdict) -> None:
    verdicts = [
        make_verdict("UNSUPPORTED", reason="no `entry`", testee="go", number=number)
        for number in ("CONN-01", "HB-01")
    ]
    others = [make_verdict(testee=name) for name in ("a", "b", "c")]
    text = page(side(*others), side(*others, *verdicts))
    assert "- everything, of `go`: no `entry`." in text
    assert rows(text)["go"] == ["–", "–"]


def test_the_page_says_how_it_was_made(make_verdict: MakeVerdict) -> None:
    virtual = side(make_verdict(), command="mockex conform orderly --ground virtual")
    text = page(side(make_verdict()), virtual)
    assert "```\nmockex conform orderly --out out/real\n```" in text
    assert "```\nmockex conform orderly --ground virtual\n```" in text
    assert "seed 7." in text


# --- the command ----------------------------------------------------------------------------------


def write(folder: Path, *verdicts: CaseVerdict) -> str:
    folder.mkdir()
    testees = [Description(name=v.testee, command=["x"]) for v in verdicts]
    first = run_line(seed=7, command=["mockex"], testees=testees, cases=["CONN-01"])
    with RecordWriter(folder / "run.jsonl", first) as writer:
        for verdict in verdicts:
            writer.add(verdict)
    return str(folder)


def test_the_command_takes_reasons_from_our_testees(
    tmp_path: Path, make_verdict: MakeVerdict, capsys: pytest.CaptureFixture[str]
) -> None:
    real = write(tmp_path / "real", make_verdict("PASS", testee="two-owners", number="RECON-02"))
    virtual = write(
        tmp_path / "virtual", make_verdict("FAIL", testee="two-owners", number="RECON-02")
    )
    assert main([real, virtual]) == 0
    (mutant,) = find("two-owners")
    assert f"PASS → FAIL: {mutant.may_fail['RECON-02']}" in capsys.readouterr().out


def test_a_difference_that_nobody_explains_ends_the_command_with_1(
    tmp_path: Path, make_verdict: MakeVerdict, capsys: pytest.CaptureFixture[str]
) -> None:
    real = write(tmp_path / "real", make_verdict("PASS"))
    virtual = write(tmp_path / "virtual", make_verdict("FAIL"))
    assert main([real, virtual]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("# Both grounds, side by side\n")
    assert "not explained: - `orderly` CONN-01 (usdm): PASS → FAIL" in err


def test_what_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path)]) == 4
    assert "there is no run.jsonl" in capsys.readouterr().err


def test_too_few_arguments_are_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 4
    assert "usage: " in capsys.readouterr().err


# --- the page that is kept ------------------------------------------------------------------------


def test_the_page_has_every_testee_with_an_entry_and_every_case() -> None:
    table = rows((DOCS / "grounds.md").read_text(encoding="utf-8"))
    assert set(table["testee"]) == {case.number for case in all_cases().values()}
    ours = [*find("reference"), *find("mutants"), *find("incident/python")]
    assert set(table) - {"testee"} == {testee.name for testee in ours}


def test_the_page_explains_every_difference() -> None:
    assert "not explained" not in (DOCS / "grounds.md").read_text(encoding="utf-8")
