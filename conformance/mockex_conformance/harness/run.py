"""One running case: the `Run` that a case body acts through (see `case.Run` for the contract)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mockex.errors import FaultError
from mockex.faults import (
    AcceptThenClose,
    BadUpgrade,
    CloseWith,
    CutFrame,
    Fault,
    Fin,
    HangUpgrade,
    LifetimeCut,
    Outage,
    RefuseUpgrade,
    Reset,
    ServerShutdown,
    SlowUpgrade,
    Stall,
)
from mockex.server.exchange import Exchange
from mockex.server.injector import Handle
from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Delivered,
    Noted,
)
from mockex_conformance.case import (
    NotLive,
    Unseen,
)
from mockex_conformance.checks.base import Check
from mockex_conformance.checks.recovery import EVENTLESS, missing
from mockex_conformance.description import Description
from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness.charge import Charge
from mockex_conformance.harness.process import prepared
from mockex_conformance.harness.times import Conditions, Times
from mockex_conformance.harness.waiting import Waiting
from mockex_conformance.observers.system import Ports

LIVE_WITHIN_S = 15.0
SEEN_WITHIN_S = 5.0
_TO_DIE_S = 0.05
_ON_ATTEMPTS = (SlowUpgrade, HangUpgrade, RefuseUpgrade, BadUpgrade, AcceptThenClose)
_ON_ONE_CONNECTION = (Reset, Fin, CloseWith, CutFrame, Stall, LifetimeCut)


class CaseRun(Times):
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
        no_link: str = "",
    ) -> None:
        super().__init__(testee, exchange.profile.name, conditions, least_scale)
        self.exchange = exchange
        self.profile = exchange.profile
        self.journal = exchange.journal
        self.seed = conditions.seed
        self.k = testee.deliveries_per_stream
        self.streams = list(streams)
        self.mode = mode
        self.notes: list[str] = []
        self._stderr = stderr
        self._start_lock = start_lock
        self._no_link = no_link  # why there is none
        self._charges: list[Charge] = []  # every start of the case, the newest last
        self._ports = [0]  # of the exchange, one for each process that runs; 0: the first
        self.checks: list[Check] = []
        self._waiting = Waiting(exchange, self._charges)
        self._fault_at = 0.0
        self._recovery_limit = "reconnect_cap_ms"

    @property
    def stream(self) -> str:
        """The stream of the case's faults."""
        return self.streams[0]

    def has_link(self, what: str) -> bool:
        """Whether there is a link; a note if there is none."""
        if not self._no_link:
            return True
        self.notes.append(f"not run: {what}, for there is no link: {self._no_link}")
        return False

    # --- the testee ---

    @property
    def supports(self) -> list[str]:
        """What the testee says it will say."""
        return self._charges[-1].supports if self._charges else []

    @property
    def broken(self) -> ProtocolBroken | None:
        """How it broke the protocol, whenever that happened."""
        return next((charge.broken for charge in self._charges if charge.broken), None)

    @property
    def _charge(self) -> Charge:
        assert self._charges
        return self._charges[-1]

    @property
    def _launched_at(self) -> float:
        return self._charges[-1].launched_at if self._charges else 0.0

    async def start(
        self,
        *,
        streams: Sequence[str] | None = None,
        mode: str | None = None,
        lifetime_s: float | None = None,
    ) -> None:
        """Start the testee; level 2 is told to `start`."""
        if streams is not None:
            self.streams = list(streams)
        self.mode = mode or self.mode
        self._ports = [0]
        charge = await self._launch(self.exchange.ws_url, self._conditions.observe, lifetime_s)
        await charge.introduce()

    async def start_others(self, n: int) -> None:
        """Start `n` more processes of the testee, each at a stream port of its own."""
        charges = []
        for _ in range(n):
            charges.append(await self._launch(await self.exchange.listen_also(), observe=False))
            self._ports.append(self.exchange.listeners[-1].port)
        for charge in charges:  # while one is introduced the next ones come up
            await charge.introduce()

    async def _launch(self, ws_url: str, observe: bool, lifetime_s: float | None = None) -> Charge:
        values = self._settings(ws_url)
        if lifetime_s is not None and self.testee.renews:
            values["MOCKEX_LIFETIME_S"] = f"{lifetime_s:g}"
        command, env = prepared(self.testee, values)
        ports = Ports(
            frozenset(self.exchange.ws_ports),
            frozenset({self.exchange.rest_port}),
        )
        number = len(self._charges) + 1
        charge = Charge(
            number,
            self.testee,
            self.journal,
            until=self.until,
            due=self._waiting.due,
            wake=self._waiting.wake,
        )
        self._charges.append(charge)
        self._waiting.longest_lag_s = 0.0
        await charge.launch(
            self._conditions.ground,
            command,
            env,
            stderr=self._stderr,
            start_lock=self._start_lock,
            ports=ports if observe else None,
            streams=self.streams,
            mode=self.mode,
        )
        return charge

    def _settings(self, ws_url: str) -> dict[str, str]:
        values = {
            "MOCKEX_WS_URL": ws_url,
            "MOCKEX_REST_URL": self.exchange.rest_url,
            "MOCKEX_PROFILE": self.profile.name,
            "MOCKEX_MODE": self.mode,
            "MOCKEX_STREAMS": ",".join(self.streams),
        }
        if self.testee.scales_time:
            values["MOCKEX_TIME_SCALE"] = f"{self.scale:g}"
        return values

    async def request(self, method: str, within_s: float = 5.0, **params: Any) -> Any:
        """Send a request and wait for its result; an error answer is returned as None, and is in
        the recording."""
        return await self._charge.request(method, within_s, **params)

    async def terminate(self, within_ms: float) -> int | None:
        """SIGTERM to the group; the exit code, None if it had to be killed."""
        return await self._charge.terminate(self.deadline_s(within_ms))

    async def stop(self) -> None:
        """End the testee the polite way, all its processes; harmless if none runs."""
        within_s = self.deadline_s(self.limit_ms("close_ms"))
        await asyncio.gather(*(c.stop(within_s) for c in self._charges if not c.over))

    # --- waiting ---

    async def until(self, met: Callable[[], bool], within_s: float, what: str) -> None:
        """See `Waiting.until`."""
        await self._waiting.until(met, within_s, what)

    def _flowing(self, since: float, *, but: Collection[int] = ()) -> bool:
        """Every wanted stream on K live deliveries of each process, other than `but`, each with an
        event written after `since`; on a market that stands still, with or without."""
        since = EVENTLESS if self._stands_still else since
        exchange = self.exchange
        behind = missing(
            self.streams, self.k, since, exchange.connections, exchange.deliveries, self._ports, but
        )
        return not any(behind)

    @property
    def _stands_still(self) -> bool:
        return self.exchange.market.kind == "frozen"

    def _await(self, what: str, since: float, within_s: float, **more: Any) -> None:
        """The landmark of a deadline that `Recovered` judges."""
        if self._stands_still:
            more["eventless"] = True
        self.note(
            what,
            since=since,
            within_s=within_s,
            streams=self.streams,
            ports=list(self._ports),
            **more,
        )

    async def until_live(self, within_s: float = LIVE_WITHIN_S) -> None:
        """Every wanted stream flows. Raises NotLive."""
        self._await("awaiting-live", self._launched_at, within_s)
        await self.until(lambda: self._flowing(self._launched_at), within_s + 0.5, "live")
        # Once more: a testee that dies of its first event has not been live. It has the time to: a
        # loop that was late writes the next event in the same turn.
        first_at = self._now() + max(_TO_DIE_S, self._waiting.longest_lag_s)
        await self.until(lambda: self._flowing(first_at), within_s, "a second event")
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

        await self.until(met, SEEN_WITHIN_S + n * 0.2, f"{n} events of {name}")

    async def until_attempt(self, within_ms: float) -> None:
        """An attempt since the last fault was seen. Raises NotLive."""
        within_s = self.deadline_s(within_ms)
        left_s = self._fault_at + within_s - self._now()
        try:
            await self.until(
                lambda: self._waiting.attempted_at > self._fault_at, max(left_s, 0), "an attempt"
            )
        except NotLive:
            self.note("no-attempt", within_s=within_s)
            raise

    async def until_attempts(self, n: int, within_ms: float) -> bool:
        """`n` more attempts of each process; False if `within_ms` of its time were over first."""
        made: Counter[int] = Counter()

        def count(entry: AnyEntry) -> None:
            if isinstance(entry, Attempted):
                made[entry.port] += 1

        self.journal.listen(count, replay=False)
        try:
            async with asyncio.timeout(self.scaled_s(within_ms)):
                await self._waiting.till(lambda: all(made[port] >= n for port in self._ports))
        except TimeoutError:
            return False
        finally:
            self.journal.unlisten(count)
        return True

    async def until_steps(self, n: int) -> None:
        """`n` more steps of the market on which something was delivered."""
        steps: set[int] = set()

        def collect(entry: AnyEntry) -> None:
            if isinstance(entry, Delivered):
                steps.add(entry.step)

        self.journal.listen(collect, replay=False)
        try:
            await self.until(lambda: len(steps) >= n, SEEN_WITHIN_S + n * 0.2, f"{n} steps")
        finally:
            self.journal.unlisten(collect)

    async def sleep(self, seconds: float) -> None:
        """Let time pass; ends early with what ends a case early."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waiting.till(lambda: False)

    # --- faults ---

    def scaled(self, fault: Fault) -> Fault:
        """A fault as written in a case, its duration in the testee's time."""
        match fault:
            case Outage(ms=int(ms)) | SlowUpgrade(ms=ms) | AcceptThenClose(ms=ms):
                return replace(fault, ms=round(ms * self.scale))
            case ServerShutdown(lead_ms=ms):
                fault = replace(fault, lead_ms=round(ms * self.scale))
                return self._scaled_reset(fault)
            case HangUpgrade() | LifetimeCut():
                return self._scaled_reset(fault)
            case _:
                return fault

    def _scaled_reset(self, fault: ServerShutdown | HangUpgrade | LifetimeCut) -> Fault:
        if fault.reset_ms is None:
            return fault
        return replace(fault, reset_ms=round(fault.reset_ms * self.scale))

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
            self._remember_loss(fault)
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
            await self.until(lambda: handle.id in self._waiting.seen_at, within_s, f"{name} seen")
        except NotLive:
            if needs_attempt:
                self.note("no-attempt", fault=name, within_s=within_s)
                raise
            raise Unseen(f"{name} was not seen to happen within {within_s:g} s") from None
        self._fault_at = self._waiting.seen_at[handle.id]

    async def until_ended(self, handle: Handle, within_s: float = 120.0) -> None:
        """Wait until a fault that lasts is over; recovery then counts from its end."""
        ended_at = self._waiting.ended_at
        await self.until(lambda: handle.id in ended_at, within_s, "the end of the fault")
        self._fault_at = ended_at[handle.id]

    def _remember_loss(self, fault: Fault) -> None:
        """Whether the connection that is about to be lost had lasted `stable_ms`."""
        connections = self.exchange.connections
        lost = connections.delivering(fault.stream or self.stream)
        if fault.connection is not None:
            lost = [c for c in connections.live() if c.number == fault.connection]
        lasted = self._now() - (lost[-1].upgraded_at or self._now()) if lost else 0.0
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
        self._await("awaiting-recovery", since, within_s, limit_ms=limit_ms)
        left_s = since + within_s - self._now()
        # A little longer than the deadline: how late it was belongs into the finding.
        await self.until(lambda: self._flowing(since), max(left_s, 0) + 0.5, "recovered")
        took_s = self._now() - since
        self.note("recovered", took_s=round(took_s, 3))
        return took_s

    async def until_replaced(self, within_ms: float) -> float:
        """Every wanted stream flows elsewhere. Raises Unseen."""
        since = self._fault_at
        try:
            await self.until(
                lambda: self._flowing(since), self.deadline_s(within_ms), "a replacement"
            )
        except NotLive as late:
            raise Unseen(f"the testee did not replace the connection: {late}") from None
        took_s = self._now() - since
        self.note("replaced", took_s=round(took_s, 3))
        return took_s

    async def until_over(self, connections: Collection[int], within_s: float) -> bool:
        """None of these connections is live any more; recovery then counts from the last end."""
        watched = [self.exchange.connections.all[number] for number in connections]
        if not await self._is(lambda: not any(c.live for c in watched), within_s):
            return False
        self._fault_at = max((c.closing_at or 0.0 for c in watched), default=self._now())
        lasted_s = min(
            ((c.closing_at or 0.0) - (c.upgraded_at or 0.0) for c in watched), default=0.0
        )
        good = lasted_s >= self.scaled_s(self.limit_ms("stable_ms"))
        self._recovery_limit = "reconnect_first_ms" if good else "reconnect_cap_ms"
        by = {c.ended_by for c in watched}
        what = "an end by the exchange" if by == {"server"} else "an end by the testee"
        self.note("over", what=what, connections=sorted(connections))
        return True

    async def until_moved(self, old: Collection[int], within_s: float) -> bool:
        """Every wanted stream flows on connections that are none of `old`."""
        return await self._is(lambda: self._flowing(-1.0, but=old), within_s)

    async def _is(self, met: Callable[[], bool], within_s: float) -> bool:
        with suppress(NotLive):
            await self.until(met, within_s, "nothing that must happen")
        return met()  # it may have become so in the beat behind the deadline

    async def suspend(self, seconds: float) -> None:
        """Stop the newest process, and let it go on. Raises Unseen."""
        await self._charge.halt()
        self.note("suspended", seconds=seconds)
        try:
            await self.sleep(seconds)
        finally:
            self._charge.go_on()
            self.note("going-on")
            self._fault_at = self._now()

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
        self._waiting.judge_live(checks)
        return list(checks)

    def note(self, name: str, **detail: Any) -> None:
        """Set a landmark."""
        self.journal.append(Noted(t=self._now(), name=name, detail=detail))

    def _now(self) -> float:
        return self.exchange.loop_time()
