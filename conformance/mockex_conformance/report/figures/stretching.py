"""Time that is stretched where much happens, and short where nothing does.

A gap between two moments is as wide as the cube root of its length, so that the half millisecond in
which two owners dial is seen beside the half minute of a back-off.

What happens at the very end keeps a little room behind it: there stands how things are left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate, pairwise

_TAIL = 0.05  # of the width


class Stretched:
    """From seconds to a share of the width, by the moments that are to be told apart."""

    def __init__(self, moments: Iterable[float], until_s: float) -> None:
        inside = {t for t in moments if 0 < t < until_s}
        self._times = [0.0, *sorted(inside), max(until_s, 1e-6)]
        gaps: list[float] = [(b - a) ** (1 / 3) for a, b in pairwise(self._times)]
        self._ends = [0.0, *accumulate(gaps)]

    def at(self, t: float) -> float:
        """Where `t` is, 0 to 1; 1 is behind the end. Between two moments time passes evenly."""
        if t <= 0:
            return 0.0
        if t > self._times[-1]:
            return 1.0
        if t == self._times[-1]:
            return 1.0 - _TAIL
        n = bisect_right(self._times, t) - 1
        low, high = self._times[n], self._times[n + 1]
        width = self._ends[n + 1] - self._ends[n]
        share = (self._ends[n] + (t - low) / (high - low) * width) / self._ends[-1]
        return share * (1.0 - _TAIL)
