"""`<symbol>@rpiDepth`: the book with the RPI orders in it (usdm 5.11; bids ascending, wire A3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockex.market.rpi import Quantities, rpi_levels
from mockex.names import Kind, StreamName
from mockex.streams.depth import USDM_LAG_MS, Speller, in_order, usdm_depth
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe


class _RpiDepth:
    """A diff of book and RPI orders together. A level that an RPI order left and came back to
    between two events is in the second: a snapshot in between may have seen it gone. So every step
    is looked at."""

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._period_ms = period_ms
        self._instrument = feed.instrument(name)
        self._symbol = self._instrument.symbol
        self.symbols = (self._symbol,)
        self._speller = Speller(self._instrument)
        begin_ms = feed.last_due_ms(period_ms)
        self._last_id = feed.truth.id_at(self._symbol, begin_ms)
        self._resting = rpi_levels(feed.market, self._symbol, self._last_id)
        self._touched: tuple[set[int], set[int]] = (set(), set())
        for at_ms in range(begin_ms + feed.market.step_ms, feed.at_ms + 1, feed.market.step_ms):
            update_id = feed.truth.id_at(self._symbol, at_ms)
            self._see(rpi_levels(feed.market, self._symbol, update_id))

    def _see(self, now: Quantities) -> None:
        """RPI orders after one step."""
        for touched, old, new in zip(self._touched, self._resting, now, strict=True):
            touched.update(price for price, _ in old.items() ^ new.items())
        self._resting = now

    def publish(self, changes: Changes) -> Iterable[Event]:
        feed, symbol = self._feed, self._symbol
        if symbol in changes:
            self._see(rpi_levels(feed.market, symbol))
        if not feed.due(self._period_ms):
            return ()
        before, final = self._last_id, feed.truth.last_update_id(symbol)
        if final == before:
            return ()
        self._last_id = final
        first = feed.truth.first_id_after(symbol, before)
        assert first is not None
        bids, asks = map(self._speller.levels, in_order(feed.profile, *self._changed(before)))
        at = feed.unix_ms
        text = usdm_depth(
            self._instrument, at + USDM_LAG_MS, at, (first, final, before), bids, asks
        )
        return (Event(self._stream, text, first, final),)

    def _changed(self, after_id: int) -> Quantities:
        """Levels of the book or of RPI orders that were touched after an id, as they are now."""
        truth = self._feed.truth
        found = truth.changes(self._symbol, after_id, self._last_id)
        book = truth.book(self._symbol)
        for levels, touched, visible, resting in zip(
            found, self._touched, (dict(book.bids), dict(book.asks)), self._resting, strict=True
        ):
            for price in touched:
                levels.setdefault(price, visible.get(price, 0))
            for price in levels:
                levels[price] += resting.get(price, 0)
            touched.clear()
        return found


RECIPES: Mapping[Kind, Recipe] = {Kind.RPI_DEPTH: Recipe(_RpiDepth, every_step=True)}
