"""The exchange's clock: a view of the event loop's time.

The pure core counts in *exchange seconds* since the exchange opened; the shell translates. So one
place knows that the exchange may run faster than the machine, stand still or be moved on, and
nothing in the core knows when it really is.

A clock is a line of segments: in each, exchange time stands still or passes `speed` times as fast
as the loop's. Only the newest is kept here; the journal has the others (`Retimed`).
"""

from __future__ import annotations

import math
import time

_NANOSECOND_MS = 1e-6  # what products of floats may lose


class Clock:
    """Maps loop time to exchange time and back, by the newest segment.

    `opened_at` is the loop time of exchange second 0, `epoch_ms` the Unix time in ms that the
    exchange then shows, `speed` the exchange seconds that pass in one second of the loop.
    """

    def __init__(self, opened_at: float, epoch_ms: int, speed: float = 1.0) -> None:
        self.opened_at = opened_at
        self.epoch_ms = epoch_ms
        self._since_loop_s = opened_at
        self._since_exchange_s = 0.0
        self._speed = _checked(speed)
        self._frozen = False

    @property
    def speed(self) -> float:
        """Exchange seconds in one second of the loop, whenever the clock is not frozen."""
        return self._speed

    @property
    def frozen(self) -> bool:
        """Whether exchange time stands still."""
        return self._frozen

    def exchange_s(self, loop_time: float) -> float:
        """Exchange seconds at `loop_time`, which is in the newest segment."""
        if self._frozen:
            return self._since_exchange_s
        return self._since_exchange_s + (loop_time - self._since_loop_s) * self._speed

    def loop_s(self, exchange_s: float) -> float:
        """Loop time at which the exchange shows `exchange_s`, as things stand; infinite if it never
        will."""
        if self._frozen:
            return math.inf if exchange_s > self._since_exchange_s else self._since_loop_s
        return self._since_loop_s + (exchange_s - self._since_exchange_s) / self._speed

    def unix_ms(self, exchange_s: float) -> int:
        """Unix time in ms that the exchange shows at `exchange_s`."""
        return self.epoch_ms + math.floor(exchange_s * 1000 + _NANOSECOND_MS)

    # --- new segments ---

    def set_speed(self, speed: float, loop_time: float) -> None:
        """Pass `speed` times as fast from `loop_time` on; a frozen clock once it is resumed.

        Raises:
            ValueError: a speed that is not positive.
        """
        speed = _checked(speed)
        self.jump(self.exchange_s(loop_time), loop_time)
        self._speed = speed

    def freeze(self, loop_time: float) -> None:
        """Stand still from `loop_time` on."""
        self.jump(self.exchange_s(loop_time), loop_time)
        self._frozen = True

    def resume(self, loop_time: float) -> None:
        """Pass again from `loop_time` on."""
        self.jump(self.exchange_s(loop_time), loop_time)
        self._frozen = False

    def jump(self, exchange_s: float, loop_time: float) -> None:
        """Show `exchange_s` at `loop_time`; what lies between is passed over.

        Raises:
            ValueError: it would go back.
        """
        now = self.exchange_s(loop_time)
        if exchange_s < now:
            raise ValueError(f"the clock shows {now} s and cannot go back to {exchange_s} s")
        self._since_loop_s, self._since_exchange_s = loop_time, exchange_s


def _checked(speed: float) -> float:
    if not 0 < speed < math.inf:
        raise ValueError(f"speed must be positive, got {speed}")
    return speed


def wall_clock_ms() -> int:
    """Unix time in ms: what an exchange that opens now shows, and when a run began. It may jump, so
    nothing that lasts is measured by it."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of a clock that never jumps, for limits and durations where no event loop runs."""
    return time.monotonic()
