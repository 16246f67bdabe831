"""Time in the hands of a test: stand still, go on, go faster, go to a moment.

Everything that happens by the exchange's rules follows this one clock: steps of the market, pings,
pong deadlines, lifetimes, windows and bans of REST, klines. What concerns sockets and faults stays
in the loop's time: how long a request head or the answer to a close frame may take, how long a FIN
lingers, a slow consumer is borne with, and every duration in ms of a fault.

While the clock is moved on, what is due runs in order, each thing at its own exchange time, and
after each the loop has a turn, so that clients read, and answer, what they were sent. Whoever lags
is waited for: nobody loses an event, or misses a pong, because time went fast. Who takes nothing
for `PATIENCE_S` is waited for no more until it has caught up.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Literal

from mockex.server.journal import Closed, Delivered, Ended, HalfClosed, Pinged, Retimed

if TYPE_CHECKING:
    from mockex.server.connection import Connection
    from mockex.server.exchange import Exchange

PATIENCE_S = 2.0  # of the loop's time
_TURNS = 30  # of the loop before it is waited for a client by the clock
_NAP_S = 0.001
_INSTANT_S = 2e-6  # in virtual time a turn that brings what is on its way must take some
_ROUNDING_S = 1e-9  # eight tenths of a second, one after the other, are less than 0.8
_EVENTS = (Delivered, Pinged, Closed, HalfClosed, Ended)


class Time:
    """The time of one exchange: `exchange.time`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._clock = exchange.clock
        self._frozen = False  # as asked for; the clock also stands still while it is moved on
        self._moving = asyncio.Lock()
        self._late: set[Connection] = set()  # waited for in vain

    @property
    def now_s(self) -> float:
        """Exchange seconds since the opening."""
        return self._exchange.now()

    @property
    def unix_ms(self) -> int:
        """The Unix time that the exchange shows, in ms."""
        return self._exchange.unix_ms()

    @property
    def speed(self) -> float:
        """Exchange seconds in one second of the loop, whenever it is not frozen."""
        return self._clock.speed

    @property
    def frozen(self) -> bool:
        """Whether exchange time stands still until `resume`."""
        return self._frozen

    def freeze(self) -> None:
        """Stand still: no step of the market, no ping, no deadline. Requests are answered."""
        self._frozen = True
        self._clock.freeze(self._exchange.loop_time())
        self._changed("frozen")

    def resume(self) -> None:
        """Go on from where it stands."""
        self._frozen = False
        if not self._moving.locked():
            self._clock.resume(self._exchange.loop_time())
        self._changed("resumed")

    def set_speed(self, speed: float) -> None:
        """Pass `speed` times as fast as the loop's time from now on; frozen time once it goes on.

        Raises:
            ValueError: a speed that is not positive.
        """
        self._clock.set_speed(speed, self._exchange.loop_time())
        self._changed("speed-set")

    async def advance(self, by_s: float) -> None:
        """Move the clock on by `by_s` exchange seconds, through everything that is due until then;
        afterwards it stands still or goes on as before. A second caller waits for the first.

        Raises:
            ValueError: a negative time, or one without an end.
        """
        if not 0 <= by_s < math.inf:
            raise ValueError(f"time does not go back, nor for ever: by_s is {by_s}")
        await self._move(by_s)

    async def advance_to_next_event(self, within_s: float = 86_400.0) -> float | None:
        """Move the clock on to the next moment at which a client is sent something or is closed;
        returns that exchange second. None: nothing happened in `within_s`, which have passed."""
        if await self._move(within_s, until_event=True):
            return self.now_s
        return None

    async def _move(self, by_s: float, *, until_event: bool = False) -> bool:
        """Through what is due in the next `by_s`, or until something has reached a client. Whether
        something has."""
        exchange, clock, entries = self._exchange, self._clock, self._exchange.journal.entries
        async with self._moving:
            clock.freeze(exchange.loop_time())
            self._changed("advancing")
            target_s = exchange.now() + by_s
            try:
                while (due_s := await self._next_due(target_s)) is not None:
                    clock.jump(max(due_s, exchange.now()), exchange.loop_time())
                    before = len(entries)
                    exchange.exchange_timers.run(due_s)
                    if until_event and any(isinstance(e, _EVENTS) for e in entries[before:]):
                        return True
                clock.jump(max(target_s, exchange.now()), exchange.loop_time())
                return False
            finally:
                if not self._frozen:
                    clock.resume(exchange.loop_time())
                self._changed("advanced")

    async def _next_due(self, target_s: float) -> float | None:
        """When the next thing until `target_s` is due, once every client is ready for it."""
        timers = self._exchange.exchange_timers
        due_s = timers.next_due()
        await self._wait_for_clients(target_s if due_s is None else min(due_s, target_s))
        due_s = timers.next_due()  # what the clients did may have changed it
        return due_s if due_s is not None and due_s <= target_s + _ROUNDING_S else None

    async def _wait_for_clients(self, until_s: float) -> None:
        """Give the loop a turn, and more as long as somebody has not taken what was written, or
        owes a pong that is due at `until_s`."""
        exchange = self._exchange
        limit = exchange.loop_time() + PATIENCE_S
        turn = 0
        while True:
            at_once_s = _INSTANT_S if exchange.virtual else 0
            await asyncio.sleep(at_once_s if turn < _TURNS else _NAP_S)
            turn += 1
            lagging = {c for c in exchange.open_connections() if c.lags(until_s)}
            self._late &= lagging
            if lagging <= self._late:
                return
            if exchange.loop_time() >= limit:
                self._late |= lagging
                return

    def _changed(
        self, how: Literal["frozen", "resumed", "speed-set", "advancing", "advanced"]
    ) -> None:
        exchange = self._exchange
        exchange.exchange_timers.rearm()
        exchange.journal.append(
            Retimed(
                t=exchange.loop_time(),
                exchange_s=exchange.now(),
                speed=self._clock.speed,
                frozen=self._clock.frozen,
                how=how,
            )
        )
