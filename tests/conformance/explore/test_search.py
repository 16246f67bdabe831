"""`mockex explore` and `mockex replay`, as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mockex_conformance.explore.schedule import read
from tests.programs import ending

MOCKEX = Path(sys.executable).parent / "mockex"


def mockex(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MOCKEX, *words], cwd=cwd, capture_output=True, text=True, timeout=100, check=False
    )


def test_the_bug_of_the_incident_falls_and_is_kept_and_played_again(tmp_path: Path) -> None:
    found = mockex("explore", "incident-python-bug", "--profile", "usdm", cwd=tmp_path)
    assert found.returncode == 1, found.stderr
    assert "is delivered on 2 live connections" in found.stdout
    assert "def test_incident_python_bug_usdm() -> None:" in found.stdout
    (kept,) = (tmp_path / "out").glob("explore-*.json")
    assert len(read(kept).steps) == 1  # one loss is enough
    again = mockex("replay", kept, "--out", "again", cwd=tmp_path)
    assert again.returncode == 1
    assert "is delivered on 2 live connections" in again.stdout
    judged = mockex("judge", next((tmp_path / "again" / "journal").iterdir()), cwd=tmp_path)
    assert judged.returncode == 1


def test_the_printed_program_is_a_test_that_fails(tmp_path: Path) -> None:
    found = mockex("explore", "incident-python-bug", "--profile", "spot", cwd=tmp_path)
    program = found.stdout[found.stdout.index("from mockex_conformance") :]
    (tmp_path / "test_pasted.py").write_text(program)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pasted.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout + run.stderr
    assert "is delivered on 2 live connections" in run.stdout


def test_a_right_adapter_gives_nothing_after_so_many(tmp_path: Path) -> None:
    found = mockex("explore", "reference", "--schedules", "6", "--jobs", "1", cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Nothing was found." in found.stdout
    assert "simulated hours" in found.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explore", "nobody"), "TESTEE: 'nobody' is not usable"),
        (("explore", "mutants"), "one testee, not"),
        (("explore", "incident-go-bug"), "one with an `entry`"),
        (("explore", "reference", "--seed", "x"), "'x' is not a valid integer"),
        (("replay", "none.json"), "'none.json' does not exist"),
        (("replay", "old.json"), "version: 0 is not usable, expected version 1"),
    ],
)
def test_what_cannot_be_says_why_and_ends_with_4(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "old.json").write_text(json.dumps({"type": "schedule", "version": 0}))
    done = mockex(*words, cwd=tmp_path)
    assert done.returncode == 4
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_leaves_nothing_running(tmp_path: Path, number: int) -> None:
    with ending(subprocess.Popen(
        [MOCKEX, "explore", "reference", "--for", "100", "--jobs", "2"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )) as search:  # fmt: skip
        parent = psutil.Process(search.pid)
        until = time.monotonic() + 60
        while len(children := parent.children()) < 2:
            assert time.monotonic() < until
            assert search.poll() is None
            time.sleep(0.05)  # nothing tells of a grandchild
        os.kill(search.pid, number)
        _, errors = search.communicate(timeout=60)
    assert search.returncode == 2
    assert "interrupted" in errors
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
