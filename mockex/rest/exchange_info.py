"""`exchangeInfo` and what belongs to it (rest A4, B2; wire A8).

Complete enough for any client that reads it to start: every filter, limit, permission and order
type. Tick and step are the instrument's; the other numbers are plausible ones of ours (I), since
nothing here places an order.
"""

from __future__ import annotations

from collections.abc import Iterable

from mockex.market.derived import delivery_ms, onboard_ms, status
from mockex.market.draws import between, subject
from mockex.market.instruments import Instrument
from mockex.rest import refusals
from mockex.rest.asked import Asked
from mockex.rest.messages import Answer

_Said = dict[str, object]
_INTERVALS = ((86_400, "DAY"), (3600, "HOUR"), (60, "MINUTE"), (1, "SECOND"))
_SPOT_ORDERS = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)  # fmt: skip
_USDM_ORDERS = (
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)  # fmt: skip
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")
_PERMISSIONS = ("SPOT",)
# Bases that are an amount of something, not a share: `underlyingType` of TradFi contracts.
_COMMODITIES = ("COPPER", "NATGAS", "XAG", "XAU", "XPD", "XPT")
# A base asset of which an account may hold so much only: a filter that few symbols have.
_LIMITED_QUOTES = ("BTC", "ETH", "BNB")
_STALE_MS = 10_000  # "serverTime here is stale: the page tells clients to use /time" (rest B2)


def interval(seconds: float) -> tuple[str, int]:
    """A length of time as the exchange says it: a unit, and how many."""
    whole = max(1, round(seconds))
    width, name = next((w, n) for w, n in _INTERVALS if whole % w == 0)
    return name, whole // width


def _rate_limit(kind: str, seconds: float, limit: int) -> _Said:
    unit, number = interval(seconds)
    return {"rateLimitType": kind, "interval": unit, "intervalNum": number, "limit": limit}


def _rate_limits(asked: Asked) -> list[_Said]:
    profile = asked.profile
    limits = [_rate_limit("REQUEST_WEIGHT", profile.weight_window_s, profile.weight_limit)]
    limits += [_rate_limit("ORDERS", seconds, number) for seconds, number in profile.order_limits]
    if profile.raw_limit is not None:
        limits.append(_rate_limit("RAW_REQUESTS", profile.raw_window_s, profile.raw_limit))
    return limits


# --- spot ----------------------------------------------------------------------------------------


def spot(asked: Asked) -> Answer:
    """`exchangeInfo` of one symbol, several, those with a permission, or all: one name that is not
    traded fails the whole call."""
    query = asked.query
    named = query.text("symbol") or query.text("symbols")
    permissions = query.names("permissions")
    if named and (permissions is not None or query.text("symbolStatus") is not None):
        raise refusals.bad_combination()
    found = asked.several()
    listed = [found] if isinstance(found, Instrument) else found
    if permissions is not None and not set(permissions) & set(_PERMISSIONS):
        listed = []
    show = query.text("showPermissionSets") != "false"
    return Answer({
        "timezone": "UTC",
        "serverTime": asked.now(),
        "rateLimits": _rate_limits(asked),
        "exchangeFilters": [],
        "symbols": [_spot_symbol(i, show_permissions=show) for i in listed],
    })  # fmt: skip


def _spot_symbol(i: Instrument, *, show_permissions: bool) -> _Said:
    return {
        "symbol": i.symbol,
        "status": "TRADING",
        "baseAsset": i.base,
        "baseAssetPrecision": 8,
        "quoteAsset": i.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": _SPOT_ORDERS,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _spot_filters(i),
        "permissions": [],
        "permissionSets": [_PERMISSIONS] if show_permissions else [],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": [
            "EXPIRE_TAKER",
            "EXPIRE_MAKER",
            "EXPIRE_BOTH",
            "DECREMENT",
        ],
    }


def _spot_filters(i: Instrument) -> list[_Said]:
    tick, step = i.price(1), i.quantity(1)
    filters: list[_Said] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": i.price(100_000_000),
            "tickSize": tick,
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": step,
            "maxQty": i.quantity(9_000_000),
            "stepSize": step,
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": i.quantity(0),
            "maxQty": i.quantity(3_000_000),
            "stepSize": i.quantity(0),
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]
    if i.quote in _LIMITED_QUOTES:
        filters.append({"filterType": "MAX_POSITION", "maxPosition": i.quantity(1_000_000_000)})
    return filters


