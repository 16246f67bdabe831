"""The suite's commands from their command lines: selection, record, exit codes, messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from rich.console import Console

from mockex import cli as mockex_cli
from mockex.cli import ExitCode
from mockex.errors import ConfigError
from mockex_conformance import cli, planning
from mockex_conformance.case import Case, Run
from mockex_conformance.cli import catalogue
from mockex_conformance.harness import scheduler
from mockex_conformance.harness.plan import Plan
from mockex_conformance.report.record import read_record
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict


async def _body(_run: Run) -> None:
    """A lost connection is replaced by one.

    The testee is live; its connection is reset.

    Evidence: owner/name#1.
    Causes: two owners.
    Look at: who dials.
    """


CASES = {
    case.id: case
    for case in (
        Case("connection/one-delivery-after-reset", "CONN-01", Severity.MUST, Level.L0, _body,
             "A lost connection is replaced by one."),
        Case("heartbeat/silence-is-detected", "HB-03", Severity.SHOULD, Level.L0, _body,
             "Silence is noticed."),
    )
}  # fmt: skip
TOML = """
[testee]
name = "orderly"
command = ["true"]
profiles = ["usdm"]
"""

Judge = Callable[[Case], str]


@pytest.fixture
def testee(tmp_path: Path) -> Path:
    folder = tmp_path / "orderly"
    folder.mkdir()
    (folder / "testee.toml").write_text(TOML)
    return folder


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were run; nothing is started, every case passes."""
    return judged_by(monkeypatch, lambda _case: "PASS")


def judged_by(monkeypatch: pytest.MonkeyPatch, judge: Judge) -> list[Plan]:
    seen: list[Plan] = []

    def run(plan: Plan, on_event: Callable[[CaseVerdict], None], **_: object) -> list[CaseVerdict]:
        seen.append(plan)
        verdicts = []
        for testee in plan.testees:
            for case in plan.cases:
                kind = judge(case)
                verdict = CaseVerdict(
                    testee=testee.name,
                    case=case.id,
                    number=case.number,
                    profile="usdm",
                    verdict=Verdict(kind),
                    severity=case.severity,
                    level=case.level,
                    duration_s=0.5,
                    seed=plan.seed,
                    requirement=case.requirement,
                    findings=[Finding(check="x", message="two of them", at_s=1.0)]
                    if kind == "FAIL"
                    else [],
                )
                verdicts.append(verdict)
                on_event(verdict)
        return verdicts

    monkeypatch.setattr(scheduler, "run", run)
    for module in (catalogue, planning):
        monkeypatch.setattr(module, "all_cases", lambda: CASES)
    return seen


def test_a_run_leaves_record_junit_and_page_and_prints_the_result(
    testee: Path,
    tmp_path: Path,
    plans: list[Plan],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert mockex_cli.run(["conform", str(testee), "--out", str(out), "--seed", "5"]) == 0
    assert [case.number for case in plans[0].cases] == ["CONN-01", "HB-03"]
    record = read_record(out)
    assert record.run.seed == 5
    assert [v.number for v in record.verdicts] == ["CONN-01", "HB-03"]
    assert record.end is not None
    assert (record.end.exit_code, record.end.counts) == (0, {"PASS": 2})
    assert ET.parse(out / "junit.xml").getroot().get("tests") == "2"
    assert "orderly" in (out / "report.html").read_text()
    captured = capsys.readouterr()
    assert "Every required case passes." in captured.out
    assert "[2/2] PASS orderly · usdm · HB-03" in captured.err


def test_a_failed_case_is_exit_code_1(
    testee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, lambda case: "FAIL" if case.number == "CONN-01" else "PASS")
    assert mockex_cli.run(["conform", str(testee), "--out", str(tmp_path / "o")]) == 1


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--strict"], 1)])
def test_strict_counts_a_should(
    testee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], code: int
) -> None:
    judged_by(monkeypatch, lambda case: "FAIL" if case.number == "HB-03" else "PASS")
    args = ["conform", str(testee), "--out", str(tmp_path / "o"), *flags]
    assert mockex_cli.run(args) == code
    line = (tmp_path / "o" / "run.jsonl").read_text().splitlines()[-1]
    assert json.loads(line)["exit_code"] == code


