"""A run that is interrupted or killed in the middle: nothing is left running, what was judged is in
the record, and `--resume` does the rest.

The testee is a program of a few lines, at level 0: what is left of it is found by its path.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest

from mockex_conformance.rejudging import judge_again
from mockex_conformance.report.record import Record, read_record
from mockex_conformance.report.settling import key
from tests.programs import ending

pytestmark = pytest.mark.timeout(180)

CLIENT = """\
import asyncio, os
from websockets.asyncio.client import connect

async def main(environ, stdin, stdout):
    route = "/public" if environ["MOCKEX_PROFILE"] == "usdm" else ""
    streams = environ["MOCKEX_STREAMS"].replace(",", "/")
    url = f"{environ['MOCKEX_WS_URL']}{route}/stream?streams={streams}"
    async for ws in connect(url, ping_interval=None, proxy=None):
        try:
            async for _ in ws:
                pass
        except Exception:
            continue

if __name__ == "__main__":
    asyncio.run(main(os.environ, None, None))
"""
TOML = """\
[testee]
name = "orderly"
command = ["{python}", "%s"]
entry = "orderly:main"
profiles = ["usdm"]

[limits]
close_ms = 500
"""
Conform = Callable[..., "subprocess.Popen[str]"]
CASES = ("SUB-01", "HB-01", "CLOSE-01")
WITHIN_S = 60.0


@pytest.fixture
def testee(tmp_path: Path) -> Path:
    folder = tmp_path / "orderly"
    folder.mkdir()
    (folder / "orderly.py").write_text(CLIENT)
    (folder / "testee.toml").write_text(TOML % (folder / "orderly.py"))
    return folder


@pytest.fixture
def nothing_left(testee: Path) -> Iterator[None]:
    """Nothing of the testee, and no worker, is left at the end."""
    yield
    until = time.monotonic() + 10
    while left := _of(testee):
        if time.monotonic() > until:
            for process in left:
                process.kill()
            pytest.fail(f"left: {[process.info for process in left]}")
        time.sleep(0.05)


def _of(testee: Path) -> list[psutil.Process]:
    """What runs that names the testee: its processes and those of the run."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if str(testee) in " ".join(process.info["cmdline"] or [])
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.fixture
def conform(nothing_left: None) -> Iterator[Conform]:
    """Starts `mockex conform` with these arguments; ended at the end of the test, if it is not."""
    stack = ExitStack()

    def start(*args: object) -> subprocess.Popen[str]:
        mockex = Path(sys.executable).with_name("mockex")
        command = [str(mockex), "conform", *map(str, args)]
        run = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return stack.enter_context(ending(run))

    with stack:
        yield start


def until_judged(run: subprocess.Popen[str], out: Path, least: int) -> None:
    """Wait until the record has so many verdicts and is not complete."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        assert run.poll() is None, run.communicate()
        file = out / "run.jsonl"
        if file.exists() and file.read_bytes().count(b'"type":"verdict"') >= least:
            return
        time.sleep(0.01)
    pytest.fail(f"no {least} verdicts within {WITHIN_S} s")


def suspend_a_worker(run: subprocess.Popen[str]) -> None:
    """Stop the process of a case, as soon as there is one."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        for child in psutil.Process(run.pid).children():
            with suppress(psutil.NoSuchProcess):
                child.suspend()
                return
        time.sleep(0.01)
    pytest.fail("no case is running")


def judged_cases(record: Record) -> int:
    """Cases that have a verdict; repetitions are one."""
    return len({verdict.case for verdict in record.verdicts})


