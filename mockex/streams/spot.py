"""Streams of spot beside book and trades: block trades (spot 5.3) and reference prices (5.10; 8
decimals, wire A10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockex.market.executions import BlockTrade, block_trades
from mockex.market.instruments import Instrument
from mockex.market.prices import reference_price, spelled
from mockex.names import Kind, StreamName
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe, trades_symbol


def block_trade(i: Instrument, trade: BlockTrade, event_ms: int, epoch_ms: int) -> str:
    """`<symbol>@blockTrade`."""
    return (
        f'{{"e":"blockTrade","E":{event_ms},"s":"{i.symbol}","t":{trade.block_id},'
        f'"p":"{i.price(trade.price)}","q":"{i.quantity(trade.quantity)}",'
        f'"T":{epoch_ms + trade.at_ms},"m":{"true" if trade.buyer_is_maker else "false"}}}'
    )


def reference(symbol: str, price: int | None, unix_ms: int) -> str:
    """`<symbol>@referencePrice`: no `E`."""
    value = "null" if price is None else f'"{spelled(price)}"'
    return f'{{"e":"referencePrice","s":"{symbol}","r":{value},"t":{unix_ms}}}'


class _BlockTrades:
    """`<symbol>@blockTrade`, at the first step after it was made."""

    symbols = ()  # the book has no part in it

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)
        self._until_ms = feed.at_ms

    def publish(self, changes: Changes) -> Iterable[Event]:
        feed, i, after_ms = self._feed, self._instrument, self._until_ms
        self._until_ms = feed.at_ms
        return [
            Event(
                self._stream,
                block_trade(i, trade, feed.unix_ms, feed.epoch_ms),
                trade.block_id,
                trade.block_id,
            )
            for trade in block_trades(feed.market, i.symbol, after_ms, feed.at_ms)
        ]


class _ReferencePrice:
    """`<symbol>@referencePrice`. "When nothing changed, expect nothing" (spot 5, I)."""

    symbols = ()  # read from the truth when it is due

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._symbol = feed.instrument(name).symbol
        self._sent: int | None = -1  # no price, and not the absence of one

    def publish(self, changes: Changes) -> Iterable[Event]:
        feed = self._feed
        price = reference_price(feed.market, self._symbol, feed.at_ms)
        if price == self._sent and feed.profile.silent_when_unchanged:
            return ()
        self._sent = price
        at = feed.unix_ms
        return (Event(self._stream, reference(self._symbol, price, at), at, at),)


RECIPES: Mapping[Kind, Recipe] = {
    Kind.BLOCK_TRADE: Recipe(_BlockTrades),
    Kind.REFERENCE_PRICE: Recipe(
        _ReferencePrice,
        knows=lambda feed, name: (
            trades_symbol(feed, name)
            and name.subject.upper() not in feed.profile.without_reference_price
        ),
    ),
}
