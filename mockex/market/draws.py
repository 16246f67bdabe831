"""Draws without a state: the n-th draw of a subject is a function of the run's seed, the subject
and n alone.

What is derived from the market (prices of marks, which order is a liquidation) is asked for at any
moment and in any order, so it cannot take its turn at a generator; and a walk's own draws must
stay what they are whoever asks.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
MILLION = 1_000_000


@lru_cache(maxsize=4096)
def subject(seed: int, what: str, symbol: str = "") -> int:
    """The key of one kind of draws of one symbol."""
    return Random(f"mockex {what} {seed} {symbol}").getrandbits(64)


def draw(key: int, n: int) -> int:
    """The n-th draw of a key: 64 bits (SplitMix64, Steele et al. 2014)."""
    z = (key + n * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def between(key: int, n: int, least: int, most: int) -> int:
    """The n-th draw as a whole number from `least` to `most`."""
    return least + draw(key, n) % (most - least + 1)


def hits(key: int, n: int, per_million: int) -> bool:
    """Whether the n-th draw falls into a share."""
    return draw(key, n) % MILLION < per_million


def smooth(key: int, at_ms: int, slot_ms: int, most: int) -> int:
    """A line through one draw a slot, each from `-most` to `most`: it never jumps."""
    slot, into = divmod(at_ms, slot_ms)
    before, after = between(key, slot, -most, most), between(key, slot + 1, -most, most)
    return before + (after - before) * into // slot_ms
