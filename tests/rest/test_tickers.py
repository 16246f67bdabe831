"""Prices now and over a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockex.market.derived import reference_price, spelled
from mockex.market.executions import market_trades

Make = Callable[..., Any]
DAY = 86_400_000
MINUTE = 60_000
CHANGES = ["priceChange", "priceChangePercent", "weightedAvgPrice"]
MINI = ["openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime",
        "closeTime", "firstId", "lastId", "count"]  # fmt: skip


def of_trades(asking: Any, open_ms: int, close_ms: int) -> dict[str, Any]:
    """What a window says of its trades."""
    i = asking.market.instruments["ETHUSDC"]
    held = [
        t
        for t in market_trades(asking.market, "ETHUSDC")
        if open_ms <= asking.epoch_ms + t.at_ms <= close_ms
    ]
    prices = [t.price for t in held]
    quote = sum(t.price * t.quantity for t in held)
    volume = sum(t.quantity for t in held)
    change = prices[-1] - prices[0]
    return {
        "priceChange": i.price(change),
        "priceChangePercent": f"{change / prices[0] * 100:.3f}",
        "weightedAvgPrice": i.average(quote, volume),
        "openPrice": i.price(prices[0]),
        "highPrice": i.price(max(prices)),
        "lowPrice": i.price(min(prices)),
        "lastPrice": i.price(prices[-1]),
        "volume": i.quantity(volume),
        "quoteVolume": i.amount(quote, i.price_decimals),
        "openTime": open_ms,
        "closeTime": close_ms,
        "firstId": held[0].trade_id,
        "lastId": held[-1].trade_id,
        "count": len(held),
    }


@pytest.mark.rule("rest-A4.12", "rest-A4.27", "wire-B9")
def test_the_last_day_follows_from_its_trades(spot: Any) -> None:
    said = spot.get("ticker/24hr?symbol=ETHUSDC")
    assert list(said) == [
        "symbol", *CHANGES, "prevClosePrice", "lastPrice", "lastQty", "bidPrice", "bidQty",
        "askPrice", "askQty", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume",
        "openTime", "closeTime", "firstId", "lastId", "count",
    ]  # fmt: skip
    i = spot.market.instruments["ETHUSDC"]
    bid, bid_quantity, ask, ask_quantity = spot.market.top("ETHUSDC")
    assert said == of_trades(spot, spot.now_ms - DAY, spot.now_ms) | {
        "symbol": "ETHUSDC",
        "prevClosePrice": i.price(i.start_ticks),
        "lastQty": i.quantity(market_trades(spot.market, "ETHUSDC")[-1].quantity),
        "bidPrice": i.price(bid),
        "bidQty": i.quantity(bid_quantity),
        "askPrice": i.price(ask),
        "askQty": i.quantity(ask_quantity),
    }


@pytest.mark.rule("rest-A4.12", "rest-A4.27")
def test_a_mini_ticker_says_less(spot: Any) -> None:
    for path in ("ticker/24hr", "ticker", "ticker/tradingDay"):
        full = spot.get(f"{path}?symbol=ETHUSDC&type=FULL")
        mini = spot.get(f"{path}?symbol=ETHUSDC&type=MINI")
        assert list(mini) == ["symbol", *MINI]
        assert mini.items() <= full.items()


@pytest.mark.rule("rest-B2.14", "rest-B2.28", "wire-B1", "wire-B3", "wire-B9")
def test_the_last_day_of_usdm_is_in_the_order_of_the_alphabet(usdm: Any) -> None:
    now = 190.0
    said = usdm.get("ticker/24hr?symbol=ETHUSDC", now=now)
    assert list(said) == sorted({"symbol", "lastQty", *CHANGES, *MINI})
    at = usdm.epoch_ms + 190_000
    open_ms = usdm.epoch_ms + 180_000 - DAY
    i = usdm.market.instruments["ETHUSDC"]
    last = [t for t in market_trades(usdm.market, "ETHUSDC") if t.at_ms <= 190_000][-1]
    assert said == of_trades(usdm, open_ms, at) | {
        "symbol": "ETHUSDC",
        "lastQty": i.quantity(last.quantity),
    }
    assert len(usdm.get("ticker/24hr")) == 4


@pytest.mark.rule("rest-A4.14", "rest-A4.28", "rest-A4.29")
@pytest.mark.parametrize(
    ("size", "width"),
    [("", DAY), ("&windowSize=1m", MINUTE), ("&windowSize=2m", 2 * MINUTE),
     ("&windowSize=23h", 23 * 60 * MINUTE), ("&windowSize=7d", 7 * DAY)],
)  # fmt: skip
def test_a_rolling_window_starts_on_a_full_minute(spot: Any, size: str, width: int) -> None:
    said = spot.get(f"ticker?symbol=ETHUSDC{size}", now=199.9)
    assert list(said) == ["symbol", *CHANGES, *MINI]
    close = spot.epoch_ms + 199_900
    opened = (close - width) // MINUTE * MINUTE
    assert said == of_trades(spot, opened, close) | {"symbol": "ETHUSDC"}


@pytest.mark.rule("rest-A4.13", "rest-A4.28")
def test_a_trading_day_begins_at_midnight_and_ends_before_the_next(spot: Any) -> None:
    said = spot.get("ticker/tradingDay?symbol=ETHUSDC")
    assert list(said) == ["symbol", *CHANGES, *MINI]
    expected = of_trades(spot, spot.epoch_ms, spot.epoch_ms + DAY - 1)
    assert said == expected | {"symbol": "ETHUSDC"}
    east = spot.get("ticker/tradingDay?symbol=ETHUSDC&timeZone=8")
    assert east["openTime"] == spot.epoch_ms - 8 * 60 * MINUTE
    assert east["volume"] == said["volume"]
    both = spot.get("ticker/tradingDay?symbols=[%22BTCUSDC%22,%22ETHUSDC%22]")
    assert both[1] == said


@pytest.mark.rule("rest-A4.13", "rest-A2.30")
def test_a_trading_day_is_the_one_that_is_now(spot: Any) -> None:
    code = spot.refused("ticker/tradingDay?symbol=ETHUSDC", now=2 * 86_400.0)[1]
    assert code == -2016, "nothing was traded on that day"


@pytest.mark.rule("rest-A4.15", "rest-B2.15", "rest-B2.29", "wire-B3")
def test_the_price_is_that_of_the_last_trade(spot: Any, usdm: Any) -> None:
    for asking in (spot, usdm):
        trade = market_trades(asking.market, "ETHUSDC")[-1]
        price = asking.market.instruments["ETHUSDC"].price(trade.price)
        said = asking.get("ticker/price?symbol=ETHUSDC")
        assert (said["symbol"], said["price"]) == ("ETHUSDC", price)
    trade_ms = usdm.epoch_ms + trade.at_ms
    assert list(spot.get("ticker/price?symbol=ETHUSDC")) == ["symbol", "price"]
    assert list(usdm.get("ticker/price")[0]) == ["price", "symbol", "time"]
    second = usdm.get("/fapi/v2/ticker/price?symbol=ETHUSDC")
    assert list(second) == ["symbol", "price", "time"]
    assert second["time"] == trade_ms


@pytest.mark.rule("rest-A4.11", "rest-A4.26")
def test_the_average_price_is_weighted_and_closes_with_the_last_trade(spot: Any) -> None:
    said = spot.get("avgPrice?symbol=ETHUSDC")
    trade = market_trades(spot.market, "ETHUSDC")[-1]
    average = of_trades(spot, spot.now_ms - 5 * MINUTE, spot.now_ms)["weightedAvgPrice"]
    assert list(said) == ["mins", "price", "closeTime"]
    assert said == {"mins": 5, "price": average, "closeTime": spot.epoch_ms + trade.at_ms}


@pytest.mark.rule("rest-A4.17", "rest-A4.18", "rest-A4.30", "wire-A10")
def test_the_reference_price_has_eight_decimals_or_is_null(make_asking: Make) -> None:
    asking = make_asking("spot")
    said = asking.get("referencePrice?symbol=ETHUSDC")
    reference = reference_price(asking.market, "ETHUSDC", 200_000)
    assert reference is not None
    assert list(said) == ["symbol", "referencePrice", "timestamp"]
    assert said["referencePrice"] == spelled(reference)
    assert said["timestamp"] == asking.now_ms
    frozen = make_asking("spot", kind="frozen")
    assert frozen.get("referencePrice?symbol=ETHUSDC")["referencePrice"] is None
    how = asking.get("referencePrice/calculation?symbol=ETHUSDC")
    assert how == {
        "symbol": "ETHUSDC",
        "calculationType": "ARITHMETIC_MEAN",
        "bucketCount": 10,
        "bucketWidthMs": 1000,
    }


@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_a_market_that_never_moved_stands_at_its_opening(make_asking: Make, name: str) -> None:
    asking = make_asking(name, kind="frozen")
    i = asking.market.instruments["ETHUSDC"]
    price = i.price(i.start_ticks)
    assert asking.get("ticker/price?symbol=ETHUSDC")["price"] == price
    day = asking.get("ticker/24hr?symbol=ETHUSDC")
    assert (day["openPrice"], day["lastPrice"], day["weightedAvgPrice"]) == (price, price, price)
    assert (day["firstId"], day["lastId"], day["count"]) == (-1, -1, 0)
    if name == "spot":
        assert asking.get("avgPrice?symbol=ETHUSDC")["price"] == price
