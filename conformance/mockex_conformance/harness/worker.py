"""One case in a process of its own: exchange, testee, observers, recording, verdict.

Runs in a process forked for it by `scheduler`. Whatever happens, the recording ends with the
landmark `outcome` if there is a moment left to write it, and the testee is gone.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mockex import Exchange, serve, sim
from mockex.errors import LinkError, MachineLacks, ToxiproxyUnavailable
from mockex.faults import Bandwidth
from mockex.server.journal import Noted
from mockex.server.wire import hear_what_it_lacks
from mockex_conformance.case import (
    Case,
    FoundAlready,
    Gone,
    NotLive,
    Run,
    Unseen,
    Unsupported,
)
from mockex_conformance.cases.streams import SYMBOLS, default_streams
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun, EntryBroken, Flooded, ProtocolBroken
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import own_testees
from mockex_conformance.harness.run import CaseRun
from mockex_conformance.harness.times import Conditions, Times, default_limit_ms
from mockex_conformance.harness.virtual import Prints, refusals
from mockex_conformance.judge import judge
from mockex_conformance.recording import Recording, Terms
from mockex_conformance.verdict import CaseVerdict, Verdict
from mockex_conformance.wish import Wish

# The exchange's clock is compressed, because an adapter only reacts to it (catalogue, section 3).
SUITE_SETTINGS: dict[str, object] = {
    "ping_interval_s": 1.0,
    "pong_deadline_s": 3.0,
    "lifetime_s": None,
    "weight_window_s": 10.0,
    # "it closes at limit + 3 within a second, so that a stall of our own loop fails nobody"
    "incoming_grace": 2,
    "count_pongs": False,
    # The suite cuts connections more often than any exchange, and counts attempts itself.
    "attempts_limit": None,
    "server_shutdown": True,
    # Bytes are compared, and what was of one length is not when it is deflated.
    "compression": False,
}


@dataclass(frozen=True, slots=True)
class Job:
    """One case, one testee, one profile."""

    case: Case
    testee: Description
    profile: str
    conditions: Conditions
    out: Path
    turn: int = 1
    keep: bool = True  # write recording and stderr into the run's folder
    again: bool = False  # the first time it could not be judged: the machine was too busy

    @property
    def stem(self) -> str:
        """Name of this job's files."""
        turn = f"-r{self.turn}" if self.turn > 1 else ""
        return f"{self.testee.name}-{self.profile}-{self.case.number}{turn}"

    @property
    def journal(self) -> Path:
        """Where the recording goes, relative to the run's folder."""
        return Path("journal") / f"{self.stem}.jsonl"

    @property
    def worker_log(self) -> Path:
        """Where what the worker itself says goes, relative to the run's folder; mostly nothing."""
        return Path("stderr") / f"{self.stem}-worker.txt"

    @property
    def stderr(self) -> Path:
        """Where the testee's stderr goes, relative to the run's folder."""
        return Path("stderr") / f"{self.stem}.txt"


def _ours(file: Path) -> bool:
    return file.is_relative_to(own_testees().resolve())


def _named(job: Job) -> tuple[str, str]:
    """What `conform` finds the testee by: a folder and a file in or below it, a file elsewhere, or
    the name of one of ours; nothing of one that is a command line."""
    file, folder = job.testee.file, job.conditions.folder
    if file is None:
        return "", ""
    if _ours(file):
        return "", job.testee.name
    return (
        (folder, str(file.relative_to(folder))) if file.is_relative_to(folder) else ("", str(file))
    )


def wish_of(job: Job) -> Wish:
    """What asks for this job alone, on the same terms."""
    told = job.conditions
    folder, known = _named(job)
    usual = told.ground.time_scale, told.ground.case_limit_s
    return Wish(
        folder=folder,
        testees=[known] if known else [],
        command=[] if known else job.testee.command,
        cases=[job.case.number],
        profiles=[job.profile],
        seed=told.seed,
        ground=str(told.ground),
        time_scale=told.time_scale if told.time_scale != usual[0] else None,
        case_limit=told.case_limit_s if told.case_limit_s != usual[1] else None,
        deadline_factor=told.deadline_factor,
        quiet_factor=told.quiet_factor,
        link=_line(job),
    )


def verdict_of(job: Job, verdict: Verdict, *, reason: str = "", **more: Any) -> CaseVerdict:
    """A line of the record for a job."""
    expected = next(
        (
            e.reason
            for e in job.testee.expect
            if e.case in (job.case.id, job.case.number) and e.profile in ("", job.profile)
        ),
        "",
    )
    return CaseVerdict(
        testee=job.testee.name,
        case=job.case.id,
        number=job.case.number,
        profile=job.profile,
        verdict=verdict,
        severity=job.case.severity,
        level=job.case.level,
        seed=job.conditions.seed,
        requirement=job.case.requirement,
        reason=reason,
        replay=wish_of(job).command_line(),
        expected=expected,
        ground=str(job.conditions.ground),
        turn=job.turn,
        **{"duration_s": 0.0, "mode": job.testee.modes[0], "link": _line(job), **more},
    )


