"""RPI orders: quantities that rest beside the visible book and are seen only by `rpiDepth` (usdm
5.11).

What rests at a price is a function of the run's seed and the *update id*, not of time: a snapshot
at an id and the stream's events around it then agree, and where the book stands still they do too.
"""

from __future__ import annotations

from mockex.market.draws import draw, subject
from mockex.market.truth import Side
from mockex.market.walk import Market

_LEVELS = 12  # behind the best price, and at most so many ahead of it
_LIFE_IDS = 4096  # an order rests for so many ids, some five seconds
_SHARE = 30  # in 100 prices
_QUANTITY = (1_000, 99_999)  # steps

Quantities = tuple[dict[int, int], dict[int, int]]  # by Side: price to quantity


def rpi_levels(market: Market, symbol: str, update_id: int | None = None) -> Quantities:
    """Bids and asks of RPI orders at an update id (None: now), price in ticks to quantity in steps.

    "A level whose RPI quantity crosses the book is hidden" (usdm 5.11): one at or beyond the best
    price of the other side, RPI bids included, is not in it.
    """
    if market.kind == "replay":
        return {}, {}  # nothing is known of them
    if update_id is None:
        update_id = market.truth.last_update_id(symbol)
        bid, _, ask, _ = market.top(symbol)
    else:
        book = market.truth.book(symbol, update_id)
        bid, ask = book.bids[0][0], book.asks[0][0]
    key = subject(market.seed, "rpi", symbol)
    bids = _resting(key, Side.BID, update_id, range(bid - _LEVELS, min(ask, bid + _LEVELS)))
    highest = max(bid, max(bids, default=bid))
    asks = _resting(
        key, Side.ASK, update_id, range(max(highest, ask - _LEVELS) + 1, ask + _LEVELS + 1)
    )
    return bids, asks


def rpi_book(market: Market, symbol: str, update_id: int | None = None) -> Quantities:
    """The book at an id with the RPI orders in it, unordered."""
    if update_id is None:
        update_id = market.truth.last_update_id(symbol)
    book = market.truth.book(symbol, update_id)
    merged: Quantities = (dict(book.bids), dict(book.asks))
    for side, levels in zip(merged, rpi_levels(market, symbol, update_id), strict=True):
        for price, quantity in levels.items():
            side[price] = side.get(price, 0) + quantity
    return merged


def _resting(key: int, side: Side, update_id: int, prices: range) -> dict[int, int]:
    """RPI orders of one side at some prices."""
    least, most = _QUANTITY
    found: dict[int, int] = {}
    for price in prices:
        place = price * 2 + side
        # Each price changes at ids of its own.
        turn = (update_id + draw(key, place) % _LIFE_IDS) // _LIFE_IDS
        drawn = draw(key, (place << 40) + turn)
        if drawn % 100 < _SHARE:
            found[price] = least + (drawn >> 32) % (most - least + 1)
    return found
