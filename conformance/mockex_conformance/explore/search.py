"""The search: schedules drawn by hypothesis on every core, until one fails, then the shortest that
fails in the same way.

Each core has a child with draws of its own, from the run's seed. A child tells its parent what it
has done, a line at a time; the parent shows it, and ends the children when it has seen enough.
"""

from __future__ import annotations

import os
import selectors
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import msgspec
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from mockex.clock import monotonic_s
from mockex.errors import SimulationError
from mockex.server.journal import Attempted, Closed, Ended, HalfClosed, Said, Upgraded
from mockex_conformance.description import Description
from mockex_conformance.explore.play import failed, play, streams_for
from mockex_conformance.explore.schedule import BUSY_MS, SLOW_MS, Step
from mockex_conformance.explore.strategy import schedules
from mockex_conformance.harness.process import die_with
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import CaseVerdict

_BATCH = 100  # schedules that hypothesis draws before it begins anew
_TELL_EVERY_S = 0.5
_SHRINK_S = 30.0  # for making one shorter


class Progress(msgspec.Struct, tag="progress", tag_field="type"):
    """What a child has done since it last said so. `states` are new ones."""

    schedules: int = 0
    simulated_s: float = 0.0
    states: list[str] = []


class Found(msgspec.Struct, tag="found", tag_field="type"):
    """The shortest schedule of one kind of failure, as far as it was shortened."""

    kind: str
    seed: int
    step_ms: int
    steps: list[Step]
    findings: list[str]
    tried: int = 0  # schedules that were played to shorten it


class Broke(msgspec.Struct, tag="broke", tag_field="type"):
    """A child broke, by no fault of the testee."""

    trace: str


_decoder = msgspec.json.Decoder(Progress | Found | Broke)


