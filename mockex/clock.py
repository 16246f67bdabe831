"""The exchange's clock: a view of the event loop's time.

The pure core counts in *exchange seconds* since the exchange opened; the shell translates. So one
place knows that the exchange may run faster than the machine, and nothing in the core knows when
it really is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Maps loop time to exchange time and back.

    `opened_at` is the loop time of exchange second 0, `epoch_ms` the Unix time in ms that the
    exchange then shows, `speed` the exchange seconds that pass in one second of the loop.
    """

    opened_at: float
    epoch_ms: int
    speed: float = 1.0

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"speed must be positive, got {self.speed}")

    def exchange_s(self, loop_time: float) -> float:
        """Exchange seconds at `loop_time`."""
        return (loop_time - self.opened_at) * self.speed

    def loop_s(self, exchange_s: float) -> float:
        """Loop time at which the exchange shows `exchange_s`."""
        return self.opened_at + exchange_s / self.speed

    def unix_ms(self, exchange_s: float) -> int:
        """Unix time in ms that the exchange shows at `exchange_s`."""
        return self.epoch_ms + int(exchange_s * 1000)


def wall_clock_ms() -> int:
    """Unix time in ms: what an exchange that opens now shows. The only look at the real clock."""
    return time.time_ns() // 1_000_000
