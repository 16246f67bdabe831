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


class Attempts:
    """Connection attempts by address: at most `limit` in any `window_s` (spot 3.5: "300 connection
    attempts per 5 min per IP"); None: no limit."""

    def __init__(self, limit: int | None, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._times: dict[str, deque[float]] = {}

    def wait_s(self, address: str, now: float) -> float | None:
        """Seconds until an attempt is within the limit again; None if one is so now."""
        if self._limit is None:
            return None
        times = self._times.get(address, ())
        if len(times) < self._limit:
            return None
        left_s = (times[0] if times else now) + self._window_s - now
        return left_s if left_s > 0 else None

    def count(self, address: str, now: float) -> None:
        """Count one. Only the last `limit` of them matter."""
        if not self._limit:
            return
        self._forget(now)
        # The latest address goes to the end, so that those to forget stand in front.
        times = self._times.pop(address, None) or deque(maxlen=self._limit)
        self._times[address] = times
        times.append(now)

    def _forget(self, now: float) -> None:
        """Addresses that have not been heard of for a window."""
        while self._times:
            address, times = next(iter(self._times.items()))
            if now - times[-1] < self._window_s:
                return
            del self._times[address]
