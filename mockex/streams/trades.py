"""Trades and aggregate trades, spelled (spot 5.1, 5.2; usdm 5.1; wire B3, B4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from mockex.market.executions import Execution, counted, execution, without_rpi
from mockex.market.instruments import Instrument
from mockex.market.truth import Trade
from mockex.names import Kind, StreamName
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe


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


def usdm_trade(i: Instrument, trade: Trade, kind: Execution, epoch_ms: int) -> str:
    """`<symbol>@trade` on usdm, which no page documents: `X` is `MARKET`, `RPI` or `NA`, "then `p`
    and `q` are `"0"`" (wire B4)."""
    at = epoch_ms + trade.at_ms
    price, quantity = i.price(trade.price), i.quantity(trade.quantity)
    if kind is Execution.EXCLUDED:
        price = quantity = "0"
    return (
        f'{{"e":"trade","E":{at + 1},"T":{at},"s":"{i.symbol}","t":{trade.trade_id},'
        f'"p":"{price}","q":"{quantity}","X":"{kind}","m":{_flag(trade.buyer_is_maker)},"st":1}}'
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


def usdm_agg_trade(
    i: Instrument, order: list[Trade], without_rpi: int, epoch_ms: int, lag_ms: int
) -> str:
    """`<symbol>@aggTrade` on usdm: no `M`, but `nq`, the quantity without RPI orders, and `st`."""
    first, last = order[0], order[-1]
    at = epoch_ms + first.at_ms
    quantity = i.quantity(sum(t.quantity for t in order))
    return (
        f'{{"e":"aggTrade","E":{at + lag_ms},"a":{first.order_id},"s":"{i.symbol}",'
        f'"p":"{i.price(first.price)}","q":"{quantity}","nq":"{i.quantity(without_rpi)}",'
        f'"f":{first.trade_id},"l":{last.trade_id},"T":{at},'
        f'"m":{_flag(first.buyer_is_maker)},"st":1}}'
    )


class _Trades:
    """`<symbol>@trade`."""

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)
        self.symbols = (self._instrument.symbol,)
        self._usdm = feed.profile.name == "usdm"

    def publish(self, changes: Changes) -> Iterable[Event]:
        change = changes.get(self._instrument.symbol)
        if change is None:
            return ()
        return [
            Event(self._stream, self._text(trade), trade.trade_id, trade.trade_id)
            for trade in change.trades
        ]

    def _text(self, trade: Trade) -> str:
        feed, i = self._feed, self._instrument
        if not self._usdm:
            return spot_trade(i, trade, feed.epoch_ms)
        return usdm_trade(i, trade, execution(feed.market, i.symbol, trade), feed.epoch_ms)


class _AggTrades:
    """`<symbol>@aggTrade`. On usdm they are collected and leave some 150 ms late (wire B8)."""

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)
        self.symbols = (self._instrument.symbol,)
        self._usdm = feed.profile.name == "usdm"
        self._lag_ms = feed.profile.agg_trade_lag_ms
        self._delay_ms = self._lag_ms if self._lag_ms > feed.market.step_ms else 0
        self._waiting: deque[tuple[int, list[Trade]]] = deque()  # due ms, one order

    def publish(self, changes: Changes) -> Iterable[Event]:
        change = changes.get(self._instrument.symbol)
        if change is not None:
            due_ms = change.at_ms + self._delay_ms
            self._waiting += [(due_ms, order) for order in orders(change.trades)]
        events: list[Event] = []
        while self._waiting and self._waiting[0][0] <= self._feed.at_ms:
            order = self._waiting.popleft()[1]
            events.append(
                Event(self._stream, self._text(order), order[0].order_id, order[0].order_id)
            )
        return events

    def _text(self, order: list[Trade]) -> str:
        feed, i = self._feed, self._instrument
        if not self._usdm:
            return spot_agg_trade(i, order, feed.epoch_ms, self._lag_ms)
        # "Only market trades: insurance-fund and ADL trades are left out" (usdm 5.1).
        order = counted(feed.market, i.symbol, order)
        nq = without_rpi(feed.market, i.symbol, order)
        return usdm_agg_trade(i, order, nq, feed.epoch_ms, self._lag_ms)


RECIPES: Mapping[Kind, Recipe] = {
    Kind.TRADE: Recipe(_Trades),
    Kind.AGG_TRADE: Recipe(_AggTrades),
}
