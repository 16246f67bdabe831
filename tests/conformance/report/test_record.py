"""run.jsonl: what is written is read back, also after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mockex.errors import ConfigError
from mockex_conformance.description import Description, Expect
from mockex_conformance.report.lines import EndLine, run_line
from mockex_conformance.report.record import (
    NoRecord,
    RecordWriter,
    clear,
    go_on,
    prepare,
    read_record,
)
from mockex_conformance.verdict import Verdict

from .conftest import MakeVerdict

FIRST = run_line(
    seed=7,
    command=["mockex", "conform", "orderly"],
    testees=[
        Description(
            name="orderly", command=["x"], expect=[Expect(case="HB-03", verdict="FAIL", reason="y")]
        )
    ],
    cases=["CONN-01"],
)


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path, make_verdict: MakeVerdict) -> None:
    path = tmp_path / "run.jsonl"
    verdicts = [make_verdict("FAIL"), make_verdict("PASS", testee="other")]
    end = EndLine(exit_code=1, counts={"FAIL": 1, "PASS": 1}, duration_s=3.0)
    with RecordWriter(path, FIRST) as writer:
        for verdict in verdicts:
            writer.add(verdict)
        writer.end(end)
    record = read_record(tmp_path)
    assert (record.run, record.verdicts, record.end) == (FIRST, verdicts, end)
    types = [json.loads(line)["type"] for line in path.read_text().splitlines()]
    assert types == ["run", "verdict", "verdict", "end"]


def test_a_name_that_is_no_text_does_not_end_a_run(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    bad, emoji = "a\udcffb\ud800", "\udcf0\udc9f\udc98\udc80"  # the second is text elsewhere
    first = run_line(seed=7, command=["mockex", bad, emoji], testees=[], cases=["CONN-01"])
    with RecordWriter(tmp_path / "run.jsonl", first) as writer:
        writer.add(make_verdict("FAIL", reason=bad))
    record = read_record(tmp_path)
    assert record.run.command == ["mockex", "a\ufffdb?", "\U0001f600"]
    assert [v.reason for v in record.verdicts] == ["a\ufffdb?"]


def test_a_verdict_is_in_the_file_before_the_writer_is_closed(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    path = tmp_path / "run.jsonl"
    with RecordWriter(path, FIRST) as writer:
        writer.add(make_verdict("FAIL"))
        record = read_record(path)
    assert [v.verdict for v in record.verdicts] == [Verdict.FAIL]
    assert record.end is None


def test_a_line_that_was_cut_by_a_kill_is_left_out(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    path = tmp_path / "run.jsonl"
    with RecordWriter(path, FIRST) as writer:
        writer.add(make_verdict("PASS"))
        writer.add(make_verdict("FAIL"))
    path.write_bytes(path.read_bytes()[:-40])
    assert [v.verdict for v in read_record(path).verdicts] == [Verdict.PASS]


def test_a_line_in_the_middle_that_is_no_line_of_a_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with RecordWriter(path, FIRST):
        pass
    path.write_bytes(path.read_bytes() + b'{"type":"verdict"}\n' + b"{}\n")
    with pytest.raises(NoRecord, match=r"run\.jsonl is no record of a run: line 2"):
        read_record(path)


def test_a_folder_without_a_record_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoRecord, match=r"there is no run\.jsonl"):
        read_record(tmp_path)
    (tmp_path / "run.jsonl").write_bytes(b"")
    with pytest.raises(NoRecord, match="no line of type 'run'"):
        read_record(tmp_path)


def test_preparing_removes_what_an_earlier_run_left(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "run.jsonl").write_text("old")
    (tmp_path / "journal" / "a.jsonl").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    prepare(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["journal", "notes.txt", "stderr"]
    assert not list((tmp_path / "journal").iterdir())


def test_preparing_touches_no_folder_that_is_not_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "diary.txt").write_text("mine")
    with pytest.raises(ConfigError, match="'journal'"):
        prepare(tmp_path)
    assert (tmp_path / "journal" / "diary.txt").exists()


def test_a_killed_run_is_gone_on_with_in_the_same_record(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    path = tmp_path / "run.jsonl"
    with RecordWriter(path, FIRST) as writer:
        writer.add(make_verdict("PASS"))
        writer.add(make_verdict("FAIL"))
    kept = path.read_bytes().splitlines(keepends=True)[:2]
    path.write_bytes(path.read_bytes()[:-40])
    record = read_record(path)
    assert not record.complete
    with go_on(record) as writer:
        writer.add(make_verdict("PASS", number="HB-01", case="heartbeat/x"))
        writer.end(EndLine(exit_code=0, counts={"PASS": 2}, duration_s=3.0))
    assert path.read_bytes().startswith(b"".join(kept))
    again = read_record(path)
    assert again.complete
    assert (again.run, [v.number for v in again.verdicts]) == (FIRST, ["CONN-01", "HB-01"])
    types = [json.loads(line)["type"] for line in path.read_text().splitlines()]
    assert types == ["run", "verdict", "resumed", "verdict", "end"]
    assert again.lines == [path.read_bytes().splitlines()[n] for n in (1, 3)]


def test_an_interrupted_run_loses_its_end_and_keeps_the_time_that_it_took(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    path = tmp_path / "run.jsonl"
    with RecordWriter(path, FIRST) as writer:
        writer.add(make_verdict())
        writer.end(EndLine(exit_code=2, counts={"PASS": 1}, duration_s=41.0))
    record = read_record(path)
    assert (record.complete, record.spent_s) == (False, 41.0)
    with go_on(record):
        pass
    types = [json.loads(line)["type"] for line in path.read_text().splitlines()]
    assert types == ["run", "verdict", "resumed"]
    again = read_record(path)
    assert again.end is None
    assert 41.0 <= again.spent_s < 41.0 + 60.0


def test_a_record_that_is_being_written_is_nobody_elses(
    tmp_path: Path, make_verdict: MakeVerdict
) -> None:
    path = tmp_path / "run.jsonl"
    with RecordWriter(path, FIRST) as writer:
        writer.add(make_verdict())
        with pytest.raises(ConfigError, match="a folder in which no run is going on"):
            prepare(tmp_path)
        with pytest.raises(ConfigError, match="a folder in which no run is going on"):
            go_on(read_record(path))
    assert len(read_record(path).verdicts) == 1
    prepare(tmp_path)
    assert not path.exists()


def test_recordings_that_are_named_stay(tmp_path: Path) -> None:
    prepare(tmp_path)
    for name in ("journal/a.jsonl", "journal/b.jsonl", "stderr/a.txt", "stderr/b.txt"):
        (tmp_path / name).write_text("x")
    clear(tmp_path, but={"journal/a.jsonl", "stderr/b.txt"})
    left = [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*.*"))]
    assert left == ["journal/a.jsonl", "stderr/b.txt"]
