"""Klines (rest A4, B2; wire B1): rows of twelve elements, of trades and of prices derived of them.

Bars of mark, index and premium are made of samples at the moments at which `<symbol>@markPrice`
tells them (usdm 5.0: every 3 s), so that both agree. Minutes that are over are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mockex.market.bars import Bar, bars
from mockex.market.derived import index, mark, spelled
from mockex.market.instruments import Instrument
from mockex.names import Kind
from mockex.rest import refusals
from mockex.rest.asked import Asked
from mockex.rest.messages import Answer
from mockex.streams.klines import quote_decimals

_DEFAULT = 500
_MOST_SPOT, _MOST_USDM = 1000, 1500
_SAMPLE_MS = 3000
_MINUTE_MS = 60_000
CONTRACTS = ("PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER", "TRADIFI_PERPETUAL")
_Row = list[object]


def trades(asked: Asked) -> Answer:
    """`klines` and `uiKlines`."""
    i = asked.one()
    return Answer([_row(asked, i, bar) for bar in _bars(asked, i, Kind.KLINE)])


def continuous(asked: Asked) -> Answer:
    """`continuousKlines`: of the contract of a pair that is now of this type."""
    contract = asked.query.text("contractType")
    if contract not in CONTRACTS:
        raise refusals.invalid("contractType")
    i = _of_pair(asked, contract)
    return Answer([_row(asked, i, bar) for bar in _bars(asked, i, Kind.CONTINUOUS_KLINE)])


def marks(asked: Asked) -> Answer:
    """`markPriceKlines`."""

    def price(at_ms: int) -> int:
        return mark(asked.market, i.symbol, asked.epoch_ms, at_ms).mark

    i = asked.one()
    return _derived(asked, i, "mark", price)


def indexes(asked: Asked) -> Answer:
    """`indexPriceKlines`."""

    def price(at_ms: int) -> int:
        return index(asked.market, i.symbol, at_ms)

    i = _of_pair(asked, None)
    return _derived(asked, i, "index", price)


def premiums(asked: Asked) -> Answer:
    """`premiumIndexKlines`: how far the mark price is from the index, in parts of it."""

    def price(at_ms: int) -> int:
        now = mark(asked.market, i.symbol, asked.epoch_ms, at_ms)
        return (now.mark - now.index) * 10**8 // now.index

    i = asked.one()
    return _derived(asked, i, "premium", price)


def _of_pair(asked: Asked, contract: str | None) -> Instrument:
    pair = asked.query.text("pair")
    assert pair is not None
    for i in asked.instruments():
        if i.pair == pair.upper() and contract in (None, i.contract):
            return i
    raise refusals.bad_symbol()


def time_zone_min(asked: Asked) -> int:
    """`timeZone` in minutes: hours, or hours and minutes, from -12:00 to +14:00 (rest A4).

    Raises:
        Refused: outside of that.
    """
    text = asked.query.text("timeZone")
    if text is None:
        return 0
    hours, _, minutes = text.strip(" +-").partition(":")
    offset = int(hours) * 60 + int(minutes or 0)
    offset = -offset if text.startswith("-") else offset
    if not -12 * 60 <= offset <= 14 * 60 or int(minutes or 0) >= 60:
        raise refusals.invalid("timeZone")
    return offset


def _bars(asked: Asked, i: Instrument, kind: Kind) -> list[Bar]:
    """The bars that are asked for, with an interval that streams of this kind have."""
    query = asked.query
    interval = query.text("interval")
    assert interval is not None
    if interval not in asked.profile.streams.get(kind, ()):
        raise refusals.bad_interval()
    offset_min = time_zone_min(asked)
    limit = asked.limit(_DEFAULT, _MOST_USDM if asked.usdm else _MOST_SPOT)
    start_ms = asked.time_of("startTime")
    if start_ms is not None and start_ms > asked.now_ms:
        return []
    return bars(
        asked.market,
        i.symbol,
        asked.epoch_ms,
        asked.now_ms,
        interval,
        start_ms=start_ms,
        end_ms=asked.time_of("endTime"),
        limit=limit,
        offset_min=offset_min,
    )


def _row(asked: Asked, i: Instrument, bar: Bar) -> _Row:
    decimals = quote_decimals(asked.profile, i)
    return [
        asked.time(bar.open_ms),
        i.price(bar.open),
        i.price(bar.high),
        i.price(bar.low),
        i.price(bar.close),
        i.quantity(bar.volume),
        asked.last(bar.close_ms),
        i.amount(bar.quote, decimals),
        bar.count,
        i.quantity(bar.taker_volume),
        i.amount(bar.taker_quote, decimals),
        "0",
    ]


@dataclass(frozen=True, slots=True)
class _Prices:
    """Open, high, low and close of something derived, in units of 1e-8, of so many samples."""

    open: int
    high: int
    low: int
    close: int
    count: int

    def and_then(self, later: _Prices) -> _Prices:
        """Both in one."""
        return _Prices(
            self.open,
            max(self.high, later.high),
            min(self.low, later.low),
            later.close,
            self.count + later.count,
        )


def _derived(asked: Asked, i: Instrument, what: str, price: Callable[[int], int]) -> Answer:
    rows: list[_Row] = []
    for bar in _bars(asked, i, Kind.KLINE):
        prices = _sampled(asked, (what, i.symbol), price, bar)
        said = [spelled(n) for n in (prices.open, prices.high, prices.low, prices.close)]
        end = asked.last(bar.close_ms)
        rows.append([asked.time(bar.open_ms), *said, "0", end, "0", prices.count, "0", "0", "0"])
    return Answer(rows)


def _sampled(asked: Asked, what: tuple[str, str], price: Callable[[int], int], bar: Bar) -> _Prices:
    """The samples within a bar, minute by minute; before its first one, the last one before it."""
    first_ms = begins_ms = max(bar.open_ms, asked.epoch_ms)
    last_ms = min(bar.close_ms, asked.now_ms)
    kept = asked.market.truth.derived
    found: _Prices | None = None
    while first_ms <= last_ms:
        minute = first_ms // _MINUTE_MS
        ends_ms = (minute + 1) * _MINUTE_MS - 1
        key = (*what, minute)
        prices = kept.get(key)
        if prices is None:
            prices = _of_samples(asked, price, first_ms, min(ends_ms, last_ms))
            if ends_ms < asked.now_ms:
                kept[key] = prices
        if prices is not None:
            assert isinstance(prices, _Prices)
            found = found.and_then(prices) if found else prices
        first_ms = ends_ms + 1
    if found is None:
        only = price(max(0, begins_ms // _SAMPLE_MS * _SAMPLE_MS - asked.epoch_ms))
        return _Prices(only, only, only, only, 0)
    return found


def _of_samples(
    asked: Asked, price: Callable[[int], int], first_ms: int, last_ms: int
) -> _Prices | None:
    moments = range(-(-first_ms // _SAMPLE_MS) * _SAMPLE_MS, last_ms + 1, _SAMPLE_MS)
    prices = [price(unix_ms - asked.epoch_ms) for unix_ms in moments]
    if not prices:
        return None
    return _Prices(prices[0], max(prices), min(prices), prices[-1], len(prices))
