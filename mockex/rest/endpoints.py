"""Which endpoints there are, what they take and who answers them (rest A4, B2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mockex.profile import Profile
from mockex.rest import book, exchange_info, futures, klines, query, tickers, trades, weights
from mockex.rest.asked import Asked
from mockex.rest.limits import Counter
from mockex.rest.messages import Answer
from mockex.rest.query import Parameter, choice, flag, whole
from mockex.rest.weights import Weight


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint; all of them are for `GET`.

    `one_of`: one of these two parameters must be there. `used_weight`: what its header says:
    "`ticker/bookTicker` and `v2/ticker/price` report an inaccurate weight", funding none (rest B1);
    an inaccurate one leaves out the request itself (I).
    """

    answer: Callable[[Asked], Answer]
    takes: tuple[Parameter, ...] = ()
    one_of: tuple[str, str] | None = None
    counter: Counter = Counter.WEIGHT
    used_weight: str = "told"  # or "late", "untold"


def ping(_asked: Asked) -> Answer:
    """`ping`."""
    return Answer({})


def time(asked: Asked) -> Answer:
    """`time`."""
    return Answer({"serverTime": asked.now()})


_LIMIT, _FROM_ID = whole("limit"), whole("fromId")
_SPAN = (whole("startTime"), whole("endTime"))
_STATUS, _TYPE = choice("symbolStatus"), choice("type")
_INTERVAL = choice("interval", mandatory=True)


def _spot() -> Mapping[str, Endpoint]:
    symbol, optional = query.symbol(mandatory=True), query.symbol(mandatory=False)
    either = (optional, query.SYMBOLS)
    bars = (symbol, _INTERVAL, *_SPAN, query.TIME_ZONE, _LIMIT)
    windows = (*either, _TYPE, _STATUS)
    one_of = ("symbol", "symbols")
    return {
        "ping": Endpoint(ping),
        "time": Endpoint(time),
        "exchangeInfo": Endpoint(
            exchange_info.spot,
            (*either, query.PERMISSIONS, flag("showPermissionSets"), _STATUS),
        ),
        "depth": Endpoint(book.depth, (symbol, _LIMIT, _STATUS)),
        "trades": Endpoint(trades.recent, (symbol, _LIMIT)),
        "historicalTrades": Endpoint(trades.historical, (symbol, _LIMIT, _FROM_ID)),
        "historicalBlockTrades": Endpoint(
            trades.blocks, (symbol, whole("fromId", mandatory=True), _LIMIT)
        ),
        "aggTrades": Endpoint(trades.aggregate, (symbol, _FROM_ID, *_SPAN, _LIMIT)),
        "klines": Endpoint(klines.trades, bars),
        "uiKlines": Endpoint(klines.trades, bars),
        "avgPrice": Endpoint(tickers.average, (symbol,)),
        "ticker/24hr": Endpoint(tickers.day, windows),
        "ticker/tradingDay": Endpoint(tickers.trading_day, (*windows, query.TIME_ZONE), one_of),
        "ticker": Endpoint(tickers.window, (*windows, query.WINDOW_SIZE), one_of),
        "ticker/price": Endpoint(tickers.price, (*either, _STATUS)),
        "ticker/bookTicker": Endpoint(book.best, (*either, _STATUS)),
        "referencePrice": Endpoint(tickers.reference, (symbol,)),
        "referencePrice/calculation": Endpoint(tickers.reference_calculation, (symbol,)),
        "executionRules": Endpoint(exchange_info.execution_rules, (*either, _STATUS)),
    }


def _usdm() -> Mapping[str, Endpoint]:
    symbol = query.symbol(mandatory=True, any_case=True)
    optional = query.symbol(mandatory=False, any_case=True)
    pair = query.symbol(mandatory=True, any_case=True, name="pair")
    bars = (_INTERVAL, *_SPAN, _LIMIT)
    return {
        "ping": Endpoint(ping),
        "time": Endpoint(time),
        "exchangeInfo": Endpoint(exchange_info.usdm),
        "depth": Endpoint(book.depth, (symbol, _LIMIT)),
        "rpiDepth": Endpoint(futures.rpi_depth, (symbol, _LIMIT)),
        "trades": Endpoint(trades.recent, (symbol, _LIMIT)),
        "historicalTrades": Endpoint(trades.historical, (symbol, _LIMIT, _FROM_ID)),
        "aggTrades": Endpoint(trades.aggregate, (symbol, _FROM_ID, *_SPAN, _LIMIT)),
        "klines": Endpoint(klines.trades, (symbol, *bars)),
        "continuousKlines": Endpoint(
            klines.continuous, (pair, choice("contractType", mandatory=True), *bars)
        ),
        "indexPriceKlines": Endpoint(klines.indexes, (pair, *bars)),
        "markPriceKlines": Endpoint(klines.marks, (symbol, *bars)),
        "premiumIndexKlines": Endpoint(klines.premiums, (symbol, *bars)),
        "premiumIndex": Endpoint(futures.premium_index, (optional,)),
        "fundingRate": Endpoint(
            futures.funding,
            (optional, *_SPAN, _LIMIT),
            counter=Counter.FUNDING,
            used_weight="untold",
        ),
        "fundingInfo": Endpoint(
            futures.funding_info, counter=Counter.FUNDING, used_weight="untold"
        ),
        "ticker/24hr": Endpoint(tickers.day, (optional,)),
        "ticker/price": Endpoint(tickers.price, (optional,)),
        "/fapi/v2/ticker/price": Endpoint(tickers.price_v2, (optional,), used_weight="late"),
        "ticker/bookTicker": Endpoint(book.best, (optional,), used_weight="late"),
        "openInterest": Endpoint(futures.interest, (symbol,)),
        "assetIndex": Endpoint(futures.assets, (optional,)),
        "indexInfo": Endpoint(futures.index_info, (optional,)),
        "constituents": Endpoint(futures.constituents, (symbol,)),
        "tradingSchedule": Endpoint(futures.trading_schedule),
    }


@dataclass(frozen=True, slots=True)
class Priced:
    """An endpoint and what it costs."""

    endpoint: Endpoint
    weight: Weight


def endpoints(profile: Profile) -> Mapping[str, Priced]:
    """The endpoints of a profile by their whole path."""
    made = _usdm() if profile.name == "usdm" else _spot()
    costs = weights.usdm(profile) if profile.name == "usdm" else weights.spot(profile)
    return {
        name if name.startswith("/") else f"{profile.rest_prefix}/{name}": Priced(
            endpoint, costs[name]
        )
        for name, endpoint in made.items()
    }
