"""Counting messages in a sliding window (spot 3.5: "5 incoming messages per second")."""

from __future__ import annotations

from collections import deque


class Window:
    """At most `limit` in any `window_s`; None: no limit."""

    def __init__(self, limit: int | None, window_s: float = 1.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._times: deque[float] = deque(maxlen=None if limit is None else limit + 1)

    def count(self, now: float) -> bool:
        """Count one; whether that is one too many."""
        if self._limit is None:
            return False
        self._times.append(now)
        # A microsecond less: sums of floats must not fail who keeps exactly to the limit.
        full = len(self._times) > self._limit
        return full and now - self._times[0] < self._window_s - 1e-6
