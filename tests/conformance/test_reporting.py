"""`mockex report` from its command line: where reports go, exit codes, bad folders."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex_conformance.report.record import RecordWriter
from mockex_conformance.schema import schema

from .report.conftest import SENTENCE, MakeVerdict, make_verdict
from .report.told import first_line, record

__all__ = ["make_verdict"]  # a fixture


@pytest.fixture
def out(tmp_path: Path, make_verdict: MakeVerdict) -> Path:
    """The folder of a run with one failure."""
    verdicts = [make_verdict("FAIL"), make_verdict(number="HB-01", case="a/b")]
    return record(tmp_path / "out", verdicts)


@pytest.fixture(autouse=True)
def no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def report(*arguments: str | Path) -> int:
    return cli.run(["report", *(str(argument) for argument in arguments)])


def test_a_report_goes_to_stdout_or_into_a_file_and_is_the_same(
    out: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    for kind in ("junit", "ctrf", "md", "badge"):
        assert report(kind, out) == ExitCode.OK
        printed = capsysbinary.readouterr().out
        file = tmp_path / f"{kind}.json"
        assert report(kind, out, "--out", file) == ExitCode.OK
        assert capsysbinary.readouterr().out == b""
        assert file.read_bytes() == printed
        assert printed.endswith(b"\n")


def test_what_conform_left_is_read_from_its_folder_alone(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("junit", out) == ExitCode.OK
    failure = ET.fromstring(capsys.readouterr().out).find(".//failure")
    assert failure is not None
    assert failure.get("message") == SENTENCE
    assert report("ctrf", out) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["results"]["summary"]["failed"] == 1


def test_the_page_stands_in_the_folder_unless_a_file_is_named(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("html", out) == ExitCode.OK
    assert capsys.readouterr().out == f"{out / 'report.html'}\n"
    assert SENTENCE in (out / "report.html").read_text()
    assert report("html", out, "--out", tmp_path / "page.html") == ExitCode.OK
    assert (tmp_path / "page.html").read_text() == (out / "report.html").read_text()


def test_a_summary_is_added_to_what_earlier_steps_of_the_job_said(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert report("md", out) == ExitCode.OK
    assert report("diff", out, out, "--md") == ExitCode.OK
    said = page.read_text()
    assert said.startswith("before\n### mockex: 1 PASS, 1 FAIL.")
    assert said.endswith("### mockex: 2 the same.\n\n")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert str(page) in printed.err


def test_a_summary_whose_file_is_named_goes_nowhere_else(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert report("md", out, "--out", tmp_path / "mine.md") == ExitCode.OK
    assert (tmp_path / "mine.md").exists()
    assert not (tmp_path / "summary.md").exists()


def test_annotations_come_on_stdout_where_the_job_reads_them(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert report("md", out, "--annotate") == ExitCode.OK
    printed = capsys.readouterr().out
    assert printed.startswith("::error title=orderly · usdm · CONN-01")
    assert printed.count("\n") == 1


def test_a_badge_is_what_its_file_is_called(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("badge", out, "--out", tmp_path / "a.svg", "--label", "mine") == ExitCode.OK
    assert ET.parse(tmp_path / "a.svg").getroot().get("aria-label") == "mine: 1 failed, 1 passed"
    assert report("badge", out, "--format", "svg") == ExitCode.OK
    assert capsys.readouterr().out.startswith("<svg ")
    assert report("badge", out, "--out", tmp_path / "a.png") == ExitCode.USAGE
    assert "a.png' is not usable, expected a name in .svg or .json" in capsys.readouterr().err


def test_a_difference_for_the_worse_is_exit_code_1(
    out: Path, tmp_path: Path, make_verdict: MakeVerdict, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = [make_verdict(), make_verdict(number="HB-01", case="a/b")]
    before = record(tmp_path / "before", verdicts)
    assert report("diff", before, out) == ExitCode.FAILED
    assert "Worse (1)" in capsys.readouterr().out
    assert report("diff", out, before) == ExitCode.OK
    assert "Better (1)" in capsys.readouterr().out
    assert report("diff", before, out, "--json") == ExitCode.FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["worse"][0]["now"] == "FAIL"
    jsonschema.validate(told, schema("diff"))
    assert report("diff", before, out, "--json", "--md") == ExitCode.USAGE


@pytest.mark.parametrize("kind", ["html", "junit", "ctrf", "md", "badge"])
def test_a_folder_without_a_run_is_refused_by_name(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(kind, tmp_path) == ExitCode.USAGE
    assert f"{tmp_path} is no record of a run: there is no run.jsonl" in capsys.readouterr().err
    (tmp_path / "run.jsonl").write_text("")
    assert report(kind, tmp_path) == ExitCode.USAGE
    (tmp_path / "run.jsonl").write_text('{"type":"run"}\n')
    assert report(kind, tmp_path) == ExitCode.USAGE
    assert "line 1: " in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["html", "junit", "ctrf", "md", "badge"])
def test_a_run_that_was_killed_is_reported_and_the_terminal_says_what_to_do(
    tmp_path: Path, make_verdict: MakeVerdict, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(tmp_path / "killed", [make_verdict()], ended=False)
    assert report(kind, folder) == ExitCode.OK
    printed = capsys.readouterr()
    assert printed.out
    assert f"mockex conform --resume {folder}" in printed.err


@pytest.mark.parametrize("kind", ["html", "junit", "ctrf", "md", "badge"])
def test_a_run_that_is_going_on_is_reported_and_not_disturbed(
    tmp_path: Path, make_verdict: MakeVerdict, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "going-on"
    folder.mkdir()
    with RecordWriter(folder / "run.jsonl", first_line()) as writer:
        writer.add(make_verdict())
        assert report(kind, folder) == ExitCode.OK
        assert "The run is still going on" in capsys.readouterr().err
        writer.add(make_verdict(number="HB-01", case="a/b"))


def test_a_page_is_made_although_a_recording_was_cut(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    verdict = make_verdict("FAIL", journal="journal/x.jsonl")
    folder = record(tmp_path / "out", [verdict])
    (folder / "journal" / "x.jsonl").write_text('{"type":"opened","t":0.0,"ver')
    assert report("html", folder) == ExitCode.OK
    assert SENTENCE in (folder / "report.html").read_text()


def test_a_merged_run_is_told_as_json(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("merge", out, "--out", tmp_path / "one", "--json") == ExitCode.FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["counts"]) == (1, {"PASS": 1, "FAIL": 1})


@pytest.mark.parametrize("kind", ["html", "junit", "ctrf", "md"])
def test_a_disk_that_is_full_is_named(
    out: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(kind, out, "--out", "/dev/full") == ExitCode.USAGE
    assert "/dev/full: No space left on device" in capsys.readouterr().err
