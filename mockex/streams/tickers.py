"""Book tickers, spelled (spot 5.8: no `e`, no time; usdm 5.8 in the order of wire B3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockex.market.instruments import Instrument
from mockex.names import Kind, StreamName
from mockex.streams.depth import USDM_LAG_MS
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe

Top = tuple[int, int, int, int]  # bid price and quantity, ask price and quantity


def _sides(i: Instrument, top: Top) -> str:
    bid, bid_quantity, ask, ask_quantity = top
    return (
        f'"b":"{i.price(bid)}","B":"{i.quantity(bid_quantity)}",'
        f'"a":"{i.price(ask)}","A":"{i.quantity(ask_quantity)}"'
    )


def spot_book_ticker(i: Instrument, update_id: int, top: Top) -> str:
    """`<symbol>@bookTicker` on spot."""
    return f'{{"u":{update_id},"s":"{i.symbol}",{_sides(i, top)}}}'


def usdm_book_ticker(i: Instrument, update_id: int, top: Top, event_ms: int, at_ms: int) -> str:
    """`<symbol>@bookTicker` on usdm."""
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{i.symbol}","ps":"{i.symbol}",'
        f'{_sides(i, top)},"T":{at_ms},"E":{event_ms},"st":1}}'
    )


class _BookTicker:
    """`<symbol>@bookTicker`: "any change of the best bid or ask, price or quantity" (spot 5.8)."""

    def __init__(self, feed: Feed, name: StreamName, _period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._instrument = feed.instrument(name)
        self.symbols = (self._instrument.symbol,)
        self._top = feed.market.top(self._instrument.symbol)

    def publish(self, changes: Changes) -> Iterable[Event]:
        change = changes.get(self._instrument.symbol)
        if change is None:
            return ()
        top = self._feed.market.top(change.symbol)
        if top == self._top:
            return ()
        self._top = top
        at = self._feed.epoch_ms + change.at_ms
        update_id = change.final_update_id
        if self._feed.profile.name == "usdm":
            text = usdm_book_ticker(self._instrument, update_id, top, at + USDM_LAG_MS, at)
        else:
            text = spot_book_ticker(self._instrument, update_id, top)
        return (Event(self._stream, text, update_id, update_id),)


RECIPES: Mapping[Kind, Recipe] = {Kind.BOOK_TICKER: Recipe(_BookTicker)}