@dataclass(slots=True)
class Tally:
    """What all children have done. `interrupted`: nobody waited for more."""

    interrupted: bool = False
    schedules: int = 0
    simulated_s: float = 0.0
    real_s: float = 0.0
    states: set[str] = field(default_factory=set)
    found: dict[str, Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for. It ends after `most` schedules, after `seconds` of real time, or, unless
    `keep_going`, with the first failure."""

    testee: Description
    profile: str
    seed: int
    jobs: int
    most: int | None = None
    seconds: float | None = None
    keep_going: bool = False


def kind_of(verdict: CaseVerdict) -> str:
    """Failures of one kind have one cause, as far as can be told: the check that found it."""
    return verdict.findings[0].check if verdict.findings else str(verdict.verdict).lower()


def search(what: Search, told: Callable[[Tally], None]) -> Tally:
    """Search; `told` hears of the state of things about twice a second. Interrupted, it returns
    what was found until then.

    Raises:
        RuntimeError: a child broke.
    """
    began = monotonic_s()
    tally = Tally()
    selector = selectors.DefaultSelector()
    children: dict[int, int] = {}
    for number in range(what.jobs):
        pid, pipe = _fork(what, number)
        children[pipe] = pid
        selector.register(pipe, selectors.EVENT_READ)
    rest = dict.fromkeys(children, b"")
    try:
        while children:
            for key, _ in selector.select(timeout=_TELL_EVERY_S):
                data = os.read(key.fd, 1 << 20)
                *lines, rest[key.fd] = (rest[key.fd] + data).split(b"\n")
                for line in lines:
                    _add(tally, line)
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    _, status = os.waitpid(children.pop(key.fd), 0)
                    # They search until they are ended.
                    raise RuntimeError(f"a child ended with {os.waitstatus_to_exitcode(status)}")
            tally.real_s = monotonic_s() - began
            told(tally)
            if _enough(what, tally):
                break
    except KeyboardInterrupt:
        tally.interrupted = True
    finally:
        for pipe, pid in children.items():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(pipe)
        selector.close()
    return tally


def _enough(what: Search, tally: Tally) -> bool:
    if tally.found and not what.keep_going:
        return True
    if what.most is not None and tally.schedules >= what.most:
        return True
    return what.seconds is not None and tally.real_s >= what.seconds


def _add(tally: Tally, line: bytes) -> None:
    match _decoder.decode(line):
        case Progress(schedules=schedules, simulated_s=simulated_s, states=states):
            tally.schedules += schedules
            tally.simulated_s += simulated_s
            tally.states.update(states)
        case Broke(trace=trace):
            raise RuntimeError(f"a child broke:\n{trace}")
        case Found(kind=kind) as found:
            known = tally.found.get(kind)
            if known is None or len(found.steps) < len(known.steps):
                tally.found[kind] = found


# --- in the children ---


def _fork(what: Search, number: int) -> tuple[int, int]:
    parent = os.getpid()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    code = 1
    try:
        os.close(ours)
        die_with(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        child = _Child(what, number, theirs)
        try:
            child.run()
        except Exception:
            child.say(Broke(traceback.format_exc()))
    finally:
        os._exit(code)


class _Child:
    def __init__(self, what: Search, number: int, pipe: int) -> None:
        self._what = what
        self._pipe = pipe
        self._random = Random(f"explore {what.seed} {number}")
        self._seed = what.seed  # of the batch: of its market, and of the network
        self._step_ms = SLOW_MS
        self._progress = Progress()
        self._told_at = monotonic_s()
        self._known: set[str] = set()
        self._kinds: set[str] = set()  # found already
        self._hunted = ""  # the kind that is being made shorter
        self._hunt_until = 0.0
        self._best: Found | None = None
        self._tried = 0

    def run(self) -> None:
        """Search until the parent has enough."""
        testee = self._what.testee
        _, others = streams_for(testee, self._what.profile)
        drawn = schedules(profile=self._what.profile, level=testee.level, others=others)
        while True:
            self._hunted, self._best, self._tried = "", None, 0
            self._seed = self._random.randrange(1_000_000)
            self._step_ms = self._random.choice((SLOW_MS, BUSY_MS))
            with suppress(NoSuchExample):
                find(
                    drawn,
                    self._fails,
                    settings=settings(
                        max_examples=_BATCH,
                        database=None,
                        deadline=None,
                        phases=(Phase.generate, Phase.shrink),
                        suppress_health_check=list(HealthCheck),
                    ),
                    random=Random(self._random.random()),
                )
            if self._best is not None:
                self._best.tried = self._tried
                self._kinds.add(self._hunted)
                self.say(self._best)

    def _fails(self, steps: list[Step]) -> bool:
        """Whether `steps` fail; once some have, whether they fail in the same way."""
        if self._hunted and monotonic_s() > self._hunt_until:
            return False  # short enough
        try:
            verdict = play(
                self._what.testee,
                profile=self._what.profile,
                seed=self._seed,
                step_ms=self._step_ms,
                steps=steps,
                look=self._look,
            )
        except SimulationError as error:
            return self._failed(steps, type(error).__name__.lower(), [str(error)])
        self._count(verdict)
        if not failed(verdict):
            return False
        findings = [finding.message for finding in verdict.findings] or [verdict.reason]
        return self._failed(steps, kind_of(verdict), findings)

    def _failed(self, steps: list[Step], kind: str, findings: list[str]) -> bool:
        if kind in self._kinds or (self._hunted and kind != self._hunted):
            return False
        if not self._hunted:
            self._hunted, self._hunt_until = kind, monotonic_s() + _SHRINK_S
        if self._best is None or _size(steps) <= _size(self._best.steps):
            self._best = Found(kind, self._seed, self._step_ms, steps, findings)
        return True

    def _look(self, recording: Recording) -> None:
        new = states_in(recording) - self._known
        self._known |= new
        self._progress.states += sorted(new)

    def _count(self, verdict: CaseVerdict) -> None:
        self._tried += bool(self._hunted)
        self._progress.schedules += 1
        self._progress.simulated_s += verdict.duration_s
        if monotonic_s() > self._told_at + _TELL_EVERY_S:
            self.say(self._progress)
            self._progress, self._told_at = Progress(), monotonic_s()

    def say(self, message: Progress | Found | Broke) -> None:
        """Tell the parent."""
        data = msgspec.json.encode(message) + b"\n"
        while data:
            data = data[os.write(self._pipe, data) :]


def _size(steps: list[Step]) -> tuple[int, int]:
    return len(steps), sum(step.after_ms for step in steps)


def states_in(recording: Recording) -> set[str]:
    """The states of the life cycle that a run went through: what the testee said of itself, with
    how many connections were being dialled and how many were up."""
    dialling: set[int] = set()
    up: set[int] = set()
    said = ""
    found: set[str] = set()
    for entry in recording.entries:
        match entry:
            case Attempted(conn=conn):
                dialling.add(conn)
            case Upgraded(conn=conn):
                dialling.discard(conn)
                up.add(conn)
            case Closed(conn=conn) | HalfClosed(conn=conn) | Ended(conn=conn):
                dialling.discard(conn)
                up.discard(conn)
            case Said(method="state", params=params):
                said = params["state"]
            case _:
                continue
        found.add(f"{said or 'silent'}, {len(dialling)} dialling, {len(up)} up")
    return found
