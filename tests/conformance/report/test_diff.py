"""Two runs compared: what each pair of verdicts means, and how it is told."""

from __future__ import annotations

import msgspec
import pytest

from mockex.cli import ExitCode
from mockex_conformance.description import Description, Expect
from mockex_conformance.report.diff import Diff, as_markdown, as_text, diff, sentence
from mockex_conformance.report.settling import settled
from mockex_conformance.verdict import CaseVerdict, Severity

from .conftest import SENTENCE, MakeVerdict
from .told import first_line, told

PARTS = ("worse", "better", "new_cases", "gone", "flaky", "changed")


def between(old: list[CaseVerdict], new: list[CaseVerdict]) -> Diff:
    return diff(told(old, folder="old"), told(new, folder="new"))


def parts(made: Diff) -> dict[str, list[str]]:
    """Numbers of the cases in each list that is not empty."""
    lists = {part: [change.number for change in getattr(made, part)] for part in PARTS}
    return {part: numbers for part, numbers in lists.items() if numbers}


@pytest.mark.parametrize(
    ("then", "now", "part"),
    [
        ("PASS", "FAIL", "worse"),
        ("PASS", "FLAKY", "worse"),
        ("PASS", "ERROR", "worse"),
        ("PASS", "INCONCLUSIVE", "worse"),
        ("PASS", "UNSUPPORTED", "worse"),
        ("FLAKY", "FAIL", "worse"),
        ("UNSUPPORTED", "FAIL", "worse"),
        ("ERROR", "FLAKY", "worse"),
        ("FAIL", "PASS", "better"),
        ("FLAKY", "PASS", "better"),
        ("UNSUPPORTED", "PASS", "better"),
        ("FAIL", "FLAKY", "flaky"),
        ("FLAKY", "FLAKY", "flaky"),
        ("FAIL", "INCONCLUSIVE", "changed"),
        ("FLAKY", "ERROR", "changed"),
        ("UNSUPPORTED", "INCONCLUSIVE", "changed"),
        ("FAIL", "FAIL", ""),
        ("PASS", "PASS", ""),
    ],
)
def test_a_case_got_worse_better_or_neither(
    make_verdict: MakeVerdict, then: str, now: str, part: str
) -> None:
    made = between([make_verdict(then)], [make_verdict(now)])
    assert parts(made) == ({part: ["CONN-01"]} if part else {})
    assert made.same == (not part)
    assert made.exit_code == (ExitCode.FAILED if part == "worse" else ExitCode.OK)


def test_cases_come_and_go_and_that_is_neither_worse_nor_better(make_verdict: MakeVerdict) -> None:
    made = between(
        [make_verdict(), make_verdict("FAIL", testee="left")],
        [make_verdict(), make_verdict("FAIL", number="HB-01", case="a/b")],
    )
    assert parts(made) == {"new_cases": ["HB-01"], "gone": ["CONN-01"]}
    assert sentence(made) == "1 new, 1 gone, 1 the same."
    assert made.exit_code is ExitCode.OK


def test_testees_profiles_and_modes_are_compared_each_with_itself(
    make_verdict: MakeVerdict,
) -> None:
    old = [make_verdict(), make_verdict(profile="spot"), make_verdict(mode="raw")]
    new = [make_verdict(), make_verdict("FAIL", profile="spot"), make_verdict(mode="raw")]
    made = between(old, new)
    assert [change.profile for change in made.worse] == ["spot"]
    assert made.same == 2


def test_repetitions_are_compared_as_one_verdict(make_verdict: MakeVerdict) -> None:
    turns = [make_verdict(), make_verdict("FAIL", turn=2)]
    made = between([make_verdict()], settled(turns, first_line()))
    assert [(change.then, change.now) for change in made.worse] == [("PASS", "FLAKY")]


def test_a_failure_that_the_testee_declares_is_not_worse(make_verdict: MakeVerdict) -> None:
    testee = Description(
        name="orderly",
        command=["x"],
        expect=[Expect(case="CONN-01", verdict="FAIL", reason="no time yet")],
    )
    new = told([make_verdict("FAIL", expected="no time yet")], first_line(testee))
    made = diff(told([make_verdict()]), new)
    assert parts(made) == {"changed": ["CONN-01"]}
    assert made.changed[0].known == "no time yet"


def test_nothing_is_green_before_the_new_run_is_whole(make_verdict: MakeVerdict) -> None:
    old = told([make_verdict(), make_verdict(number="HB-01", case="a/b")])
    made = diff(old, told([make_verdict()], lacks="It was ended", folder="new"))
    assert made.exit_code is ExitCode.UNJUDGED
    assert made.conditions == ["new: It was ended"]
    worse = diff(old, told([make_verdict("FAIL")], lacks="It was ended"))
    assert worse.exit_code is ExitCode.FAILED


def test_runs_under_other_conditions_are_compared_and_it_is_said(
    make_verdict: MakeVerdict,
) -> None:
    old = told([make_verdict()], first_line(seed=7))
    made = diff(old, told([make_verdict()], first_line(seed=8)))
    assert made.conditions == ["seed: 7 and 8"]
    assert "  seed: 7 and 8" in as_text(made)
    assert "seed: 7 and 8" in as_markdown(made)


def test_a_change_says_cause_and_replay(make_verdict: MakeVerdict) -> None:
    made = between([make_verdict()], [make_verdict("FAIL")])
    assert as_text(made).splitlines() == [
        "old → new: 1 worse, 0 the same.",
        "",
        "Worse (1)",
        "  PASS → FAIL         orderly · usdm · CONN-01 connection/one-delivery-after-reset",
        f"                      {SENTENCE}",
        "                      mockex conform orderly --case CONN-01 --profile usdm --seed 7",
    ]


def test_a_should_is_named_one(make_verdict: MakeVerdict) -> None:
    made = between([make_verdict()], [make_verdict("FAIL", severity=Severity.SHOULD)])
    assert "CONN-01 connection/one-delivery-after-reset (SHOULD)" in as_text(made)


def test_what_has_no_cause_of_its_own_stands_in_one_line(make_verdict: MakeVerdict) -> None:
    new = [make_verdict(number=f"CONN-0{n}", case=f"a/{n}") for n in (1, 2, 3)]
    text = as_text(between([], new))
    assert "  none → PASS         orderly · usdm · CONN-01 CONN-02 CONN-03\n" in text


def test_in_markdown_it_is_forty_lines_at_most_and_a_pipe_makes_no_cell(
    make_verdict: MakeVerdict,
) -> None:
    old = [make_verdict(case=f"a/{n}", number=f"HB-{n}") for n in range(60)]
    new = [
        make_verdict("ERROR", case=f"a/{n}", number=f"HB-{n}", reason=f"{n} | x") for n in range(60)
    ]
    lines = as_markdown(between(old, new)).splitlines()
    assert len(lines) <= 40
    assert lines[-1] == "and 30 more"
    assert lines[4].endswith(r"| 0 \| x |")


def test_as_json_it_can_be_read_back(make_verdict: MakeVerdict) -> None:
    made = between([make_verdict()], [make_verdict("FAIL")])
    assert msgspec.json.decode(msgspec.json.encode(made), type=Diff) == made