def test_what_could_not_be_judged_is_exit_code_7(
    testee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, lambda case: "INCONCLUSIVE" if case.number == "CONN-01" else "PASS")
    assert mockex_cli.run(["conform", str(testee), "--out", str(tmp_path / "o")]) == 7


@pytest.mark.parametrize(("kind", "code"), [("FAIL", 0), ("PASS", 1)])
def test_a_known_failure_is_green_until_it_is_none(
    testee: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    code: int,
) -> None:
    judged_by(monkeypatch, lambda case: kind if case.number == "CONN-01" else "PASS")
    with (testee / "testee.toml").open("a") as file:
        file.write('[[expect]]\ncase = "CONN-01"\nverdict = "FAIL"\nreason = "not yet"\n')
    assert mockex_cli.run(["conform", str(testee), "--out", str(tmp_path / "o")]) == code
    said = "CONN-01 connection/one-delivery-after-reset: FAIL was expected (not yet) and it passed"
    assert (said in capsys.readouterr().out) == bool(code)


@pytest.mark.parametrize(
    ("file", "flags", "numbers"),
    [
        ("smoke = true", ["--case", "HB-03"], ["HB-03"]),
        ('case = ["HB-03"]', ["--smoke"], []),
        ('case = ["HB-03"]', [], ["HB-03"]),
    ],
)
def test_a_selection_in_the_settings_gives_way_to_another_kind_of_selection(
    testee: Path,
    tmp_path: Path,
    plans: list[Plan],
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    flags: list[str],
    numbers: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(planning, "SMOKE", {"CONN-01": "the one owner"})
    (tmp_path / "mockex.toml").write_text(f"[conform]\n{file}\n")
    assert mockex_cli.run(["conform", str(testee), *flags]) == ExitCode.OK
    assert [case.number for case in plans[0].cases] == (numbers or ["CONN-01"])
    (tmp_path / "mockex.toml").write_text('[conform]\nsmoke = true\ncase = ["HB-03"]\n')
    assert mockex_cli.run(["conform", str(testee)]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("glob", "meant"), [("CON-*", "CONN-*"), ("HBB-0?", "HB-*"), ("heartbeet/*", "heartbeat/*")]
)
def test_a_glob_that_matches_nothing_is_said_with_the_nearest_group(
    testee: Path,
    tmp_path: Path,
    plans: list[Plan],
    capsys: pytest.CaptureFixture[str],
    glob: str,
    meant: str,
) -> None:
    args = ["conform", str(testee), "--case", glob, "--out", str(tmp_path / "o")]
    assert mockex_cli.run(args) == ExitCode.NOTHING
    said = f"mockex: {glob!r} matches no case; did you mean {meant!r}?\n"
    assert capsys.readouterr().err == said + "mockex: no case is selected\n"
    assert mockex_cli.run([*args, "--case", "HB-03"]) == ExitCode.OK
    assert said in capsys.readouterr().err


def test_nothing_selected_is_exit_code_5(testee: Path, tmp_path: Path, plans: list[Plan]) -> None:
    args = ["conform", str(testee), "--case", "SLOW-*", "--out", str(tmp_path / "o")]
    assert mockex_cli.run(args) == ExitCode.NOTHING
    assert not plans
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["conform"], "Name a testee"),
        (["conform", "--"], "no command line behind '--'"),
        (["conform", "orderly", "--", "node", "x.js"], "not both"),
        (["conform", "no-such-testee"], "no-such-testee"),
        (["conform", "reference", "--case", "CONN-1"], "CONN-01"),
        (["conform", "reference", "--sevrity", "MUST"], "--severity"),
        (["conform", "reference", "--profile", "margin"], "margin"),
        (["conform", "reference", "--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_usage_is_exit_code_4_and_is_named(
    plans: list[Plan], capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    assert mockex_cli.run(args) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not plans


def test_an_unreadable_description_names_file_and_line(
    testee: Path, plans: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    (testee / "testee.toml").write_text(TOML.replace("profiles", "profils"))
    assert mockex_cli.run(["conform", str(testee)]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert "testee.toml:5" in error
    assert "'profiles'" in error


def test_what_stands_behind_two_dashes_is_the_testee(tmp_path: Path, plans: list[Plan]) -> None:
    args = ["conform", "--case", "CONN-01", "--out", str(tmp_path / "o"), "--"]
    assert mockex_cli.run([*args, "node", "--case", "my-adapter.js"]) == 0
    (plan,) = plans
    assert plan.testees[0].command == ["node", "--case", "my-adapter.js"]
    assert plan.testees[0].level == 0
    assert [case.number for case in plan.cases] == ["CONN-01"]


def test_an_interrupted_run_leaves_a_record_that_says_so(
    testee: Path,
    tmp_path: Path,
    plans: list[Plan],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = scheduler.run

    def interrupted(
        plan: Plan, on_event: Callable[[object], None], **_: object
    ) -> list[CaseVerdict]:
        whole(plan, on_event)
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduler, "run", interrupted)
    out = tmp_path / "o"
    assert mockex_cli.run(["conform", str(testee), "--out", str(out)]) == ExitCode.INTERRUPTED
    record = read_record(out)
    assert record.end is not None
    assert (record.end.exit_code, record.end.counts) == (2, {"PASS": 2})
    said = capsys.readouterr().err
    assert said.endswith(f"mockex: interrupted; go on with: mockex conform --resume {out}\n")


@pytest.mark.usefixtures("plans")
def test_the_catalogue_is_listed() -> None:
    listed = CliRunner().invoke(cli.cases, []).output
    assert "CONN-01" in listed
    assert "HB-03" in listed
    should = CliRunner().invoke(cli.cases, ["list", "--severity", "SHOULD"]).output
    assert "CONN-01" not in should
    assert "HB-03" in should


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_gets_numbers_and_requirements(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(catalogue, "console", lambda _: Console(file=sys.stdout, width=columns))
    lines = CliRunner().invoke(cli.cases, []).output.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[1].startswith("CONN-01  A lost connection is replaced")
    assert "connection/one-delivery-after-reset" not in "".join(lines)


@pytest.mark.usefixtures("plans")
def test_a_case_is_explained_in_its_own_words() -> None:
    text = CliRunner().invoke(cli.cases, ["explain", "conn-01"]).output
    assert text.startswith("CONN-01  connection/one-delivery-after-reset\nMUST, level 0, spot")
    headings = ["Rule", "Stimulus", "Evidence", "Causes", "Look at"]
    assert [line for line in text.splitlines() if line in headings] == headings
    assert "\n  The testee is live; its connection is reset.\n" in text


@pytest.mark.usefixtures("plans")
def test_a_case_that_does_not_exist_cannot_be_explained() -> None:
    refused = CliRunner().invoke(cli.cases, ["explain", "CONN-9"]).exception
    assert isinstance(refused, ConfigError)
    assert "CONN-01" in str(refused)


def test_a_folder_that_is_no_run_cannot_be_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mockex_cli.run(["judge", str(tmp_path)]) == ExitCode.USAGE
    assert "there is no run.jsonl" in capsys.readouterr().err


def test_a_file_that_is_no_recording_cannot_be_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("hello\nworld\n")
    assert mockex_cli.run(["judge", str(file)]) == ExitCode.USAGE
    assert "x.jsonl:1" in capsys.readouterr().err
