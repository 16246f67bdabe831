"""How long to wait before the next attempt: full jitter that only a proved connection clears.

The first attempt after a good connection is immediate. After it the wait is drawn from `random(0,
min(cap, base * 2**n))`: the ceiling doubles, and the lower end stays at zero, so that clients
which lost their connections together do not come back together. A completed handshake, or a first
message, proves nothing (a server that accepts and closes would be hammered); the count is cleared
by `forget`, which the supervisor calls for a connection that lasted `stable_s`.

Waits that the exchange dictates (`Retry-After` with 429 and 418, seconds) are a floor under the
next wait and are never shortened.
"""

from __future__ import annotations

from random import Random
from typing import Self

from mockex_adapter.exchange import Settings


class Backoff:
    """The waits of one line. All times in seconds; it reads no clock."""

    def __init__(self, random: Random, *, base_s: float, cap_s: float) -> None:
        self._random = random
        self._base_s = base_s
        self._cap_s = cap_s
        self._attempts = 0
        self._floor_s = 0.0

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """The back-off that `settings` ask for."""
        timers = settings.timers
        return cls(settings.random, base_s=timers.backoff_base_s, cap_s=timers.backoff_cap_s)

    def next_delay_s(self) -> float:
        """The wait before the next attempt; each call counts as one attempt."""
        floor_s, self._floor_s = self._floor_s, 0.0
        attempts = self._attempts
        self._attempts += 1
        if attempts == 0:
            return floor_s
        # The exponent is bounded because 2.0**1024 does not exist, and a long outage gets there.
        ceiling_s = min(self._cap_s, self._base_s * 2.0 ** min(attempts - 1, 60))
        return max(floor_s, self._random.uniform(0.0, ceiling_s))

    def told_to_wait(self, seconds: float | None) -> None:
        """The exchange refused; without a time of its own it is given the longest wait of ours."""
        self._floor_s = max(self._floor_s, self._cap_s if seconds is None else seconds)

    def forget(self) -> None:
        """A connection has proved itself: the next loss is a first one."""
        self._attempts = 0
