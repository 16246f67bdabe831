"""Cases against testees: words where they fit, signs where they do not, never too wide."""

from __future__ import annotations

import io

from rich.console import Console

from mockex_conformance.report.matrix import matrix
from mockex_conformance.verdict import CaseVerdict

from .conftest import MakeVerdict

GROUPS = {"CONN": 9, "SUB": 9, "RECON": 10, "HB": 8, "ROLL": 6, "RES": 6, "DATA": 12, "SEC": 1}


def shown(verdicts: list[CaseVerdict], width: int = 80) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False)
    for part in matrix(verdicts, width):
        console.print(part)
    return stream.getvalue().splitlines()


def every_case(make_verdict: MakeVerdict, testee: str, kind: str = "PASS") -> list[CaseVerdict]:
    return [
        make_verdict(
            kind, testee=testee, profile=profile, number=f"{group}-{n:02}", case=f"{group}/{n}"
        )
        for profile in ("spot", "usdm")
        for group, most in GROUPS.items()
        for n in range(1, most + 1)
    ]


def test_few_testees_stand_beside_each_other_and_many_below(make_verdict: MakeVerdict) -> None:
    few = shown([make_verdict(testee=f"t{i}") for i in range(2)])
    assert "CONN-01  connection/one-delivery-after-reset  PASS  PASS" in few
    many = shown([make_verdict(testee=f"t{i}") for i in range(6)])
    assert [line.split() for line in many if line.startswith("t5")] == [["t5", "usdm", "PASS"]]


def test_where_there_is_no_room_ids_are_cut_or_go_and_all_else_is_whole(
    make_verdict: MakeVerdict,
) -> None:
    one = [make_verdict("INCONCLUSIVE", testee="a-long-name")]
    for width, row in (
        (80, "CONN-01  connection/one-delivery-after-reset  INCONCLUSIVE"),
        (40, "CONN-01  connection/one-d…  INCONCLUSIVE"),
        (34, "CONN-01  INCONCLUSIVE"),
    ):
        lines = shown(one, width)
        assert max(map(len, lines)) <= width
        assert [line.rstrip() for line in lines][-1] == row
        assert "a-long-name" in lines[0]


def test_many_cases_of_many_testees_are_signs_with_a_legend(make_verdict: MakeVerdict) -> None:
    verdicts = [v for i in range(3) for v in every_case(make_verdict, f"t{i}")]
    verdicts[1] = make_verdict("FAIL", testee="t0", profile="spot", number="CONN-02", case="CONN/2")
    lines = shown(verdicts)
    heading = "testee   1 2 3 4 5 6 7 8 9  1 2 3 4 5 6 7 8 9  1  2  3  4  5  6  7  8  9  10"
    first = lines.index(heading)
    assert lines[first - 1] == "         CONN               SUB                RECON"
    assert lines[first + 1].startswith("t0 spot  . F . . . . . . .  . . .")
    assert lines[first + 6].startswith("t2 usdm  . . . .")
    assert lines[-1] == ". PASS  F FAIL"


def test_ten_testees_and_all_cases_are_readable_in_80_columns(make_verdict: MakeVerdict) -> None:
    names = [f"testee-with-a-long-name-{i}" for i in range(10)]
    lines = shown([v for name in names for v in every_case(make_verdict, name)])
    assert max(map(len, lines)) <= 80
    headings = [line.split()[1:] for line in lines if line.startswith("testee ")]
    assert len(headings) <= 5, "so many parts"
    assert sum(map(len, headings)) == sum(GROUPS.values()), "every case once"
    for name in names:
        assert sum(line.startswith(f"{name} spot") for line in lines) == len(headings)


def test_a_group_that_is_wider_than_the_screen_is_cut(make_verdict: MakeVerdict) -> None:
    names = [f"testee-{i}" for i in range(3)]
    lines = shown([v for name in names for v in every_case(make_verdict, name)], width=40)
    assert max(map(len, lines)) <= 40
    headings = [line.split()[1:] for line in lines if line.startswith("testee ")]
    assert sum(map(len, headings)) == sum(GROUPS.values())


def test_what_was_not_run_is_empty_and_no_verdict(make_verdict: MakeVerdict) -> None:
    verdicts = [v for i in range(3) for v in every_case(make_verdict, f"t{i}", "UNSUPPORTED")]
    del verdicts[2]  # t0, spot, CONN-03
    (row, *_) = [line for line in shown(verdicts) if line.startswith("t0 spot")]
    assert row.startswith("t0 spot  - -   - - - - - -  - -")
    assert shown(verdicts)[-1] == "- UNSUPPORTED"


def test_modes_are_told_apart_where_there_are_several(make_verdict: MakeVerdict) -> None:
    verdicts = [make_verdict(testee=f"t{i}", mode=mode) for i in range(3) for mode in ("raw", "x")]
    assert any(line.startswith("t2 usdm raw") for line in shown(verdicts))


def test_what_is_no_case_of_the_catalogue_stands_at_the_end(make_verdict: MakeVerdict) -> None:
    lines = shown([make_verdict(number="PROBE", case="probe"), make_verdict()])
    assert [line.split()[0] for line in lines[2:]] == ["CONN-01", "PROBE"]
