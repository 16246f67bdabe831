"""The desk: where faults of a running exchange are asked for from outside, and what became of them.

Scripts, the admin API and the command line all come here. The journal is the truth about each fault
(`Faults`); the desk knows besides only what it was asked for.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from mockex.errors import FaultError, NotInjected
from mockex.faults.catalogue import LASTING
from mockex.faults.link import ClearLink, Hold, LinkFault, Release
from mockex.faults.model import Fault, QuietStart, Resume, Stall
from mockex.faults.script import Script
from mockex.server.injector import Handle
from mockex.server.journal import AnyEntry, Faulted
from mockex.server.script_run import ScriptRun
from mockex.server.views import Faults

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange


MOST_TOLD = 200  # who does not read what is told must not stop the exchange


class Desk:
    """Faults of one exchange. `tell` gets a line about what could not be done when nobody waited
    for it any more: each line once, and not more of them than anybody reads."""

    def __init__(self, exchange: Exchange, tell: Callable[[str], None] = lambda _: None) -> None:
        self.exchange = exchange
        self.tell = tell
        self._told: set[str] = set()
        self.faults = Faults()
        self.asked: dict[int, Fault] = {}
        self.runs: dict[int, ScriptRun] = {}
        self._handles: dict[int, Handle] = {}
        self._called: dict[int, str] = {}  # in messages
        self._followers: dict[int, ScriptRun] = {}
        self._numbers = itertools.count(1)  # of runs
        exchange.journal.listen(self._look)

    def inject(self, fault: Fault, called: str = "") -> Handle:
        """Do `fault`, now or when its trigger says so. `called` is how messages name it.

        Raises:
            NotInjected: it cannot be done.
        """
        before = len(self.faults.steps)
        try:
            handle = self.exchange.inject(fault)
        except FaultError as error:
            number = self.faults.steps[before].fault
            self.asked[number] = fault
            raise NotInjected(number, str(error)) from None
        self.asked[handle.id], self._handles[handle.id] = fault, handle
        self._called[handle.id] = called or f"fault {handle.id}"
        return handle

    def follow(self, number: int, run: ScriptRun, since: int) -> None:
        """Tell `run` what the journal says of one of its faults, and what it has said since there
        were so many entries about faults."""
        for step in self.faults.steps[since:]:
            if step.fault == number:
                run.heard(step)
        self._followers[number] = run

    def end(self, number: int) -> None:
        """End a fault that lasts, or that still waits for its trigger, for attempts, requests or
        events. The end of a hold is that of every hold, that of another on the link is the end of
        all on the link.

        Raises:
            KeyError: no fault has that number.
            FaultError: it cannot be ended: says why.
        """
        record, fault = self.faults.all[number], self.asked.get(number)
        name = f"fault {number} ({record.kind})"
        if fault is None:
            raise FaultError(f"{name} was not asked for here: only all can be ended, together")
        if not self.is_on(number):
            over = record.ended_at is not None or isinstance(fault, LASTING)
            raise FaultError(f"{name} is {'over already' if over else 'nothing that lasts'}")
        handle, exchange = self._handles[number], self.exchange
        handle.call_off()
        exchange.admission.withdraw(handle)
        exchange.subscribing.withdraw(handle)
        for connection in exchange.open_connections():
            if connection.gate is not None and handle in connection.gate.waiting():
                connection.withdraw(handle)
        match fault:
            case LinkFault() if exchange.line.holds(handle):  # it says itself what is over
                self.inject(Release() if isinstance(fault, Hold) else ClearLink())
                return
            case Stall() | QuietStart():
                for stalled in self._stalled_by(handle):
                    self.inject(Resume(connection=stalled))
            case _:
                pass  # withdrawn

    def is_on(self, number: int) -> bool:
        """Whether a fault still does something by itself, or waits for its trigger, for attempts,
        requests or events to come."""
        handle = self._handles.get(number)
        return handle is not None and handle.on

    def calm(self) -> list[int]:
        """End every fault that lasts or waits for something, and every script; the numbers of those
        that did."""
        on = [number for number in self.asked if self.is_on(number)]
        for run in self.runs.values():
            run.stop()
        self.exchange.calm()
        return on

    async def settled(self, number: int, within_s: float) -> bool:
        """Wait until a fault was seen, or could not be done after all. Whether it was seen."""
        record, journal = self.faults.all[number], self.exchange.journal
        if record.phase == "injected":
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await journal.wait(
                        lambda e: isinstance(e, Faulted) and e.fault == number,
                        since=len(journal.entries),
                    )
        return record.times_seen > 0

    async def until_over(self, numbers: Collection[int], within_s: float) -> list[int]:
        """Wait until faults that were ended are: on a real link that takes a while. Those that
        still are on."""

        def left() -> list[int]:
            return [number for number in numbers if self.is_on(number)]

        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                entries = self.exchange.journal.entries
                while left():
                    await self.exchange.journal.wait(
                        lambda e: isinstance(e, Faulted), since=len(entries)
                    )
        return left()

    def play(self, script: Script) -> ScriptRun:
        """Start a script now."""
        number = next(self._numbers)
        self.runs[number] = run = ScriptRun(script, self, number)
        run.start()
        return run

    def tell_of(self, called: str, kind: str, why: str) -> None:
        """Say why a fault could not be done or ended."""
        text = f"{called}: {why if why.startswith(kind) else f'{kind}: {why}'}"
        if text in self._told or len(self._told) > MOST_TOLD:
            return
        if len(self._told) == MOST_TOLD:
            text = "more could not be done: `mockex faults list` and the journal have it"
        self._told.add(text)
        self.tell(text)

    def _stalled_by(self, handle: Handle) -> list[int]:
        """Whom a fault stalls; who has gone is stalled no more."""
        return [
            connection.number
            for connection in self.exchange.open_connections()
            if connection.gate is not None and connection.gate.withholds_for(handle)
        ]

    def _look(self, entry: AnyEntry) -> None:
        """Tell scripts of their faults, and whoever listens of what could not be done after all."""
        if not isinstance(entry, Faulted):
            return
        self.faults.apply(entry)
        if entry.fault in self._followers:
            self._followers[entry.fault].heard(entry)
        if entry.phase == "ended" and entry.detail and entry.fault in self._called:
            self.tell_of(self._called[entry.fault], entry.kind, entry.detail)
