"""Recorded cases run again, as a person types it; on the virtual ground, where runs are short."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex_conformance.recording import Terms
from mockex_conformance.rejudging import read_recording
from mockex_conformance.report.record import read_record

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a right testee and a wrong one, in two cases on one profile."""
    out = tmp_path_factory.mktemp("replaying") / "out"
    args = ["conform", "reference", "two-owners", "--ground", "virtual", "--profile", "usdm"]
    args += ["--case", "CONN-01", "--case", "HB-01", "--seed", "11", "--quiet-factor", "1.5"]
    assert cli.run([*args, "--out", str(out)]) == ExitCode.FAILED
    return out


def replayed(what: Path, out: Path, *more: str) -> int:
    return cli.run(["replay", str(what), *more, "--out", str(out)])


def names(out: Path) -> list[str]:
    return [f"{v.testee} {v.number} {v.verdict}" for v in read_record(out).verdicts]


def terms(path: Path) -> Terms:
    return read_recording(path).terms


def test_a_recording_is_run_again_on_the_same_terms_to_the_last_byte(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Path("journal", "two-owners-usdm-CONN-01.jsonl")
    assert replayed(folder / journal, tmp_path / "again") == ExitCode.FAILED
    assert "two-owners usdm CONN-01: FAIL then, FAIL now" in capsys.readouterr().out
    again = tmp_path / "again" / journal
    assert (terms(again).seed, terms(again).quiet_factor) == (11, 1.5)
    assert again.read_bytes() == (folder / journal).read_bytes()
    assert cli.run(["conform", "--resume", str(tmp_path / "again")]) == ExitCode.USAGE
    assert "expected a run of `mockex conform`" in capsys.readouterr().err


def test_of_a_run_what_did_not_pass_is_run_again(folder: Path, tmp_path: Path) -> None:
    assert replayed(folder, tmp_path / "again") == ExitCode.FAILED
    assert names(tmp_path / "again") == ["two-owners CONN-01 FAIL"]


def test_of_a_run_cases_and_testees_may_be_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    assert replayed(folder / "run.jsonl", out, "conn-*", "--testee", "reference") == ExitCode.OK
    assert names(out) == ["reference CONN-01 PASS"]
    assert replayed(folder, out, "HB-01", "--profile", "spot") == ExitCode.NOTHING


def test_one_that_never_went_live_is_run_again_in_the_case_that_is_named(tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    args = ["conform", "silent", "--ground", "virtual", "--profile", "usdm", "--case", "HB-01"]
    assert cli.run([*args, "--out", str(out)]) == ExitCode.FAILED
    assert replayed(out, again, "HB-01") == ExitCode.FAILED
    assert names(again) == ["silent HB-01 FAIL"]


def test_the_record_is_not_overwritten_by_its_replay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "run.jsonl").read_bytes()
    assert replayed(folder, folder) == ExitCode.USAGE
    recording = folder / "journal" / "two-owners-usdm-CONN-01.jsonl"
    assert replayed(recording, folder) == ExitCode.USAGE
    assert "another folder than that of the recording" in capsys.readouterr().err
    assert (folder / "run.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"wish":{', '"whish":{'), "says how its case is run again"),
        (lambda _text: "{}\n", "x.jsonl:1"),
    ],
)
def test_what_is_no_recording_to_run_again_is_refused(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: object,
    said: str,
) -> None:
    text = (folder / "journal" / "two-owners-usdm-CONN-01.jsonl").read_text()
    (tmp_path / "x.jsonl").write_text(change(text))  # type: ignore[operator]
    assert replayed(tmp_path / "x.jsonl", tmp_path / "again") == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_a_case_that_does_not_exist_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(folder, tmp_path / "again", "CONN-1") == ExitCode.USAGE
    assert "nearest is 'CONN-01'" in capsys.readouterr().err


def test_one_of_somebodys_own_is_named_from_where_the_run_was_started_and_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["init", "--lang", "python", "mine"]) == ExitCode.OK
    args = ["mine", "--ground", "virtual", "--profile", "usdm", "--case", "HB-01"]
    assert cli.run(["conform", *args, "--out", "out"]) == ExitCode.OK
    (verdict,) = read_record(Path("out")).verdicts
    assert verdict.replay.startswith("mockex conform mine/testee.toml --case HB-01 ")
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert replayed(tmp_path / "out" / verdict.journal, Path("again")) == ExitCode.OK
    assert names(Path("again")) == ["mine HB-01 PASS"]
