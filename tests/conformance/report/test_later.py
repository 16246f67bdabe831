"""Runs read from their folders: whole, killed, going on, empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.cli import ExitCode
from mockex_conformance.report.later import tell
from mockex_conformance.report.record import RecordWriter
from mockex_conformance.verdict import Verdict

from .conftest import MakeVerdict
from .told import first_line, record


def test_a_whole_run_is_told_as_it_ended(tmp_path: Path, make_verdict: MakeVerdict) -> None:
    told = tell(record(tmp_path / "out", [make_verdict()]))
    assert told.lacks == ""
    assert told.duration_s == 12.5
    assert told.conclusion == "1 PASS. Every required case passes."


def test_a_run_may_be_named_by_its_record(tmp_path: Path, make_verdict: MakeVerdict) -> None:
    folder = record(tmp_path / "out", [make_verdict()])
    assert tell(folder / "run.jsonl") == tell(folder)


def test_a_killed_run_does_not_pass_and_says_how_to_go_on(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    folder = record(tmp_path / "out", [make_verdict()], ended=False)
    with (folder / "run.jsonl").open("a") as file:
        file.write('{"type":"verd')  # as a kill leaves it
    told = tell(folder)
    assert "Every required case passes" not in told.conclusion
    assert told.conclusion.startswith("1 PASS so far. ")
    assert told.conclusion.endswith(f"go on with it: mockex conform --resume {folder}")


def test_a_killed_run_that_nobody_can_go_on_with_is_to_be_run_again(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    run = first_line(wish=None)
    told = tell(record(tmp_path / "out", [make_verdict("FAIL")], run, ended=False))
    assert told.conclusion.startswith("1 FAIL. 1 required failed. The run was ended")
    assert told.conclusion.endswith("run it again")


def test_a_run_that_is_going_on_is_told_so_far(tmp_path: Path, make_verdict: MakeVerdict) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with RecordWriter(folder / "run.jsonl", first_line()) as writer:
        writer.add(make_verdict())
        told = tell(folder)
        writer.add(make_verdict(number="HB-01", case="a/b"))  # and was not in the way
    assert told.lacks.startswith("The run is still going on (verdicts so far: 1)")
    assert len(tell(folder).result.verdicts) == 2
    assert "ended before its last case" in tell(folder).lacks


def test_a_run_without_a_verdict_is_not_told_as_a_wrong_selection(tmp_path: Path) -> None:
    told = tell(record(tmp_path / "out", [], ended=False))
    assert told.conclusion.startswith("The run was ended before its last case (verdicts so far: 0)")


def test_a_testee_that_is_unsupported_so_far_is_not_held_for_unjudged(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    verdicts = [make_verdict("UNSUPPORTED", reason="declare level = 2")]
    assert tell(record(tmp_path / "all", verdicts)).result.exit_code is ExitCode.UNJUDGED
    so_far = tell(record(tmp_path / "some", verdicts, ended=False))
    assert (so_far.result.unjudged, so_far.result.exit_code) == ([], ExitCode.OK)


def test_a_part_into_which_nothing_fell_is_no_failure(tmp_path: Path) -> None:
    told = tell(record(tmp_path / "out", [], first_line(shard="3/9")))
    assert (told.lacks, told.result.exit_code) == ("", ExitCode.OK)


@pytest.mark.parametrize("ended", [True, False])
def test_repetitions_that_differ_are_flaky(
    tmp_path: Path, make_verdict: MakeVerdict, ended: bool
) -> None:
    turns = [make_verdict(), make_verdict("FAIL", turn=2)]
    told = tell(record(tmp_path / "out", turns, first_line(repeat=2), ended=ended))
    assert [v.verdict for v in told.result.verdicts] == [Verdict.FLAKY]
