"""Depth: partial pictures, diffs and snapshots, spelled (spot 5.11, 5.12; usdm 5.9, 5.10; wire A3,
B3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mockex.market.instruments import Instrument
from mockex.market.truth import Truth
from mockex.profile import Profile

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
    symbol: str, event_ms: int, at_ms: int, ids: tuple[int, int, int], b: str, a: str
) -> str:
    """Diff and partial depth on usdm: the same members, `ids` are U, u and pu."""
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"T":{at_ms},"s":"{symbol}","ps":"{symbol}",'
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
) -> tuple[str, int]:
    """The text of a REST depth answer and its `lastUpdateId` (rest A4, B2)."""
    book = truth.book(instrument.symbol, update_id)
    speller = Speller(instrument)
    bids, asks = speller.levels(book.bids[:limit]), speller.levels(book.asks[:limit])
    if profile.name == "spot":
        return spot_partial(book.last_update_id, bids, asks), book.last_update_id
    return (
        f'{{"lastUpdateId":{book.last_update_id},"E":{unix_ms},"T":{unix_ms},'
        f'"bids":{bids},"asks":{asks}}}'
    ), book.last_update_id
