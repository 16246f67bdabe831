"""A run on the virtual ground: a batch for each testee and profile, as many at once as there are
cores, for a simulation never waits.

A batch is a child that imports the testee's entry once and forks for each case, so that neither
what one testee patches nor what one case leaves behind reaches the next. Verdicts come back one a
line; a case that takes its process with it is an ERROR, and the batch goes on.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from mockex import sim
from mockex.errors import MachineLacks, NotSimulated
from mockex.sim import SimLoop
from mockex.sim.process import current
from mockex_conformance.description import Description
from mockex_conformance.errors import EntryBroken
from mockex_conformance.harness.interrupts import AtOnce, Interrupts
from mockex_conformance.harness.patience import Patience, bounded, limit_by_kernel
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.probe import PROBE
from mockex_conformance.harness.process import forked
from mockex_conformance.harness.scheduler import Event, last_words, unlived
from mockex_conformance.harness.virtual import load_entry
from mockex_conformance.harness.worker import Job, be_quiet, unsupported, verdict_of, work
from mockex_conformance.verdict import CaseVerdict, Verdict

_LOOK_AGAIN_S = 0.2  # whether a signal came
_decoder = msgspec.json.Decoder(CaseVerdict)


@dataclass(slots=True)
class _Batch:
    """The jobs of one testee on one profile, the probe first."""

    jobs: list[Job]
    patience: Patience
    pid: int = 0
    pipe: int = -1
    data: bytes = b""
    done: int = 0


def run(
    plan: Plan,
    on_event: Callable[[Event], None],
    *,
    patience: Patience | None = None,
) -> list[CaseVerdict]:
    """Run a plan on the virtual ground; `on_event` hears of each case as it ends. `patience` is for
    one case.

    Raises:
        KeyboardInterrupt: the run was interrupted; what was recorded stays.
    """
    plan = replace(plan, out=plan.out.absolute())  # a batch goes to the folder of its testee
    plan.out.mkdir(parents=True, exist_ok=True)
    verdicts: list[CaseVerdict] = []

    def tell(verdict: CaseVerdict) -> None:
        verdicts.append(verdict)
        on_event(verdict)

    with Interrupts() as interrupts:  # verdicts are told from here on, and no line is to be cut
        waiting = deque(_prepare(plan, patience or Patience(), tell))
        _work_through(waiting, plan.jobs or os.cpu_count() or 1, tell, interrupts)
    return verdicts


def _work_through(
    waiting: deque[_Batch],
    side_by_side: int,
    tell: Callable[[CaseVerdict], None],
    interrupts: Interrupts,
) -> None:
    running: dict[int, _Batch] = {}
    selector = selectors.DefaultSelector()
    try:
        while waiting or running:
            interrupts.check()
            while waiting and len(running) < side_by_side:
                batch = waiting.popleft()
                try:
                    _fork(batch)
                except OSError:  # no process is to be had before another has ended
                    if not running:
                        raise
                    waiting.appendleft(batch)
                    break
                running[batch.pipe] = batch
                selector.register(batch.pipe, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=_LOOK_AGAIN_S):
                batch = running[key.fd]
                data = os.read(batch.pipe, 1 << 20)
                batch.data += data
                _take(batch, tell)
                if not data:
                    selector.unregister(batch.pipe)
                    del running[batch.pipe]
                    _finish(batch, tell)
    finally:
        try:
            selector.close()
            _end(running.values())
        except AtOnce:
            _end(running.values())
            raise


def _end(batches: Collection[_Batch]) -> None:
    for batch in batches:
        with suppress(ProcessLookupError):
            os.killpg(batch.pid, signal.SIGKILL)
    for batch in batches:
        with suppress(ChildProcessError):
            os.waitpid(batch.pid, 0)


def _prepare(plan: Plan, patience: Patience, tell: Callable[[CaseVerdict], None]) -> list[_Batch]:
    batches = []
    for testee in plan.testees:
        for profile in plan.profiles_of(testee):
            jobs = [Job(PROBE, testee, profile, plan.conditions, plan.out)]
            for job in plan.jobs_of(testee, profile):
                if why := unsupported(job):
                    tell(verdict_of(job, Verdict.UNSUPPORTED, reason=why))
                else:
                    jobs.append(job)
            if len(jobs) > 1:
                batches.append(_Batch(jobs, patience))
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
                tell(unlived(verdict, job))
            batch.done = len(batch.jobs)


def _finish(batch: _Batch, tell: Callable[[CaseVerdict], None]) -> None:
    """The end of a batch; what it owes is ERROR."""
    os.close(batch.pipe)
    _, status = os.waitpid(batch.pid, 0)
    why = f"the batch ended with {os.waitstatus_to_exitcode(status)} before this case"
    for job in batch.jobs[max(1, batch.done) :]:
        probe = batch.jobs[0]
        tell(_broken(job, why, last_words(probe.out / probe.worker_log)))


# --- in the children ---


def _fork(batch: _Batch) -> None:
    pid, pipe = forked()
    if pid:
        with suppress(OSError):  # it does so itself, too; whoever is first, it can be ended at once
            os.setpgid(pid, pid)
        batch.pid, batch.pipe = pid, pipe
        return
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _work_off(batch, pipe)
        code = 0
    finally:
        os._exit(code)


def _work_off(batch: _Batch, pipe: int) -> None:
    probe = batch.jobs[0]
    be_quiet(probe)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - until this process ends
    os.dup2(sys.stdin.fileno(), 0)
    try:
        _import(probe.testee, batch.patience)
    except EntryBroken as error:
        _write(pipe, verdict_of(probe, Verdict.ERROR, reason=str(error)))
        return
    for job in batch.jobs:
        verdict = _in_a_child(job, batch.patience)
        _write(pipe, verdict)
        if job is probe and verdict.verdict is not Verdict.PASS:
            return


def _import(testee: Description, patience: Patience) -> None:
    """Import a testee's entry before anything is timed. What cannot be in a simulation cannot be in
    an import either: a thread or a process of it would live on in every case.

    Raises:
        EntryBroken: it cannot be imported.
    """

    def give_up(limit: str, place: str) -> Exception:
        return EntryBroken(testee.entry, f"its import took more than {limit}; it was at {place}")

    async def imported() -> None:
        load_entry(testee.entry, testee.cwd)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        if loop.refused:
            raise EntryBroken(testee.entry, f"its import: {loop.refused[0]}")

    try:
        os.chdir(testee.cwd)
    except OSError as error:
        raise EntryBroken(testee.entry, f"its `cwd` {testee.cwd}: {error.strerror}") from None
    with bounded(patience, give_up):
        sim.run(imported(), seed=0, leaks=lambda _: None)


def _in_a_child(job: Job, patience: Patience) -> CaseVerdict:
    """One case in a process of its own."""
    try:
        pid, pipe = forked()
    except OSError as error:
        if not MachineLacks.says(error):
            raise
        return verdict_of(job, Verdict.ERROR, reason=str(MachineLacks(error)))
    if pid == 0:
        code = 1
        try:
            be_quiet(job)
            limit_by_kernel(patience)
            with bounded(patience, _interrupt):
                verdict = work(job)
            _write(pipe, verdict)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    with os.fdopen(pipe, "rb") as answer:
        data = answer.read()
    _, status = os.waitpid(pid, 0)
    words = last_words(job.out / job.worker_log)
    if data.endswith(b"\n"):
        return _decoder.decode(data)
    why = f"the case ended with {os.waitstatus_to_exitcode(status)} and no verdict"
    return _broken(job, why, words)


def _broken(job: Job, why: str, words: str) -> CaseVerdict:
    reason = f"mockex: {why}" + (f"; its last words:\n{words}" if words else "")
    journal = str(job.journal) if (job.out / job.journal).exists() else ""
    return verdict_of(job, Verdict.ERROR, reason=reason, journal=journal)


def _interrupt(limit: str, place: str) -> Exception | None:
    """What ends code of the testee that never gives way. It is remembered as what cannot be on this
    ground, whatever the testee makes of it."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # before, or after
        return None
    if not isinstance(loop, SimLoop) or current() is None:
        return None
    what = f"code that does not give way within {limit}"
    return loop.note_refused(NotSimulated(what, "await something now and then", place))


def _write(pipe: int, verdict: CaseVerdict) -> None:
    data = msgspec.json.encode(verdict) + b"\n"
    while data:
        data = data[os.write(pipe, data) :]
