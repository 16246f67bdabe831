"""Tickers of a rolling window and the average price, spelled (spot 5.5 to 5.7, 5.9; usdm 5.5, 5.6;
wire B1, B3, B9, B11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mockex.market.executions import market_trades
from mockex.market.instruments import COIN_MARGINED, Instrument, rounded, spell
from mockex.market.truth import trades_until
from mockex.market.windows import Rolling, Window
from mockex.names import Kind, StreamName
from mockex.streams.book_tickers import Top, sides, top_at
from mockex.streams.envelope import Event
from mockex.streams.source import Changes, Feed, Recipe

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_WIDTH_MS = {"": _DAY_MS, "1h": _HOUR_MS, "4h": 4 * _HOUR_MS, "1d": _DAY_MS}
# A COIN-M contract is worth so many USD (I: the documents at hand do not say).
_CONTRACT_USD = {"BTC": 100}
_OTHER_CONTRACT_USD = 10
# spot 5.9, rest A4: the average price is that of the last 5 minutes
_AVERAGE_MIN = 5


def percent(w: Window) -> str:
    """How far the price has moved, with 3 decimals (spot 5, O)."""
    return spell(rounded((w.close - w.open) * 100_000, w.open), 3)


def average(i: Instrument, w: Window) -> str:
    """The weighted average price, without a trade the last one. A COIN-M row has 8 decimals (seen
    2026-10-06)."""
    if i.universe == COIN_MARGINED:
        amount, quantity = (w.quote, w.volume) if w.volume else (w.close, 1)
        return spell(rounded(amount * i.price_e8, quantity), 8)
    return i.average(w.quote, w.volume) if w.volume else i.price(w.close)


def quote_volume(i: Instrument, w: Window) -> str:
    """With the decimals of the price (wire B1). A COIN-M row counts contracts in `v` and here the
    base asset that they are worth at the average price."""
    if i.universe != COIN_MARGINED:
        return i.amount(w.quote, i.price_decimals)
    usd = w.volume * i.step * _CONTRACT_USD.get(i.base, _OTHER_CONTRACT_USD)
    scale = 10 ** (2 * i.price_decimals)  # of the price, and of what is spelled
    return spell(rounded(usd * w.volume * scale, w.quote * i.tick or 1), i.price_decimals)


def spot_mini_ticker(i: Instrument, w: Window, event_ms: int) -> str:
    """`<symbol>@miniTicker` on spot."""
    return f'{{"e":"24hrMiniTicker","E":{event_ms},"s":"{i.symbol}",{_mini(i, w)}}}'


def usdm_mini_ticker(i: Instrument, w: Window, event_ms: int) -> str:
    """`<symbol>@miniTicker` on usdm."""
    return (
        f'{{"e":"24hrMiniTicker","E":{event_ms},"s":"{i.symbol}","ps":"{i.pair}",'
        f'{_mini(i, w)},"st":{i.universe}}}'
    )


def _mini(i: Instrument, w: Window) -> str:
    return (
        f'"c":"{i.price(w.close)}","o":"{i.price(w.open)}","h":"{i.price(w.high)}",'
        f'"l":"{i.price(w.low)}",{_volumes(i, w)}'
    )


def _volumes(i: Instrument, w: Window) -> str:
    return f'"v":"{i.quantity(w.volume)}","q":"{quote_volume(i, w)}"'


def _moved(i: Instrument, w: Window) -> str:
    return f'"p":"{i.price(w.close - w.open)}","P":"{percent(w)}","w":"{average(i, w)}"'


def _limits(w: Window) -> str:
    return f'"O":{w.open_ms},"C":{w.close_ms},"F":{w.first_id},"L":{w.last_id},"n":{w.count}'


def spot_ticker(i: Instrument, w: Window, event_ms: int, top: Top) -> str:
    """`<symbol>@ticker` on spot."""
    return (
        f'{{"e":"24hrTicker","E":{event_ms},"s":"{i.symbol}",{_moved(i, w)},'
        f'"x":"{i.price(w.previous_close)}","c":"{i.price(w.close)}",'
        f'"Q":"{i.quantity(w.last_quantity)}",{sides(i, top)},"o":"{i.price(w.open)}",'
        f'"h":"{i.price(w.high)}","l":"{i.price(w.low)}",{_volumes(i, w)},{_limits(w)}}}'
    )


def usdm_ticker(i: Instrument, w: Window, event_ms: int) -> str:
    """`<symbol>@ticker` on usdm."""
    return (
        f'{{"e":"24hrTicker","E":{event_ms},"s":"{i.symbol}","ps":"{i.pair}",{_moved(i, w)},'
        f'"c":"{i.price(w.close)}","Q":"{i.quantity(w.last_quantity)}","o":"{i.price(w.open)}",'
        f'"h":"{i.price(w.high)}","l":"{i.price(w.low)}",{_volumes(i, w)},{_limits(w)},'
        f'"st":{i.universe}}}'
    )


def window_ticker(i: Instrument, w: Window, event_ms: int, name: str) -> str:
    """`<symbol>@ticker_<window>`, with `w` before `o` (wire B3)."""
    return (
        f'{{"e":"{name}Ticker","E":{event_ms},"s":"{i.symbol}",{_moved(i, w)},'
        f'"o":"{i.price(w.open)}","h":"{i.price(w.high)}","l":"{i.price(w.low)}",'
        f'"c":"{i.price(w.close)}",{_volumes(i, w)},{_limits(w)}}}'
    )


def avg_price(i: Instrument, w: Window, event_ms: int, traded_ms: int, interval: str) -> str:
    """`<symbol>@avgPrice`."""
    return (
        f'{{"e":"avgPrice","E":{event_ms},"s":"{i.symbol}","i":"{interval}",'
        f'"w":"{average(i, w)}","T":{traded_ms}}}'
    )


@dataclass(frozen=True, slots=True)
class _Text:
    """An object that is sent, by itself or in an array, and the ids of its trades."""

    text: str
    first_id: int
    last_id: int


def _rolling(feed: Feed, symbol: str, width_ms: int, *, on_minute: bool) -> Rolling:
    """The window of a symbol, one for all streams."""
    key = (Rolling, symbol, feed.epoch_ms, width_ms, on_minute)
    kept = feed.truth.derived.get(key)
    if kept is None:
        kept = Rolling(feed.market, symbol, feed.epoch_ms, width_ms, on_minute=on_minute)
        feed.truth.derived[key] = kept
    assert isinstance(kept, Rolling)
    return kept


class _Row:
    """The ticker of one symbol, and what has been sent of it. `kind` is that of a single symbol."""

    def __init__(
        self, feed: Feed, kind: Kind, option: str, instrument: Instrument, period_ms: int
    ) -> None:
        self._feed = feed
        self._kind = kind
        self._option = option
        self._instrument = instrument
        self._usdm = feed.profile.name == "usdm"
        # "`C - O` is exactly 86,400,000 on spot; on usdm `O` is on a full minute" (wire B9); so it
        # is in spot's tickers of a window (spot 5.7).
        on_minute = self._usdm or kind is Kind.WINDOW_TICKER
        self._rolling = _rolling(feed, instrument.symbol, _WIDTH_MS[option], on_minute=on_minute)
        self._of_book = kind is Kind.TICKER and not self._usdm
        self._sent = self._state(feed.last_due_ms(period_ms))

    def _state(self, at_ms: int) -> tuple[tuple[int, int], Top | None]:
        """What is another if the ticker has changed in more than its times."""
        symbol = self._instrument.symbol
        top = top_at(self._feed, symbol, at_ms) if self._of_book else None
        return self._rolling.span(at_ms), top

    def changed(self, *, even_if_not: bool = False) -> _Text | None:
        """The ticker at this step; None if nothing of it changed since the last due step."""
        feed = self._feed
        state = self._state(feed.at_ms)
        if state == self._sent and not even_if_not:
            return None
        self._sent = state
        key = (self._kind, self._option, self._instrument.symbol)
        known = feed.shared.get(key)
        if known is None:
            known = feed.shared[key] = self._spell(state[1])
        return known  # type: ignore[return-value]

    def _spell(self, top: Top | None) -> _Text | None:
        window = self._rolling.at(self._feed.at_ms)
        if window is None:
            return None  # nothing was ever traded
        i, event_ms = self._instrument, self._feed.unix_ms + self._feed.profile.ticker_lag_ms
        if self._kind is Kind.WINDOW_TICKER:
            text = window_ticker(i, window, event_ms, self._option)
        elif self._kind is Kind.MINI_TICKER:
            spell_mini = usdm_mini_ticker if self._usdm else spot_mini_ticker
            text = spell_mini(i, window, event_ms)
        elif top is None:
            text = usdm_ticker(i, window, event_ms)
        else:
            text = spot_ticker(i, window, event_ms, top)
        if window.count:
            return _Text(text, window.first_id, window.last_id)
        return _Text(text, window.close_ms, window.close_ms)


class _Ticker:
    """A ticker of one symbol."""

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._stream = name.text
        self._unchanged_too = not feed.profile.silent_when_unchanged
        instrument = feed.instrument(name)
        self.symbols = (instrument.symbol,)
        self._row = _Row(feed, name.kind, name.option, instrument, period_ms)

    def publish(self, changes: Changes) -> Iterable[Event]:
        row = self._row.changed(even_if_not=self._unchanged_too)
        return () if row is None else (Event(self._stream, row.text, row.first_id, row.last_id),)


_OF_ONE = {
    Kind.ALL_MINI_TICKERS: Kind.MINI_TICKER,
    Kind.ALL_TICKERS: Kind.TICKER,
    Kind.ALL_WINDOW_TICKERS: Kind.WINDOW_TICKER,
}


class _AllTickers:
    """An array of tickers, "changed symbols only" (spot 5, usdm 5.0)."""

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        instruments = feed.market.instruments
        self.symbols = tuple(instruments)
        kind = _OF_ONE[name.kind]
        self._rows = [_Row(feed, kind, name.option, i, period_ms) for i in instruments.values()]

    def publish(self, changes: Changes) -> Iterable[Event]:
        changed = [row for each in self._rows if (row := each.changed()) is not None]
        if not changed:
            return ()
        now = self._feed.unix_ms  # the ids of several symbols have no order
        return (Event(self._stream, f"[{','.join(row.text for row in changed)}]", now, now),)


class _AvgPrice:
    """`<symbol>@avgPrice`: at the first trade of each period, for "it looks sent on a trade" (wire
    B11) and its documented speed is a second."""

    def __init__(self, feed: Feed, name: StreamName, period_ms: int) -> None:
        self._feed = feed
        self._stream = name.text
        self._period_ms = max(1, period_ms)
        self._instrument = feed.instrument(name)
        symbol = self._instrument.symbol
        self.symbols = (symbol,)
        self._rolling = _rolling(feed, symbol, _AVERAGE_MIN * 60_000, on_minute=False)
        self._sent = -1  # the period of the last trade so far
        trades = market_trades(feed.market, symbol)
        if traded := trades_until(trades, feed.at_ms):
            self._sent = self._period(trades[traded - 1].at_ms)

    def _period(self, at_ms: int) -> int:
        return (self._feed.epoch_ms + at_ms) // self._period_ms

    def publish(self, changes: Changes) -> Iterable[Event]:
        change = changes.get(self._instrument.symbol)
        if change is None or not change.trades:
            return ()
        trade = change.trades[-1]
        if self._period(trade.at_ms) == self._sent:
            return ()
        self._sent = self._period(trade.at_ms)
        window = self._rolling.at(self._feed.at_ms)
        assert window is not None
        at = self._feed.epoch_ms + trade.at_ms
        text = avg_price(self._instrument, window, at + 1, at, f"{_AVERAGE_MIN}m")
        return (Event(self._stream, text, window.first_id, window.last_id),)


RECIPES: Mapping[Kind, Recipe] = {
    Kind.MINI_TICKER: Recipe(_Ticker),
    Kind.TICKER: Recipe(_Ticker),
    Kind.WINDOW_TICKER: Recipe(_Ticker),
    Kind.ALL_MINI_TICKERS: Recipe(_AllTickers),
    Kind.ALL_TICKERS: Recipe(_AllTickers),
    Kind.ALL_WINDOW_TICKERS: Recipe(_AllTickers),
    Kind.AVG_PRICE: Recipe(_AvgPrice, every_step=True),
}
