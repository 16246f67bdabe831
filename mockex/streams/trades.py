"""Trades and aggregate trades, spelled (spot 5.1, 5.2; usdm 5.1; wire B3, B4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

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


class _Trades:
    """`<symbol>@trade`."""

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)
        self.symbols = (self._instrument.symbol,)
        self._spell = usdm_trade if feed.profile.name == "usdm" else spot_trade

    def publish(self, changes: Changes) -> Iterable[Event]:
        change = changes.get(self._instrument.symbol)
        if change is None:
            return ()
        epoch_ms = self._feed.epoch_ms
        return [
            Event(
                self._stream,
                self._spell(self._instrument, trade, epoch_ms),
                trade.trade_id,
                trade.trade_id,
            )
            for trade in change.trades
        ]


class _AggTrades:
    """`<symbol>@aggTrade`. On usdm they are collected and leave some 150 ms late (wire B8)."""

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)
        self.symbols = (self._instrument.symbol,)
        self._spell = usdm_agg_trade if feed.profile.name == "usdm" else spot_agg_trade
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
            text = self._spell(self._instrument, order, self._feed.epoch_ms, self._lag_ms)
            events.append(Event(self._stream, text, order[0].order_id, order[0].order_id))
        return events


RECIPES: Mapping[Kind, Recipe] = {
    Kind.TRADE: Recipe(_Trades),
    Kind.AGG_TRADE: Recipe(_AggTrades),
}
