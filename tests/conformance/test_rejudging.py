"""Recordings judged again, without the testee."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from mockex.cli import ExitCode
from mockex.server.journal import AnyEntry, Attempted, Noted, Opened
from mockex_conformance import rejudging
from mockex_conformance.case import Case, Run
from mockex_conformance.cli.judging import judge
from mockex_conformance.recording import Recording, Terms
from mockex_conformance.rejudging import NoRecording, judge_again, read_recording
from mockex_conformance.report.lines import EndLine, run_line
from mockex_conformance.report.record import RecordWriter
from mockex_conformance.verdict import CaseVerdict, Finding, Level, Severity, Verdict

CASE_ID = "connection/one-delivery-after-reset"
FINDING = Finding(check="deliveries_at_most", message="two of them", at_s=2.0)
TERMS = Terms(
    case=CASE_ID, number="CONN-01", testee="orderly", version="1", profile="usdm", mode="raw",
    level=0, k=1, scale=1.0, seed=7, streams=["ethusdc@depth"], limits={},
)  # fmt: skip


async def _body(_run: Run) -> None:
    return


CASE = Case(CASE_ID, "CONN-01", Severity.MUST, Level.L0, _body, "A rule.")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Verdict, list[Finding], str]]:
    """What judging gives now."""
    now: dict[str, tuple[Verdict, list[Finding], str]] = {CASE_ID: (Verdict.FAIL, [FINDING], "")}

    def judge(recording: Recording, case: Case) -> tuple[Verdict, list[Finding], str]:
        assert recording.terms == TERMS
        assert recording.outcome == {"ended": "finished"}
        return now[case.id]

    monkeypatch.setattr(rejudging, "judge", judge)
    monkeypatch.setattr(rejudging, "all_cases", lambda: {CASE_ID: CASE})
    return now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of one case, which failed, and of one that has no recording."""
    (tmp_path / "journal").mkdir()
    write(tmp_path / "journal" / "a.jsonl", recording_entries())
    with RecordWriter(tmp_path / "run.jsonl", run_line(seed=7, command=["mockex"])) as record:
        record.add(verdict(Verdict.FAIL, findings=[FINDING], journal="journal/a.jsonl"))
        record.add(verdict(Verdict.UNSUPPORTED, case="shutdown/stays-closed", reason="no level 2"))
        record.end(EndLine(exit_code=1, counts={}, duration_s=1.0))
    return tmp_path


def recording_entries() -> list[AnyEntry]:
    return [
        Opened(
            t=10.0, version="0", profile="usdm", dated="", seed=7, epoch_ms=0, speed=1.0,
            ws_port=1, rest_port=2,
        ),
        Noted(t=10.0, name="case", detail=msgspec.to_builtins(TERMS)),
        Noted(t=14.0, name="outcome", detail={"ended": "finished"}),
    ]  # fmt: skip


