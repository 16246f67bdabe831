"""What only futures have: mark prices, funding, open interest, indexes, RPI orders, sessions (rest
B2; wire A10, A11, B3)."""

from __future__ import annotations

from mockex.market.derived import (
    FUNDING_MS,
    INTEREST_RATE,
    asset_index,
    asset_indexes,
    composite,
    composites,
    funding_rate,
    index,
    mark,
    open_interest,
    rpi_book,
    schedule,
    spelled,
)
from mockex.market.instruments import Instrument
from mockex.market.prices import last_price
from mockex.rest import refusals
from mockex.rest.asked import Asked
from mockex.rest.book import moved_ms
from mockex.rest.messages import Answer

_RPI_LEVELS = 1000
_FUNDINGS, _MOST_FUNDINGS = 100, 1000
_FUNDING_CAP = 2_000_000  # of 1e-8: 2 %
_WEEK_MS = 7 * 86_400_000
# markets of `tradingSchedule`, and what the stream `tradingSession` calls their events
_MARKETS = {
    "EQUITY": "EquityUpdate",
    "COMMODITY": "CommodityUpdate",
    "KR_EQUITY": "KR_EquityUpdate",
    "HK_EQUITY": "HK_EquityUpdate",
    "CN_EQUITY": "CN_EquityUpdate",
}


def rpi_depth(asked: Asked) -> Answer:
    """`rpiDepth`: the book with the RPI orders in it; 1000 levels and no other number."""
    i = asked.one()
    limit = asked.query.number("limit")
    if limit is not None and limit > _RPI_LEVELS:
        raise refusals.invalid("limit")
    if limit not in (None, _RPI_LEVELS):
        raise refusals.bad_depth_limit(limit)
    last_id = asked.market.truth.last_update_id(i.symbol)
    bids, asks = rpi_book(asked.market, i.symbol)

    def levels(side: list[tuple[int, int]]) -> list[list[str]]:
        return [[i.price(price), i.quantity(quantity)] for price, quantity in side[:_RPI_LEVELS]]

    return Answer(
        {
            "lastUpdateId": last_id,
            "E": asked.now_ms,
            "T": moved_ms(asked, i),
            "bids": levels(sorted(bids.items(), reverse=True)),
            "asks": levels(sorted(asks.items())),
        },
        last_id,
    )


def premium_index(asked: Asked) -> Answer:
    """`premiumIndex`: mark price and funding, of one symbol or all."""
    return asked.each(_premium)


def _premium(asked: Asked, i: Instrument) -> dict[str, object]:
    now = mark(asked.market, i.symbol, asked.epoch_ms, asked.at_ms)
    return {
        "symbol": i.symbol,
        "markPrice": spelled(now.mark),
        "indexPrice": spelled(now.index),
        "estimatedSettlePrice": spelled(now.settle),
        "lastFundingRate": spelled(now.funding_rate),
        "interestRate": spelled(INTEREST_RATE if i.perpetual else 0),
        "nextFundingTime": now.next_funding_ms,
        "time": asked.now_ms,
    }


