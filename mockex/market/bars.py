"""Bars of trades (spot 5.4, usdm 5.3, rest A4 `klines`), at every interval and time zone.

A bar is worked out of the trades of the truth. Minutes that are over are kept, and longer bars are
merged from them, so that a day is not added up trade by trade each time somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from mockex.market.executions import market_trades
from mockex.market.truth import Trade, trades_until
from mockex.market.walk import Market

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
# Weeks begin on a Monday; the epoch was a Thursday.
_MONDAY_MS = 4 * _DAY_MS
_UNIT_MS = {"s": 1000, "m": _MINUTE_MS, "h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS}
INTERVALS = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
    "1M",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. Times in ms since the epoch, both inclusive; prices in ticks, volumes in steps,
    quote volumes in ticks times steps. Without a trade the ids are -1 and the prices those of the
    close before."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote: int = 0
    taker_volume: int = 0
    taker_quote: int = 0
    count: int = 0
    first_id: int = -1
    last_id: int = -1


class Growing:
    """A bar that trades and shorter bars are added to, in order."""

    def __init__(self, open_ms: int, close_ms: int, price: int) -> None:
        self.open_ms, self.close_ms = open_ms, close_ms
        self._open = self._high = self._low = self.close = price
        self._volume = self._quote = self._taker_volume = self._taker_quote = 0
        self.count = 0
        self._first_id = self._last_id = -1

    def trade(self, trade: Trade) -> None:
        """One more trade."""
        price, quantity = trade.price, trade.quantity
        if not self.count:
            self._open = self._high = self._low = price
            self._first_id = trade.trade_id
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self.close = price
        self.count += 1
        self._last_id = trade.trade_id
        self._volume += quantity
        self._quote += price * quantity
        if not trade.buyer_is_maker:
            self._taker_volume += quantity
            self._taker_quote += price * quantity

    def merge(self, bar: Bar) -> None:
        """A bar that lies within this one."""
        if not bar.count:
            return
        if not self.count:
            self._open, self._high, self._low = bar.open, bar.high, bar.low
            self._first_id = bar.first_id
        self._high = max(self._high, bar.high)
        self._low = min(self._low, bar.low)
        self.close = bar.close
        self.count += bar.count
        self._last_id = bar.last_id
        self._volume += bar.volume
        self._quote += bar.quote
        self._taker_volume += bar.taker_volume
        self._taker_quote += bar.taker_quote

    def bar(self) -> Bar:
        """The bar as it is now."""
        return Bar(
            self.open_ms,
            self.close_ms,
            self._open,
            self._high,
            self._low,
            self.close,
            self._volume,
            self._quote,
            self._taker_volume,
            self._taker_quote,
            self.count,
            self._first_id,
            self._last_id,
        )


def bounds(interval: str, unix_ms: int, offset_min: int = 0) -> tuple[int, int]:
    """First and last ms of the bar that holds `unix_ms`. `offset_min` is the time zone whose
    midnights, Mondays and months are meant; the times stay those of UTC.

    Raises:
        ValueError: an interval that is none of `INTERVALS`.
    """
    if interval not in INTERVALS:
        raise ValueError(f"{interval!r} is no interval of bars")
    offset_ms = offset_min * _MINUTE_MS
    local = unix_ms + offset_ms
    if interval == "1M":
        first, after = _month(local)
        return first - offset_ms, after - offset_ms - 1
    width = int(interval[:-1]) * _UNIT_MS[interval[-1]]
    grid = _MONDAY_MS if interval == "1w" else 0
    first = (local - grid) // width * width + grid - offset_ms
    return first, first + width - 1


def _month(local_ms: int) -> tuple[int, int]:
    """First ms of the month that holds `local_ms`, and of the next one."""
    day = datetime.fromtimestamp(local_ms // 1000, UTC)
    year, month = day.year, day.month
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return tuple(  # type: ignore[return-value]
        int(datetime(y, m, 1, tzinfo=UTC).timestamp()) * 1000 for y, m in ((year, month), after)
    )


class _Minutes:
    """The minutes of one symbol that are over, from that of the opening on without a hole."""

    def __init__(self, market: Market, symbol: str, epoch_ms: int) -> None:
        self._market = market
        self._symbol = symbol
        self._epoch_ms = epoch_ms
        self._first_ms = epoch_ms // _MINUTE_MS * _MINUTE_MS
        # before the next trade that is not in a minute
        self._price = market.instruments[symbol].start_ticks
        self._used = 0  # trades that are in minutes
        self._bars: list[Bar] = []

    def within(self, first_ms: int, last_ms: int) -> list[Bar]:
        """Minutes that lie in [first_ms, last_ms]. There may be fewer than are over."""
        self._extend(last_ms)
        start = max(0, -(-(first_ms - self._first_ms) // _MINUTE_MS))
        return self._bars[start : max(0, (last_ms + 1 - self._first_ms) // _MINUTE_MS)]

    def _extend(self, until_ms: int) -> None:
        """Keep the minutes until then that are over. Trades are in the order of time, so none is
        added any more to a minute with a later trade behind it."""
        trades = market_trades(self._market, self._symbol)
        if not trades:
            return
        ends_ms = min(until_ms + 1, self._epoch_ms + trades[-1].at_ms)
        while (first_ms := self._first_ms + len(self._bars) * _MINUTE_MS) + _MINUTE_MS <= ends_ms:
            minute = Growing(first_ms, first_ms + _MINUTE_MS - 1, self._price)
            last_at = minute.close_ms - self._epoch_ms
            while self._used < len(trades) and trades[self._used].at_ms <= last_at:
                minute.trade(trades[self._used])
                self._used += 1
            self._price = minute.close
            self._bars.append(minute.bar())


def _minutes(market: Market, symbol: str, epoch_ms: int) -> _Minutes:
    key = (_Minutes, symbol, epoch_ms)
    kept = market.truth.derived.get(key)
    if kept is None:
        kept = market.truth.derived[key] = _Minutes(market, symbol, epoch_ms)
    assert isinstance(kept, _Minutes)
    return kept


def growing(
    market: Market, symbol: str, epoch_ms: int, now_ms: int, limits: tuple[int, int]
) -> tuple[Growing, int]:
    """The bar between `limits` as it was at `now_ms` (both since the epoch), and how many trades
    of the market there were until then: the next one is the first that is not in it."""
    first_ms, last_ms = limits
    trades = market_trades(market, symbol)
    end = trades_until(trades, min(now_ms, last_ms) - epoch_ms)
    at = trades_until(trades, first_ms - epoch_ms - 1)
    price = trades[at - 1].price if at else market.instruments[symbol].start_ticks
    bar = Growing(first_ms, last_ms, price)
    if last_ms - first_ms >= _MINUTE_MS - 1:
        for minute in _minutes(market, symbol, epoch_ms).within(first_ms, min(now_ms, last_ms)):
            bar.merge(minute)
    for trade in trades[at + bar.count : end]:
        bar.trade(trade)
    return bar, end


def bars(
    market: Market,
    symbol: str,
    epoch_ms: int,
    now_ms: int,
    interval: str,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int = 500,
    offset_min: int = 0,
) -> list[Bar]:
    """Bars in the order of time, none before that of the opening, the last one still open.

    The newest `limit` ones; with `start_ms` the oldest that open then or later; with `end_ms` none
    that opens later (rest A1). All times in ms since the epoch.
    """
    first_ms = bounds(interval, epoch_ms, offset_min)[0]
    until_ms = now_ms if end_ms is None else min(now_ms, end_ms)
    if start_ms is None:
        wanted = list(islice(_backward(interval, first_ms, until_ms, offset_min), limit))[::-1]
    else:
        from_ms = max(start_ms, first_ms)
        wanted = list(islice(_forward(interval, from_ms, until_ms, offset_min), limit))
    return [growing(market, symbol, epoch_ms, now_ms, span)[0].bar() for span in wanted]


def _forward(
    interval: str, from_ms: int, until_ms: int, offset_min: int
) -> Iterator[tuple[int, int]]:
    """Limits of the bars that open in [from_ms, until_ms]."""
    span = bounds(interval, from_ms, offset_min)
    if span[0] < from_ms:
        span = bounds(interval, span[1] + 1, offset_min)
    while span[0] <= until_ms:
        yield span
        span = bounds(interval, span[1] + 1, offset_min)


def _backward(
    interval: str, from_ms: int, until_ms: int, offset_min: int
) -> Iterator[tuple[int, int]]:
    """The same, the last one first."""
    span = bounds(interval, until_ms, offset_min)
    while span[0] >= from_ms:
        yield span
        span = bounds(interval, span[0] - 1, offset_min)
