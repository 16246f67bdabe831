"""A local order book: levels kept as numbers, spelled as the exchange spelled them.

Quantities are absolute; zero, however it is spelled, removes; removing an unknown level is
normal. Prices are compared as `Decimal`, so `"12.30"` and `"12.3"` are one level, and nothing
passes through a float. The order of levels inside an event means nothing (usdm sends bids
ascending).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from mockex_adapter.errors import Malformed

Level = tuple[Decimal, str, str]  # the price as a number, price and quantity as they were spelled


def read_levels(value: object) -> list[Level]:
    """The levels of one side of an event or a snapshot.

    Raises:
        Malformed: not a list of pairs of decimal strings, or a negative or infinite number.
    """
    if not isinstance(value, list):
        raise Malformed("levels", value)
    levels: list[Level] = []
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(x) is str for x in pair)):
            raise Malformed("level", pair)
        try:
            price, quantity = Decimal(pair[0]), Decimal(pair[1])
        except InvalidOperation:
            raise Malformed("level", pair) from None
        if not (price.is_finite() and quantity.is_finite() and price > 0 and quantity >= 0):
            raise Malformed("level", pair)
        levels.append((price, pair[0], pair[1]))
    return levels


class Book:
    """The book of one symbol at `last_update_id`."""

    def __init__(self, last_update_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.last_update_id = last_update_id
        self._bids: dict[Decimal, tuple[str, str]] = {}
        self._asks: dict[Decimal, tuple[str, str]] = {}
        self.apply(last_update_id, bids, asks)

    def apply(self, update_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set the levels; the book is then the one at `update_id`."""
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for price, spelled, quantity in levels:
                if Decimal(quantity):
                    side[price] = (spelled, quantity)
                else:
                    side.pop(price, None)
        self.last_update_id = update_id

    def bids(self, depth: int = 20) -> list[tuple[str, str]]:
        """The best `depth` bids, highest first, as (price, quantity)."""
        return [self._bids[price] for price in heapq.nlargest(depth, self._bids)]

    def asks(self, depth: int = 20) -> list[tuple[str, str]]:
        """The best `depth` asks, lowest first, as (price, quantity)."""
        return [self._asks[price] for price in heapq.nsmallest(depth, self._asks)]
