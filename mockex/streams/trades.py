"""Trades and aggregate trades, spelled (spot 5.1, 5.2; usdm 5.1; wire B3, B4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from mockex.market.instruments import Instrument
from mockex.market.truth import Trade


def _flag(value: bool) -> str:
    return "true" if value else "false"


def spot_trade(i: Instrument, trade: Trade, epoch_ms: int) -> str:
    """`<symbol>@trade` on spot."""
    at = epoch_ms + trade.at_ms
    return (
        f'{{"e":"trade","E":{at + 1},"s":"{i.symbol}","t":{trade.trade_id},'
        f'"p":"{i.price(trade.price)}","q":"{i.quantity(trade.quantity)}","T":{at},'
        f'"m":{_flag(trade.buyer_is_maker)},"M":true}}'
    )


def usdm_trade(i: Instrument, trade: Trade, epoch_ms: int) -> str:
    """`<symbol>@trade` on usdm, which no page documents (wire B4)."""
    at = epoch_ms + trade.at_ms
    return (
        f'{{"e":"trade","E":{at + 1},"T":{at},"s":"{i.symbol}","t":{trade.trade_id},'
        f'"p":"{i.price(trade.price)}","q":"{i.quantity(trade.quantity)}","X":"MARKET",'
        f'"m":{_flag(trade.buyer_is_maker)},"st":1}}'
    )


def orders(trades: Iterable[Trade]) -> Iterator[list[Trade]]:
    """Trades of one taker order at one price."""
    for _, group in groupby(trades, key=lambda t: t.order_id):
        yield list(group)


def spot_agg_trade(i: Instrument, order: list[Trade], epoch_ms: int, lag_ms: int) -> str:
    """`<symbol>@aggTrade` on spot."""
    first, last = order[0], order[-1]
    at = epoch_ms + first.at_ms
    quantity = i.quantity(sum(t.quantity for t in order))
    return (
        f'{{"e":"aggTrade","E":{at + lag_ms},"s":"{i.symbol}","a":{first.order_id},'
        f'"p":"{i.price(first.price)}","q":"{quantity}","f":{first.trade_id},'
        f'"l":{last.trade_id},"T":{at},"m":{_flag(first.buyer_is_maker)},"M":true}}'
    )


def usdm_agg_trade(i: Instrument, order: list[Trade], epoch_ms: int, lag_ms: int) -> str:
    """`<symbol>@aggTrade` on usdm: no `M`, but `nq` and `st`."""
    first, last = order[0], order[-1]
    at = epoch_ms + first.at_ms
    quantity = i.quantity(sum(t.quantity for t in order))
    return (
        f'{{"e":"aggTrade","E":{at + lag_ms},"a":{first.order_id},"s":"{i.symbol}",'
        f'"p":"{i.price(first.price)}","q":"{quantity}","nq":"{quantity}",'
        f'"f":{first.trade_id},"l":{last.trade_id},"T":{at},'
        f'"m":{_flag(first.buyer_is_maker)},"st":1}}'
    )
