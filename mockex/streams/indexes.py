"""Streams of usdm that no single symbol is behind: indexes of assets and of several bases (usdm
5.12, 5.14; wire A10, A11), and the trading sessions of other venues (5.15)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockex.market.indexes import (
    AssetIndex,
    Composite,
    asset_index,
    asset_indexes,
    composite,
    composites,
)
from mockex.market.prices import spelled
from mockex.market.sessions import Session, sessions
from mockex.names import Kind, StreamName
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe


def asset_index_update(index: AssetIndex, event_ms: int) -> str:
    """`<assetSymbol>@assetIndex`, and a row of `!assetIndex@arr`: 8 decimals (wire A10)."""
    return (
        f'{{"e":"assetIndexUpdate","E":{event_ms},"s":"{index.symbol}",'
        f'"i":"{spelled(index.index)}","b":"{spelled(index.bid_buffer)}",'
        f'"a":"{spelled(index.ask_buffer)}","B":"{spelled(index.bid_rate)}",'
        f'"A":"{spelled(index.ask_rate)}","q":"{spelled(index.exchange_bid_buffer)}",'
        f'"g":"{spelled(index.exchange_ask_buffer)}","Q":"{spelled(index.exchange_bid_rate)}",'
        f'"G":"{spelled(index.exchange_ask_rate)}"}}'
    )


def composite_index(index: Composite, event_ms: int) -> str:
    """`<symbol>@compositeIndex`."""
    components = ",".join([
        f'{{"b":"{c.base}","q":"{c.quote}","w":"{spelled(c.weight)}",'
        f'"W":"{spelled(c.share)}","i":"{spelled(c.index)}"}}'
        for c in index.components
    ])  # fmt: skip
    return (
        f'{{"e":"compositeIndex","E":{event_ms},"s":"{index.symbol}",'
        f'"p":"{spelled(index.price)}","C":"{index.kind}","c":[{components}]}}'
    )


def trading_session(session: Session, event_ms: int) -> str:
    """`tradingSession` of one market."""
    return (
        f'{{"e":"{session.event}","E":{event_ms},"t":{session.start_ms},"T":{session.end_ms},'
        f'"S":"{session.state}"}}'
    )


class _ByClock:
    """One of these streams: at each period, even if nothing changed."""

    symbols = ()  # all is read from the truth when it is due

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._name = name

    def publish(self, changes: Changes) -> Iterable[Event]:
        at = self._feed.unix_ms
        return [Event(self._name.text, text, at, at) for text in self._texts(at)]

    def _texts(self, unix_ms: int) -> list[str]:
        raise NotImplementedError


class _AssetIndex(_ByClock):
    def _texts(self, unix_ms: int) -> list[str]:
        index = asset_index(self._feed.market, self._name.subject.upper(), self._feed.at_ms)
        return [asset_index_update(index, unix_ms)]


class _AllAssetIndexes(_ByClock):
    def _texts(self, unix_ms: int) -> list[str]:
        market, at_ms = self._feed.market, self._feed.at_ms
        rows = [
            asset_index_update(asset_index(market, symbol, at_ms), unix_ms)
            for symbol in asset_indexes(market)
        ]
        return [f"[{','.join(rows)}]"]


class _CompositeIndex(_ByClock):
    def _texts(self, unix_ms: int) -> list[str]:
        index = composite(self._feed.market, self._name.subject.upper(), self._feed.at_ms)
        return [composite_index(index, unix_ms)]


class _TradingSession(_ByClock):
    """ "One message per market per second" (usdm 5.15)."""

    def _texts(self, unix_ms: int) -> list[str]:
        return [trading_session(session, unix_ms) for session in sessions(unix_ms)]


RECIPES: Mapping[Kind, Recipe] = {
    Kind.ASSET_INDEX: Recipe(
        _AssetIndex,
        knows=lambda feed, name: name.subject.upper() in asset_indexes(feed.market),
        by_clock=True,
    ),
    Kind.ALL_ASSET_INDEXES: Recipe(_AllAssetIndexes, by_clock=True),
    Kind.COMPOSITE_INDEX: Recipe(
        _CompositeIndex,
        knows=lambda feed, name: name.subject.upper() in composites(feed.market),
        by_clock=True,
    ),
    Kind.TRADING_SESSION: Recipe(_TradingSession, by_clock=True),
}
