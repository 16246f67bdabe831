"""From items to verdicts: a process that judges, and who may run beside whom.

Without pytest-xdist all selected cases run at once, as with `mockex conform`, and each item waits
for its own. A worker of pytest-xdist learns of its items one by one, so there each runs when its
turn comes; that nothing runs beside a case that measures (`alone`) is kept by locks on files, which
the kernel releases whatever happens to a worker.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import msgspec

from mockex_conformance.collecting.child import Answer, Cannot, Task
from mockex_conformance.collecting.settings import Settings
from mockex_conformance.harness.worker import Job, verdict_of
from mockex_conformance.verdict import CaseVerdict, Verdict
from mockex_conformance.wish import Wish

_STOP_S = 15.0  # for the cases that run, which end their testees and close their recordings
_AT_ONCE_S = 3.0  # if they are not waited for
_LAST_WORDS = 2000  # characters
_decoder = msgspec.json.Decoder(Answer)
Cell = tuple[str, str, str]  # testee, profile, case id


def cell_of(job: Job) -> Cell:
    """Whose verdict on what."""
    return job.testee.name, job.profile, job.case.id


class Runs:
    """Judges the jobs of one session. `one_by_one`: others run the rest."""

    def __init__(self, settings: Settings, *, one_by_one: bool) -> None:
        self._settings = settings
        self._one_by_one = one_by_one
        self._planned: dict[Cell, Job] = {}
        self._verdicts: dict[Cell, CaseVerdict] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._out = settings.out
        # Every worker probes the testee, and one file cannot have two recordings at once.
        self._work = self._out / f".worker-{os.getpid()}" if one_by_one else self._out
        self._log = self._out / "stderr" / f"pytest-{os.getpid()}.txt"

    def plan(self, jobs: Sequence[Job]) -> None:
        """Say which jobs will be asked for."""
        self._planned |= {cell_of(job): job for job in jobs}

    def verdict(self, job: Job) -> CaseVerdict:
        """The verdict on a job, which may take its time."""
        cell = cell_of(job)
        if cell not in self._verdicts:
            together = [job] if self._one_by_one else [*self._planned.values()]
            with self._lane(job) if self._one_by_one else nullcontext():
                self._begin(together)
                self._read_until(cell, together)
                self._bring_home()
        return self._verdicts[cell]

    def close(self) -> None:
        """End what still runs; at once if we are interrupted meanwhile: what was judged is still to
        be recorded then."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        child.send_signal(signal.SIGTERM)
        with suppress(BrokenPipeError):
            child.stdin.close()
        try:
            try:
                child.wait(_STOP_S)
            except KeyboardInterrupt:
                child.send_signal(signal.SIGTERM)  # the second one
                child.wait(_AT_ONCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
        self._bring_home()
        with suppress(OSError):
            if not self._log.stat().st_size:
                self._log.unlink()

    # --- the process ---

    def _begin(self, jobs: Sequence[Job]) -> None:
        if not self._one_by_one and self._child is not None:
            return  # they run already
        if self._child is None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "mockex_conformance.collecting.child"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    process_group=0,  # Ctrl-C is ours, and it is told to stop
                )
        if self._work != self._out:
            self._work.mkdir(exist_ok=True)
            start = self._work / ".start-lock"  # processes are started one at a time, by all
            if not start.is_symlink():
                start.symlink_to(self._out / ".start-lock")
        told, settings = jobs[0].conditions, self._settings
        task = Task(
            wish=Wish(
                testees=list(dict.fromkeys(str(job.testee.file) for job in jobs)),
                cases=list(dict.fromkeys(job.case.number for job in jobs)),
                profiles=list(dict.fromkeys(job.profile for job in jobs)),
                seed=told.seed,
                ground=settings.ground,
            ),
            only=[cell_of(job) for job in jobs],
            out=str(self._work),
            jobs=1 if self._one_by_one else settings.jobs,
            built=self._one_by_one and self._stamp(jobs[0]).exists(),
        )
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # it has died: reading says so
            self._child.stdin.write(msgspec.json.encode(task) + b"\n")
            self._child.stdin.flush()

    def _read_until(self, cell: Cell, jobs: Sequence[Job]) -> None:
        """Read verdicts until that of `cell` is there; one by one, to the end of the task."""
        child = self._child
        assert child is not None
        assert child.stdout is not None
        while cell not in self._verdicts or self._one_by_one:
            line = child.stdout.readline()
            if not line.strip():  # the end, or that of the process
                if line and cell in self._verdicts:
                    return
                why = "no verdict came" if line else self._death(child)
                self._owe(jobs, f"mockex: {why}")
                return
            answer = _decoder.decode(line)
            if isinstance(answer, Cannot):
                self._owe(jobs, answer.why)
            else:
                self._verdicts[answer.testee, answer.profile, answer.case] = answer

    def _bring_home(self) -> None:
        """Move what was recorded to where everybody looks for it."""
        if self._work == self._out:
            return
        for file in (*self._work.glob("journal/*"), *self._work.glob("stderr/*")):
            home = self._out / file.relative_to(self._work)
            home.parent.mkdir(parents=True, exist_ok=True)
            file.replace(home)

    def _death(self, child: subprocess.Popen[bytes]) -> str:
        self._child = None
        with suppress(BrokenPipeError), child:  # closes the pipes
            code = child.wait()
        words = self._log.read_text("utf-8", "replace").strip()[-_LAST_WORDS:]
        return f"the process that judges ended with {code}" + (
            f"; its last words:\n{words}" if words else ""
        )

    def _owe(self, jobs: Sequence[Job], why: str) -> None:
        for job in jobs:
            self._verdicts.setdefault(cell_of(job), verdict_of(job, Verdict.ERROR, reason=why))

    # --- workers of pytest-xdist ---

    @contextmanager
    def _lane(self, job: Job) -> Iterator[None]:
        """Beside the others, or alone: a case that measures, and the first one of a testee that has
        something to build. Who waits to be alone lets nobody pass meanwhile."""
        stamp = self._stamp(job)
        if self._settings.ground == "virtual":
            yield
            return
        builds = bool(job.testee.build) and not stamp.exists()
        with _file(self._out / ".lane-door") as door, _file(self._out / ".lane") as lane:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(lane, fcntl.LOCK_EX if job.case.alone or builds else fcntl.LOCK_SH)
            fcntl.flock(door, fcntl.LOCK_UN)
            yield
            verdict = self._verdicts.get(cell_of(job))
            if builds and verdict is not None and verdict.verdict is not Verdict.UNSUPPORTED:
                stamp.touch()

    def _stamp(self, job: Job) -> Path:
        """Is there once a testee was built in this session."""
        return self._out / f".built-{job.testee.name}"


@contextmanager
def _file(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield opened
    finally:
        os.close(opened)


def clear_marks(out: Path) -> None:
    """Remove what an earlier session left for its workers."""
    for file in (*out.glob(".built-*"), out / ".lane", out / ".lane-door", out / ".start-lock"):
        file.unlink(missing_ok=True)
    for folder in out.glob(".worker-*"):
        shutil.rmtree(folder, ignore_errors=True)
