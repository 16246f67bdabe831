"""The parent of a run on the virtual ground, interrupted at moments that are hard to meet."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
from pathlib import Path

import psutil
import pytest

from mockex_conformance.case import Case, Run
from mockex_conformance.description import Description
from mockex_conformance.harness import batches
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.patience import Patience, limit_by_kernel
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import Event
from mockex_conformance.verdict import Level, Severity, Verdict

pytestmark = pytest.mark.timeout(40)


def plan(folder: Path, level: Level) -> Plan:
    async def body(run: Run) -> None:
        raise AssertionError("it is interrupted before")

    case = Case(
        id="test/case",
        number="CONN-01",
        severity=Severity.MUST,
        level=level,
        body=body,
        requirement="It does what the test says.",
    )
    testee = Description(
        name="client", command=["false"], entry="client:main", cwd=folder, level=Level.L0
    )
    return Plan(
        testees=[testee],
        cases=[case],
        out=folder / "out",
        profiles=["usdm"],
        ground=Ground.VIRTUAL,
        jobs=1,
    )


def test_an_interrupt_while_a_verdict_is_told_waits_until_it_was(tmp_path: Path) -> None:
    told: list[Event] = []

    def tell(event: Event) -> None:
        signal.raise_signal(signal.SIGINT)
        told.append(event)

    batches.run(plan(tmp_path, Level.L2), tell)  # of a level that the testee has not
    assert len(told) == 1, "and nothing is left that could be interrupted"


def test_a_process_that_cannot_be_had_for_a_batch_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", none_left)
    with pytest.raises(BlockingIOError):
        batches.run(plan(tmp_path, Level.L0), lambda _: None)


def test_a_process_that_cannot_be_had_for_a_case_is_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "client.py").write_text("async def main(env, stdin, stdout): pass\n")
    fork, calls = os.fork, 0

    def one_at_most() -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    monkeypatch.setattr(os, "fork", one_at_most)
    (verdict,) = batches.run(plan(tmp_path, Level.L0), lambda _: None)
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason.startswith("this machine: no more processes may be started")


def test_limits_that_are_lower_already_stay() -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 20))
            limit_by_kernel(Patience())
            code = 0 if resource.getrlimit(resource.RLIMIT_FSIZE) == (1 << 16, 1 << 20) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_second_interrupt_while_batches_are_ended_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, killpg, pids = os.fork, os.killpg, []

    def interrupted() -> int:
        pid = fork()
        if pid:
            pids.append(pid)
            signal.raise_signal(signal.SIGINT)
        return pid

    def impatient(pid: int, number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        killpg(pid, number)

    monkeypatch.setattr(os, "fork", interrupted)
    monkeypatch.setattr(os, "killpg", impatient)
    with pytest.raises(KeyboardInterrupt):
        batches.run(plan(tmp_path, Level.L0), lambda _: None)
    assert [psutil.pid_exists(pid) for pid in pids] == [False]


def test_a_batch_that_is_interrupted_before_it_has_begun_is_ended_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = os.fork

    def slow() -> int:
        pid = fork()
        if pid == 0:
            time.sleep(60)  # a busy machine
        else:
            signal.raise_signal(signal.SIGINT)
        return pid

    monkeypatch.setattr(os, "fork", slow)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        batches.run(plan(tmp_path, Level.L0), lambda _: None)
    assert time.monotonic() - began < 20
