"""Trades and aggregate trades, spelled (spot 5.1, 5.2; usdm 5.1; wire B3, B4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from mockex.market.executions import Execution, executions
from mockex.market.instruments import Instrument
from mockex.market.truth import Trade
from mockex.market.walk import Change
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
    total = sum([t.quantity for t in order])
    quantity = i.quantity(total)
    nq = quantity if without_rpi == total else i.quantity(without_rpi)
    return (
        f'{{"e":"aggTrade","E":{at + lag_ms},"a":{first.order_id},"s":"{i.symbol}",'
        f'"p":"{i.price(first.price)}","q":"{quantity}","nq":"{nq}",'
        f'"f":{first.trade_id},"l":{last.trade_id},"T":{at},'
        f'"m":{_flag(first.buyer_is_maker)},"st":1}}'
    )


def _executions(feed: Feed, change: Change) -> list[Execution]:
    """What the trades of this step were: drawn once for both streams."""
    key = (Execution, change.symbol)
    known = feed.shared.get(key)
    if known is None:
        known = feed.shared[key] = executions(feed.market, change.symbol, change.trades)
    return known  # type: ignore[return-value]


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
        if change is None or not change.trades:
            return ()
        i, epoch_ms = self._instrument, self._feed.epoch_ms
        if self._usdm:
            kinds = _executions(self._feed, change)
            pairs = zip(change.trades, kinds, strict=True)
            texts = [usdm_trade(i, trade, kind, epoch_ms) for trade, kind in pairs]
        else:
            texts = [spot_trade(i, trade, epoch_ms) for trade in change.trades]
        return [
            Event(self._stream, text, trade.trade_id, trade.trade_id)
            for trade, text in zip(change.trades, texts, strict=True)
        ]


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
        self._waiting: deque[tuple[int, Event]] = deque()  # due ms

    def publish(self, changes: Changes) -> Iterable[Event]:
        change = changes.get(self._instrument.symbol)
        if change is not None and change.trades:
            due_ms = change.at_ms + self._delay_ms
            for order_id, text in self._usdm_texts(change) if self._usdm else self._texts(change):
                self._waiting.append((due_ms, Event(self._stream, text, order_id, order_id)))
        events: list[Event] = []
        while self._waiting and self._waiting[0][0] <= self._feed.at_ms:
            events.append(self._waiting.popleft()[1])
        return events

    def _texts(self, change: Change) -> Iterator[tuple[int, str]]:
        for order in orders(change.trades):
            text = spot_agg_trade(self._instrument, order, self._feed.epoch_ms, self._lag_ms)
            yield order[0].order_id, text

    def _usdm_texts(self, change: Change) -> Iterator[tuple[int, str]]:
        epoch_ms, lag_ms = self._feed.epoch_ms, self._lag_ms
        kinds, until = _executions(self._feed, change), 0
        for order in orders(change.trades):
            since, until = until, until + len(order)
            left_out = [
                (trade, kind)
                for trade, kind in zip(order, kinds[since:until], strict=True)
                if kind is not Execution.MARKET
            ]
            # "Only market trades: insurance-fund and ADL trades are left out" (usdm 5.1).
            excluded = [trade for trade, kind in left_out if kind is Execution.EXCLUDED]
            counted = [trade for trade in order if trade not in excluded] if excluded else order
            nq = sum([t.quantity for t in order]) - sum([t.quantity for t, _ in left_out])
            text = usdm_agg_trade(self._instrument, counted, nq, epoch_ms, lag_ms)
            yield order[0].order_id, text


RECIPES: Mapping[Kind, Recipe] = {
    Kind.TRADE: Recipe(_Trades),
    Kind.AGG_TRADE: Recipe(_AggTrades),
}
