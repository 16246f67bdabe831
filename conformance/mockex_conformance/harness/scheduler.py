"""The parent of a run: forks a worker for each case, waiting cases side by side, `alone` ones after
them. A case that could not be judged while our own exchange stood still is one of those, once more.

It has neither threads nor an event loop, so forking is safe, and everything is imported before the
first fork, so a worker starts at once. Workers die with it; what a testee leaves behind comes to
it, because it is a subreaper, and is ended.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec
import psutil

from mockex.clock import monotonic_s
from mockex.server.journal import Behind, Lagged
from mockex_conformance.description import Description
from mockex_conformance.harness.interrupts import AtOnce, Interrupts
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.probe import PROBE, never_live
from mockex_conformance.harness.process import (
    adopt_orphans,
    die_with,
    fill,
    forked,
    open_all_files,
)
from mockex_conformance.harness.room import WINDOW_S, Room
from mockex_conformance.harness.times import OVERTIME_S
from mockex_conformance.harness.worker import Job, be_quiet, unsupported, verdict_of, work
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import CaseVerdict, Verdict

_GRACE_S = OVERTIME_S + 30.0  # beyond the case limit: the worker ends a case before, if it can
_STOP_S = 10.0  # a worker that was told to stop must be gone
_BUILD_S = 600.0
_LOOK_AGAIN_S = 0.2  # whether there is room for one more
_LAST_WORDS = 2000  # characters of a worker's stderr


@dataclass(frozen=True, slots=True)
class Building:
    """The build of a testee began."""

    testee: str
    command: list[str]


@dataclass(frozen=True, slots=True)
class Started:
    """A case began."""

    testee: str
    case: str
    profile: str


@dataclass(frozen=True, slots=True)
class Again:
    """What stood still while this case could not be judged was our own exchange, for want of a
    processor: it is run once more, by itself."""

    testee: str
    case: str
    profile: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """The run was interrupted: so many cases are being ended."""

    running: int


class _Done(msgspec.Struct):
    """What a worker says at its end."""

    verdict: CaseVerdict
    processor_s: float  # of its own, without the testee's
    stood_still: bool  # or was behind, long enough for a testee to break off


@dataclass(slots=True)
class _Worker:
    pid: int
    pipe: int
    job: Job
    kill_at: float
    data: bytes = b""


@dataclass(slots=True)
class _Group:
    """The jobs of one testee on one profile: they wait for its probe."""

    probe: Job
    jobs: list[Job] = field(default_factory=list)


Event = Building | Started | Again | Stopping | CaseVerdict


def run(
    plan: Plan,
    on_event: Callable[[Event], None],
    *,
    on_processor: Callable[[float], None] = lambda _: None,
) -> list[CaseVerdict]:
    """Run a plan; `on_event` hears of each case as it begins and ends, `on_processor` how many
    seconds of a processor each of our own workers has used.

    Raises:
        KeyboardInterrupt: the run was interrupted. Workers and testees are gone then, and what
            was recorded stays.
    """
    adopt_orphans()
    with Interrupts() as interrupts:
        return _Scheduler(plan, on_event, on_processor, interrupts).run()


class _Scheduler:
    def __init__(
        self,
        plan: Plan,
        on_event: Callable[[Event], None],
        on_processor: Callable[[float], None],
        interrupts: Interrupts,
    ) -> None:
        self._plan = plan
        self._interrupts = interrupts
        self._tell = on_event
        self._tell_processor = on_processor
        self._verdicts: list[CaseVerdict] = []
        self._selector = selectors.DefaultSelector()
        self._room = Room()
        self._workers: dict[int, _Worker] = {}
        self._groups: dict[tuple[str, str], _Group] = {}
        self._ready: list[Job] = []
        self._alone: list[Job] = []
        # What was a child of ours before is not ours to end.
        self._strangers = {child.pid for child in psutil.Process().children()}
        self._longest_s = plan.conditions.case_limit_s + _GRACE_S

    def run(self) -> list[CaseVerdict]:
        self._plan.out.mkdir(parents=True, exist_ok=True)
        try:
            self._prepare()
            while self._ready or self._alone or self._workers:
                self._interrupts.check()
                self._start_some()
                self._wait()
        except BaseException as error:
            try:
                if isinstance(error, KeyboardInterrupt):
                    self._tell(Stopping(len(self._workers)))
                self._stop_all(0.0 if isinstance(error, AtOnce) else _STOP_S)
            except AtOnce:
                self._stop_all(0.0)
                raise
            raise
        finally:
            self._sweep()
            self._selector.close()
            (self._plan.out / ".start-lock").unlink(missing_ok=True)
        return self._verdicts

    # --- what to do ---

    def _prepare(self) -> None:
        plan = self._plan
        # A link that breaks under the probe would cost all cases, and not its own.
        direct = replace(plan.conditions, link=None)
        for testee in plan.testees:
            jobs = {profile: plan.jobs_of(testee, profile) for profile in plan.profiles_of(testee)}
            failed = self._build(testee) if any(jobs.values()) else ""
            for profile, of_it in jobs.items():
                group = _Group(Job(PROBE, testee, profile, direct, plan.out))
                for job in of_it:
                    if why := failed or unsupported(job):
                        self._done(verdict_of(job, Verdict.UNSUPPORTED, reason=why))
                    else:
                        group.jobs.append(job)
                if any(job.case.link or job.conditions.link for job in group.jobs):
                    # For the workers, before they are forked: it would cost each of these 70 ms.
                    import mockex.faults.proxy_server  # noqa: F401
                if group.jobs:
                    self._groups[testee.name, profile] = group
                    self._ready.append(group.probe)

    def _build(self, testee: Description) -> str:
        """Build a testee; why it cannot be, or nothing."""
        if not testee.build:
            return ""
        command = [fill(part, {"python": sys.executable}) for part in testee.build]
        log = self._plan.out / "stderr" / f"{testee.name}-build.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._tell(Building(testee.name, command))
        try:
            with log.open("wb") as output, self._interrupts.at_once():
                done = subprocess.run(  # noqa: S603 - what the testee's author asks for
                    command,
                    cwd=testee.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=_BUILD_S,
                    check=False,
                    preexec_fn=partial(die_with, os.getpid()),
                )
        except FileNotFoundError:
            return f"its build needs {command[0]!r}, which is not on PATH: install it"
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"its build failed: {error}"
        if done.returncode == 0:
            return ""
        why = f"its build failed with {done.returncode}: {telling_line(log)}; see {log}"
        if not os.access(testee.cwd, os.W_OK):
            why += f"; {testee.cwd} is read-only: copy it (a shim: `mockex init --lang …`)"
        return why

    def _start_some(self) -> None:
        while self._ready and self._may_start():
            self._interrupts.check()
            if not self._fork(self._ready[0]):
                return
            del self._ready[0]
        if self._alone and not self._ready:
            job = self._next_to_measure()
            if job is not None and self._fork(job):
                self._alone.remove(job)

    def _may_start(self) -> bool:
        running = len(self._workers)
        if running < self._plan.at_least:
            return True
        return running < self._plan.side_by_side and self._room.for_one_more(monotonic_s())

    def _next_to_measure(self) -> Job | None:
        """A case that measures has the machine to itself, but for one that measures something
        else: two that are about the same would want the same of it at the same time. How busy the
        first keeps the machine shows only after a while."""
        beside = [worker.job.case for worker in self._workers.values()]
        if not beside:
            return self._alone[0]
        if len(beside) > 1 or not beside[0].alone or self._plan.side_by_side == 1:
            return None
        others = (job for job in self._alone if not job.again)
        other = next((job for job in others if job.case is not beside[0]), None)
        return other if other and self._room.for_one_more(monotonic_s(), WINDOW_S) else None

    # --- workers ---

    def _fork(self, job: Job) -> bool:
        """Start a job in a process of its own; False if there is none before another has ended.

        Raises:
            OSError: there is none, and no other will end.
        """
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        try:
            pid, pipe = forked()
        except OSError:
            if not self._workers:
                raise
            return False
        if pid == 0:
            _be_a_worker(job, pipe)
        self._room.started(monotonic_s())
        kill_at = monotonic_s() + self._longest_s
        self._workers[pipe] = _Worker(pid, pipe, job, kill_at)
        self._selector.register(pipe, selectors.EVENT_READ)
        if job.case is not PROBE:
            self._tell(Started(job.testee.name, job.case.id, job.profile))
        return True

    def _wait(self) -> None:
        self._room.look(monotonic_s())
        for key, _ in self._selector.select(timeout=_LOOK_AGAIN_S):
            worker = self._workers[key.fd]
            data = os.read(worker.pipe, 1 << 20)
            worker.data += data
            if not data:
                self._collect(worker)
        for worker in tuple(self._workers.values()):
            if monotonic_s() > worker.kill_at:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)

    def _collect(self, worker: _Worker) -> None:
        """A worker is at its end."""
        self._selector.unregister(worker.pipe)
        os.close(worker.pipe)
        del self._workers[worker.pipe]
        _, status = os.waitpid(worker.pid, 0)
        self._sweep()
        words = last_words(self._plan.out / worker.job.worker_log)
        stood_still = False
        try:
            done = msgspec.json.decode(worker.data, type=_Done)
            verdict, stood_still = done.verdict, done.stood_still
            self._tell_processor(done.processor_s)
        except msgspec.DecodeError:
            code = os.waitstatus_to_exitcode(status)
            why = f"the worker ended with {code} and no verdict"
            if monotonic_s() > worker.kill_at:
                why = f"the case took longer than {self._longest_s:.0f} s"
            if words:
                why += f"; its last words:\n{words}"
            verdict = verdict_of(
                worker.job, Verdict.ERROR, reason=f"mockex: {why}", journal=str(worker.job.journal)
            )
        if stood_still and verdict.verdict is Verdict.INCONCLUSIVE and self._once_more(worker.job):
            return
        if worker.job.case is PROBE:
            self._probed(worker.job, verdict)
        else:
            self._done(verdict)

    def _once_more(self, job: Job) -> bool:
        """Have it run by itself, if it was not before."""
        if job.again:
            return False
        self._alone.append(replace(job, again=True))
        (self._plan.out / job.stderr).unlink(missing_ok=True)
        self._tell(Again(job.testee.name, job.case.id, job.profile))
        return True

    def _probed(self, probe: Job, verdict: CaseVerdict) -> None:
        """Let the cases of this testee begin, or give them the verdict of the probe."""
        group = self._groups[probe.testee.name, probe.profile]
        if verdict.verdict is Verdict.PASS:
            for job in group.jobs:
                (self._alone if job.case.alone else self._ready).append(job)
            self._ready.sort(key=_turn)
            return
        for job in group.jobs:
            self._done(unlived(verdict, job))

    def _done(self, verdict: CaseVerdict) -> None:
        self._verdicts.append(verdict)
        self._tell(verdict)

    # --- ending ---

    def _stop_all(self, within_s: float) -> None:
        """Tell the workers to stop, which end their testees and close their recordings; end those
        that do not."""
        for worker in self._workers.values():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
        until = monotonic_s() + within_s
        for worker in self._workers.values():
            with suppress(psutil.Error):
                process = psutil.Process(worker.pid)
                try:
                    process.wait(max(0.1, until - monotonic_s()))
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(5)
        self._workers.clear()

    def _sweep(self) -> None:
        """End what a worker left behind: it comes to us, who adopt orphans. What is below a worker
        is that worker's."""
        known = self._strangers | {worker.pid for worker in self._workers.values()}
        for child in psutil.Process().children():
            if child.pid in known:
                continue
            gone: list[psutil.Process] = [child]
            with suppress(psutil.Error):
                gone += child.children(recursive=True)
            for process in gone:
                with suppress(psutil.Error):
                    process.kill()
            for process in gone:
                with suppress(psutil.Error):
                    process.wait(1)


