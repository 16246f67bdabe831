"""What is wrong with a request: rule, request, code and text (rest A2, B2; wire A9, B14)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
_SYMBOL = "legal range is '^[\\w\\-._&&[^a-z]]{1,50}$'."
_WHOLE = "legal range is '^[0-9]{1,20}$'."

# rule, profile, target, code, text; a text that begins with … ends so
REFUSALS = [
    ("rest-A2.16", "spot", "depth", -1102,
     "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
    ("rest-A2.16", "spot", "depth?symbol=", -1102, "…"),
    ("rest-A2.16", "spot", "klines?symbol=ETHUSDC", -1102,
     "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."),
    ("rest-A4.7", "spot", "historicalBlockTrades?symbol=ETHUSDC", -1102,
     "Mandatory parameter 'fromId' was not sent, was empty/null, or malformed."),
    ("rest-A4.13", "spot", "ticker/tradingDay", -1102,
     "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"),
    ("rest-A4.14", "spot", "ticker?windowSize=1d", -1102, "…both were empty/null!"),
    ("rest-B2.10", "usdm", "continuousKlines?pair=ETHUSDC&interval=1m", -1102,
     "Mandatory parameter 'contractType' was not sent, was empty/null, or malformed."),
    ("rest-A2.14", "spot", "depth?symbol=ethusdc", -1100,
     f"Illegal characters found in parameter 'symbol'; {_SYMBOL}"),
    ("rest-A2.14", "spot", "depth?symbol=ETH/USDC", -1100, f"…{_SYMBOL}"),
    ("rest-A2.14", "spot", f"depth?symbol={'E' * 51}", -1100, f"…{_SYMBOL}"),
    ("rest-A2.14", "usdm", "depth?symbol=ETH/USDC", -1100, r"…legal range is '^[\w\-.]{1,50}$'."),
    ("rest-A2.14", "spot", "ticker/price?symbols=[%22ethusdc%22]", -1100, "…"),
    ("rest-A2.14", "spot", "ticker/price?symbols=ETHUSDC", -1100, "…"),
    ("rest-A2.14", "spot", "ticker/price?symbols=[%22ETHUSDC%22,%20%22BTCUSDC%22]", -1100, "…"),
    ("rest-A2.14", "spot", "klines?symbol=ETHUSDC&interval=1m&timeZone=x", -1100, "…"),
    ("rest-A2.14", "spot", "ticker?symbol=ETHUSDC&windowSize=1w", -1100, "…"),
    ("rest-A2.14", "spot", "exchangeInfo?showPermissionSets=yes", -1100,
     "…legal range is '^(true|false)$'."),
    ("wire-B14", "spot", "depth?symbol=ETHUSDC&limit=x", -1100,
     f"Illegal characters found in parameter 'limit'; {_WHOLE}"),
    ("wire-B14", "spot", "trades?symbol=ETHUSDC&limit=-1", -1100, f"…{_WHOLE}"),
    ("rest-A2.14", "spot", "aggTrades?symbol=ETHUSDC&startTime=1.5", -1100, f"…{_WHOLE}"),
    ("rest-A2.15", "spot", "depth?symbol=ETHUSDC&symbol=BTCUSDC", -1101,
     "Duplicate values for a parameter detected."),
    ("rest-A2.15", "spot", "ping?x=1", -1101,
     "Too many parameters; expected '0' and received '1'."),
    ("rest-A2.17", "spot", "depth?symbol=ETHUSDC&more=1", -1104,
     "Not all sent parameters were read; read '1' parameter(s) but was sent '2'."),
    ("rest-A2.17", "spot", "depth?symbol=ETHUSDC&=1", -1103, "An unknown parameter was sent."),
    ("rest-A2.18", "spot", "depth?symbol=ETHUSDC&limit=", -1105, "Parameter 'limit' was empty."),
    ("rest-A2.18", "spot", "ticker/price?symbols=[]", -1105, "Parameter 'symbols' was empty."),
    ("rest-A2.19", "spot", "klines?symbol=ETHUSDC&interval=2m", -1120, "Invalid interval."),
    ("rest-A2.19", "spot", "uiKlines?symbol=ETHUSDC&interval=1H", -1120, "Invalid interval."),
    ("rest-B2.24", "usdm", "klines?symbol=ETHUSDC&interval=1s", -1120, "Invalid interval."),
    ("rest-A2.20", "spot", "depth?symbol=NOSUCH", -1121, "Invalid symbol."),
    ("rest-A2.20", "spot", "ticker/24hr?symbol=NOSUCH", -1121, "Invalid symbol."),
    ("rest-A4.34", "spot", "exchangeInfo?symbols=[%22ETHUSDC%22,%22NOSUCH%22]", -1121,
     "Invalid symbol."),
    ("rest-A2.20", "usdm", "premiumIndex?symbol=NOSUCH", -1121, "Invalid symbol."),
    ("rest-A2.20", "usdm", "assetIndex?symbol=NOSUCH", -1121, "Invalid symbol."),
    ("rest-A2.20", "usdm", "indexInfo?symbol=NOSUCH", -1121, "Invalid symbol."),
    ("rest-A2.20", "usdm", "indexPriceKlines?pair=NOSUCH&interval=1m", -1121, "Invalid symbol."),
    ("rest-A2.20", "usdm",
     "continuousKlines?pair=ETHUSDC&interval=1m&contractType=NEXT_QUARTER", -1121,
     "Invalid symbol."),
    ("rest-A2.21", "spot", "depth?symbol=ETHUSDC&symbolStatus=END_OF_DAY", -1122,
     "Invalid symbolStatus."),
    ("rest-A4.32", "spot", "ticker/price?symbolStatus=CANCEL_ONLY", -1122,
     "Invalid symbolStatus."),
    ("rest-A2.22", "usdm",
     "aggTrades?symbol=ETHUSDC&startTime=1780272000000&endTime=1780275600001", -1127,
     "More than 1 hours between startTime and endTime."),
    ("rest-A2.23", "spot", "ticker/price?symbol=ETHUSDC&symbols=[%22ETHUSDC%22]", -1128,
     "Combination of optional parameters invalid."),
    ("rest-A2.23", "spot", "aggTrades?symbol=ETHUSDC&fromId=1&startTime=1", -1128, "…"),
    ("rest-A4.3", "spot", "exchangeInfo?symbol=ETHUSDC&symbolStatus=TRADING", -1128, "…"),
    ("rest-A4.3", "spot", "exchangeInfo?symbol=ETHUSDC&permissions=SPOT", -1128, "…"),
    ("rest-A4.19", "spot", "executionRules?symbol=ETHUSDC&symbolStatus=TRADING", -1128, "…"),
    ("rest-A2.24", "spot", "depth?symbol=ETHUSDC&limit=0", -1130,
     "Data sent for parameter 'limit' is not valid."),
    ("rest-A2.24", "spot", "trades?symbol=ETHUSDC&limit=1001", -1130, "…'limit' is not valid."),
    ("rest-A2.24", "spot", "klines?symbol=ETHUSDC&interval=1m&limit=1001", -1130, "…"),
    ("rest-B2.24", "usdm", "klines?symbol=ETHUSDC&interval=1m&limit=1501", -1130, "…"),
    ("wire-A9", "usdm", "aggTrades?symbol=ETHUSDC&limit=1001", -1130, "…"),
    ("rest-A4.25", "spot", "klines?symbol=ETHUSDC&interval=1m&timeZone=14:01", -1130,
     "Data sent for parameter 'timeZone' is not valid."),
    ("rest-A4.25", "spot", "klines?symbol=ETHUSDC&interval=1m&timeZone=-12:01", -1130, "…"),
    ("rest-A4.25", "spot", "klines?symbol=ETHUSDC&interval=1m&timeZone=1:60", -1130, "…"),
    ("rest-A4.14", "spot", "ticker?symbol=ETHUSDC&windowSize=60m", -1130,
     "Data sent for parameter 'windowSize' is not valid."),
    ("rest-A4.14", "spot", "ticker?symbol=ETHUSDC&windowSize=24h", -1130, "…"),
    ("rest-A4.14", "spot", "ticker?symbol=ETHUSDC&windowSize=8d", -1130, "…"),
    ("rest-A4.14", "spot", "ticker?symbol=ETHUSDC&windowSize=0m", -1130, "…"),
    ("rest-A2.24", "usdm", "continuousKlines?pair=ETHUSDC&interval=1m&contractType=NONE", -1130,
     "Data sent for parameter 'contractType' is not valid."),
    ("rest-A2.25", "spot", "ticker/24hr?symbol=ETHUSDC&type=HALF", -1139,
     "Invalid ticker type."),
    ("rest-A2.26", "spot", "ticker/price?symbols=[%22ETHUSDC%22,%22ETHUSDC%22]", -1151,
     "Symbol is present multiple times in the list."),
    ("rest-A2.28", "spot", "depth?symbol=ETHUSDC&symbolStatus=HALT", -1220,
     "The symbol's status does not match the requested symbolStatus."),
    ("rest-A2.28", "spot", "ticker/price?symbol=ETHUSDC&symbolStatus=BREAK", -1220, "…"),
    ("rest-B2.22", "usdm", "depth?symbol=ETHUSDC&limit=7", -4021, "7 is not valid depth limit"),
    ("wire-A9", "usdm", "depth?symbol=ETHUSDC&limit=3", -4021, "3 is not valid depth limit"),
    ("wire-A9", "usdm", "depth?symbol=ETHUSDC&limit=1500", -1130,
     "Data sent for parameter 'limit' is not valid."),
    ("rest-B2.5", "usdm", "rpiDepth?symbol=ETHUSDC&limit=500", -4021,
     "500 is not valid depth limit"),
    ("rest-B2.5", "usdm", "rpiDepth?symbol=ETHUSDC&limit=1001", -1130, "…"),
    ("rest-B2.23", "usdm", "aggTrades?symbol=ETHUSDC&startTime=1780099399999", -4166,
     "Search window is restricted to recent 2 days only."),
    ("rest-B2.23", "usdm", "aggTrades?symbol=ETHUSDC&endTime=1", -4166, "…"),
]  # fmt: skip


@pytest.mark.rule(*[rule for rule, *_ in REFUSALS])
@pytest.mark.parametrize(
    ("name", "target", "code", "text"),
    [refusal[1:] for refusal in REFUSALS],
    ids=[f"{rule} {name} {target}" for rule, name, target, *_ in REFUSALS],
)
def test_a_wrong_request_gets_its_error_and_costs_its_weight(
    make_asking: Make, name: str, target: str, code: int, text: str
) -> None:
    asking = make_asking(name)
    status, got, msg = asking.refused(target)
    assert (status, got) == (400, code)
    assert msg.endswith(text.removeprefix("…")) if text.startswith("…") else msg == text
    assert asking.response("ping").used_weight > 1


@pytest.mark.rule("rest-B1.3", "wire-A8")
@pytest.mark.parametrize(
    "target",
    [
        "depth?symbol=ethusdc&limit=5",
        "ticker/price?symbol=EthUsdc&more=1",
        "indexPriceKlines?pair=ethusdc&interval=1m",
        "assetIndex?symbol=ethusd",
        "exchangeInfo?symbol=NOSUCH",
        "ping?x=1",
    ],
)
def test_usdm_takes_lower_case_and_ignores_what_it_does_not_know(usdm: Any, target: str) -> None:
    assert usdm.response(target).status == 200


@pytest.mark.rule("rest-A2.17")
def test_surplus_parameters_are_a_setting(make_asking: Make) -> None:
    lax = make_asking("spot", surplus_parameters="ignore")
    assert lax.response("ping?x=1").status == 200
    assert lax.response("depth?symbol=ETHUSDC&=1").status == 200
    strict = make_asking("usdm", surplus_parameters="refuse")
    assert strict.refused("exchangeInfo?symbol=ETHUSDC")[1] == -1101


@pytest.mark.rule("rest-A2.24")
def test_limits_above_the_most_are_a_setting(make_asking: Make) -> None:
    asking = make_asking("spot", limit_above_most="cut")
    assert len(asking.get("trades?symbol=ETHUSDC&limit=5000")) == 1000
    assert asking.refused("trades?symbol=ETHUSDC&limit=0")[1] == -1130


@pytest.mark.rule("rest-A2.15", "rest-A4.13", "rest-A4.14")
@pytest.mark.parametrize("path", ["ticker", "ticker/tradingDay"])
def test_a_list_of_more_than_a_hundred_symbols_is_too_long(spot: Any, path: str) -> None:
    names = ",".join(f"%22S{n}%22" for n in range(101))
    assert spot.refused(f"{path}?symbols=[{names}]") == (
        400, -1101, "Too many parameters; expected '100' and received '101'."
    )  # fmt: skip
    assert spot.refused(f"ticker/24hr?symbols=[{names}]")[1] == -1121


@pytest.mark.rule("rest-A2.29", "rest-B2.7", "wire-A9")
def test_historical_trades_of_usdm_want_a_key(usdm: Any, spot: Any) -> None:
    target = "historicalTrades?symbol=ETHUSDC&limit=1"
    for headers in ({}, {"x-mbx-apikey": ""}, {"x-mbx-apikey": "no key"}):
        assert usdm.refused(target, headers=headers) == (401, -2014, "API-key format invalid.")
    assert len(usdm.get(target, headers={"x-mbx-apikey": "testkey"})) == 1
    assert len(spot.get(target)) == 1


@pytest.mark.rule("rest-A2.31")
def test_a_symbol_may_have_no_reference_price(make_asking: Make) -> None:
    asking = make_asking("spot", without_reference_price=frozenset({"ETHUSDC"}))
    for path in ("referencePrice", "referencePrice/calculation"):
        assert asking.refused(f"{path}?symbol=ETHUSDC") == (
            400, -2043, "This symbol doesn't have a reference price."
        )  # fmt: skip
        assert asking.response(f"{path}?symbol=BTCUSDC").status == 200


@pytest.mark.rule("rest-A2.30")
@pytest.mark.parametrize("path", ["ticker", "ticker/tradingDay"])
def test_a_window_without_a_trade_is_none(make_asking: Make, path: str) -> None:
    asking = make_asking("spot", kind="frozen")
    for chosen in ("symbol=ETHUSDC", "symbols=[%22ETHUSDC%22]"):
        assert asking.refused(f"{path}?{chosen}") == (
            400,
            -2016,
            "No trading window could be found for the symbol. Try ticker/24hrs instead.",
        )
    assert asking.get("ticker/24hr?symbol=ETHUSDC")["count"] == 0
