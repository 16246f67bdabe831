"""One running case: the `Run` that a case body acts through (see `case.Run` for the contract).

Everything waits on the journal: each entry wakes whoever waits, and each wake-up looks first at
what ends a case early (a finding of an always-on check, a testee that is gone or broke the
protocol).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mockex.errors import FaultError
from mockex.faults import (
    AcceptThenClose,
    CloseWith,
    CutFrame,
    Fault,
    Fin,
    HangUpgrade,
    LifetimeCut,
    Outage,
    RefuseUpgrade,
    Reset,
    SlowUpgrade,
    Stall,
)
from mockex.server.exchange import BEAT_S, Exchange
from mockex.server.injector import Handle
from mockex.server.journal import (
    Answered,
    AnyEntry,
    Asked,
    Delivered,
    Exited,
    Faulted,
    Lagged,
    Launched,
    Noted,
    Said,
    Sampled,
    Signalled,
)
from mockex_conformance.case import (
    CaseOver,
    FoundAlready,
    NotLive,
    Unseen,
    Unsupported,
)
from mockex_conformance.checks.base import Check
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun, ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.ground import Ground, Testee, testee_on
from mockex_conformance.harness.process import environment, fill

HELLO_WITHIN_S = 10.0
LIVE_WITHIN_S = 15.0
SEEN_WITHIN_S = 5.0
OVERTIME_S = 30.0
_TO_DIE_S = 0.05
_ON_ATTEMPTS = (SlowUpgrade, HangUpgrade, RefuseUpgrade, AcceptThenClose)
_ON_ONE_CONNECTION = (Reset, Fin, CloseWith, CutFrame, Stall, LifetimeCut)


class Gone(CaseOver):
    """The testee's process ended by itself: `alive()` finds it."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the person who started the run decided."""

    seed: int = 7
    ground: Ground = Ground.REAL
    time_scale: float = 0.1
    case_limit_s: float = 180.0
    deadline_factor: float = 1.25
    quiet_factor: float = 1.0
    observe: bool = True  # sample what the testee holds while it runs


def default_limit_ms(testee: Description, name: str, profile: str) -> float:
    """A limit as declared, or its default (catalogue, section 3)."""
    value = getattr(testee.limits, name)
    if value is None and name == "stall_detect_ms":
        return 60_000 if profile == "spot" else 600_000
    if value is None:
        raise Unsupported(f"needs `{name}` under [limits] of testee.toml")
    return float(value)


