"""One schedule, played: a case like any other, whose body does what the schedule says.

What must hold whatever is done: never more than K + 1 live deliveries and no longer than an overlap
may last; every command answered; each event once and in order, each hole announced; each book the
exchange's own. Once the faults stop: every wanted stream live again on K connections, or nothing
connected after a close. At the end: nothing left.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mockex.errors import ConfigError, FaultError
from mockex.faults import Direction, Hold, Outage, Refused, Release, Resume, Stall
from mockex_conformance.case import Case, Run, Unseen
from mockex_conformance.checks import (
    BookEqualsTruth,
    DeliveriesAtMost,
    LiveAtEnd,
    NoAttempt,
    NothingLeft,
    OnceInOrder,
    Recovered,
    SubscriptionsEqual,
)
from mockex_conformance.description import Description
from mockex_conformance.explore.schedule import COMMANDS, SLOW_MS, Step
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import find
from mockex_conformance.harness.times import Conditions
from mockex_conformance.harness.worker import Job, unsupported, work
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import CaseVerdict, Level, Severity, Verdict

MARKET = "walk"
_LATE_MS = 1_000  # for a third delivery: ends of connections that a link held back come late


def streams_for(testee: Description, profile: str) -> tuple[list[str], list[str]]:
    """The streams to begin with, and those that commands may add and take away."""
    if testee.streams:
        return list(testee.streams), []
    if not testee.keeps_books:
        return ["ethusdc@depth5@100ms"], ["btcusdc@depth5@100ms", "solusdc@depth5@100ms"]
    depth = "ethusdc@depth@500ms" if profile == "usdm" else "ethusdc@depth"
    return [depth, "ethusdc@aggTrade"], ["btcusdc@aggTrade", "solusdc@bookTicker"]


async def _nothing(run: Run) -> None:
    """The steps are another each time."""


EXPLORED = Case(
    id="explore",
    number="EXPLORE",
    severity=Severity.MUST,
    level=Level.L0,
    body=_nothing,
    requirement="Whatever is done to it, the testee ends where the last commands put it.",
    starts=False,
    ends_dead=True,
    market=MARKET,
)


def case_of(steps: Sequence[Step], testee: Description, profile: str, step_ms: int) -> Case:
    """A case whose body plays `steps`, on a market that moves every `step_ms`."""
    first, others = streams_for(testee, profile)

    async def body(run: Run) -> None:
        overlap_ms = max(run.limit_ms("overlap_ms"), run.limit_ms("takeover_ms")) * run.scale
        every = [*first, *others]
        run.judged_by(
            DeliveriesAtMost(k=run.k, streams=every, overlap_ms=overlap_ms + _LATE_MS),
            DeliveriesAtMost(k=run.k + 1, streams=every, overlap_ms=_LATE_MS),
            Recovered(),
            SubscriptionsEqual(),
            LiveAtEnd(),
            NoAttempt(),
            NothingLeft(),
            *([OnceInOrder()] if testee.level else []),
            *([BookEqualsTruth(market=MARKET, step_ms=step_ms)] if testee.keeps_books else []),
        )
        await run.start(streams=first)
        await run.until_live()
        player = _Player(run, list(first))
        for step in steps:
            await run.sleep(step.after_ms / 1000)
            await player.do(step)
        await player.end(overlap_ms / 1000)
        await run.stop()

    return replace(EXPLORED, body=body, step_ms=step_ms)


class _Player:
    """Does the steps, and knows where they must lead."""

    def __init__(self, run: Run, wanted: list[str]) -> None:
        self._run = run
        self._wanted = wanted
        self._started = True
        self._refused_until = 0.0
        self._silent: set[int] = set()  # connections whose peer is gone without a word

    async def do(self, step: Step) -> None:
        """One step. A fault that finds nothing to hit is no step."""
        if step.do in COMMANDS:
            if self._run.testee.level >= Level.L2:
                await self._command(step)
            return
        try:
            if step.do == "stall":
                self._stall(**step.args)
            elif step.do == "hold":
                self._hold(**step.args)
            elif step.do == "silence":
                self._silence()
            else:
                self._fault(step)
        except (Unseen, FaultError):
            return

    def _fault(self, step: Step) -> None:
        fault = step.fault()
        self._run.inject(fault)
        if isinstance(fault, Refused) or (isinstance(fault, Outage) and fault.how == "refuse"):
            until = self._now() + (fault.ms or 0) / 1000
            self._refused_until = max(self._refused_until, until)

    def _stall(self, ms: int, scope: str = "total", backlog: str = "deliver") -> None:
        stream = self._run.stream if scope == "stream" else None
        self._run.inject(Stall(scope=scope, stream=stream))  # type: ignore[arg-type]
        self._later(ms, lambda: self._run.inject(Resume(backlog=backlog)))  # type: ignore[arg-type]

    def _silence(self) -> None:
        live = self._run.exchange.connections.delivering(self._run.stream)
        if live:
            self._silent.add(live[-1].number)
            self._run.inject(Stall(connection=live[-1].number))

    def _hold(self, ms: int, direction: str | None = None, backlog: str = "deliver") -> None:
        self._run.inject(Hold(direction=None if direction is None else Direction(direction)))
        self._later(ms, lambda: self._run.inject(Release(backlog=backlog)))  # type: ignore[arg-type]

    def _later(self, ms: int, do: Callable[[], object]) -> None:
        def due() -> None:
            try:
                do()
            except (Unseen, FaultError):
                return  # whatever was stalled is gone

        self._run.exchange.timers.after(ms / 1000, due)

    async def _command(self, step: Step) -> None:
        run = self._run
        within_s = 5.0
        if step.do == "close":
            within_s = run.deadline_s(run.limit_ms("close_ms"))
        if await run.request(step.do, within_s=within_s, **step.args) is None:
            return  # refused: what is wanted is what it was
        streams = step.args.get("streams", ())
        match step.do:
            case "start":
                self._started = True
            case "close":
                self._started = False
            case "subscribe":
                self._wanted += [name for name in streams if name not in self._wanted]
            case "unsubscribe":
                self._wanted = [name for name in self._wanted if name not in streams]

    async def end(self, overlap_s: float) -> None:
        """The faults stop; then what is wanted must be there, and nothing else."""
        run = self._run
        run.streams = list(self._wanted) if self._started else []
        if not self._started:
            run.note("closed")
        await run.sleep(max(0.0, self._refused_until - self._now()))
        run.calm(but=self._silent)
        if self._started:
            limits = ["reconnect_cap_ms", "handshake_timeout_ms"]
            limits += ["stall_detect_ms"] if self._silent else []
            await run.until_recovered(sum(run.limit_ms(name) for name in limits))
        await run.sleep(overlap_s + _LATE_MS / 1000)
        run.note("subscriptions", streams=run.streams, after="the schedule")
        run.note("end", streams=run.streams)

    def _now(self) -> float:
        return self._run.exchange.loop_time()


def play(
    testee: str | Description,
    *,
    profile: str,
    seed: int,
    steps: Sequence[Step],
    step_ms: int = SLOW_MS,
    out: Path | None = None,
    look: Callable[[Recording], None] | None = None,
) -> CaseVerdict:
    """Play `steps` in virtual time, on a market that moves every `step_ms`; the verdict has the
    findings. `testee` is a name of ours, the path of a testee.toml, or a description; `out` is a
    folder that keeps the recording.

    Raises:
        ConfigError: there is no such testee, or it has no `entry`.
    """
    described = find(testee)[0] if isinstance(testee, str) else testee
    with tempfile.TemporaryDirectory(prefix="mockex-explore-") as scratch:
        job = Job(
            case_of(steps, described, profile, step_ms),
            described,
            profile,
            Conditions(
                seed=seed,
                ground=Ground.VIRTUAL,
                time_scale=Ground.VIRTUAL.time_scale,
                case_limit_s=Ground.VIRTUAL.case_limit_s,
                observe=out is not None,
            ),
            out or Path(scratch),
            keep=out is not None,
        )
        why = unsupported(job)
        if why:
            raise ConfigError("TESTEE", described.name, f"one that can run there ({why})")
        return work(job, look)


def failed(verdict: CaseVerdict) -> bool:
    """Whether something was found: a finding, or a reason why there is no verdict."""
    return verdict.verdict in (Verdict.FAIL, Verdict.ERROR)
