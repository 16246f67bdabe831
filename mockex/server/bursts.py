"""Bursts: for a while the market is hurried, so that streams in real time have more events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mockex.errors import ConfigError, FaultError
from mockex.faults.model import Burst
from mockex.server.journal import AnyEntry, Delivered
from mockex.server.timers import Timer

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange
    from mockex.server.injector import Handle

_WINDOW_S = 0.25  # in which the rate is looked at
_ENOUGH = 0.95  # of the rate: the last step of a window may still be due


class Rate:
    """Whether events come at a rate, however many connections take each."""

    def __init__(self, per_s: float) -> None:
        self._enough = per_s * _WINDOW_S * _ENOUGH
        self._recent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._step = -1
        self._counted: set[str] = set()  # streams of this step

    def reached(self, entry: Delivered) -> bool:
        """Whether, with this entry, there were enough in the last window."""
        if entry.step != self._step:
            self._step, self._counted = entry.step, set()
        new = sum(b.events for name, b in entry.streams.items() if name not in self._counted)
        self._counted.update(entry.streams)
        self._recent.append((entry.t, new))
        self._sum += new
        while self._recent[0][0] <= entry.t - _WINDOW_S:
            self._sum -= self._recent.popleft()[1]
        return self._sum >= self._enough


class Bursts:
    """The bursts of one exchange, one at a time."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._end: Timer | None = None
        self._called_off: Callable[[], None] | None = None  # the end of the one that is on

    def begin(self, handle: Handle, fault: Burst) -> None:
        """Begin with the next usual step of the market.

        Raises:
            FaultError: no stream in real time is wanted, there are too few of them for the rate, or
                the market cannot hurry.
        """
        exchange = self._exchange
        speed = exchange.clock.speed
        step_ms = self._step_ms(fault.rate_per_s / speed)
        try:
            _, end_ms = exchange.market.hurry(round(fault.ms * speed), step_ms)
        except ConfigError as error:
            raise FaultError(f"Burst: {error}") from None
        rate, listening, reached = Rate(fault.rate_per_s), True, False

        def look(entry: AnyEntry) -> None:
            if isinstance(entry, Delivered) and rate.reached(entry):
                unlisten()
                # Not from inside the flush that is being journaled.
                exchange.timers.after(0, seen)

        def unlisten() -> None:
            nonlocal listening
            if listening:
                listening = False
                exchange.journal.unlisten(look)

        def seen() -> None:
            nonlocal reached
            if not reached:
                reached = True
                handle.happened([c.number for c in exchange.connections.delivering()])

        def over(*, called_off: bool = False) -> None:
            self._end = None
            handle.under_way.discard(self.calm)
            if not listening:
                seen()  # it was reached in this very moment
            unlisten()
            if reached or called_off:
                handle.let_go()
            else:
                handle.failed("the rate was not reached")

        exchange.journal.listen(look, replay=False)
        handle.under_way.add(self.calm)
        self._called_off = partial(over, called_off=True)
        self._end = exchange.at(end_ms / 1000, over)

    def calm(self) -> None:
        """End it with the next usual step."""
        if self._end is not None and self._called_off is not None:
            self._end.cancel()
            end_s = self._exchange.market.calm_down() / 1000
            self._end = self._exchange.at(end_s, self._called_off)

    def _step_ms(self, rate_per_s: float) -> int:
        """The longest step that reaches a rate of the exchange's time."""
        streams, usual_ms = self._exchange.publisher.real_time, self._exchange.market.usual_ms
        if not streams:
            raise FaultError("Burst: no stream is wanted that is sent at each change")
        for step_ms in range(usual_ms, 0, -1):
            if usual_ms % step_ms == 0 and streams * 1000 / step_ms >= rate_per_s:
                return step_ms
        raise FaultError(
            f"Burst: {streams} streams have at most {streams * 1000} events in a second of the "
            f"exchange's, not {rate_per_s:g}"
        )