def unlived(probe: CaseVerdict, job: Job) -> CaseVerdict:
    """The verdict of a case whose testee did not pass the probe: the probe's, and its recording."""
    return verdict_of(
        job,
        probe.verdict,
        reason=probe.reason,
        findings=never_live(probe.findings),
        journal=probe.journal,
        stderr=probe.stderr,
    )


def _turn(job: Job) -> tuple[bool, int]:
    """Probes first, for cases wait for them; then the longest, or one of them is alone at the end
    and a core idles."""
    return job.case is not PROBE, -job.case.takes_s


def telling_line(log: Path) -> str:
    """The line of a build's output that says why: the first with an error, else the last."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    errors = (line for line in lines if "error" in line.lower())
    return next(errors, next(filter(None, reversed(lines)), "no output"))


def last_words(log: Path) -> str:
    """The end of what a worker wrote; a log without a word is removed."""
    try:
        text = log.read_text("utf-8", "replace").strip()
        if not text:
            log.unlink()
    except OSError:
        return ""
    return text[-_LAST_WORDS:]


def _be_a_worker(job: Job, pipe: int) -> None:
    """The child's side of the fork: never returns."""
    code = 1
    try:
        # Where the kernel shares the processors out by session, one for all our exchanges would get
        # as little as the one of each testee.
        os.setsid()
        adopt_orphans()
        open_all_files()
        be_quiet(job)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stood_still = False

        def look(recording: Recording) -> None:
            nonlocal stood_still
            lates = (e.late_s for e in recording.entries if isinstance(e, Lagged | Behind))
            patience_s = recording.terms.patience_s("handshake_timeout_ms")
            stood_still = max(lates, default=0.0) >= patience_s / 2

        verdict = work(job, look)
        used = resource.getrusage(resource.RUSAGE_SELF)
        done = _Done(verdict, used.ru_utime + used.ru_stime, stood_still)
        data = msgspec.json.encode(done)
        while data:
            data = data[os.write(pipe, data) :]
        code = 0
    except BaseException:  # whatever it is, it must not run on in the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)
