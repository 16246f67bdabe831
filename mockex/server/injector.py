"""Faults into acts: finds whom a fault is aimed at, does it, and lets the journal say so.

What needs frames, silence, RST or FIN is done here; what is about bytes on a link, by the line
(`mockex.server.line`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

from mockex.errors import FaultError, FaultUnseen
from mockex.faults.link import LinkFault
from mockex.faults.model import (
    AcceptThenClose,
    AckError,
    BadUpgrade,
    Burst,
    CloseWith,
    CutFrame,
    Enlarge,
    Fault,
    Fin,
    Fragment,
    Gather,
    HangUpgrade,
    LifetimeCut,
    Outage,
    QuietStart,
    RefuseUpgrade,
    Reset,
    Resume,
    ServerShutdown,
    SilentStream,
    SlowUpgrade,
    Stall,
    WithholdAck,
)
from mockex.faults.trigger import AfterEvents, Every, Now
from mockex.server.admission import Rule
from mockex.server.bursts import Bursts
from mockex.server.counting import count_events
from mockex.server.framing import framing_of
from mockex.server.injection import Injection, Unwatched
from mockex.server.journal import AnyEntry, Faulted
from mockex.session.effects import CloseCode

if TYPE_CHECKING:
    from mockex.server.connection import Connection
    from mockex.server.exchange import Exchange


class Handle(Injection):
    """One injected fault. Whether it happened is answered from the journal."""

    def __init__(self, exchange: Exchange, number: int, fault: Fault) -> None:
        self._exchange = exchange
        self.id = number
        self.fault = fault
        self.times_seen = 0  # how often it has been seen to happen
        self.turns = 0  # of its trigger, that are still to come
        self.under_way: set[Callable[[], None]] = set()  # each calls off what goes on by itself
        self.lost = ""  # why the last that let go of it did so while it went on elsewhere
        self._hit: list[int] = []
        self._over = False  # it is journaled as ended, and nothing of it goes on

    @property
    def on(self) -> bool:
        """Whether something in the exchange may still make it happen, or keeps it going."""
        exchange = self._exchange
        return bool(
            self.turns
            or self.under_way
            or exchange.admission.waits(self)
            or exchange.subscribing.waits(self)
            or exchange.line.holds(self)
            or any(
                c.gate is not None and (c.gate.withholds_for(self) or self in c.gate.waiting())
                for c in exchange.open_connections()
            )
        )

    async def seen(self, times: int = 1, *, within_s: float | None = None) -> Faulted:
        """Wait until the journal shows that it happened `times` times; the entry that says so.

        Raises:
            FaultUnseen: it did not within `within_s`, or cannot any more.
        """
        left = times

        def settles(entry: AnyEntry) -> bool:
            nonlocal left
            if not isinstance(entry, Faulted) or entry.fault != self.id:
                return False
            if entry.phase == "seen":
                left -= 1
                return left == 0
            return entry.phase == "ended" and self._over and self.times_seen < times

        try:
            async with asyncio.timeout(within_s):
                entry = await self._exchange.journal.wait(settles)
        except TimeoutError:
            raise FaultUnseen(repr(self.fault), within_s or 0) from None
        assert isinstance(entry, Faulted)
        if entry.phase == "ended":
            why = entry.detail or "it was ended before that"
            raise FaultUnseen(repr(self.fault), within_s or 0, why)
        return entry

    async def ended(self) -> None:
        """Wait until a fault that lasts is over."""
        await self._exchange.journal.wait(
            lambda e: isinstance(e, Faulted) and e.fault == self.id and e.phase == "ended"
        )

    def happened(self, conns: Sequence[int], detail: str = "") -> None:
        """Said by whoever did it: journaled as seen."""
        self.note("seen", conns, detail)

    def failed(self, why: str) -> None:
        """Said by whoever should have done it, or a turn of it: journaled as ended, with why."""
        self.note("ended", detail=why)

    def let_go(self, why: str = "") -> None:
        """Said by whoever held something of it: journaled as ended, once nobody does."""
        if self.on:
            self.lost = why or self.lost
        elif why and not self.times_seen and not self._over:
            self.failed(why)
        elif not self._over:
            self.note("ended", self._hit)

    def call_off(self) -> None:
        """Nothing more by itself: no turn of its trigger, no second part. What takes a while to
        undo says itself that it is over."""
        if not (self.turns or self.under_way):
            return
        self.turns = 0
        for stop in tuple(self.under_way):
            stop()
        self.let_go()

    def may_be_called_off(self) -> asyncio.Event:
        """Set once it is to end before its time. It is on until its `set` is no more under way."""
        over = asyncio.Event()
        self.under_way.add(over.set)
        return over

    def note(
        self,
        phase: Literal["injected", "seen", "ended"],
        conns: Sequence[int] = (),
        detail: str = "",
    ) -> None:
        """Journal one step in the life of the fault."""
        exchange = self._exchange
        if phase == "seen":
            self.times_seen += 1
            self._hit += [conn for conn in conns if conn not in self._hit]
        elif phase == "ended" and not self.on:
            self._over = True
        exchange.journal.append(
            Faulted(
                t=exchange.loop_time(),
                fault=self.id,
                kind=type(self.fault).__name__,
                phase=phase,
                conns=list(conns),
                detail=detail,
            )
        )


class Injector:
    """Takes faults and does them, at once or when their trigger says so."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._numbers = itertools.count(1)
        self._bursts = Bursts(exchange)
        self._going: list[Handle] = []  # that may have to be called off
        self._refusals = 0  # that are on: the last of them lets attempts in again

    def inject(self, fault: Fault) -> Handle:
        """Start `fault`.

        Raises:
            FaultError: it is a fault of the link and there is none, or nothing is there for it to
                hit.
        """
        handle = Handle(self._exchange, next(self._numbers), fault)
        handle.note("injected")
        self._going = [*(h for h in self._going if h.turns or h.under_way), handle]
        match fault.when:
            case Now():
                try:
                    self._do(handle)
                except FaultError as error:
                    handle.failed(str(error))
                    raise
            case AfterEvents(n=n):
                handle.turns = 1
                count_events(self._exchange, n, fault.stream, partial(self._try, handle))
            case Every(seconds=seconds, times=times):
                self._every(handle, seconds, times)
        return handle

    def calm(self, but: Collection[int]) -> None:
        """End every fault that lasts or waits for something, except stalls of the connections
        `but`."""
        for handle in self._going:
            handle.call_off()
        self._exchange.admission.clear()
        self._exchange.subscribing.clear()
        self._exchange.line.mend()
        for connection in self._exchange.open_connections():
            for injection in connection.gate.waiting() if connection.gate is not None else ():
                connection.withdraw(injection)
            if connection.number not in but:
                connection.resume(Unwatched(), deliver=True)

    # --- triggers ---

    def _every(self, handle: Handle, seconds: float, times: int) -> None:
        start = self._exchange.now()
        handle.turns = times

        def due(turn: int) -> None:
            self._try(handle, f"turn {turn}: ")
            if turn < times:
                self._exchange.at(start + seconds * (turn + 1), lambda: due(turn + 1))

        self._exchange.at(start + seconds, lambda: due(1))

    def _try(self, handle: Handle, which: str = "") -> None:
        """Do what nobody waits for any more who could be told that it cannot be done."""
        if not handle.turns:
            return
        handle.turns -= 1
        try:
            self._do(handle)
        except FaultError as error:
            handle.failed(f"{which}{error}")

    # --- acts ---

    def _targets(self, fault: Fault, *, every: bool = False) -> list[Connection]:
        """Whom the fault is aimed at: one named, the newest live delivery, or all of them."""
        exchange = self._exchange
        live = [c for c in exchange.open_connections() if c.live]
        if fault.connection is not None:
            found = [c for c in live if c.number == fault.connection]
        elif fault.stream is not None:
            found = [c for c in live if fault.stream in c.served]
        else:
            found = [c for c in live if c.served] or live
        if not found:
            aim = fault.stream or (f"c{fault.connection}" if fault.connection else "any stream")
            raise FaultError(f"{type(fault).__name__}: nothing live delivers {aim}")
        return found if every else found[-1:]

    def _do(self, handle: Handle) -> None:
        match handle.fault:
            case Outage() as fault:
                self._outage(handle, fault)
            case Burst() as fault:
                self._bursts.begin(handle, fault)
            case ServerShutdown() as fault:
                self._shut_down(handle, fault)
            case Resume() as fault:
                self._resume(handle, fault)
            case AcceptThenClose(ms=ms) as fault:
                rule = self._exchange.admission.add(fault, handle, None)
                self._end_after(handle, ms, rule)
            case (
                SlowUpgrade(attempts=n)
                | HangUpgrade(attempts=n)
                | RefuseUpgrade(attempts=n)
                | BadUpgrade(attempts=n)
            ) as fault:
                self._exchange.admission.add(fault, handle, n)
            case QuietStart(attempts=n) as fault:  # over once nobody is kept quiet any more
                self._exchange.admission.add(fault, handle, n)
            case (WithholdAck(requests=n) | AckError(requests=n)) as fault:
                self._exchange.subscribing.add(fault, handle, n)
            case SilentStream(stream=str(name)):
                self._exchange.subscribing.silence(name, handle)
            case LinkFault() as fault:
                self._exchange.line.inject(handle, fault)
            case Reset(all=every) as fault:
                self._reset(handle, self._targets(fault, every=every))
            case fault:
                (target,) = self._targets(fault)
                self._hit(handle, target)

    def _hit(self, handle: Handle, target: Connection) -> None:
        """The faults that strike one connection."""
        match handle.fault:
            case CutFrame(then=then):
                target.gated().cut_next(then, handle)
                return
            case Fragment() | Gather() | Enlarge() as fault:
                self._frame(handle, fault, target)
                return
            case Stall(scope=scope, stream=stream):
                target.gated().stall(stream if scope == "stream" and stream else scope, handle)
                if scope == "total":
                    target.suspend()
                return
            case Fin() | LifetimeCut(bare=True):
                if not target.fin():
                    raise FaultError(f"Fin: the client has reset c{target.number} already")
            case CloseWith(code=code, reason=reason):
                target.close(code, reason)
            case LifetimeCut(reset_ms=reset_ms):
                target.close(CloseCode.GOING_AWAY)
                if reset_ms is not None:
                    self._reset_after([target], reset_ms, lambda: handle.happened([target.number]))
                    return
            case fault:
                raise FaultError(f"{type(fault).__name__} is no fault of the exchange")
        handle.happened([target.number])

    @staticmethod
    def _frame(handle: Handle, fault: Fragment | Gather | Enlarge, target: Connection) -> None:
        gate = target.gated()
        if gate.framing is not None:
            raise FaultError(
                f"{type(fault).__name__}: the events of c{target.number} are framed by another "
                "fault, which is not over"
            )
        gate.framing = framing_of(fault, handle)

    def _resume(self, handle: Handle, fault: Resume) -> None:
        gated = [c for c in self._exchange.open_connections() if c.gate is not None]
        if fault.connection is not None:
            gated = [c for c in gated if c.number == fault.connection]
        if not gated:
            raise FaultError("Resume: no connection is stalled")
        for connection in gated:
            connection.resume(handle, deliver=fault.backlog == "deliver")

    def _reset(self, handle: Handle, targets: Sequence[Connection]) -> None:
        numbers = [connection.number for connection in targets]
        self._when_all_ended(targets, lambda: handle.happened(numbers))
        for connection in targets:
            connection.reset()

    def _reset_after(
        self, targets: Sequence[Connection], ms: int, done: Callable[[], None]
    ) -> None:
        """A RST for connections that have just been sent a close frame."""
        self._when_all_ended(targets, done)
        for connection in targets:
            connection.reset_after(ms / 1000)

    @staticmethod
    def _when_all_ended(targets: Sequence[Connection], done: Callable[[], None]) -> None:
        left = {connection.number for connection in targets}

        def one_ended(number: int) -> None:
            left.discard(number)
            if not left:
                done()

        for connection in targets:
            connection.when_ended(partial(one_ended, connection.number))
        if not left:
            done()

    def _shut_down(self, handle: Handle, fault: ServerShutdown) -> None:
        profile = self._exchange.profile
        if not profile.server_shutdown:
            raise FaultError(
                f"ServerShutdown: {profile.name} does not announce it; set server_shutdown to true"
            )
        targets = [c for c in self._exchange.open_connections() if c.live]
        if not targets:
            raise FaultError("ServerShutdown: no connection is open")
        for connection in targets:
            connection.announce_shutdown()
        handle.happened([c.number for c in targets])

        def go() -> None:
            handle.under_way.discard(call_off)
            left = [c for c in targets if c.live]
            for connection in left:
                connection.go_away()
            if fault.reset_ms is not None:
                self._reset_after(left, fault.reset_ms, handle.let_go)
            else:
                handle.let_go()

        def call_off() -> None:
            handle.under_way.discard(call_off)
            timer.cancel()

        timer = self._exchange.timers.after(fault.lead_ms / 1000, go)
        handle.under_way.add(call_off)

    def _outage(self, handle: Handle, fault: Outage) -> None:
        exchange = self._exchange
        if fault.how == "refuse":
            assert fault.ms is not None
            exchange.spawn(self._refuse(handle, fault.ms / 1000, handle.may_be_called_off()))
        else:
            rule = exchange.admission.add(fault, handle, fault.attempts)
            if fault.ms is not None:
                self._end_after(handle, fault.ms, rule)
        for connection in list(exchange.open_connections()):
            connection.reset()

    async def _refuse(self, handle: Handle, seconds: float, over: asyncio.Event) -> None:
        exchange = self._exchange
        until = exchange.loop_time() + seconds
        self._refusals += 1
        await exchange.line.refuse()
        for connection in list(exchange.open_connections()):
            connection.reset()  # accepted between the injection and the closing of the listener
        if not over.is_set():
            await exchange.line.probe(handle)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - exchange.loop_time())):
                await over.wait()
        self._refusals -= 1
        if not self._refusals:
            await exchange.line.accept()
        handle.under_way.discard(over.set)
        handle.let_go()

    def _end_after(self, handle: Handle, ms: float, rule: Rule) -> None:
        def over() -> None:
            if rule.left == 0:
                return  # used up, or cleared
            rule.left = 0
            handle.let_go(handle.lost if rule.tried else "no attempt was made while it was on")

        self._exchange.timers.after(ms / 1000, over)
