"""What was true: the book at every update id and every trade, for as long as the run lasts.

Updates are kept in three parallel arrays (some 24 bytes each), and a full copy of the book every
`_KEYFRAME` updates; the book at an id is the copy before it with at most that many updates applied.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter

_KEYFRAME = 1024
_at_ms = attrgetter("at_ms")


class Side(IntEnum):
    """Of the book."""

    BID = 0
    ASK = 1


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade. Price in ticks, quantity in steps."""

    trade_id: int
    order_id: int  # aggregate id: trades of one taker order at one price share it
    price: int
    quantity: int
    buyer_is_maker: bool
    at_ms: int


def trades_until(trades: Sequence[Trade], at_ms: int) -> int:
    """How many of `trades`, which are in order, happened at or before `at_ms`."""
    return bisect_right(trades, at_ms, key=_at_ms)


@dataclass(frozen=True, slots=True)
class Book:
    """Levels as (price, quantity), best first, at `last_update_id`."""

    last_update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


Levels = tuple[dict[int, int], dict[int, int]]  # by Side: price to quantity


@dataclass(slots=True)
class History:
    """Everything that happened to one symbol."""

    first_id: int
    keyframes: list[Levels]  # the first is the book at the opening
    ids: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))  # price * 2 + side
    quantities: array[int] = field(default_factory=lambda: array("q"))
    step_ms: array[int] = field(default_factory=lambda: array("q"))
    step_ids: array[int] = field(default_factory=lambda: array("q"))
    trades: list[Trade] = field(default_factory=list)

    def record(self, update_id: int, side: int, price: int, quantity: int, now: Levels) -> None:
        """One update; `now` is the book before it."""
        if self.ids and len(self.ids) % _KEYFRAME == 0:
            self.keyframes.append((dict(now[0]), dict(now[1])))
        self.ids.append(update_id)
        self.keys.append(price * 2 + side)
        self.quantities.append(quantity)

    def end_step(self, at_ms: int) -> None:
        """The updates so far are those until `at_ms`."""
        self.step_ms.append(at_ms)
        self.step_ids.append(self.last_id)

    @property
    def last_id(self) -> int:
        """Id of the newest update."""
        return self.ids[-1] if self.ids else self.first_id

    def levels(self, update_id: int) -> Levels:
        """The book at an id."""
        count = bisect_right(self.ids, update_id)
        frame = min(count // _KEYFRAME, len(self.keyframes) - 1)
        bids, asks = self.keyframes[frame]
        levels = (dict(bids), dict(asks))
        for index in range(frame * _KEYFRAME, count):
            price, side = divmod(self.keys[index], 2)
            if self.quantities[index]:
                levels[side][price] = self.quantities[index]
            else:
                levels[side].pop(price, None)
        return levels

    def trades_until(self, at_ms: int) -> int:
        """How many trades there were at or before `at_ms`."""
        return trades_until(self.trades, at_ms)

    def touched(self, after_id: int, upto_id: int) -> tuple[dict[int, int], dict[int, int]]:
        """Levels changed by updates in (after_id, upto_id], with their quantity at `upto_id`."""
        changed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for index in range(bisect_right(self.ids, after_id), bisect_right(self.ids, upto_id)):
            price, side = divmod(self.keys[index], 2)
            changed[side][price] = self.quantities[index]
        return changed


class Truth:
    """Answers for the market; symbols in upper case."""

    def __init__(self, history: Callable[[str], History], symbols: tuple[str, ...]) -> None:
        self._history = history
        self.symbols = symbols
        # What is worked out of the truth and asked for again, kept by whoever works it out.
        self.derived: dict[object, object] = {}

    def history(self, symbol: str) -> History:
        """All of a symbol until now. To be read, never to be written."""
        return self._history(symbol)

    def last_update_id(self, symbol: str) -> int:
        """Id of the newest update."""
        return self._history(symbol).last_id

    def id_at(self, symbol: str, at_ms: int) -> int:
        """Id of the newest update at `at_ms` since the opening."""
        history = self._history(symbol)
        index = bisect_right(history.step_ms, at_ms)
        return history.step_ids[index - 1] if index else history.first_id

    def first_id_after(self, symbol: str, update_id: int) -> int | None:
        """Id of the first update after `update_id`; None if there is none yet."""
        ids = self._history(symbol).ids
        index = bisect_right(ids, update_id)
        return ids[index] if index < len(ids) else None

    def book(self, symbol: str, update_id: int | None = None) -> Book:
        """The book after the newest update at or before `update_id` (None: now)."""
        history = self._history(symbol)
        wanted = history.last_id if update_id is None else update_id
        bids, asks = history.levels(wanted)
        return Book(wanted, tuple(sorted(bids.items(), reverse=True)), tuple(sorted(asks.items())))

    def top(self, symbol: str, update_id: int) -> tuple[int, int, int, int]:
        """Best bid and ask at an id: price and quantity of each."""
        bids, asks = self._history(symbol).levels(update_id)
        bid, ask = max(bids), min(asks)
        return bid, bids[bid], ask, asks[ask]

    def changes(
        self, symbol: str, after_id: int, upto_id: int
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Bids and asks that updates in (after_id, upto_id] touched: price to quantity at
        `upto_id`, zero if the level is gone."""
        return self._history(symbol).touched(after_id, upto_id)

    def trades(self, symbol: str, first_id: int, last_id: int) -> Iterator[Trade]:
        """Trades by id, both ends included."""
        trades = self._history(symbol).trades
        if trades:
            start = max(0, first_id - trades[0].trade_id)
            yield from trades[start : max(0, last_id - trades[0].trade_id + 1)]
