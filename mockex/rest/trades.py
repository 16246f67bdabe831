"""Trades and aggregate trades (rest A4, B2; wire A9).

Lists are in the order of time: the newest ones, or from an id or a time on the oldest (rest A1).
What is no trade of the market, those of the insurance fund and of ADLs, is in a stream alone (usdm
5.1).
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from operator import attrgetter

from mockex.market.derived import (
    BlockTrade,
    Execution,
    block_trades,
    execution,
    without_rpi,
)
from mockex.market.instruments import Instrument
from mockex.market.truth import Trade, trades_until
from mockex.rest import refusals
from mockex.rest.asked import Asked
from mockex.rest.messages import Answer
from mockex.streams.trades import orders

_DEFAULT, _MOST = 500, 1000
_HOUR_MS = 3_600_000
_OLDEST_MS = 48 * _HOUR_MS  # usdm: "last 48 h only" (rest B2)


def recent(asked: Asked) -> Answer:
    """`trades`: the newest ones."""
    i = asked.one()
    limit = asked.limit(_DEFAULT, _MOST)
    return Answer([_trade(asked, i, trade) for trade in asked.trades(i)[-limit:]])


def historical(asked: Asked) -> Answer:
    """`historicalTrades`: from an id on. usdm wants an API key for it, spot does not any more."""
    i = asked.one()
    if asked.usdm and not _is_key(asked.key):
        raise refusals.bad_key()
    limit = asked.limit(_DEFAULT, _MOST)
    first_id = asked.query.number("fromId")
    if first_id is None:
        return recent(asked)
    trades = asked.trades(i)
    start = bisect_left(trades, first_id, key=attrgetter("trade_id"))
    return Answer([_trade(asked, i, trade) for trade in trades[start : start + limit]])


def blocks(asked: Asked) -> Answer:
    """`historicalBlockTrades`: trades beside the book, from an id on."""
    i = asked.one()
    limit = asked.limit(_DEFAULT, _MOST)
    first_id = asked.query.number("fromId")
    assert first_id is not None
    slot_ms = (asked.profile.block_trade_s or 0) * 1000  # each slot of time has the next id
    begin_ms = max(0, first_id - 1) * slot_ms
    end_ms = min(asked.at_ms, begin_ms + limit * slot_ms)
    found = block_trades(asked.market, i.symbol, begin_ms, end_ms)
    return Answer([_said(asked, i, trade.block_id, trade) for trade in found])


def aggregate(asked: Asked) -> Answer:
    """`aggTrades`: from an id, from a time, or the newest ones."""
    i = asked.one()
    query, epoch_ms = asked.query, asked.epoch_ms
    limit = asked.limit(_DEFAULT, _MOST)
    first_id, start_ms, end_ms = (
        query.number("fromId"),
        asked.time_of("startTime"),
        asked.time_of("endTime"),
    )
    if first_id is not None and (start_ms is not None or end_ms is not None):
        raise refusals.bad_combination()
    if asked.usdm:
        _check_search(asked, start_ms, end_ms)
    trades = asked.trades(i)
    end = len(trades) if end_ms is None else trades_until(trades, end_ms - epoch_ms)
    if first_id is not None:
        start = bisect_left(trades, first_id, key=attrgetter("order_id"))
    elif start_ms is not None:
        start = trades_until(trades, start_ms - epoch_ms - 1)
    else:
        start = _newest_orders(trades, end, limit)
    if asked.usdm:
        start = max(start, trades_until(trades, asked.at_ms - _OLDEST_MS - 1))
    found = islice(orders(islice(trades, start, end)), limit)
    return Answer([_order(asked, i, order) for order in found])


def _check_search(asked: Asked, start_ms: int | None, end_ms: int | None) -> None:
    """usdm: at most two days back (rest B2, O), and an hour from start to end."""
    oldest_ms = asked.now_ms - _OLDEST_MS
    if any(ms is not None and ms < oldest_ms for ms in (start_ms, end_ms)):
        raise refusals.too_old()
    if start_ms is not None and end_ms is not None and end_ms - start_ms > _HOUR_MS:
        raise refusals.too_long(1)


def _newest_orders(trades: list[Trade], end: int, limit: int) -> int:
    """Where the newest so many orders before `end` begin."""
    count, start = 0, end
    while start:
        if start == end or trades[start - 1].order_id != trades[start].order_id:
            count += 1
            if count > limit:
                break
        start -= 1
    return start


def _is_key(key: str | None) -> bool:
    """Whether it could be an API key. No account stands behind it."""
    return key is not None and key.isascii() and key.isalnum()


def _said(
    asked: Asked, i: Instrument, trade_id: int, trade: Trade | BlockTrade
) -> dict[str, object]:
    """What all kinds of trade have in common."""
    return {
        "id": trade_id,
        "price": i.price(trade.price),
        "qty": i.quantity(trade.quantity),
        "quoteQty": i.amount(trade.price * trade.quantity, i.price_decimals),
        "time": asked.time(asked.epoch_ms + trade.at_ms),
        "isBuyerMaker": trade.buyer_is_maker,
    }


def _trade(asked: Asked, i: Instrument, trade: Trade) -> dict[str, object]:
    said = _said(asked, i, trade.trade_id, trade)
    if asked.usdm:
        said["isRPITrade"] = execution(asked.market, i.symbol, trade) is Execution.RPI
    else:
        said["isBestMatch"] = True
    return said


def _order(asked: Asked, i: Instrument, trades: list[Trade]) -> dict[str, object]:
    first, last = trades[0], trades[-1]
    said: dict[str, object] = {
        "a": first.order_id,
        "p": i.price(first.price),
        "q": i.quantity(sum(trade.quantity for trade in trades)),
    }
    if asked.usdm:
        said["nq"] = i.quantity(without_rpi(asked.market, i.symbol, trades))
    said |= {
        "f": first.trade_id,
        "l": last.trade_id,
        "T": asked.time(asked.epoch_ms + first.at_ms),
        "m": first.buyer_is_maker,
    }
    if not asked.usdm:
        said["M"] = True
    return said
