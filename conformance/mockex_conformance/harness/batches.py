"""A run on the virtual ground: a batch for each testee and profile, as many at once as there are
cores, for a simulation never waits.

A batch is a child that imports the testee's entry once and forks for each case, so that neither
what one testee patches nor what one case leaves behind reaches the next. Verdicts come back one a
line; a case that takes its process with it is an ERROR, and the batch goes on.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from mockex_conformance.errors import CannotRun
from mockex_conformance.harness.probe import PROBE
from mockex_conformance.harness.process import die_with_parent
from mockex_conformance.harness.scheduler import Plan, Started, last_words, never_live
from mockex_conformance.harness.virtual import load_entry
from mockex_conformance.harness.worker import Job, be_quiet, unsupported, verdict_of, work
from mockex_conformance.verdict import CaseVerdict, Verdict

_CPU_S = 60  # of the processor, for one case: a program that never gives way
_decoder = msgspec.json.Decoder(CaseVerdict)


@dataclass(slots=True)
class _Batch:
    """The jobs of one testee on one profile, the probe first."""

    jobs: list[Job]
    pid: int = 0
    pipe: int = -1
    data: bytes = b""
    done: int = 0


def run(plan: Plan, on_event: Callable[[Started | CaseVerdict], None]) -> list[CaseVerdict]:
    """Run a plan on the virtual ground; `on_event` hears of each case as it ends.

    Raises:
        KeyboardInterrupt: the run was interrupted; what was recorded stays.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    verdicts: list[CaseVerdict] = []

    def tell(verdict: CaseVerdict) -> None:
        verdicts.append(verdict)
        on_event(verdict)

    waiting = deque(_prepare(plan, tell))
    running: dict[int, _Batch] = {}
    selector = selectors.DefaultSelector()
    side_by_side = plan.jobs or os.cpu_count() or 1
    try:
        while waiting or running:
            while waiting and len(running) < side_by_side:
                batch = waiting.popleft()
                _fork(batch)
                running[batch.pipe] = batch
                selector.register(batch.pipe, selectors.EVENT_READ)
            for key, _ in selector.select():
                batch = running[key.fd]
                data = os.read(batch.pipe, 1 << 20)
                batch.data += data
                _take(batch, tell)
                if not data:
                    selector.unregister(batch.pipe)
                    del running[batch.pipe]
                    _finish(batch, tell)
    finally:
        for batch in running.values():
            with suppress(ProcessLookupError):
                os.killpg(batch.pid, signal.SIGKILL)
            os.waitpid(batch.pid, 0)
        selector.close()
    return verdicts


def _prepare(plan: Plan, tell: Callable[[CaseVerdict], None]) -> list[_Batch]:
    batches = []
    for testee in plan.testees:
        for profile in plan.profiles_of(testee):
            jobs = [Job(PROBE, testee, profile, plan.conditions, plan.out)]
            for case in plan.cases_of(testee):
                for turn in range(1, plan.repeat + 1):
                    job = Job(case, testee, profile, plan.conditions, plan.out, turn)
                    why = unsupported(job)
                    if why:
                        tell(verdict_of(job, Verdict.UNSUPPORTED, reason=why))
                    else:
                        jobs.append(job)
            if len(jobs) > 1:
                batches.append(_Batch(jobs))
    return batches


def _take(batch: _Batch, tell: Callable[[CaseVerdict], None]) -> None:
    """Verdicts that have come whole."""
    *lines, batch.data = batch.data.split(b"\n")
    for line in lines:
        verdict = _decoder.decode(line)
        batch.done += 1
        if verdict.case != PROBE.id:
            tell(verdict)
        elif verdict.verdict is not Verdict.PASS:
            for job in batch.jobs[1:]:
                tell(never_live(verdict, job))
            batch.done = len(batch.jobs)


def _finish(batch: _Batch, tell: Callable[[CaseVerdict], None]) -> None:
    """The end of a batch; what it owes is ERROR."""
    os.close(batch.pipe)
    _, status = os.waitpid(batch.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    for job in batch.jobs[max(1, batch.done) :]:
        why = f"mockex: the batch ended with {code} before this case"
        tell(verdict_of(job, Verdict.ERROR, reason=why))


# --- in the children ---


def _fork(batch: _Batch) -> None:
    ours, theirs = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(theirs)
        batch.pid, batch.pipe = pid, ours
        return
    code = 1
    try:
        os.close(ours)
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() == parent:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _work_off(batch, theirs)
            code = 0
    finally:
        os._exit(code)


def _work_off(batch: _Batch, pipe: int) -> None:
    probe = batch.jobs[0]
    be_quiet(probe)
    with suppress(CannotRun):  # said again, as a verdict, by each case
        load_entry(probe.testee.entry, probe.testee.cwd)
    for job in batch.jobs:
        verdict = _in_a_child(job)
        _write(pipe, verdict)
        if job is probe and verdict.verdict is not Verdict.PASS:
            return


def _in_a_child(job: Job) -> CaseVerdict:
    """One case in a process of its own."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(ours)
            die_with_parent()
            be_quiet(job)
            resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S + 1))
            _write(theirs, work(job))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        data = answer.read()
    _, status = os.waitpid(pid, 0)
    words = last_words(job.out / job.worker_log)
    if data.endswith(b"\n"):
        return _decoder.decode(data)
    code = os.waitstatus_to_exitcode(status)
    why = f"the case ended with {code} and no verdict"
    if code == -signal.SIGXCPU:
        why = (
            f"the case took more than {_CPU_S} s of the processor: something in it never gives way"
        )
    reason = f"mockex: {why}" + (f"; its last words:\n{words}" if words else "")
    return verdict_of(job, Verdict.ERROR, reason=reason, journal=str(job.journal))


def _write(pipe: int, verdict: CaseVerdict) -> None:
    data = msgspec.json.encode(verdict) + b"\n"
    while data:
        data = data[os.write(pipe, data) :]
