"""Book tickers, spelled (spot 5.8: no `e`, no time; usdm 5.8 in the order of wire B3)."""

from __future__ import annotations

from mockex.market.instruments import Instrument

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
