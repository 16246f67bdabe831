"""One timer for everything that has a deadline: requests, upgrades, closes, lingering, sessions.

A heap of deadlines and one handle of the loop, armed for the earliest: no task, no handle and no
queue for each connection. Cancelling is forgetting; a forgotten entry is skipped when it comes up.

An exchange has two: one in the loop's time, for what concerns sockets and faults, and one in
exchange seconds, for all that happens by the exchange's rules. The second one's owner says `rearm`
whenever the clock was changed, and runs what is due by itself while it moves the clock on.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable

from mockex.clock import Clock


class Timer:
    """A deadline that can be cancelled."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never call; harmless when it was called already."""
        self.callback = None


class Timers:
    """Calls back at times of `clock`, or of the loop without one. The owner calls `close` at the
    end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock | None = None) -> None:
        self._loop = loop
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._armed: asyncio.TimerHandle | None = None

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at `when`."""
        timer = Timer(when, callback)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        self._arm()
        return timer

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in `seconds`."""
        return self.at(self._now() + seconds, callback)

    def next_due(self) -> float | None:
        """When the next one is due; None if there is none."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, upto: float) -> None:
        """Call what is due at or before `upto`, in order. What that sets for the same time is left
        for the next call."""
        due = []
        while self._heap and self._heap[0][0] <= upto:
            due.append(heapq.heappop(self._heap)[2])
        for timer in due:
            if timer.callback is not None:
                timer.callback()

    def rearm(self) -> None:
        """The clock was changed."""
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        self._arm()

    def close(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None

    def _now(self) -> float:
        now = self._loop.time()
        return self._clock.exchange_s(now) if self._clock else now

    def _loop_s(self, when: float) -> float:
        return self._clock.loop_s(when) if self._clock else when

    def _arm(self) -> None:
        when = self.next_due()
        if when is None:
            return
        at = self._loop_s(when)
        if self._armed is not None:
            if self._armed.when() <= at:
                return
            self._armed.cancel()
            self._armed = None
        if at < math.inf:
            self._armed = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._armed = None
        when = self.next_due()
        # The first one is due when it was armed for, whatever the way back to exchange seconds
        # would round: else it would be armed again for a moment that is over.
        if when is not None and self._loop_s(when) <= self._loop.time():
            self.run(max(when, self._now()))
        self._arm()
