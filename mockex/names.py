"""Stream names: what is a name at all, and what a name asks for.

Two questions are kept apart, as the exchange keeps them apart (spot 4.4): a *malformed* name is an
error on the wire; a *well-formed* name that means nothing is acknowledged and stays silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# "`!` word, optional `@`-parts, or symbol followed by `@`-parts" (spot 4.4). `\w` without ASCII
# covers symbols outside ASCII, which exist (CHANGELOG 2025-12-15).
_GRAMMAR = re.compile(r"(?:![\w\-.]+|[\w\-.]+)(?:@[A-Za-z0-9_+:]+)*", re.UNICODE)
_PARTIAL = re.compile(r"depth(5|10|20)")
_SPEED = re.compile(r"(0|100|250|500|1000)ms")


class Kind(StrEnum):
    """Families of streams that this exchange serves."""

    AGG_TRADE = "aggTrade"
    BOOK_TICKER = "bookTicker"
    DIFF_DEPTH = "depth"
    PARTIAL_DEPTH = "partialDepth"
    TRADE = "trade"


@dataclass(frozen=True, slots=True)
class StreamName:
    """A name that this exchange can serve. `speed_ms` is None where the name carries none."""

    text: str
    symbol: str  # lower case, as in the name
    kind: Kind
    levels: int | None = None
    speed_ms: int | None = None


def well_formed(name: str) -> bool:
    """Whether `name` is a stream name at all; says nothing about what it delivers."""
    return _GRAMMAR.fullmatch(name) is not None


def parse(name: str) -> StreamName | None:
    """Read a name; None if no stream kind of ours matches (it is then silent, not wrong)."""
    symbol, _, rest = name.partition("@")
    if not symbol or symbol != symbol.lower() or symbol.startswith("!"):
        return None
    what, _, modifier = rest.partition("@")
    if what in (Kind.AGG_TRADE, Kind.BOOK_TICKER, Kind.TRADE):
        return None if modifier else StreamName(name, symbol, Kind(what))
    speed_ms: int | None = None
    if modifier:
        speed = _SPEED.fullmatch(modifier)
        if speed is None:
            return None
        speed_ms = int(speed[1])
    if what == Kind.DIFF_DEPTH:
        return StreamName(name, symbol, Kind.DIFF_DEPTH, None, speed_ms)
    partial = _PARTIAL.fullmatch(what)
    if partial is None:
        return None
    return StreamName(name, symbol, Kind.PARTIAL_DEPTH, int(partial[1]), speed_ms)
