"""`exchangeInfo` and execution rules: what clients read before anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockex.market.derived import onboard_ms
from mockex.market.instruments import instruments
from mockex.profile import profile_named
from mockex.rest.exchange_info import interval

Make = Callable[..., Any]
SPOT_FILTERS = [
    "PRICE_FILTER", "LOT_SIZE", "ICEBERG_PARTS", "MARKET_LOT_SIZE", "TRAILING_DELTA",
    "PERCENT_PRICE_BY_SIDE", "NOTIONAL", "MAX_NUM_ORDERS", "MAX_NUM_ORDER_LISTS",
    "MAX_NUM_ALGO_ORDERS", "MAX_NUM_ORDER_AMENDS",
]  # fmt: skip
SPOT_ROW = {
    "symbol": "ETHUSDC",
    "status": "TRADING",
    "baseAsset": "ETH",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDC",
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "baseCommissionPrecision": 8,
    "quoteCommissionPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
                   "TAKE_PROFIT_LIMIT"],
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
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000",
         "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00100000", "maxQty": "9000.00000000",
         "stepSize": "0.00100000"},
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "3000.00000000",
         "stepSize": "0.00000000"},
        {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10,
         "maxTrailingAboveDelta": 2000, "minTrailingBelowDelta": 10, "maxTrailingBelowDelta": 2000},
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
         "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
         "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ],
    "permissions": [],
    "permissionSets": [["SPOT"]],
    "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
    "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
}  # fmt: skip
USDM_ROW = {
    "symbol": "ETHUSDC",
    "pair": "ETHUSDC",
    "contractType": "PERPETUAL",
    "deliveryDate": 4_133_404_800_000,
    "onboardDate": onboard_ms(instruments(profile_named("usdm"), ["ETHUSDC"])[0]),
    "status": "TRADING",
    "maintMarginPercent": "2.5000",
    "requiredMarginPercent": "5.0000",
    "baseAsset": "ETH",
    "quoteAsset": "USDC",
    "marginAsset": "USDC",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "underlyingType": "COIN",
    "underlyingSubType": ["PoW"],
    "triggerProtect": "0.0500",
    "liquidationFee": "0.012500",
    "marketTakeBound": "0.05",
    "maxMoveOrderLimit": 10000,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000",
         "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500",
         "multiplierDecimal": "4"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ],
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
                   "TRAILING_STOP_MARKET"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    "permissionSets": ["GRID", "COPY"],
}  # fmt: skip


def filters(symbol: Any) -> dict[str, Any]:
    return {row["filterType"]: row for row in symbol["filters"]}


def symbols(info: Any) -> list[str]:
    return [row["symbol"] for row in info["symbols"]]


@pytest.mark.rule("rest-A4.3", "rest-A4.31", "rest-A3.3")
def test_spot_tells_limits_symbols_and_filters(spot: Any) -> None:
    info = spot.get("exchangeInfo")
    assert list(info) == ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"]
    assert info["serverTime"] == spot.now_ms
    assert info["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
    ]
    assert symbols(info) == list(spot.market.instruments)
    row = info["symbols"][0]
    assert list(row) == [
        "symbol", "status", "baseAsset", "baseAssetPrecision", "quoteAsset", "quotePrecision",
        "quoteAssetPrecision", "baseCommissionPrecision", "quoteCommissionPrecision", "orderTypes",
        "icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed", "quoteOrderQtyMarketAllowed",
        "allowTrailingStop", "cancelReplaceAllowed", "amendAllowed", "pegInstructionsAllowed",
        "isSpotTradingAllowed", "isMarginTradingAllowed", "filters", "permissions",
        "permissionSets", "defaultSelfTradePreventionMode", "allowedSelfTradePreventionModes",
    ]  # fmt: skip
    assert list(filters(row)) == SPOT_FILTERS
    assert row == SPOT_ROW


@pytest.mark.rule("rest-A4.31")
def test_filters_are_those_of_the_prices_that_are_sent(spot: Any, usdm: Any) -> None:
    for asking in (spot, usdm):
        for row in asking.get("exchangeInfo")["symbols"]:
            found = filters(row)
            price, lot = found["PRICE_FILTER"], found["LOT_SIZE"]
            for level, quantity in asking.get(f"depth?symbol={row['symbol']}&limit=20")["asks"]:
                assert float(price["minPrice"]) <= float(level) <= float(price["maxPrice"])
                ticks = float(level) / float(price["tickSize"])
                steps = float(quantity) / float(lot["stepSize"])
                assert ticks == pytest.approx(round(ticks), abs=1e-6)
                assert steps == pytest.approx(round(steps), abs=1e-6)
                assert float(lot["minQty"]) <= float(quantity) <= float(lot["maxQty"])


@pytest.mark.rule("rest-A4.31")
def test_a_few_symbols_limit_what_an_account_may_hold(spot: Any) -> None:
    row = spot.get("exchangeInfo?symbol=ETHBTC")["symbols"][0]
    assert list(filters(row)) == [*SPOT_FILTERS, "MAX_POSITION"]


@pytest.mark.rule("rest-A4.3", "rest-A1.2")
@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("symbol=ETHUSDC", ["ETHUSDC"]),
        ("symbols=[%22BTCUSDC%22,%22ETHUSDC%22]", ["BTCUSDC", "ETHUSDC"]),
        ('symbols=["ETHBTC"]', ["ETHBTC"]),
        ("permissions=SPOT", ["ETHUSDC", "BTCUSDC", "ETHBTC", "这是测试币456USDC"]),
        ("permissions=[%22MARGIN%22,%22SPOT%22]&symbolStatus=TRADING",
         ["ETHUSDC", "BTCUSDC", "ETHBTC", "这是测试币456USDC"]),
        ("permissions=MARGIN", []),
        ("symbolStatus=HALT", []),
    ],
)  # fmt: skip
def test_spot_lists_what_is_asked_for(spot: Any, query: str, listed: list[str]) -> None:
    assert symbols(spot.get(f"exchangeInfo?{query}")) == listed


@pytest.mark.rule("rest-A4.3")
def test_permission_sets_are_shown_unless_unwanted(spot: Any) -> None:
    for query, shown in (("", [["SPOT"]]), ("?showPermissionSets=true", [["SPOT"]]),
                         ("?showPermissionSets=false", [])):  # fmt: skip
        rows = spot.get(f"exchangeInfo{query}")["symbols"]
        assert [row["permissionSets"] for row in rows] == [shown] * 4


@pytest.mark.rule("rest-A4.19")
def test_execution_rules_are_those_of_a_price_range(spot: Any) -> None:
    one = spot.get("executionRules?symbol=ETHUSDC")
    assert list(one) == ["symbolRules"]
    (row,) = one["symbolRules"]
    assert row["symbol"] == "ETHUSDC"
    assert row["rules"][0]["ruleType"] == "PRICE_RANGE"
    assert len(spot.get("executionRules")["symbolRules"]) == 4
    assert spot.get("executionRules?symbolStatus=HALT") == {"symbolRules": []}


@pytest.mark.rule("rest-B2.3", "rest-B2.30", "wire-A8")
def test_usdm_tells_contracts_and_their_filters(usdm: Any) -> None:
    info = usdm.get("exchangeInfo", now=195.0)
    assert list(info) == [
        "timezone", "serverTime", "futuresType", "rateLimits", "exchangeFilters", "assets",
        "symbols",
    ]  # fmt: skip
    assert info["serverTime"] == usdm.epoch_ms + 190_000, "stale"
    assert info["futuresType"] == "U_MARGINED"
    assert [tuple(row.values()) for row in info["rateLimits"]] == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 2400),
        ("ORDERS", "MINUTE", 1, 1200),
        ("ORDERS", "SECOND", 10, 300),
    ]
    assert [row["asset"] for row in info["assets"]] == ["USDC", "USDT"]
    assert symbols(info) == ["ETHUSDC", "BTCUSDC", "XAUUSDT", "BTCUSDC_260925"]
    assert [set(row) for row in info["assets"]] == [
        {"asset", "marginAvailable", "autoAssetExchange"}
    ] * 2
    row = info["symbols"][0]
    assert row == USDM_ROW
    after = list(row)[list(row).index("timeInForce") + 1]
    assert after == "permissionSets"


@pytest.mark.rule("rest-B2.30")
def test_contracts_have_their_type_and_underlying(usdm: Any) -> None:
    rows = {row["symbol"]: row for row in usdm.get("exchangeInfo")["symbols"]}
    types = {name: (row["contractType"], row["underlyingType"]) for name, row in rows.items()}
    assert types == {
        "ETHUSDC": ("PERPETUAL", "COIN"),
        "BTCUSDC": ("PERPETUAL", "COIN"),
        "XAUUSDT": ("TRADIFI_PERPETUAL", "COMMODITY"),
        "BTCUSDC_260925": ("CURRENT_QUARTER", "COIN"),
    }
    assert rows["BTCUSDC_260925"]["deliveryDate"] == 1_790_323_200_000


@pytest.mark.rule("wire-A8")
def test_members_of_filters_have_no_order_and_never_begin_with_the_type(usdm: Any) -> None:
    orders = set()
    for second in range(40):
        info = usdm.get("exchangeInfo?symbol=NOSUCH", now=160.0 + second)
        assert len(info["symbols"]) == 4, "the parameter is ignored"
        for row in info["symbols"]:
            for said in row["filters"]:
                assert next(iter(said)) != "filterType"
            orders.add(tuple(row["filters"][0]))
    assert len(orders) > 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1.0, ("SECOND", 1)), (60.0, ("MINUTE", 1)), (300.0, ("MINUTE", 5)), (90.0, ("SECOND", 90)),
     (3600.0, ("HOUR", 1)), (172_800.0, ("DAY", 2)), (0.01, ("SECOND", 1))],
)  # fmt: skip
def test_an_interval_is_a_number_of_units(seconds: float, said: tuple[str, int]) -> None:
    assert interval(seconds) == said
