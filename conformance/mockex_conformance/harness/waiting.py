"""What a running case waits on: its journal.

Each entry wakes whoever waits, and each wake-up looks first at what ends a case early (a finding of
an always-on check, a testee that is gone or broke the protocol).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from mockex.server.exchange import BEAT_S, Exchange
from mockex.server.journal import AnyEntry, Attempted, Faulted, Lagged, Launched, Sampled
from mockex_conformance.case import FoundAlready, NotLive
from mockex_conformance.checks.attempts import NoStorm
from mockex_conformance.checks.base import Check
from mockex_conformance.harness.charge import Charge
from mockex_conformance.recording import Queueing


class Waiting:
    """`charges` are the starts of the testee so far. In loop time: `attempted_at` is the newest
    attempt, `seen_at` and `ended_at` have the first and the last moment of each fault."""

    def __init__(self, exchange: Exchange, charges: Sequence[Charge]) -> None:
        self._exchange = exchange
        self._charges = charges
        self._live: list[Check] = [NoStorm()]
        self._found = False
        self._stood_still_s = 0.0  # our loop, since the case began
        self._queueing = Queueing()
        self._pulse = asyncio.Event()
        self.longest_lag_s = 0.0  # since whoever cares set it to 0
        self.attempted_at = 0.0
        self.seen_at: dict[int, float] = {}
        self.ended_at: dict[int, float] = {}
        exchange.journal.listen(self._look, replay=False)

    def judge_live(self, checks: Iterable[Check]) -> None:
        """Judge all the time those of them that can tell at once."""
        self._live += [check for check in checks if type(check).live is not Check.live]

    def wake(self) -> None:
        """Something happened that is not in the journal."""
        self._pulse.set()

    async def until(self, met: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for what must happen: as long as was said, and as our loop stood still or the testee
        got no processor meanwhile.

        Raises:
            NotLive: it has not happened; `what` names it.
        """
        due = self.due(within_s)
        while self._now() < due():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due()):
                    return await self.till(met)
            await asyncio.sleep(BEAT_S)  # a lag is journaled by the beat that it delayed
        raise NotLive(what, within_s)

    def due(self, within_s: float) -> Callable[[], float]:
        """When what must happen within so long, from now, is late: as far as is known by then."""
        still_s, queued_s = self._stood_still_s, self._queueing.total_s
        until = self._now() + within_s

        def due() -> float:
            later_s = Queueing.later_s(within_s, self._queueing.total_s - queued_s)
            return until + self._stood_still_s - still_s + later_s

        return due

    async def till(self, met: Callable[[], bool]) -> None:
        """Wait without a limit.

        Raises:
            FoundAlready: an always-on check has found something.
        """
        while True:
            self._check()
            if met():
                return
            self._pulse.clear()
            await self._pulse.wait()

    def _look(self, entry: AnyEntry) -> None:
        """Every entry: judge what is judged all the time, wake whoever waits."""
        match entry:
            case Lagged(late_s=late_s):
                self._stood_still_s += late_s
                self.longest_lag_s = max(self.longest_lag_s, late_s)
            case Launched() | Sampled():
                self._queueing.apply(entry)
            case Attempted(t=t):
                self.attempted_at = t
            case Faulted(phase="seen", fault=fault, t=t):
                self.seen_at.setdefault(fault, t)
            case Faulted(phase="ended", fault=fault, t=t):
                self.ended_at[fault] = t
        if not self._found:
            for check in self._live:
                if check.live(self._exchange.connections, entry):
                    self._found = True
        self._pulse.set()

    def _check(self) -> None:
        if self._found:
            raise FoundAlready
        for charge in self._charges:
            charge.check(connected=bool(self._exchange.connections.all))

    def _now(self) -> float:
        return self._exchange.loop_time()
