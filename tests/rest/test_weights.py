"""What every endpoint costs (rest A4, B2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockex.profile import profile_named
from mockex.rest.endpoints import endpoints

Make = Callable[..., Any]
BARS = "symbol=ETHUSDC&interval=1m"


def _list(count: int) -> str:
    return "symbols=[" + ",".join(f"%22S{n}%22" for n in range(count)) + "]"


# rule, profile, target, weight
WEIGHTS = [
    ("rest-A4.1", "spot", "ping", 1),
    ("rest-A4.2", "spot", "time", 1),
    ("rest-A4.3", "spot", "exchangeInfo", 20),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC", 5),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC&limit=100", 5),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC&limit=101", 25),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC&limit=501", 50),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC&limit=1001", 250),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC&limit=99999", 250),
    ("rest-A4.4", "spot", "depth?symbol=ETHUSDC&limit=x", 5),
    ("rest-A4.5", "spot", "trades?symbol=ETHUSDC", 25),
    ("rest-A4.6", "spot", "historicalTrades?symbol=ETHUSDC", 25),
    ("rest-A4.7", "spot", "historicalBlockTrades?symbol=ETHUSDC&fromId=1", 25),
    ("rest-A4.8", "spot", "aggTrades?symbol=ETHUSDC", 4),
    ("rest-A4.9", "spot", f"klines?{BARS}", 2),
    ("rest-A4.10", "spot", f"uiKlines?{BARS}", 2),
    ("rest-A4.11", "spot", "avgPrice?symbol=ETHUSDC", 2),
    ("rest-A4.12", "spot", "ticker/24hr?symbol=ETHUSDC", 2),
    ("rest-A4.12", "spot", f"ticker/24hr?{_list(20)}", 2),
    ("rest-A4.12", "spot", f"ticker/24hr?{_list(21)}", 40),
    ("rest-A4.12", "spot", f"ticker/24hr?{_list(100)}", 40),
    ("rest-A4.12", "spot", f"ticker/24hr?{_list(101)}", 80),
    ("rest-A4.12", "spot", "ticker/24hr", 80),
    ("rest-A4.13", "spot", "ticker/tradingDay?symbol=ETHUSDC", 4),
    ("rest-A4.13", "spot", f"ticker/tradingDay?{_list(3)}", 12),
    ("rest-A4.13", "spot", f"ticker/tradingDay?{_list(51)}", 200),
    ("rest-A4.14", "spot", f"ticker?{_list(50)}", 200),
    ("rest-A4.15", "spot", "ticker/price?symbol=ETHUSDC", 2),
    ("rest-A4.15", "spot", f"ticker/price?{_list(1)}", 4),
    ("rest-A4.15", "spot", "ticker/price", 4),
    ("rest-A4.16", "spot", "ticker/bookTicker?symbol=ETHUSDC", 2),
    ("rest-A4.16", "spot", "ticker/bookTicker", 4),
    ("rest-A4.17", "spot", "referencePrice?symbol=ETHUSDC", 2),
    ("rest-A4.18", "spot", "referencePrice/calculation?symbol=ETHUSDC", 2),
    ("rest-A4.19", "spot", "executionRules?symbol=ETHUSDC", 2),
    ("rest-A4.19", "spot", f"executionRules?{_list(3)}", 6),
    ("rest-A4.19", "spot", f"executionRules?{_list(30)}", 40),
    ("rest-A4.19", "spot", "executionRules", 40),
    ("rest-B2.1", "usdm", "ping", 1),
    ("rest-B2.2", "usdm", "time", 1),
    ("rest-B2.3", "usdm", "exchangeInfo", 1),
    ("rest-B2.4", "usdm", "depth?symbol=ETHUSDC", 10),
    ("rest-B2.4", "usdm", "depth?symbol=ETHUSDC&limit=50", 2),
    ("rest-B2.4", "usdm", "depth?symbol=ETHUSDC&limit=100", 5),
    ("rest-B2.4", "usdm", "depth?symbol=ETHUSDC&limit=500", 10),
    ("rest-B2.4", "usdm", "depth?symbol=ETHUSDC&limit=1000", 20),
    ("rest-B2.5", "usdm", "rpiDepth?symbol=ETHUSDC", 20),
    ("rest-B2.6", "usdm", "trades?symbol=ETHUSDC", 5),
    ("rest-B2.7", "usdm", "historicalTrades?symbol=ETHUSDC", 200),
    ("rest-B2.8", "usdm", "aggTrades?symbol=ETHUSDC", 20),
    ("rest-B2.9", "usdm", f"klines?{BARS}", 5),
    ("rest-B2.9", "usdm", f"klines?{BARS}&limit=99", 1),
    ("rest-B2.9", "usdm", f"klines?{BARS}&limit=100", 2),
    ("rest-B2.9", "usdm", f"klines?{BARS}&limit=499", 2),
    ("rest-B2.9", "usdm", f"klines?{BARS}&limit=500", 5),
    ("rest-B2.9", "usdm", f"klines?{BARS}&limit=1000", 5),
    ("rest-B2.9", "usdm", f"klines?{BARS}&limit=1001", 10),
    ("rest-B2.10", "usdm", "continuousKlines?pair=X&contractType=X&limit=99", 1),
    ("rest-B2.11", "usdm", "indexPriceKlines?limit=100", 2),
    ("rest-B2.11", "usdm", "markPriceKlines", 5),
    ("rest-B2.11", "usdm", "premiumIndexKlines?limit=1500", 10),
    ("rest-B2.12", "usdm", "premiumIndex?symbol=ETHUSDC", 1),
    ("rest-B2.12", "usdm", "premiumIndex", 10),
    ("rest-B2.13", "usdm", "fundingRate", 0),
    ("rest-B2.13", "usdm", "fundingInfo", 0),
    ("rest-B2.14", "usdm", "ticker/24hr?symbol=ETHUSDC", 1),
    ("rest-B2.14", "usdm", "ticker/24hr", 40),
    ("rest-B2.15", "usdm", "ticker/price?symbol=ETHUSDC", 1),
    ("rest-B2.15", "usdm", "ticker/price", 2),
    ("rest-B2.15", "usdm", "/fapi/v2/ticker/price?symbol=ETHUSDC", 1),
    ("rest-B2.15", "usdm", "/fapi/v2/ticker/price", 2),
    ("rest-B2.16", "usdm", "ticker/bookTicker?symbol=ETHUSDC", 2),
    ("rest-B2.16", "usdm", "ticker/bookTicker", 5),
    ("rest-B2.17", "usdm", "openInterest?symbol=ETHUSDC", 1),
    ("rest-B2.18", "usdm", "assetIndex?symbol=ETHUSD", 1),
    ("rest-B2.18", "usdm", "assetIndex", 10),
    ("rest-B2.19", "usdm", "indexInfo", 1),
    ("rest-B2.19", "usdm", "constituents?symbol=ETHUSDC", 2),
    ("rest-B2.19", "usdm", "tradingSchedule", 5),
]
MEASURED = [
    ("depth?symbol=ETHUSDC", 1),
    ("depth?symbol=ETHUSDC&limit=500", 10),
    (f"klines?{BARS}", 5),
    (f"klines?{BARS}&limit=100", 1),
    (f"klines?{BARS}&limit=101", 2),
    (f"klines?{BARS}&limit=500", 2),
    (f"klines?{BARS}&limit=501", 5),
]


@pytest.mark.rule(*[rule for rule, *_ in WEIGHTS])
@pytest.mark.parametrize(("name", "target", "weight"), [row[1:] for row in WEIGHTS])
def test_a_request_weighs(make_asking: Make, name: str, target: str, weight: int) -> None:
    answer = make_asking(name).response(target)
    assert (answer.weight, answer.used_weight) == (weight, weight)


@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_the_table_has_every_endpoint(name: str) -> None:
    profile = profile_named(name)
    asked = {
        target.partition("?")[0] if target.startswith("/")
        else f"{profile.rest_prefix}/{target.partition('?')[0]}"
        for _, product, target, _ in WEIGHTS if product == name
    }  # fmt: skip
    assert asked == set(endpoints(profile))


@pytest.mark.rule("rest-B2.21")
@pytest.mark.parametrize(("target", "weight"), MEASURED)
def test_what_requests_were_seen_to_cost_is_a_setting(
    make_asking: Make, target: str, weight: int
) -> None:
    assert make_asking("usdm", measured_weights=True).response(target).weight == weight


@pytest.mark.rule("rest-A5.2")
def test_24_full_snapshots_fit_into_a_minute(spot: Any) -> None:
    target = "depth?symbol=ETHUSDC&limit=5000"
    assert [spot.response(target).status for _ in range(25)] == [200] * 24 + [429]
