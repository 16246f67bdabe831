"""Prices now and over a window (rest A4, B2; wire B1, B3, B9)."""

from __future__ import annotations

from mockex.market.bars import bars
from mockex.market.derived import reference_price, spelled
from mockex.market.instruments import Instrument
from mockex.market.windows import Window
from mockex.rest import refusals
from mockex.rest.asked import Asked
from mockex.rest.klines import time_zone_min
from mockex.rest.messages import Answer
from mockex.streams.tickers import average as weighted
from mockex.streams.tickers import percent, quote_volume

_Said = dict[str, object]
_DAY_MS = 86_400_000
_AVERAGE_MIN = 5
_MOST_SYMBOLS = 100
# windowSize: `1m` to `59m`, `1h` to `23h`, `1d` to `7d`
_UNITS = {"m": (60_000, 59), "h": (3_600_000, 23), "d": (_DAY_MS, 7)}


def price(asked: Asked) -> Answer:
    """`ticker/price`. On usdm its members are in the order of the alphabet (wire B3)."""
    return asked.each(_price_usdm if asked.usdm else _price)


def price_v2(asked: Asked) -> Answer:
    """`/fapi/v2/ticker/price`."""
    return asked.each(lambda a, i: _price(a, i) | {"time": _traded_ms(a, i)})


def _price(asked: Asked, i: Instrument) -> _Said:
    return {"symbol": i.symbol, "price": i.price(_last(asked, i)[0])}


def _price_usdm(asked: Asked, i: Instrument) -> _Said:
    return {
        "price": i.price(_last(asked, i)[0]),
        "symbol": i.symbol,
        "time": _traded_ms(asked, i),
    }


def _last(asked: Asked, i: Instrument) -> tuple[int, int]:
    """Price and quantity of the last trade; before the first, the price of the opening and none."""
    trades = asked.trades(i)
    return (trades[-1].price, trades[-1].quantity) if trades else (i.start_ticks, 0)


def _traded_ms(asked: Asked, i: Instrument) -> int:
    trades = asked.trades(i)
    return asked.epoch_ms + (trades[-1].at_ms if trades else 0)


def average(asked: Asked) -> Answer:
    """`avgPrice`: of five minutes; "`closeTime` is the last trade" (rest A4)."""
    i = asked.one()
    found = asked.window(i, _AVERAGE_MIN * 60_000, on_minute=False).at(asked.at_ms)
    price = i.price(i.start_ticks) if found is None else weighted(i, found)
    closed = asked.time(_traded_ms(asked, i))
    return Answer({"mins": _AVERAGE_MIN, "price": price, "closeTime": closed})


def reference(asked: Asked) -> Answer:
    """`referencePrice`: null before the first trade."""
    i = _with_reference(asked)
    found = reference_price(asked.market, i.symbol, asked.at_ms)
    return Answer({
        "symbol": i.symbol,
        "referencePrice": None if found is None else spelled(found),
        "timestamp": asked.now(),
    })  # fmt: skip


def reference_calculation(asked: Asked) -> Answer:
    """`referencePrice/calculation`: the mean of ten seconds."""
    i = _with_reference(asked)
    return Answer({
        "symbol": i.symbol,
        "calculationType": "ARITHMETIC_MEAN",
        "bucketCount": 10,
        "bucketWidthMs": 1000,
    })  # fmt: skip


def _with_reference(asked: Asked) -> Instrument:
    i = asked.one()
    if i.symbol in asked.profile.without_reference_price:
        raise refusals.no_reference_price()
    return i


def day(asked: Asked) -> Answer:
    """`ticker/24hr`: the last day, to the ms on spot; on usdm from a full minute on (wire B9)."""
    mini = _is_mini(asked)
    if asked.usdm:
        return asked.each(_day_usdm)
    return asked.each(_day_mini if mini else _day_full)


def window(asked: Asked) -> Answer:
    """`ticker`: a window from a full minute on, "so they may be up to 59 999 ms wider"."""
    mini, width_ms = _is_mini(asked), _width_ms(asked)

    def say(asked: Asked, i: Instrument) -> _Said:
        found = asked.window(i, width_ms, on_minute=True).at(asked.at_ms)
        return _of_window(asked, i, found, mini=mini)

    return asked.each(say, _MOST_SYMBOLS)


