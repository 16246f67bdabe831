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
    attempts per 5 min per IP", "failed ones too"); those that were refused for it count as well."""

    def __init__(self, limit: int | None, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._times: dict[str, deque[float]] = {}

    def count(self, address: str, now: float) -> float | None:
        """Count one; seconds until the next would pass if this one is too many, else None."""
        if self._limit is None:
            return None
        self._forget(now)
        # The latest goes to the end, so that those to forget stand in front.
        times = self._times.pop(address, None) or deque(maxlen=self._limit + 1)
        self._times[address] = times
        times.append(now)
        if len(times) <= self._limit or now - times[0] >= self._window_s:
            return None
        return times[1] + self._window_s - now if self._limit else self._window_s

    def _forget(self, now: float) -> None:
        """Addresses that have not been heard of for a window."""
        for address, times in list(self._times.items()):
            if now - times[-1] < self._window_s:
                return
            del self._times[address]