def unsupported(job: Job) -> str:
    """Why the testee cannot run this case, with what to declare; empty if it can."""
    case, testee = job.case, job.testee
    if job.profile not in case.profiles:
        return f"the case is about {' and '.join(case.profiles)}"
    if job.profile not in testee.profiles:
        return f"declare {job.profile!r} under `profiles`"
    if job.conditions.ground is Ground.VIRTUAL:
        if not testee.entry:
            return "no `entry`: name one (Python on asyncio), or use `--ground real`"
        if case.real_only:
            return f"only a machine has {case.real_only}: use `--ground real`"
    if (passes := _passes(job)) is not None and passes < case.least_bytes_per_s:
        return (
            f"the line passes {passes / 1000:g} KB/s, the case needs "
            f"{case.least_bytes_per_s / 1000:g}: give a wider `--link`"
        )
    if case.level > testee.level:
        return f"needs level {int(case.level)}; the testee declares `level = {testee.level}`"
    return ""


def _passes(job: Job) -> int | None:
    """Bytes a second that the line under every case lets pass; None: as many as there are."""
    terms = job.conditions.link
    faults = terms.faults if terms is not None else ()
    return min((f.bytes_per_s for f in faults if isinstance(f, Bandwidth)), default=None)


@asynccontextmanager
async def _exchange(job: Job, **options: Any) -> AsyncIterator[tuple[Exchange, str]]:
    """The exchange of a job, behind a link where one is called for; and why there is none, if so.

    Raises:
        ToxiproxyUnavailable: there is none to be had.
    """
    terms = job.conditions.link
    virtual = job.conditions.ground is Ground.VIRTUAL
    way = "auto" if job.case.link or terms is not None or virtual else "off"
    why = "" if way == "auto" else "the case has none"
    by_way = partial(serve, job.profile, link=terms, **options)
    async with AsyncExitStack() as stack:
        try:
            exchange = await stack.enter_async_context(by_way(toxiproxy=way))
        except ToxiproxyUnavailable:
            if job.case.link == "needed" or terms is not None:
                raise
            exchange, why = await stack.enter_async_context(by_way(toxiproxy="off")), _NO_SERVER
        yield exchange, why


def be_quiet(job: Job) -> None:
    """Send what this process says to the log of the job: the terminal is the parent's, and would
    end in the middle of its table."""
    log = job.out / job.worker_log
    log.parent.mkdir(parents=True, exist_ok=True)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout = sys.stderr = os.fdopen(said, "w", encoding="utf-8", buffering=1)


def work(job: Job, look: Callable[[Recording], None] | None = None) -> CaseVerdict:
    """Run one job to its verdict; `look` is shown what was recorded."""
    try:
        return _worked(job, look)
    except OSError as error:
        if MachineLacks.says(error):
            return verdict_of(job, Verdict.ERROR, reason=str(MachineLacks(error)))
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or error.filename is None:
            raise
        why = f"mockex: {error.filename}: {error.strerror}"
        return verdict_of(job, Verdict.ERROR, reason=why)


def _worked(job: Job, look: Callable[[Recording], None] | None) -> CaseVerdict:
    if job.conditions.ground is Ground.REAL:
        return asyncio.run(_interruptible(job, look))
    errors = job.out / job.stderr if job.keep else Path(os.devnull)
    errors.parent.mkdir(parents=True, exist_ok=True)
    with errors.open("a", encoding="utf-8", errors="replace", buffering=1) as file:
        prints = Prints(file)
        slow = logging.StreamHandler(sys.stderr) if job.keep else logging.NullHandler()
        with _apart(slow), redirect_stdout(prints), redirect_stderr(prints):
            return sim.run(_work(job, look), seed=job.conditions.seed, leaks=lambda _: None)


@contextmanager
def _apart(handler: logging.Handler) -> Iterator[None]:
    """What took long goes to `handler`, not to the stderr of the testee: its last words are in the
    recording, and two runs of one seed have the same recording on a machine of any speed."""
    slow = logging.getLogger("mockex.sim.slow")
    slow.addHandler(handler)
    slow.propagate = False
    try:
        yield
    finally:
        slow.removeHandler(handler)
        slow.propagate = True


_NO_SERVER = "no Toxiproxy server; `mockex doctor` says what was tried and what helps"


async def _interruptible(job: Job, look: Callable[[Recording], None] | None) -> CaseVerdict:
    task = asyncio.ensure_future(_work(job, look))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except ToxiproxyUnavailable:
        return verdict_of(job, Verdict.INCONCLUSIVE, reason=_NO_SERVER)
    except LinkError as broken:
        return verdict_of(job, Verdict.ERROR, reason=f"the link: {broken}")