def trading_day(asked: Asked) -> Answer:
    """`ticker/tradingDay`: since midnight in a time zone, as if it were over."""
    mini, offset_min = _is_mini(asked), time_zone_min(asked)

    def say(asked: Asked, i: Instrument) -> _Said:
        (bar,) = bars(
            asked.market,
            i.symbol,
            asked.epoch_ms,
            asked.now_ms,
            "1d",
            limit=1,
            offset_min=offset_min,
        )
        found = Window(
            open_ms=bar.open_ms,
            close_ms=bar.close_ms,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            quote=bar.quote,
            count=bar.count,
            first_id=bar.first_id,
            last_id=bar.last_id,
            last_quantity=0,
            previous_close=bar.open,
        )
        said = _of_window(asked, i, found, mini=mini)
        return said | {"closeTime": asked.last(bar.close_ms)}

    return asked.each(say, _MOST_SYMBOLS)


def _is_mini(asked: Asked) -> bool:
    kind = asked.query.text("type") or "FULL"
    if kind not in ("FULL", "MINI"):
        raise refusals.bad_ticker_type()
    return kind == "MINI"


def _width_ms(asked: Asked) -> int:
    size = asked.query.text("windowSize") or "1d"
    unit_ms, most = _UNITS[size[-1]]
    if not 1 <= int(size[:-1]) <= most:
        raise refusals.invalid("windowSize")
    return int(size[:-1]) * unit_ms


def _of_window(asked: Asked, i: Instrument, found: Window | None, *, mini: bool) -> _Said:
    """`ticker` and `ticker/tradingDay`.

    Raises:
        Refused: nothing was traded in it (-2016).
    """
    if found is None or not found.count:
        raise refusals.no_trading_window()
    changes = {} if mini else _changes(i, found)
    return {"symbol": i.symbol, **changes, **_mini(asked, i, found)}


def _day(asked: Asked, i: Instrument) -> Window:
    """The last day, also if nothing was ever traded."""
    found = asked.window(i, _DAY_MS, on_minute=asked.usdm).at(asked.at_ms)
    if found is not None:
        return found
    price, now_ms = i.start_ticks, asked.now_ms
    open_ms = now_ms - _DAY_MS
    open_ms -= open_ms % 60_000 if asked.usdm else 0
    return Window(open_ms, now_ms, price, price, price, price, 0, 0, 0, -1, -1, 0, price)


def _day_full(asked: Asked, i: Instrument) -> _Said:
    found = _day(asked, i)
    bid, bid_quantity, ask, ask_quantity = asked.market.top(i.symbol)
    said = _mini(asked, i, found)
    last = said.pop("lastPrice")
    return {
        "symbol": i.symbol,
        **_changes(i, found),
        "prevClosePrice": i.price(found.previous_close),
        "lastPrice": last,
        "lastQty": i.quantity(found.last_quantity),
        "bidPrice": i.price(bid),
        "bidQty": i.quantity(bid_quantity),
        "askPrice": i.price(ask),
        "askQty": i.quantity(ask_quantity),
        **said,
    }


def _day_mini(asked: Asked, i: Instrument) -> _Said:
    return {"symbol": i.symbol, **_mini(asked, i, _day(asked, i))}


def _day_usdm(asked: Asked, i: Instrument) -> _Said:
    """Without bid, ask and `prevClosePrice`, in the order of the alphabet (wire B3)."""
    found = _day(asked, i)
    said = {
        "symbol": i.symbol,
        "lastQty": i.quantity(found.last_quantity),
        **_changes(i, found),
        **_mini(asked, i, found),
    }
    return dict(sorted(said.items()))


def _changes(i: Instrument, found: Window) -> _Said:
    return {
        "priceChange": i.price(found.close - found.open),
        "priceChangePercent": percent(found),
        "weightedAvgPrice": weighted(i, found),
    }


def _mini(asked: Asked, i: Instrument, found: Window) -> _Said:
    return {
        "openPrice": i.price(found.open),
        "highPrice": i.price(found.high),
        "lowPrice": i.price(found.low),
        "lastPrice": i.price(found.close),
        "volume": i.quantity(found.volume),
        "quoteVolume": quote_volume(i, found),
        "openTime": asked.time(found.open_ms),
        "closeTime": asked.time(found.close_ms),
        "firstId": found.first_id,
        "lastId": found.last_id,
        "count": found.count,
    }
