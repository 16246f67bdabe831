"""Runs from their command line to their record: divided, repeated, merged, and what they tell."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex_conformance.case import all_cases
from mockex_conformance.rejudging import judge_again
from mockex_conformance.report.record import read_record
from mockex_conformance.report.settling import settled
from mockex_conformance.selection import SMOKE
from mockex_conformance.verdict import Verdict

pytestmark = pytest.mark.timeout(180)

# Each third start, the probe counted, it dies of its first event.
FLAKY = """\
import os
from websockets.asyncio.client import connect

async def main(environ, stdin, stdout):
    with open("starts", "a+") as file:
        file.write("x")
        file.seek(0)
        third = len(file.read()) % 3 == 0
    streams = environ["MOCKEX_STREAMS"].replace(",", "/")
    url = f"{environ['MOCKEX_WS_URL']}/public/stream?streams={streams}"
    async with connect(url, ping_interval=None, proxy=None) as ws:
        async for _ in ws:
            if third:
                return 3
"""
TOML = """\
[testee]
name = "flaky"
command = ["false"]
entry = "flaky:main"
profiles = ["usdm"]
"""
CASES = ("CONN-01", "CONN-03", "SUB-01", "HB-01")


def conform(out: Path, *args: str) -> int:
    return cli.run(["conform", *args, "--out", str(out)])


def chosen(*numbers: str) -> list[str]:
    return [word for number in numbers for word in ("--case", number)]


def test_where_repetitions_differ_the_verdict_is_flaky_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "testee.toml").write_text(TOML)
    (tmp_path / "flaky.py").write_text(FLAKY)
    out = tmp_path / "out"
    args = [str(tmp_path), *chosen("HB-01"), "--ground", "virtual", "--repeat", "2"]
    assert conform(out, *args) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "1 FLAKY. 1 required failed." in shown
    assert "differs between repetitions: 1 PASS, 1 FAIL" in shown
    record = read_record(out)
    assert [(v.turn, v.verdict) for v in record.verdicts] == [(1, "PASS"), (2, "FAIL")]
    assert record.end is not None
    assert record.end.counts == {"FLAKY": 1}
    (failure,) = ET.parse(out / "junit.xml").getroot().iter("failure")
    assert "ended by itself with exit code 3" in failure.get("message", "")
    assert "differs between repetitions: 1 PASS, 1 FAIL" in (failure.text or "")
    assert "FLAKY" in (out / "report.html").read_text()
    assert not judge_again(out).differences


def test_the_parts_of_a_run_merged_are_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["reference", "two-owners", *chosen(*CASES), "--ground", "virtual"]
    assert conform(tmp_path / "whole", *args) == ExitCode.FAILED
    parts = [tmp_path / f"part{n}" for n in (1, 2, 3)]
    for number, part in enumerate(parts, 1):
        conform(part, *args, "--shard", f"{number}/3")
        assert read_record(part).run.shard == f"{number}/3"
    out = tmp_path / "one"
    merge = ["report", "merge", *map(str, parts), "--out", str(out)]
    assert cli.run(merge) == ExitCode.FAILED
    whole, one = read_record(tmp_path / "whole"), read_record(out)
    assert settled(one.verdicts, one.run) == settled(whole.verdicts, whole.run)
    assert one.end is not None
    assert whole.end is not None
    assert one.end.counts == whole.end.counts
    assert ET.parse(out / "junit.xml").getroot().get("tests") == "16"
    again = judge_again(out)
    assert (again.differences, again.same) == ([], 16)
    capsys.readouterr()
    assert cli.run(["report", "merge", str(parts[0]), str(parts[2]), "--out", str(out)]) == 4
    assert "a part is missing: 2/3" in capsys.readouterr().err


def test_a_part_into_which_nothing_falls_is_no_failure_and_is_merged(tmp_path: Path) -> None:
    args = ["reference", *chosen("HB-01"), "--ground", "virtual", "--profile", "usdm"]
    codes = [conform(tmp_path / str(n), *args, "--shard", f"{n}/2") for n in (1, 2)]
    assert codes == [ExitCode.OK, ExitCode.OK]
    judged = sorted(len(read_record(tmp_path / str(n)).verdicts) for n in (1, 2))
    assert judged == [0, 1]
    folders = [str(tmp_path / str(n)) for n in (1, 2)]
    assert [cli.run(["conform", "--resume", folder]) for folder in folders] == codes
    assert cli.run(["report", "merge", *folders, "--out", str(tmp_path / "one")]) == ExitCode.OK


def test_the_header_says_what_was_asked_for_and_on_what_terms(tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ["reference", *chosen("HB-01"), "--ground", "virtual", "--profile", "usdm"]
    conform(out, *args, "--seed", "11", "--quiet-factor", "2", "--strict")
    header = json.loads((out / "run.jsonl").read_bytes().splitlines()[0])
    assert {"python", "mockex", "websockets", "h11"} <= set(header["versions"])
    assert header["machine"]["cores"] >= 1
    assert (header["seed"], header["strict"], header["cases"]) == (11, True, ["HB-01"])
    assert header["conditions"] == {
        "ground": "virtual", "time_scale": 1.0, "case_limit_s": 1800.0, "deadline_factor": 1.25,
        "quiet_factor": 2.0,
    }  # fmt: skip
    assert header["wish"]["testees"] == ["reference"]
    (claim,) = header["testees"]
    assert claim["limits"]["takeover_ms"] == 2000.0, "defaults too"
    assert claim["level"] == 2


def test_on_the_real_ground_the_run_tells_what_the_suite_itself_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    args = ["reference", *chosen("HB-01"), "--profile", "usdm"]
    assert conform(out, *args) == ExitCode.OK
    end = read_record(out).end
    assert end is not None
    assert 0.0 < end.processor_s < end.duration_s
    share = end.processor_s / end.duration_s
    said = f"Took {end.duration_s:.1f} s; the suite itself used {share:.2f} of a core"
    assert said in capsys.readouterr().out


def test_the_smoke_cases_exist_and_start_every_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = {case.number: case for case in all_cases().values()}
    assert set(SMOKE) <= set(numbers)
    assert not any(numbers[number].alone for number in SMOKE)
    out = tmp_path / "out"
    assert conform(out, "reference", "--smoke", "--ground", "virtual", "--profile", "spot") == 0
    judged = read_record(out).verdicts
    assert {v.number for v in judged} == set(SMOKE)
    assert {v.verdict for v in judged} == {Verdict.PASS}
    assert conform(out, "reference", "--smoke", "--case", "HB-01") == ExitCode.USAGE
    assert "give either it or --case" in capsys.readouterr().err


@pytest.mark.long
def test_every_recording_of_a_run_gives_its_line_of_the_record_again_byte_for_byte(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    conform(out, "reference", "two-owners", "silent", "crashing", "--ground", "virtual")
    again = judge_again(out)
    assert not again.differences
    record = read_record(out)
    assert again.same == sum(bool(v.journal) for v in record.verdicts)
    judged = {v.number for v in record.verdicts if v.journal}
    assert judged == {case.number for case in all_cases().values() if not case.real_only}
