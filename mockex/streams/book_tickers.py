"""Book tickers, spelled (spot 5.8: no `e`, no time; usdm 5.8 in the order of wire B3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from mockex.market.instruments import Instrument
from mockex.names import Kind, StreamName
from mockex.streams.depth import USDM_LAG_MS
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe

Top = tuple[int, int, int, int]  # bid price and quantity, ask price and quantity


def sides(i: Instrument, top: Top) -> str:
    """The members `b`, `B`, `a` and `A`."""
    bid, bid_quantity, ask, ask_quantity = top
    return (
        f'"b":"{i.price(bid)}","B":"{i.quantity(bid_quantity)}",'
        f'"a":"{i.price(ask)}","A":"{i.quantity(ask_quantity)}"'
    )


def spot_book_ticker(i: Instrument, update_id: int, top: Top) -> str:
    """`<symbol>@bookTicker` on spot."""
    return f'{{"u":{update_id},"s":"{i.symbol}",{sides(i, top)}}}'


def usdm_book_ticker(i: Instrument, update_id: int, top: Top, event_ms: int, at_ms: int) -> str:
    """`<symbol>@bookTicker` on usdm."""
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{i.symbol}","ps":"{i.pair}",'
        f'{sides(i, top)},"T":{at_ms},"E":{event_ms},"st":{i.universe}}}'
    )


def top_at(feed: Feed, symbol: str, at_ms: int) -> Top:
    """The top of the book at this step or one that is over."""
    if at_ms == feed.at_ms:
        return feed.market.top(symbol)
    return feed.truth.top(symbol, feed.truth.id_at(symbol, at_ms))


class _BookTickers:
    """`<symbol>@bookTicker` and `!bookTicker`, which is one object a message: "any change of the
    best bid or ask, price or quantity" (spot 5.8)."""

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instruments = (
            [feed.instrument(name)] if name.subject else list(feed.market.instruments.values())
        )
        self.symbols: Collection[str] = tuple(i.symbol for i in self._instruments)
        self._real_time = not period_ms  # what is in `changes` is then all that changed
        due_ms = feed.last_due_ms(period_ms)
        self._tops = {symbol: top_at(feed, symbol, due_ms) for symbol in self.symbols}

    def publish(self, changes: Changes) -> Iterable[Event]:
        events: list[Event] = []
        for i in self._instruments:
            symbol = i.symbol
            if self._real_time and symbol not in changes:
                continue
            top = self._feed.market.top(symbol)
            if top != self._tops[symbol]:
                self._tops[symbol] = top
                events.append(self._event(i, top))
        return events

    def _event(self, i: Instrument, top: Top) -> Event:
        feed = self._feed
        update_id = feed.truth.last_update_id(i.symbol)
        if feed.profile.name == "usdm":
            at = feed.unix_ms
            text = usdm_book_ticker(i, update_id, top, at + USDM_LAG_MS, at)
        else:
            text = spot_book_ticker(i, update_id, top)
        return Event(self._stream, text, update_id, update_id)


RECIPES: Mapping[Kind, Recipe] = {
    Kind.BOOK_TICKER: Recipe(_BookTickers),
    Kind.ALL_BOOK_TICKERS: Recipe(_BookTickers),
}