class CaseRun:
    """Implements `case.Run` over a real exchange and a real process."""

    def __init__(
        self,
        exchange: Exchange,
        testee: Description,
        conditions: Conditions,
        *,
        streams: Sequence[str],
        mode: str,
        stderr: Path,
        start_lock: Path,
        least_scale: float = 0.0,
    ) -> None:
        self.exchange = exchange
        self.profile = exchange.profile
        self.journal = exchange.journal
        self.testee = testee
        self.seed = conditions.seed
        self.k = testee.deliveries_per_stream
        self.scale = max(conditions.time_scale, least_scale) if testee.scales_time else 1.0
        self.streams = list(streams)
        self.mode = mode
        self.notes: list[str] = []
        self.supports: list[str] = []
        self._conditions = conditions
        self._stderr = stderr
        self._start_lock = start_lock
        self.broken: ProtocolBroken | None = None  # kept: it counts whenever it happened
        self._process: Testee | None = None
        self._exit_told = False
        self._watcher: asyncio.Task[None] | None = None
        self._launched_at = 0.0
        self._starts = 0
        self._ending = False
        self.checks: list[Check] = []
        self._at_most: list[Check] = []  # those that can tell at once
        self._found = False
        self._stood_still_s = 0.0  # our loop, since the case began
        self._longest_lag_s = 0.0  # since the testee was started
        self._pulse = asyncio.Event()
        self._answers: dict[int, asyncio.Future[protocol.Response]] = {}
        self._requests = 0
        self._seen_at: dict[int, float] = {}  # by fault, first
        self._ended_at: dict[int, float] = {}  # by fault, last
        self._fault_at = 0.0
        self._recovery_limit = "reconnect_cap_ms"
        self.journal.listen(self._look, replay=False)

    # --- times ---

    @property
    def longest_s(self) -> float:
        """How long the case may take in all: what one wait may take, and half a minute."""
        return self._conditions.case_limit_s + OVERTIME_S

    @property
    def stream(self) -> str:
        """The stream of the case's faults."""
        return self.streams[0]

    def limit_ms(self, name: str) -> float:
        """A limit of `[limits]`, unscaled."""
        return default_limit_ms(self.testee, name, self.profile.name)

    def scaled_s(self, ms: float) -> float:
        """Seconds of the testee's clock."""
        return ms / 1000 * self.scale

    def deadline_s(self, ms: float) -> float:
        """Must-happen deadline."""
        return self.scaled_s(ms) * self._conditions.deadline_factor + 1.0

    def quiet_s(self, ms: float) -> float:
        """Must-not-happen window."""
        return self.scaled_s(ms) * self._conditions.quiet_factor

    def needs(self, ms: float, what: str) -> None:
        """Say that the case waits up to `ms` of the testee's clock.

        Raises:
            Unsupported: that is more than the case limit.
        """
        seconds = self.deadline_s(ms)
        if seconds > self._conditions.case_limit_s:
            raise Unsupported(
                f"needs {seconds:.0f} s; lower `{what}` or raise `--case-limit` "
                f"(now {self._conditions.case_limit_s:.0f} s)"
            )

    def scaled(self, fault: Fault) -> Fault:
        """A fault as written in a case, its duration in the testee's time."""
        match fault:
            case Outage(ms=int(ms)) | SlowUpgrade(ms=ms) | AcceptThenClose(ms=ms):
                return replace(fault, ms=round(ms * self.scale))
            case _:
                return fault

    # --- the testee ---

    async def start(self, *, streams: Sequence[str] | None = None, mode: str | None = None) -> None:
        """Start the testee; level 2 is told to `start`."""
        if streams is not None:
            self.streams = list(streams)
        self.mode = mode or self.mode
        self._starts += 1
        self._ending = False
        values = self._settings()
        placeholders = {
            "ws_url": self.exchange.ws_url,
            "rest_url": self.exchange.rest_url,
            "streams": values["MOCKEX_STREAMS"],
            "profile": self.profile.name,
            "ca_file": "",
            "python": sys.executable,
        }
        command = [fill(part, placeholders) for part in self.testee.command]
        own = {name: fill(value, placeholders) for name, value in self.testee.env.items()}
        number = self._starts
        process = testee_on(
            self._conditions.ground,
            self.testee,
            command,
            env=environment(os.environ, own, values),
            stderr=self._stderr,
            told=self._told,
            changed=self._changed,
        )
        await process.start(self._start_lock)
        self._process = process
        self._exit_told = False
        self._launched_at = self._now()
        self._longest_lag_s = 0.0
        self.journal.append(
            Launched(
                t=self._launched_at,
                run=number,
                pid=process.pid,
                command=command,
                streams=self.streams,
                mode=self.mode,
            )
        )
        ports = frozenset({self.exchange.ws_port, self.exchange.rest_port})
        observer = process.observe(number, ports)

        def sampled(entry: Sampled) -> None:
            self.journal.append(entry)
            process.cut_output()

        if self._conditions.observe:
            self._watcher = asyncio.create_task(observer.run(sampled))
        await process.listen()
        if self.testee.level > 0:
            await self._hello()
        if self.testee.level > 1:
            await self._probe_level()
            await self.request("start")

    def _settings(self) -> dict[str, str]:
        values = {
            "MOCKEX_WS_URL": self.exchange.ws_url,
            "MOCKEX_REST_URL": self.exchange.rest_url,
            "MOCKEX_PROFILE": self.profile.name,
            "MOCKEX_MODE": self.mode,
            "MOCKEX_STREAMS": ",".join(self.streams),
        }
        if self.testee.scales_time:
            values["MOCKEX_TIME_SCALE"] = f"{self.scale:g}"
        return values

    async def _hello(self) -> None:
        number = self._starts

        def said(entry: AnyEntry) -> bool:
            return isinstance(entry, Said) and entry.run == number

        try:
            await self._until(
                lambda: any(said(e) for e in self.journal.of(Said)), HELLO_WITHIN_S, "hello"
            )
        except NotLive:
            raise ProtocolBroken(
                f"no `hello` within {HELLO_WITHIN_S:g} s of the start",
                expected='{"jsonrpc":"2.0","method":"hello","params":{"protocol":1,…}} as the '
                "first line on stdout, or `level = 0`",
            ) from None
        first = next(e for e in self.journal.of(Said) if said(e))
        if first.method != "hello" or first.params.get("protocol") != protocol.PROTOCOL:
            raise ProtocolBroken(
                f"the first message was {first.method!r} with protocol "
                f"{first.params.get('protocol')!r}",
                expected="`hello` with protocol 1",
            )
        self.supports = list(first.params.get("supports", []))

    async def _probe_level(self) -> None:
        """Whoever answers everything with *ok* is refused (adapter-protocol, 3.7)."""
        refusal = f"error {protocol.UNKNOWN_METHOD}; or claim a lower `level`"
        try:
            answer = await self._ask("mockex-probe-unknown-method", SEEN_WITHIN_S, {})
        except NotLive as late:
            raise ProtocolBroken(f"{late}: none came", expected=refusal) from None
        if answer.error is None or answer.error.get("code") != protocol.UNKNOWN_METHOD:
            raise ProtocolBroken(
                "an unknown method was not refused",
                str(answer.error or answer.result),
                refusal,
            )

    async def request(self, method: str, within_s: float = 5.0, **params: Any) -> Any:
        """Send a request and wait for its result; an error answer is returned as None, and is in
        the recording."""
        return (await self._ask(method, within_s, params)).result

    async def _ask(self, method: str, within_s: float, params: dict[str, Any]) -> protocol.Response:
        assert self._process is not None
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[protocol.Response] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self.journal.append(
            Asked(t=self._now(), run=self._starts, id=number, method=method, params=params)
        )
        self._process.send(protocol.request(number, method, params))
        await self._until(answer.done, within_s, f"an answer to {method!r}")
        return answer.result()

    def _told(self, message: protocol.Notification | protocol.Response) -> None:
        if isinstance(message, protocol.Response):
            self.journal.append(
                Answered(
                    t=self._now(),
                    run=self._starts,
                    id=message.id,
                    error=message.error,
                    result=message.result,
                )
            )
            waiting = self._answers.pop(message.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
                self._pulse.set()
            return
        params = message.params
        if message.method == "event":
            # Members as the consumer sees them are many bytes, and no check asks for them yet.
            params = {name: value for name, value in params.items() if name != "fields"}
        self.journal.append(
            Said(t=self._now(), run=self._starts, method=message.method, params=params)
        )

    def _changed(self) -> None:
        """The process has exited, or broke the protocol."""
        process = self._process
        if process is None:
            return
        self.broken = self.broken or process.broken
        if process.code is not None and not self._ending:
            self._tell_exit(process, process.code, process.left_names())
        self._pulse.set()

    def _tell_exit(
        self, process: Testee, code: int, left: list[str], leaked: Sequence[str] = ()
    ) -> None:
        if self._exit_told:
            return
        self._exit_told = True
        self.journal.append(
            Exited(
                t=self._now(),
                run=self._starts,
                code=code,
                expected=self._ending,
                left=left,
                last_words=process.last_words()[:500],
                leaked=list(leaked),
            )
        )

    async def terminate(self, within_ms: float) -> int | None:
        """SIGTERM to the group; the exit code, None if it had to be killed."""
        assert self._process is not None
        return await self._end(self._process, self.deadline_s(within_ms))

    async def stop(self) -> None:
        """End the testee the polite way; harmless if none runs."""
        process = self._process
        if process is None:
            return
        self._ending = True
        close_s = self.deadline_s(self.limit_ms("close_ms"))
        if process.code is None and self.testee.level > 1:
            self._requests += 1
            process.send(protocol.request(self._requests, "quit", {}))
            await process.wait(min(close_s, 2.0))
        await self._end(process, close_s)

    async def _end(self, process: Testee, within_s: float) -> int | None:
        self._ending = True
        until = self._now() + within_s
        if process.code is None:
            self.journal.append(Signalled(t=self._now(), run=self._starts, signal="SIGTERM"))
            process.signal(signal.SIGTERM)
        code = await process.wait(within_s)
        # A wrapper ends at once, what it wraps has the same time to end as if it had none.
        left = await process.wait_for_rest(max(0.0, until - self._now()))
        if code is None:
            self.journal.append(Signalled(t=self._now(), run=self._starts, signal="SIGKILL"))
        await self._put_away(process, left)
        return code

    async def _put_away(self, process: Testee, left: list[str]) -> None:
        leaked = process.leaked()
        await process.kill()
        if process.code is not None:
            self._tell_exit(process, process.code, left, leaked)
        self._process = None
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        process.close()

    # --- waiting ---

    def _look(self, entry: AnyEntry) -> None:
        """Every entry: judge what is judged all the time, wake whoever waits."""
        match entry:
            case Lagged(late_s=late_s):
                self._stood_still_s += late_s
                self._longest_lag_s = max(self._longest_lag_s, late_s)
            case Faulted(phase="seen", fault=fault, t=t):
                self._seen_at.setdefault(fault, t)
            case Faulted(phase="ended", fault=fault, t=t):
                self._ended_at[fault] = t
        if not self._found:
            for check in self._at_most:
                if check.live(self.exchange.connections, entry):
                    self._found = True
        self._pulse.set()

    def _check(self) -> None:
        if self._found:
            raise FoundAlready
        process = self._process
        if process is None:
            return
        if self.broken is not None:
            raise self.broken
        watcher = self._watcher
        if watcher is not None and watcher.done() and (why := watcher.exception()) is not None:
            # What nobody has looked at is not flat.
            raise Unseen(f"the testee's process cannot be observed: {why}")
        if process.code is not None and not self._ending:
            if process.code == 127 and not self.exchange.connections.all:
                words = process.last_words() or "exit code 127"
                raise CannotRun(f"cannot run here: {words}")
            raise Gone

    async def _until(self, met: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for what must happen: as long as was said, and as long as our loop stood still
        meanwhile."""
        began, stood_still_s = self._now(), self._stood_still_s
        while self._now() < began + within_s + self._stood_still_s - stood_still_s:
            until = began + within_s + self._stood_still_s - stood_still_s
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    return await self._wait(met)
            await asyncio.sleep(BEAT_S)  # a lag is journaled by the beat that it delayed
        raise NotLive(what, within_s)

    async def _wait(self, met: Callable[[], bool]) -> None:
        while True:
            self._check()
            if met():
                return
            self._pulse.clear()
            await self._pulse.wait()

    def _flowing(self, since: float) -> bool:
        """Every wanted stream on K live deliveries, each with an event written after `since`."""
        deliveries = self.exchange.deliveries
        for stream in self.streams:
            fresh = [
                c
                for c in self.exchange.connections.delivering(stream)
                if (deliveries.last_at(c.number, stream) or -1.0) > since
            ]
            if len(fresh) < self.k:
                return False
        return True

    async def until_live(self, within_s: float = LIVE_WITHIN_S) -> None:
        """Every wanted stream flows. Raises NotLive."""
        self.note("awaiting-live", within_s=within_s, since=self._launched_at, streams=self.streams)
        await self._until(lambda: self._flowing(self._launched_at), within_s + 0.5, "live")
        # Once more: a testee that dies of its first event has not been live. It has the time to: a
        # loop that was late writes the next event in the same turn.
        first_at = self._now() + max(_TO_DIE_S, self._longest_lag_s)
        await self._until(lambda: self._flowing(first_at), within_s, "a second event")
        self.note("live")

    async def until_events(self, n: int, stream: str | None = None) -> None:
        """`n` more events of the stream on one of its deliveries."""
        name = stream or self.stream
        deliveries = self.exchange.deliveries
        before = {key: tally.events for key, tally in deliveries.tallies.items()}

        def met() -> bool:
            return any(
                tally.events - before.get(key, 0) >= n
                for key, tally in deliveries.tallies.items()
                if key[1] == name
            )

        await self._until(met, SEEN_WITHIN_S + n * 0.2, f"{n} events of {name}")

    async def until_steps(self, n: int) -> None:
        """`n` more steps of the market on which something was delivered."""
        steps: set[int] = set()

        def collect(entry: AnyEntry) -> None:
            if isinstance(entry, Delivered):
                steps.add(entry.step)

        self.journal.listen(collect, replay=False)
        try:
            await self._until(lambda: len(steps) >= n, SEEN_WITHIN_S + n * 0.2, f"{n} steps")
        finally:
            self.journal.unlisten(collect)

    async def sleep(self, seconds: float) -> None:
        """Let time pass; ends early with what ends a case early."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wait(lambda: False)

    # --- faults ---

    def inject(self, fault: Fault) -> Handle:
        """Inject without waiting to see it: for faults that a later one lets happen."""
        fault = self.scaled(fault)
        if (
            isinstance(fault, _ON_ONE_CONNECTION)
            and fault.stream is None
            and fault.connection is None
        ):
            fault = replace(fault, stream=self.stream)
        if not isinstance(fault, _ON_ATTEMPTS):
            self._remember_loss()
        try:
            return self.exchange.inject(fault)
        except FaultError as error:
            raise Unseen(str(error)) from None

    def calm(self, *, but: Collection[int] = ()) -> None:
        """End every fault that lasts but stalls of these connections; recovery counts from now."""
        self.exchange.calm(but=but)
        self._fault_at = self._now()

    async def cause(self, fault: Fault) -> Handle:
        """Inject and wait until it is seen."""
        handle = self.inject(fault)
        await self.until_seen(handle)
        return handle

    async def until_seen(self, handle: Handle, within_s: float | None = None) -> None:
        """Wait until a fault is seen. Raises NotLive for one that needs an attempt and got none,
        else Unseen."""
        needs_attempt = isinstance(handle.fault, _ON_ATTEMPTS) or (
            isinstance(handle.fault, Outage) and handle.fault.how == "abort"
        )
        if within_s is None:
            within_s = SEEN_WITHIN_S
            if needs_attempt:
                within_s = self.deadline_s(self.limit_ms("reconnect_cap_ms"))
        name = type(handle.fault).__name__
        try:
            await self._until(lambda: handle.id in self._seen_at, within_s, f"{name} seen")
        except NotLive:
            if needs_attempt:
                self.note("no-attempt", fault=name, within_s=within_s)
                raise
            raise Unseen(f"{name} was not seen to happen within {within_s:g} s") from None
        self._fault_at = self._seen_at[handle.id]

    async def until_ended(self, handle: Handle, within_s: float = 120.0) -> None:
        """Wait until a fault that lasts is over; recovery then counts from its end."""
        await self._until(lambda: handle.id in self._ended_at, within_s, "the end of the fault")
        self._fault_at = self._ended_at[handle.id]

    def _remember_loss(self) -> None:
        """Whether the connection that is about to be lost had lasted `stable_ms`."""
        delivering = self.exchange.connections.delivering(self.stream)
        lasted = self._now() - (delivering[-1].upgraded_at or self._now()) if delivering else 0.0
        good = lasted >= self.scaled_s(self.limit_ms("stable_ms"))
        self._recovery_limit = "reconnect_first_ms" if good else "reconnect_cap_ms"

    def recovery_ms(self) -> float:
        """The limit that `until_recovered` would use now."""
        return self.limit_ms(self._recovery_limit)

    async def until_recovered(self, within_ms: float | None = None) -> float:
        """Every wanted stream flows again. Raises NotLive."""
        limit_ms = self.recovery_ms() if within_ms is None else within_ms
        within_s = self.deadline_s(limit_ms)
        since = max(self._fault_at, self._launched_at)
        self.note(
            "awaiting-recovery",
            since=since,
            within_s=within_s,
            limit_ms=limit_ms,
            streams=self.streams,
        )
        left_s = since + within_s - self._now()
        # A little longer than the deadline: how late it was belongs into the finding.
        await self._until(lambda: self._flowing(since), max(left_s, 0) + 0.5, "recovered")
        took_s = self._now() - since
        self.note("recovered", took_s=round(took_s, 3))
        return took_s

    async def until_stable(self) -> None:
        """Let the present connections last `stable_ms`, so that the next loss is a first one."""
        delivering = self.exchange.connections.delivering(self.stream)
        youngest = max((c.upgraded_at or 0.0 for c in delivering), default=self._now())
        stable_s = self.scaled_s(self.limit_ms("stable_ms"))
        await self.sleep(max(0.0, youngest + stable_s + 0.2 - self._now()))

    # --- recording ---

    def judged_by(self, *checks: Check) -> list[Check]:
        """The checks of the case: judged also if the body ends early, and all the time where they
        can be."""
        self.checks += checks
        self._at_most += [check for check in checks if type(check).live is not Check.live]
        return list(checks)

    def note(self, name: str, **detail: Any) -> None:
        """Set a landmark."""
        self.journal.append(Noted(t=self._now(), name=name, detail=detail))

    def _now(self) -> float:
        return self.exchange.loop_time()