async def _work(job: Job, look: Callable[[Recording], None] | None) -> CaseVerdict:
    testee = job.testee
    journal = job.out / job.journal
    if job.keep:
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.unlink(missing_ok=True)
    streams = list(testee.streams or default_streams(job.profile))
    loop = asyncio.get_running_loop()
    began = loop.time()
    settings = dict(SUITE_SETTINGS)
    if job.case.settings is not None:
        least_scale = job.case.least_scale
        settings |= job.case.settings(Times(testee, job.profile, job.conditions, least_scale))
    async with _exchange(
        job,
        seed=job.conditions.seed,
        symbols=SYMBOLS,
        market=job.case.market,
        step_ms=job.case.step_ms,
        settings=settings,
        journal=journal if job.keep else None,
    ) as (exchange, no_link):
        run = CaseRun(
            exchange,
            testee,
            job.conditions,
            streams=streams,
            mode=testee.modes[0],
            stderr=job.out / job.stderr,
            start_lock=job.out / ".start-lock",
            least_scale=job.case.least_scale,
            no_link=no_link,
        )
        if job.again:
            run.notes.append("judged the second time: at the first the machine was too busy")
        terms = _terms(job, run, streams)
        exchange.journal.append(
            Noted(t=loop.time(), name="case", detail=msgspec.to_builtins(terms))
        )
        outcome = await _act(job, run)
        exchange.journal.append(Noted(t=loop.time(), name="outcome", detail=outcome))
        recording = Recording(exchange.journal.entries, terms, outcome)
        if look is not None:
            look(recording)
        verdict, findings, reason = judge(recording, job.case)
    return verdict_of(
        job,
        verdict,
        reason=reason,
        duration_s=round(loop.time() - began, 3),
        mode=terms.mode,  # a case may have started the testee in others as well
        findings=findings,
        notes=run.notes,
        journal=str(job.journal),
        stderr=str(job.stderr),
        link=terms.link,
    )


def _line(job: Job) -> str:
    """The line under every case, as it was asked for."""
    return job.conditions.link.text if job.conditions.link is not None else ""


def _link(exchange: Exchange, job: Job) -> str:
    """What was between testee and exchange, if the case or the whole run was to have something."""
    if not exchange.line.name or not (_line(job) or job.case.link):
        return ""
    return f"{exchange.line.name} {_line(job)}".rstrip()


def _terms(job: Job, run: CaseRun, streams: list[str]) -> Terms:
    limits: dict[str, float] = {}
    for name in job.testee.limits.__struct_fields__:
        with suppress(Unsupported):
            limits[name] = default_limit_ms(job.testee, name, job.profile)
    return Terms(
        case=job.case.id,
        number=job.case.number,
        testee=job.testee.name,
        version=job.testee.version,
        profile=job.profile,
        mode=run.mode,
        level=job.testee.level,
        k=run.k,
        scale=run.scale,
        seed=run.seed,
        streams=streams,
        limits=limits,
        deadline_factor=job.conditions.deadline_factor,
        quiet_factor=job.conditions.quiet_factor,
        ground=str(job.conditions.ground),
        link=_link(run.exchange, job),
        wish=wish_of(job),
    )


async def _act(job: Job, run: CaseRun) -> dict[str, Any]:
    """The body of the case, then the end of the testee; how it went, for the recording."""
    lacks: list[MachineLacks] = []
    if job.conditions.ground is Ground.REAL:
        hear_what_it_lacks(lacks.append)
    ended, reason = await _body(job.case, run)
    run.note("body-over")
    try:
        await run.stop()
    except asyncio.CancelledError:
        ended, reason = "error", "interrupted"
    try:
        await run.exchange.line.check()
    except LinkError as broken:  # whatever was seen through it says nothing of the testee
        ended, reason = "error", f"the link: {broken}"
    if lacks and ended != "found":  # what an exchange that cannot accept sees is not the testee's
        ended, reason = "error", str(lacks[0])
    elif run.broken is not None:  # a broken protocol passes nothing, however late it broke
        ended = "flooded" if isinstance(run.broken, Flooded) else "error"
        reason = str(run.broken)
    elif refused := refusals():
        ended, reason = "error", f"cannot run on the virtual ground: {refused[0]}"
    return {
        "checks": [msgspec.to_builtins(check) for check in run.checks],
        "ended": ended,
        "reason": reason,
        "notes": run.notes,
    }


async def _body(case: Case, run: CaseRun) -> tuple[str, str]:
    """How the body ended, and why if it did not finish."""
    body: Run = run
    limit = asyncio.timeout(run.longest_s)
    try:
        async with limit:
            if case.starts:
                await run.start()
                await run.until_live()
            await case.body(body)
        if not case.ends_dead:
            run.note("end", streams=run.streams)
    except FoundAlready:
        return "found", ""
    except NotLive as late:
        return "not-live", str(late)
    except Gone:
        return "gone", "the testee's process ended by itself"
    except Unseen as unseen:
        return "unseen", str(unseen)
    except (ProtocolBroken, EntryBroken, MachineLacks) as broken:
        return "error", str(broken)
    except (Unsupported, CannotRun) as cannot:
        return "unsupported", str(cannot)
    except asyncio.CancelledError:
        return "error", "interrupted"
    except Exception as ours:  # the recording must say what happened, and the testee must go
        if limit.expired():
            return (
                "error",
                f"the case took longer than {run.longest_s:.0f} s; raise `--case-limit`",
            )
        run.note("traceback", text=traceback.format_exc())
        return "error", f"mockex: {type(ours).__name__}: {ours}"
    return "finished", ""