def funding(asked: Asked) -> Answer:
    """`fundingRate`: what was due since the opening, of one symbol or all."""
    found = asked.several()
    limit = asked.limit(_FUNDINGS, _MOST_FUNDINGS)
    start_ms, end_ms = asked.time_of("startTime"), asked.time_of("endTime")
    first_ms = asked.epoch_ms if start_ms is None else max(start_ms, asked.epoch_ms)
    last_ms = asked.now_ms if end_ms is None else min(end_ms, asked.now_ms)
    due = range(-(-first_ms // FUNDING_MS) * FUNDING_MS, last_ms + 1, FUNDING_MS)
    rows = [
        {
            "symbol": i.symbol,
            "fundingTime": due_ms,
            "fundingRate": spelled(funding_rate(asked.market, i.symbol, due_ms)),
            "markPrice": spelled(_mark_at(asked, i, due_ms)),
        }
        for due_ms in due
        for i in ([found] if isinstance(found, Instrument) else found)
        if i.perpetual
    ]
    return Answer(rows[-limit:] if start_ms is None else rows[:limit])


def _mark_at(asked: Asked, i: Instrument, unix_ms: int) -> int:
    return mark(asked.market, i.symbol, asked.epoch_ms, unix_ms - asked.epoch_ms).mark


def funding_info(asked: Asked) -> Answer:
    """`fundingInfo`: caps and intervals."""
    return Answer(
        [
            {
                "symbol": i.symbol,
                "adjustedFundingRateCap": spelled(_FUNDING_CAP),
                "adjustedFundingRateFloor": spelled(-_FUNDING_CAP),
                "fundingIntervalHours": FUNDING_MS // 3_600_000,
                "disclaimer": False,
            }
            for i in asked.instruments()
            if i.perpetual
        ]
    )


def interest(asked: Asked) -> Answer:
    """`openInterest`."""
    i = asked.one()
    contracts = open_interest(asked.market, i.symbol, asked.at_ms)
    return Answer({"symbol": i.symbol, "openInterest": i.quantity(contracts), "time": asked.now_ms})


def assets(asked: Asked) -> Answer:
    """`assetIndex`: of one asset or all."""
    known = asset_indexes(asked.market)
    symbol = asked.query.text("symbol")
    if symbol is None:
        return Answer([_asset(asked, name) for name in known])
    if symbol.upper() not in known:
        raise refusals.bad_symbol()
    return Answer(_asset(asked, symbol.upper()))


def _asset(asked: Asked, symbol: str) -> dict[str, object]:
    now = asset_index(asked.market, symbol, asked.at_ms)
    return {
        "symbol": symbol,
        "time": asked.now_ms,
        "index": spelled(now.index),
        "bidBuffer": spelled(now.bid_buffer),
        "askBuffer": spelled(now.ask_buffer),
        "bidRate": spelled(now.bid_rate),
        "askRate": spelled(now.ask_rate),
        "autoExchangeBidBuffer": spelled(now.exchange_bid_buffer),
        "autoExchangeAskBuffer": spelled(now.exchange_ask_buffer),
        "autoExchangeBidRate": spelled(now.exchange_bid_rate),
        "autoExchangeAskRate": spelled(now.exchange_ask_rate),
    }


def index_info(asked: Asked) -> Answer:
    """`indexInfo`: composite indexes and what is in them, always as an array."""
    known = composites(asked.market)
    symbol = asked.query.text("symbol")
    if symbol is not None and symbol.upper() not in known:
        raise refusals.bad_symbol()
    return Answer(
        [_composite(asked, name) for name in known if symbol is None or name == symbol.upper()]
    )


def _composite(asked: Asked, symbol: str) -> dict[str, object]:
    now = composite(asked.market, symbol, asked.at_ms)
    return {
        "symbol": symbol,
        "time": asked.now_ms,
        "component": now.kind,
        "baseAssetList": [
            {
                "baseAsset": part.base,
                "quoteAsset": part.quote,
                "weightInQuantity": spelled(part.weight),
                "weightInPercentage": spelled(part.share),
            }
            for part in now.components
        ],
    }


def constituents(asked: Asked) -> Answer:
    """`constituents`: the venues of an index price, which is their mean. Those of TradFi contracts
    are hidden."""
    i = asked.one()
    here = last_price(asked.market, i.symbol, asked.at_ms) * i.price_e8
    there = 2 * index(asked.market, i.symbol, asked.at_ms) - here
    hidden = i.contract == "TRADIFI_PERPETUAL"
    return Answer(
        {
            "symbol": i.symbol,
            "time": asked.now_ms,
            "constituents": [
                {
                    "exchange": exchange,
                    "symbol": symbol,
                    "price": "-1" if hidden else spelled(price),
                    "weight": "0.50000000",
                }
                for exchange, symbol, price in (
                    ("binance", i.pair, here),
                    ("okex", f"{i.base}-{i.quote}", there),
                )
            ],
        }
    )


def trading_schedule(asked: Asked) -> Answer:
    """`tradingSchedule`: the sessions behind TradFi contracts, a week back and a week on."""
    now_ms = asked.now_ms
    return Answer(
        {
            "updateTime": now_ms,
            "marketSchedules": {
                market: {
                    "sessions": [
                        {"startTime": s.start_ms, "endTime": s.end_ms, "type": s.state}
                        for s in schedule(event, now_ms - _WEEK_MS, now_ms + _WEEK_MS)
                    ]
                }
                for market, event in _MARKETS.items()
            },
        }
    )
