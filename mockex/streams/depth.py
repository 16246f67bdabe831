"""Depth: partial pictures, diffs and snapshots, spelled (spot 5.11, 5.12; usdm 5.9, 5.10; wire A3,
B3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mockex.market.instruments import Instrument
from mockex.market.truth import Truth
from mockex.names import Kind, StreamName
from mockex.profile import Profile
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe

# wire B8: a depth event is sent 1 to 118 ms, a book ticker 0 to 32 ms after it happened.
USDM_LAG_MS = 2

Level = tuple[int, int]


class Speller:
    """Levels of one symbol as text. The text of a level is kept until its quantity changes."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._known: dict[int, tuple[int, str]] = {}

    def levels(self, levels: Iterable[Level]) -> str:
        """A JSON array of levels."""
        return "[" + ",".join([self._level(price, quantity) for price, quantity in levels]) + "]"

    def _level(self, price: int, quantity: int) -> str:
        known = self._known.get(price)
        if known is not None and known[0] == quantity:
            return known[1]
        i = self._instrument
        text = f'["{i.price(price)}","{i.quantity(quantity)}"]'
        self._known[price] = (quantity, text)
        return text


def speller(feed: Feed, instrument: Instrument) -> Speller:
    """The one of a symbol: a level that a diff has spelled need not be spelled for a picture."""
    key = (Speller, instrument.symbol)
    known = feed.kept.get(key)
    if known is None:
        known = feed.kept[key] = Speller(instrument)
    assert isinstance(known, Speller)
    return known


def spot_partial(last_id: int, bids: str, asks: str) -> str:
    """`<symbol>@depth<levels>` on spot; also the snapshot of REST."""
    return f'{{"lastUpdateId":{last_id},"bids":{bids},"asks":{asks}}}'


def spot_diff(symbol: str, event_ms: int, first_id: int, final_id: int, b: str, a: str) -> str:
    """`<symbol>@depth` on spot."""
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"s":"{symbol}","U":{first_id},"u":{final_id},'
        f'"b":{b},"a":{a}}}'
    )


def usdm_depth(
    i: Instrument, event_ms: int, at_ms: int, ids: tuple[int, int, int], b: str, a: str
) -> str:
    """Every kind of depth on usdm: the same members, `ids` are U, u and pu."""
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"T":{at_ms},"s":"{i.symbol}","ps":"{i.pair}",'
        f'"U":{ids[0]},"u":{ids[1]},"pu":{ids[2]},"b":{b},"a":{a},"st":1}}'
    )


def in_order(profile: Profile, bids: dict[int, int], asks: dict[int, int]) -> Sequence[list[Level]]:
    """Levels of a diff as the wire orders them: asks ascending; bids descending on spot, but
    ascending on usdm (wire A3)."""
    return (
        sorted(bids.items(), reverse=not profile.shared_ids),
        sorted(asks.items()),
    )


def snapshot(
    profile: Profile,
    truth: Truth,
    instrument: Instrument,
    limit: int,
    unix_ms: int,
    update_id: int | None = None,
    engine_ms: int | None = None,
) -> tuple[str, int]:
    """The text of a REST depth answer and its `lastUpdateId` (rest A4, B2). `engine_ms` is the time
    of its last update, which usdm tells beside the time of the answer."""
    book = truth.book(instrument.symbol, update_id)
    text = Speller(instrument)
    bids, asks = text.levels(book.bids[:limit]), text.levels(book.asks[:limit])
    if profile.name == "spot":
        return spot_partial(book.last_update_id, bids, asks), book.last_update_id
    return (
        f'{{"lastUpdateId":{book.last_update_id},"E":{unix_ms},'
        f'"T":{unix_ms if engine_ms is None else engine_ms},"bids":{bids},"asks":{asks}}}'
    ), book.last_update_id


class _Depth:
    """`<symbol>@depth` and `<symbol>@depth<levels>`."""

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._feed = feed
        self._name = name
        self._instrument = feed.instrument(name)
        self._symbol = self._instrument.symbol
        self.symbols = (self._symbol,)
        self._speller = speller(feed, self._instrument)
        # usdm 6.3: "`pu` of the first event after a subscription is the `u` of the last event that
        # would have been sent on that stream".
        self._last_id = feed.truth.id_at(self._symbol, feed.last_due_ms(period_ms))

    def publish(self, changes: Changes) -> Iterable[Event]:
        feed, symbol = self._feed, self._symbol
        before, final = self._last_id, feed.truth.last_update_id(symbol)
        if final == before:
            return ()  # nothing changed: nothing is sent
        self._last_id = final
        first = feed.truth.first_id_after(symbol, before)
        assert first is not None
        levels = self._name.levels
        if levels is not None:
            bids, asks = self._top_levels(levels)
        else:
            changed = feed.truth.changes(symbol, before, final)
            bids, asks = map(self._speller.levels, in_order(feed.profile, *changed))
        at = feed.unix_ms
        if feed.profile.name == "usdm":
            ids = (first, final, before)
            text = usdm_depth(self._instrument, at + USDM_LAG_MS, at, ids, bids, asks)
        elif levels is not None:
            text = spot_partial(final, bids, asks)
        else:
            text = spot_diff(symbol, at, first, final, bids, asks)
        return (Event(self._name.text, text, first, final),)

    def _top_levels(self, count: int) -> tuple[str, str]:
        """The same picture on streams of several speeds is spelled once."""
        shared = self._feed.shared
        key = (Kind.PARTIAL_DEPTH, self._symbol, count)
        known = shared.get(key)
        if known is None:
            bids, asks = self._feed.market.best(self._symbol, count)
            known = shared[key] = (self._speller.levels(bids), self._speller.levels(asks))
        return known  # type: ignore[return-value]


RECIPES: Mapping[Kind, Recipe] = {
    Kind.DIFF_DEPTH: Recipe(_Depth),
    Kind.PARTIAL_DEPTH: Recipe(_Depth),
}