def write(path: Path, entries: list[AnyEntry]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def verdict(kind: Verdict, **changes: object) -> CaseVerdict:
    facts: dict[str, object] = {
        "testee": "orderly", "case": CASE_ID, "number": "CONN-01", "profile": "usdm",
        "verdict": kind, "severity": Severity.MUST, "level": Level.L0, "duration_s": 1.0,
        "seed": 7, "requirement": "A rule.", "mode": "raw",
    }  # fmt: skip
    return CaseVerdict(**(facts | changes))  # type: ignore[arg-type]


Judged = dict[str, tuple[Verdict, list[Finding], str]]


def test_the_same_recording_gives_the_same_verdict(folder: Path, judged: Judged) -> None:
    again = judge_again(folder)
    assert [v.verdict for v in again.result.verdicts] == [Verdict.FAIL, Verdict.UNSUPPORTED]
    assert again.differences == []
    assert (again.same, again.kept) == (1, 1)
    assert again.result.exit_code is ExitCode.FAILED


def test_a_verdict_that_is_another_now_is_named(folder: Path, judged: Judged) -> None:
    judged[CASE_ID] = (Verdict.PASS, [], "")
    again = judge_again(folder / "run.jsonl")
    assert again.differences == ["orderly usdm CONN-01: FAIL in the record, PASS now"]
    assert again.result.exit_code is ExitCode.OK


def test_a_finding_that_is_another_now_is_named(folder: Path, judged: Judged) -> None:
    other = Finding(check="deliveries_at_most", message="three of them", at_s=2.0)
    judged[CASE_ID] = (Verdict.FAIL, [other], "")
    assert judge_again(folder).differences == [
        "orderly usdm CONN-01: no longer found: two of them",
        "orderly usdm CONN-01: found now: three of them",
    ]


def test_a_recording_that_is_gone_is_named_and_its_verdict_stands(
    folder: Path, judged: Judged
) -> None:
    (folder / "journal" / "a.jsonl").unlink()
    again = judge_again(folder)
    assert again.kept == 2
    assert "CONN-01: not judged again: " in again.differences[0]
    assert "No such file" in again.differences[0]


def test_a_line_that_would_be_written_otherwise_is_a_difference(
    folder: Path, judged: Judged
) -> None:
    record = folder / "run.jsonl"
    record.write_bytes(record.read_bytes().replace(b'"at_s":2.0', b'"at_s":2.5'))
    again = judge_again(folder)
    assert again.differences == ["orderly usdm CONN-01: another line than in the record: findings"]
    assert again.same == 0


def test_a_recording_without_an_end_is_not_judged_again(folder: Path, judged: Judged) -> None:
    write(folder / "journal" / "a.jsonl", recording_entries()[:-1])
    again = judge_again(folder)
    assert (again.same, again.kept, again.differences) == (0, 2, [])


def test_what_a_killed_worker_left_is_no_difference(folder: Path, judged: Judged) -> None:
    (folder / "journal" / "a.jsonl").write_bytes(b"")
    with RecordWriter(folder / "run.jsonl", run_line(seed=7, command=[])) as record:
        record.add(verdict(Verdict.ERROR, reason="mockex: killed", journal="journal/a.jsonl"))
    again = judge_again(folder)
    assert (again.kept, again.differences) == (1, [])


def test_whoever_did_not_pass_the_probe_is_judged_by_its_recording(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Finding(check="recovered", message="no events", at_s=2.0)
    monkeypatch.setattr(rejudging, "judge", lambda _r, _case: (Verdict.FAIL, [found], ""))
    terms = msgspec.to_builtins(TERMS) | {"case": "probe", "number": "PROBE"}
    opened, _, end = recording_entries()
    path = folder / "journal" / "a.jsonl"
    write(path, [opened, Noted(t=10.0, name="case", detail=terms), end])
    told = Finding(check="live", message="never went live: no events", at_s=2.0)
    with RecordWriter(folder / "run.jsonl", run_line(seed=7, command=[])) as record:
        record.add(verdict(Verdict.FAIL, findings=[told], journal="journal/a.jsonl"))
    again = judge_again(folder)
    assert (again.same, again.differences) == (1, [])
    (alone,) = judge_again(path).result.verdicts
    assert (alone.number, alone.findings) == ("PROBE", [told])


def test_one_recording_is_judged_by_itself(folder: Path, judged: Judged) -> None:
    again = judge_again(folder / "journal" / "a.jsonl")
    (found,) = again.result.verdicts
    assert (found.testee, found.number, found.verdict) == ("orderly", "CONN-01", Verdict.FAIL)
    assert found.duration_s == 4.0


def test_a_killed_run_is_judged_as_far_as_it_came(
    folder: Path, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = folder / "run.jsonl"
    record.write_bytes(b"\n".join(record.read_bytes().split(b"\n")[:2]) + b'\n{"type":"verd')
    again = judge_again(folder)
    assert len(again.result.verdicts) == 1
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    rejudging.show(again)
    assert "the record is not complete" in screen.getvalue()
    assert "No verdict and no finding differs" in screen.getvalue()


def test_a_journal_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "serve.jsonl"
    write(path, recording_entries()[:1])
    with pytest.raises(NoRecording, match="no landmark 'case'"):
        read_recording(path)
    write(path, [Noted(t=1.0, name="case", detail={"case": 1})])
    with pytest.raises(NoRecording, match="the terms of its case"):
        read_recording(path)


def test_a_case_that_is_gone_is_named(folder: Path, judged: Judged) -> None:
    path = folder / "journal" / "b.jsonl"
    detail = msgspec.to_builtins(TERMS) | {"case": "connection/of-yesterday"}
    write(path, [*recording_entries()[:1], Noted(t=10.0, name="case", detail=detail)])
    with pytest.raises(NoRecording, match="no case 'connection/of-yesterday' any more"):
        judge_again(path)


def test_the_wire_log_of_a_recording_is_printed_and_nothing_is_judged(
    folder: Path, judged: Judged
) -> None:
    journal = folder / "journal" / "a.jsonl"
    entries = recording_entries()
    entries[2:2] = [Attempted(t=11.5, conn=1, peer_port=1)]
    write(journal, entries)
    judged.clear()
    printed = CliRunner().invoke(judge, ["--wire", str(journal)])
    assert printed.exit_code == 0, printed.output
    assert printed.output.splitlines() == [
        "    0.0000  suite    opened       usdm, seed 7",
        "    1.5000  c1     → dialled",
    ]


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["a folder", "as JSON"])
def test_a_wire_log_is_of_one_recording_and_text(folder: Path, more: list[str]) -> None:
    record = folder / "journal" / "a.jsonl" if more else folder
    refused = CliRunner().invoke(judge, ["--wire", *more, str(record)])
    assert refused.exit_code != 0
    assert "JOURNAL" in refused.output
