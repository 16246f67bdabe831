"""Rolling windows over the trades: what a ticker says of the last day or hour (spot 5.6, 5.7, usdm
5.6, wire B9).

Sums are kept while trades enter and leave, highs and lows as the two monotone queues of a sliding
window, so that each trade costs the same however wide the window is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mockex.market.executions import market_trades
from mockex.market.truth import Trade, trades_until
from mockex.market.walk import Market

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Window:
    """Trades in [open_ms, close_ms], in ms since the epoch. Prices in ticks, quantities in steps,
    `quote` in ticks times steps. `previous_close` is the price of the last trade before the window,
    that of the opening if there was none. Without a trade in it the ids are -1 and the prices the
    last one."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    count: int
    first_id: int
    last_id: int
    last_quantity: int
    previous_close: int


class Rolling:
    """The window of one symbol that ends now. It is meant to be asked with times that never fall;
    one that does is answered as rightly, from the beginning. `epoch_ms` is the opening in ms since
    the epoch; with `on_minute` a window begins at the full minute before its width (spot 5.7)."""

    def __init__(
        self, market: Market, symbol: str, epoch_ms: int, width_ms: int, *, on_minute: bool
    ) -> None:
        self._market = market
        self._symbol = symbol
        self._start_ticks = market.instruments[symbol].start_ticks
        self._epoch_ms = epoch_ms
        self._width_ms = width_ms
        self._on_minute = on_minute
        self._begin(0)

    def _begin(self, index: int) -> None:
        """Empty, before the trade of this index."""
        self._now_ms = -1
        self._first = self._end = index
        self._volume = self._quote = 0
        # indices of trades: prices fall in the one, rise in the other
        self._highs: deque[int] = deque()
        self._lows: deque[int] = deque()

    def _open_ms(self, now_ms: int) -> int:
        """First ms of the window, since the opening."""
        opens = now_ms - self._width_ms
        return opens - (self._epoch_ms + opens) % _MINUTE_MS if self._on_minute else opens

    def span(self, now_ms: int) -> tuple[int, int]:
        """Which trades lie in the window at `now_ms` since the opening: index of the first, and of
        the first one after it. Two windows with the same span differ in their times alone."""
        trades = market_trades(self._market, self._symbol)
        first = trades_until(trades, self._open_ms(now_ms) - 1)
        return first, trades_until(trades, now_ms)

    def at(self, now_ms: int) -> Window | None:
        """The window at `now_ms` since the opening; None before the first trade of all."""
        trades = market_trades(self._market, self._symbol)
        opens = self._open_ms(now_ms)
        if now_ms < self._now_ms or opens > self._now_ms:
            self._begin(self.span(now_ms)[0])
        self._now_ms = now_ms
        while self._end < len(trades) and trades[self._end].at_ms <= now_ms:
            self._enter(trades, self._end)
            self._end += 1
        while self._first < self._end and trades[self._first].at_ms < opens:
            self._leave(trades[self._first])
            self._first += 1
        if not self._end:
            return None
        return self._window(trades, opens, now_ms)

    def _enter(self, trades: list[Trade], index: int) -> None:
        trade = trades[index]
        price = trade.price
        self._volume += trade.quantity
        self._quote += price * trade.quantity
        highs, lows = self._highs, self._lows
        while highs and trades[highs[-1]].price <= price:
            highs.pop()
        while lows and trades[lows[-1]].price >= price:
            lows.pop()
        highs.append(index)
        lows.append(index)

    def _leave(self, trade: Trade) -> None:
        """The first trade lies before the window."""
        self._volume -= trade.quantity
        self._quote -= trade.price * trade.quantity
        for queue in (self._highs, self._lows):
            if queue[0] == self._first:
                queue.popleft()

    def _window(self, trades: list[Trade], opens: int, now_ms: int) -> Window:
        first, end = self._first, self._end
        last = trades[end - 1]
        empty = first == end
        price = last.price
        return Window(
            open_ms=self._epoch_ms + opens,
            close_ms=self._epoch_ms + now_ms,
            open=price if empty else trades[first].price,
            high=price if empty else trades[self._highs[0]].price,
            low=price if empty else trades[self._lows[0]].price,
            close=price,
            volume=self._volume,
            quote=self._quote,
            count=end - first,
            first_id=-1 if empty else trades[first].trade_id,
            last_id=-1 if empty else last.trade_id,
            last_quantity=last.quantity,
            previous_close=trades[first - 1].price if first else self._start_ticks,
        )
