"""Whether the machine has room for one more case.

Cases mostly wait, so many of them fit side by side; but one that gets no processor is late, and a
testee that gets none does less than it would. So a case is started only while the machine, whoever
uses it, was not too busy of late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import psutil

BUSY = 0.7  # above this share of all cores nothing is started
WINDOW_S = 1.0  # "of late"
APART_S = 0.2  # a case that has just been started does not show yet


def processor_s() -> tuple[float, float]:
    """Seconds that all cores were busy since the machine started, and seconds in all."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # guest time is in user time already
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - idle, total


class Room:
    """Asked before each start, told of each, and made to look a few times in a second; `now` in
    seconds of any clock."""

    def __init__(self, measure: Callable[[], tuple[float, float]] = processor_s) -> None:
        self._measure = measure
        self._samples: deque[tuple[float, float, float]] = deque()
        self._started_at = float("-inf")

    def look(self, now: float) -> None:
        """Look at the machine: without a look at its begin "the last second" would be longer."""
        self._samples.append((now, *self._measure()))
        while len(self._samples) > 2 and self._samples[1][0] <= now - WINDOW_S:
            self._samples.popleft()

    def busy(self, now: float) -> float:
        """The share of all cores that was busy in the last second, 0 to 1."""
        self.look(now)
        _, busy, total = self._samples[0]
        _, busy_now, total_now = self._samples[-1]
        return (busy_now - busy) / (total_now - total) if total_now > total else 0.0

    def started(self, now: float) -> None:
        """One was started."""
        self._started_at = now

    def for_one_more(self, now: float, apart_s: float = APART_S) -> bool:
        """Whether to start one, `apart_s` or more after the one before."""
        return self.busy(now) <= BUSY and now - self._started_at >= apart_s
