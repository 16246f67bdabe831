"""The kill table: what a letter says, what is wrong, and that the kept page has everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description
from mockex_conformance.report.kills import KillTable, main, ours
from mockex_conformance.report.lines import run_line
from mockex_conformance.report.record import RecordWriter
from mockex_conformance.verdict import CaseVerdict

from .conftest import MakeVerdict

PAGE = Path(__file__).resolve().parents[3] / "docs" / "kill-table.md"
NUMBERS = ["CONN-01", "CONN-02", "RECON-10"]


def described(name: str, *must_fail: str, **more: dict[str, str]) -> Description:
    return Description(name=name, command=["x"], must_fail=list(must_fail), **more)  # type: ignore[arg-type]


def table(testees: Sequence[Description], *verdicts: CaseVerdict) -> KillTable:
    return KillTable(testees, NUMBERS, verdicts)


def test_a_case_of_its_own_row_is_killed_in_virtual_time_or_on_the_machine_alone(
    make_verdict: MakeVerdict,
) -> None:
    mutant = described("leaky", "CONN-01", "CONN-02")
    seen = [
        make_verdict("FAIL", testee="leaky", ground="virtual"),
        make_verdict("FAIL", testee="leaky"),
        make_verdict("UNSUPPORTED", testee="leaky", number="CONN-02", ground="virtual"),
        make_verdict("FAIL", testee="leaky", number="CONN-02"),
    ]
    cells = table([mutant], *seen).cells()
    assert [cells["leaky", number] for number in NUMBERS] == ["K", "R", "-"]


@pytest.mark.parametrize("survived", ["PASS", "INCONCLUSIVE", "ERROR"])
def test_a_mutant_that_survives_on_one_profile_is_wrong(
    make_verdict: MakeVerdict, survived: str
) -> None:
    seen = [
        make_verdict("FAIL", testee="leaky", profile="spot"),
        make_verdict(survived, testee="leaky", profile="usdm"),
    ]
    found = table([described("leaky", "CONN-01")], *seen)
    assert found.wrong() == ["leaky CONN-01: survives a case of its own row"]


def test_what_is_listed_has_a_letter_of_its_own_and_a_reason(make_verdict: MakeVerdict) -> None:
    mutant = described(
        "leaky",
        "CONN-01",
        also_fails={"CONN-02": "it leaks there too"},
        may_fail={"RECON-10": "it is up to the jitter"},
    )
    seen = [
        make_verdict("FAIL", testee="leaky", number="CONN-02"),
        make_verdict("PASS", testee="leaky", number="RECON-10"),
    ]
    found = table([mutant], *seen)
    assert [found.cells()["leaky", number] for number in NUMBERS] == ["-", "x", "~"]
    assert found.wrong() == []
    lines = found.page().splitlines()
    assert "- `leaky` CONN-02: it leaks there too" in lines
    assert "- `leaky` RECON-10: it is up to the jitter" in lines


def test_what_fails_for_one_reason_stands_together(make_verdict: MakeVerdict) -> None:
    reasons = {"CONN-01": "each loss leaves one", "RECON-10": "each loss leaves one"}
    page = table([described("leaky", "CONN-02", also_fails=reasons)]).page()
    assert "- `leaky` CONN-01, RECON-10: each loss leaves one" in page.splitlines()


def test_what_fails_and_is_not_listed_is_wrong(make_verdict: MakeVerdict) -> None:
    seen = make_verdict("INCONCLUSIVE", testee="leaky", number="CONN-02")
    assert table([described("leaky", "CONN-01")], seen).wrong() == [
        "leaky CONN-02: fails what is not listed"
    ]


def test_whoever_has_no_row_passes_fails_or_is_not_judged(make_verdict: MakeVerdict) -> None:
    seen = [
        make_verdict("PASS"),
        make_verdict("FAIL", testee="dead"),
        make_verdict("INCONCLUSIVE", testee="deaf"),
    ]
    found = table([described("orderly"), described("dead"), described("deaf")], *seen)
    assert [found.cells()[name, "CONN-01"] for name in ("orderly", "dead", "deaf")] == list(".xo")
    assert found.wrong() == []


def test_columns_stand_in_groups_and_rows_by_name(make_verdict: MakeVerdict) -> None:
    testees = [described("bb", "CONN-01"), described("a", "RECON-10"), described("dead")]
    seen = [
        make_verdict("FAIL", testee="bb", ground="virtual"),
        make_verdict("FAIL", testee="a", number="RECON-10", ground="virtual"),
    ]
    blocks = table(testees, *seen).page().split("```")
    assert blocks[1] == (
        "text\n"
        "      CONN  RECON\n"
        "      12    0\n"
        "a     --    K\n"
        "bb    K-    -\n"
    )  # fmt: skip


# --- the command ----------------------------------------------------------------------------------


def write(folder: Path, *verdicts: CaseVerdict) -> str:
    folder.mkdir()
    with RecordWriter(folder / "run.jsonl", run_line(seed=7, command=["mockex"])) as writer:
        for verdict in verdicts:
            writer.add(verdict)
    return str(folder)


def test_the_command_takes_any_number_of_records(
    tmp_path: Path, make_verdict: MakeVerdict, capsys: pytest.CaptureFixture[str]
) -> None:
    real = write(tmp_path / "real", make_verdict("FAIL", testee="two-owners"))
    virtual = write(tmp_path / "v", make_verdict("FAIL", testee="two-owners", ground="virtual"))
    assert main([real, virtual]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if line.startswith("two-owners ")]
    assert row.split()[1].startswith("K-")


def test_a_cell_that_is_not_as_described_ends_the_command_with_1(
    tmp_path: Path, make_verdict: MakeVerdict, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(tmp_path / "real", make_verdict("PASS", testee="two-owners"))]) == 1
    assert "two-owners CONN-01: survives a case of its own row" in capsys.readouterr().err


def test_what_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 4
    assert "there is no run.jsonl" in capsys.readouterr().err


def test_no_argument_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 4
    assert "usage: " in capsys.readouterr().err


# --- the page that is kept ------------------------------------------------------------------------


def test_the_page_has_every_testee_and_every_case() -> None:
    """The suite's own run of all of them compares letter by letter."""
    page = PAGE.read_text(encoding="utf-8")
    empty = KillTable(ours(), [case.number for case in all_cases().values()], [])
    heads = {line for line in empty.page().splitlines() if line.startswith("   ")}
    assert heads <= set(page.splitlines())
    rows = {line.split()[0] for block in page.split("```")[1::2] for line in block.splitlines()[3:]}
    assert rows == {testee.name for testee in ours()}
    assert not set("!?") & {letter for block in page.split("```")[1::2] for letter in block}
