"""Who may run beside whom, among workers of pytest-xdist."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.collecting import runs as runs_module
from mockex_conformance.collecting.runs import Runs, clear_marks
from mockex_conformance.collecting.settings import Settings
from mockex_conformance.description import Description
from mockex_conformance.harness.times import Conditions
from mockex_conformance.harness.worker import Job, verdict_of
from mockex_conformance.verdict import Verdict

TESTEE = Description(name="orderly", command=["true"])
WITHIN_S = 20.0


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A job of a case; of a testee that has something to build, if so."""
    conditions = Conditions(seed=7)

    def make(number: str, *, build: bool = False) -> Job:
        case = next(case for case in all_cases().values() if case.number == number)
        testee = msgspec.structs.replace(TESTEE, build=["make"]) if build else TESTEE
        return Job(case, testee, "usdm", conditions, tmp_path)

    return make


class Lane:
    """A worker of its own that goes into its lane, and says when it is there."""

    def __init__(self, out: Path, job: Job, *, ground: str = "real") -> None:
        self.runs = Runs(Settings(out=out, ground=ground), one_by_one=True)
        self._job = job
        self._may_leave = threading.Event()
        self.entered = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self) -> None:
        with self.runs._lane(self._job):
            self.entered.set()
            self._may_leave.wait(WITHIN_S)

    def is_in(self) -> bool:
        return self.entered.wait(WITHIN_S)

    def waits(self) -> bool:
        return not self.entered.wait(0.1)

    def leave(self) -> None:
        self._may_leave.set()
        self._thread.join(WITHIN_S)


@pytest.fixture
def enters(tmp_path: Path) -> Iterator[Callable[..., Lane]]:
    lanes: list[Lane] = []

    def enter(job: Job, **more: str) -> Lane:
        lanes.append(Lane(tmp_path, job, **more))
        return lanes[-1]

    yield enter
    for lane in lanes:
        lane.leave()


def test_cases_that_wait_run_side_by_side(
    enters: Callable[..., Lane], job: Callable[..., Job]
) -> None:
    assert enters(job("CONN-01")).is_in()
    assert enters(job("CONN-02")).is_in()


def test_one_that_measures_runs_by_itself(
    enters: Callable[..., Lane], job: Callable[..., Job]
) -> None:
    first = enters(job("CONN-01"))
    assert first.is_in()
    alone = enters(job("RECON-04"))
    assert alone.waits()
    first.leave()
    assert alone.is_in()
    other = enters(job("CONN-02"))
    assert other.waits()
    alone.leave()
    assert other.is_in()


def test_nobody_passes_one_that_waits_to_be_alone(
    enters: Callable[..., Lane], job: Callable[..., Job]
) -> None:
    first = enters(job("CONN-01"))
    assert first.is_in()
    alone = enters(job("RECON-04"))
    assert alone.waits()
    late = enters(job("CONN-02"))
    assert late.waits()
    first.leave()
    assert alone.is_in()
    assert late.waits()


def test_in_virtual_time_nobody_waits(enters: Callable[..., Lane], job: Callable[..., Job]) -> None:
    assert enters(job("RECON-04"), ground="virtual").is_in()
    assert enters(job("RECON-05"), ground="virtual").is_in()


@contextmanager
def judged(runs: Runs, job: Job, verdict: Verdict) -> Iterator[None]:
    with runs._lane(job):
        yield
        runs._verdicts["orderly", "usdm", job.case.id] = verdict_of(job, verdict)


def test_a_testee_is_built_by_one_and_then_by_nobody(
    tmp_path: Path, enters: Callable[..., Lane], job: Callable[..., Job]
) -> None:
    runs = Runs(Settings(out=tmp_path), one_by_one=True)
    builds = job("CONN-01", build=True)
    with judged(runs, builds, Verdict.UNSUPPORTED):  # it could not be built
        other = enters(job("CONN-02", build=True))
        assert other.waits()
    other.leave()
    assert not runs._stamp(builds).exists()
    with judged(runs, job("CONN-03", build=True), Verdict.FAIL):
        pass
    assert runs._stamp(builds).exists()
    assert enters(builds).is_in()
    clear_marks(tmp_path)
    assert not [*tmp_path.glob(".*")]


DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
signal.pause()
"""


def test_a_second_ctrl_c_ends_the_process_that_judges_and_goes_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "_AT_ONCE_S", 0.1)
    pipe: Any = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", DEAF], stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    child.stdout.readline()
    wait, waited = child.wait, 0

    def interrupted(timeout: float | None = None) -> int:
        nonlocal waited
        waited += 1
        if waited == 1:
            raise KeyboardInterrupt
        return wait(timeout)

    monkeypatch.setattr(child, "wait", interrupted)
    runs = Runs(Settings(out=tmp_path), one_by_one=False)
    runs._child = child
    runs.close()
    assert child.returncode == -9