def execution_rules(asked: Asked) -> Answer:
    """`executionRules`: of `symbol`, of `symbols`, of all in a status."""
    query = asked.query
    named = query.text("symbol") or query.text("symbols")
    if named and query.text("symbolStatus") is not None:
        raise refusals.bad_combination()
    found = asked.several()
    rule = {
        "ruleType": "PRICE_RANGE",
        "bidLimitMultUp": "2.0000",
        "bidLimitMultDown": "0.5000",
        "askLimitMultUp": "2.0000",
        "askLimitMultDown": "0.5000",
    }
    listed = [found] if isinstance(found, Instrument) else found
    return Answer({"symbolRules": [{"symbol": i.symbol, "rules": [rule]} for i in listed]})


# --- usdm ----------------------------------------------------------------------------------------


def usdm(asked: Asked) -> Answer:
    """`exchangeInfo` of everything: `symbol` is ignored (wire A8)."""
    quotes = dict.fromkeys(i.quote for i in asked.instruments())
    return Answer({
        "timezone": "UTC",
        "serverTime": asked.now_ms // _STALE_MS * _STALE_MS,
        "futuresType": "U_MARGINED",
        "rateLimits": _rate_limits(asked),
        "exchangeFilters": [],
        "assets": [
            {"asset": quote, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for quote in quotes
        ],
        "symbols": [_usdm_symbol(asked, i) for i in asked.instruments()],
    })  # fmt: skip


def _usdm_symbol(asked: Asked, i: Instrument) -> _Said:
    return {
        "symbol": i.symbol,
        "pair": i.pair,
        "contractType": i.contract,
        "deliveryDate": delivery_ms(i),
        "onboardDate": onboard_ms(i),
        "status": status(i, asked.now_ms),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": i.base,
        "quoteAsset": i.quote,
        "marginAsset": i.quote,
        "pricePrecision": i.price_decimals,
        "quantityPrecision": i.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": _underlying(i),
        "underlyingSubType": ["TradFi"] if i.contract == "TRADIFI_PERPETUAL" else ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": list(_shuffled(asked, i, _usdm_filters(i))),
        "orderTypes": _USDM_ORDERS,
        "timeInForce": _TIMES_IN_FORCE,
        "permissionSets": ["GRID", "COPY"],
    }


def _underlying(i: Instrument) -> str:
    if i.contract != "TRADIFI_PERPETUAL":
        return "COIN"
    return "COMMODITY" if i.base in _COMMODITIES else "EQUITY"


def _usdm_filters(i: Instrument) -> list[_Said]:
    tick, step = _plain(i.price(1)), _plain(i.quantity(1))
    return [
        {
            "maxPrice": _plain(i.price(100_000_000)),
            "minPrice": tick,
            "tickSize": tick,
            "filterType": "PRICE_FILTER",
        },
        {
            "maxQty": _plain(i.quantity(1_000_000)),
            "minQty": step,
            "stepSize": step,
            "filterType": "LOT_SIZE",
        },
        {
            "maxQty": _plain(i.quantity(120_000)),
            "minQty": step,
            "stepSize": step,
            "filterType": "MARKET_LOT_SIZE",
        },
        {"limit": 200, "filterType": "MAX_NUM_ORDERS"},
        {"notional": "5", "filterType": "MIN_NOTIONAL"},
        {
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
            "filterType": "PERCENT_PRICE",
        },
        {"positionControlSide": "NONE", "filterType": "POSITION_RISK_CONTROL"},
    ]


def _plain(number: str) -> str:
    """Without the zeros that say nothing."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def _shuffled(asked: Asked, i: Instrument, filters: Iterable[_Said]) -> Iterable[_Said]:
    """Members in an order that "changes from filter to filter and from request to request", and
    never with `filterType` first (wire A8)."""
    key = subject(asked.market.seed, "order of members", i.symbol)
    for number, said in enumerate(filters):
        members = list(said.items())
        turn = between(key, asked.now_us * 8 + number, 0, len(members) - 2)
        yield dict(members[turn:-1] + members[-1:] + members[:turn])