@pytest.mark.parametrize("ground", ["real", "virtual"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_was_judged_stands_and_the_rest_is_run_later(
    testee: Path, tmp_path: Path, conform: Conform, number: signal.Signals, ground: str
) -> None:
    out = tmp_path / "out"
    selection = [word for case in CASES for word in ("--case", case)]
    args = [testee, *selection, "--jobs", 1, "--ground", ground, "--seed", 5, "--out", out]
    if ground == "virtual":
        args += ["--repeat", 20]  # else it would be over before anybody can interrupt it
    run = conform(*args)
    until_judged(run, out, 1)
    run.send_signal(number)
    shown, said = run.communicate(timeout=WITHIN_S)
    killed = number is signal.SIGKILL
    assert run.returncode == (-number if killed else 2), said
    assert killed or said.endswith(f"interrupted; go on with: mockex conform --resume {out}\n")
    before = read_record(out)
    assert before.verdicts
    if not killed:
        *cases, complete = ET.parse(out / "junit.xml").getroot().iter("testcase")
        assert len(cases) == judged_cases(before)
        assert complete.get("name") == "run/complete", "or it would look green"
        assert complete.find("error") is not None
        assert "Interrupted: that is not all." in shown
        assert (out / "report.html").exists()
    assert not before.complete
    assert (before.end is None) == killed
    assert not judge_again(out).differences

    again = conform("--resume", out, "--jobs", 2)
    shown, said = again.communicate(timeout=WITHIN_S)
    assert again.returncode == 0, shown + said
    after = read_record(out)
    assert after.complete
    assert after.run == before.run
    assert after.lines[: len(before.lines)] == before.lines, "not a byte is another"
    assert len({key(v) for v in after.verdicts}) == len(after.verdicts)
    assert len(after.verdicts) == len(CASES) * (20 if ground == "virtual" else 1)
    assert {v.number for v in after.verdicts} == set(CASES)
    judged = judge_again(out)
    assert (judged.differences, judged.same) == ([], len(after.verdicts))
    assert (out / "junit.xml").exists()


def test_a_second_interrupt_ends_at_once_also_what_does_not_answer(
    testee: Path, tmp_path: Path, conform: Conform
) -> None:
    out = tmp_path / "out"
    run = conform(testee, "--case", "SUB-01", "--repeat", 9, "--jobs", 1, "--out", out)
    until_judged(run, out, 1)
    suspend_a_worker(run)  # it will not hear that it should end
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    assert any("once more ends at once" in line for line in run.stderr)
    run.send_signal(signal.SIGINT)
    shown, said = run.communicate(timeout=WITHIN_S)
    assert time.monotonic() - began < 8, "no waiting for the worker"
    assert (run.returncode, shown) == (2, "")
    assert said.endswith("mockex: interrupted\n")
    assert read_record(out).end is None
    assert not (out / "junit.xml").exists()


def test_a_run_that_is_complete_is_shown_again_and_not_touched(
    testee: Path, tmp_path: Path, conform: Conform
) -> None:
    out = tmp_path / "out"
    run = conform(testee, "--case", "HB-01", "--ground", "virtual", "--out", out)
    assert run.communicate(timeout=WITHIN_S)
    record = (out / "run.jsonl").read_bytes()
    again = conform("--resume", out)
    shown, _ = again.communicate(timeout=WITHIN_S)
    assert (again.returncode, run.returncode) == (0, 0)
    assert "1 PASS. Every required case passes." in shown
    assert (out / "run.jsonl").read_bytes() == record


def test_another_run_than_that_of_the_record_is_refused_by_name(
    testee: Path, tmp_path: Path, conform: Conform
) -> None:
    out = tmp_path / "out"
    run = conform(testee, "--case", "HB-01", "--ground", "virtual", "--out", out)
    run.communicate(timeout=WITHIN_S)
    record = out / "run.jsonl"
    first, *_ = record.read_bytes().splitlines(keepends=True)
    with (testee / "testee.toml").open("a") as file:
        file.write("stable_ms = 400\n")
    for line, said in (
        (first, "description of orderly: "),
        (first.replace(b'"mockex":"', b'"mockex":"9'), "version of mockex: 9"),
        (first.replace(b'"cases":["HB-01"]}', b'"cases":["HB-01","HB-99"]}'), "HB-99 is gone"),
    ):
        record.write_bytes(line)
        again = conform("--resume", out)
        _, refused = again.communicate(timeout=WITHIN_S)
        assert again.returncode == 4
        assert "cannot be gone on with; then and now: " in refused
        assert said in refused
        assert record.read_bytes() == line


def test_a_run_that_is_still_going_on_is_not_gone_on_with_and_not_overwritten(
    testee: Path, tmp_path: Path, conform: Conform
) -> None:
    out = tmp_path / "out"
    run = conform(testee, "--case", "HB-01", "--repeat", 9, "--jobs", 1, "--out", out)
    until_judged(run, out, 1)
    for args in (["--resume", out], [testee, "--case", "HB-01", "--out", out]):
        other = conform(*args)
        _, said = other.communicate(timeout=WITHIN_S)
        assert other.returncode == 4, said
        assert "a folder in which no run is going on" in said
    os.kill(run.pid, signal.SIGTERM)
    run.communicate(timeout=WITHIN_S)
    assert read_record(out).verdicts
