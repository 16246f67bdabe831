"""What only futures have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from mockex.market.derived import FUNDING_MS, composite, funding_rate, mark, open_interest, spelled

Make = Callable[..., Any]
HOURS_8 = FUNDING_MS / 1000


@pytest.mark.rule("rest-B2.12", "rest-B2.27")
def test_the_premium_index_is_the_mark_price_now(usdm: Any) -> None:
    said = usdm.get("premiumIndex?symbol=ETHUSDC")
    now = mark(usdm.market, "ETHUSDC", usdm.epoch_ms, 200_000)
    assert list(said.items()) == [
        ("symbol", "ETHUSDC"),
        ("markPrice", spelled(now.mark)),
        ("indexPrice", spelled(now.index)),
        ("estimatedSettlePrice", spelled(now.settle)),
        ("lastFundingRate", spelled(now.funding_rate)),
        ("interestRate", "0.00010000"),
        ("nextFundingTime", usdm.epoch_ms + FUNDING_MS),
        ("time", usdm.now_ms),
    ]
    every = usdm.get("premiumIndex")
    assert every[0] == said
    delivered = every[3]
    assert (delivered["symbol"], delivered["nextFundingTime"]) == ("BTCUSDC_260925", 0)
    assert (delivered["lastFundingRate"], delivered["interestRate"]) == ("0.00000000",) * 2


@pytest.mark.rule("rest-B2.13")
def test_funding_rates_are_those_due_since_the_opening(usdm: Any) -> None:
    late = 3 * HOURS_8 + 1
    due = [usdm.epoch_ms + n * FUNDING_MS for n in range(4)]

    def listed(query: str, now: float = late) -> list[int]:
        rows = usdm.get(f"fundingRate?symbol=ETHUSDC{query}", now=now)
        return [row["fundingTime"] for row in rows]

    assert listed("") == due
    assert listed("", now=200.0) == due[:1]
    assert listed("&limit=2") == due[-2:]
    assert listed(f"&startTime={due[1]}&limit=2") == due[1:3]
    assert listed(f"&startTime={due[1]}&endTime={due[2] - 1}") == due[1:2]
    assert listed("&startTime=0") == due, "nothing before the opening"
    row = usdm.get("fundingRate?symbol=ETHUSDC", now=late)[2]
    assert list(row.items()) == [
        ("symbol", "ETHUSDC"),
        ("fundingTime", due[2]),
        ("fundingRate", spelled(funding_rate(usdm.market, "ETHUSDC", due[2]))),
        ("markPrice", spelled(mark(usdm.market, "ETHUSDC", usdm.epoch_ms, 2 * FUNDING_MS).mark)),
    ]
    every = usdm.get("fundingRate", now=200.0)
    assert [row["symbol"] for row in every] == ["ETHUSDC", "BTCUSDC", "XAUUSDT"]


@pytest.mark.rule("rest-B2.13")
def test_funding_info_has_a_row_for_each_perpetual(usdm: Any) -> None:
    rows = usdm.get("fundingInfo")
    assert [row["symbol"] for row in rows] == ["ETHUSDC", "BTCUSDC", "XAUUSDT"]
    assert list(rows[0]) == [
        "symbol", "adjustedFundingRateCap", "adjustedFundingRateFloor", "fundingIntervalHours",
        "disclaimer",
    ]  # fmt: skip
    for row in rows:
        low, high = row["adjustedFundingRateFloor"], row["adjustedFundingRateCap"]
        rate = usdm.get(f"premiumIndex?symbol={row['symbol']}")["lastFundingRate"]
        assert float(low) < float(rate) < float(high)
        assert row["fundingIntervalHours"] == 8


@pytest.mark.rule("rest-B2.17", "rest-B2.29", "wire-B3")
def test_open_interest_is_in_contracts(usdm: Any) -> None:
    said = usdm.get("openInterest?symbol=ETHUSDC")
    i = usdm.market.instruments["ETHUSDC"]
    assert list(said.items()) == [
        ("symbol", "ETHUSDC"),
        ("openInterest", i.quantity(open_interest(usdm.market, "ETHUSDC", 200_000))),
        ("time", usdm.now_ms),
    ]


@pytest.mark.rule("rest-B2.18", "wire-A10")
def test_the_index_of_an_asset_has_eight_decimals(usdm: Any) -> None:
    said = usdm.get("assetIndex?symbol=ETHUSD")
    assert list(said) == [
        "symbol", "time", "index", "bidBuffer", "askBuffer", "bidRate", "askRate",
        "autoExchangeBidBuffer", "autoExchangeAskBuffer", "autoExchangeBidRate",
        "autoExchangeAskRate",
    ]  # fmt: skip
    numbers = [value for value in said.values() if isinstance(value, str)][1:]
    assert all(len(number.partition(".")[2]) == 8 for number in numbers)
    assert said["index"] == usdm.get("premiumIndex?symbol=ETHUSDC")["indexPrice"]
    assert float(said["bidRate"]) == pytest.approx(float(said["index"]) * 0.9)
    assert [row["symbol"] for row in usdm.get("assetIndex")] == ["ETHUSD", "BTCUSD", "XAUUSD"]


@pytest.mark.rule("rest-B2.19", "wire-A11")
def test_composite_indexes_name_their_parts(usdm: Any) -> None:
    rows = usdm.get("indexInfo")
    for row in rows:
        truth = composite(usdm.market, row["symbol"], 200_000)
        assert list(row) == ["symbol", "time", "component", "baseAssetList"]
        assert row["component"] == truth.kind
        assert row["baseAssetList"][0] == {
            "baseAsset": truth.components[0].base,
            "quoteAsset": truth.components[0].quote,
            "weightInQuantity": spelled(truth.components[0].weight),
            "weightInPercentage": spelled(truth.components[0].share),
        }
        shares = [float(part["weightInPercentage"]) for part in row["baseAssetList"]]
        assert sum(shares) == pytest.approx(1.0)
    assert usdm.get(f"indexInfo?symbol={rows[1]['symbol'].lower()}") == [rows[1]]


@pytest.mark.rule("rest-B2.19")
def test_an_index_is_the_mean_of_its_venues(usdm: Any) -> None:
    said = usdm.get("constituents?symbol=ETHUSDC")
    assert list(said) == ["symbol", "time", "constituents"]
    venues = said["constituents"]
    assert list(venues[0]) == ["exchange", "symbol", "price", "weight"]
    assert sum(float(venue["weight"]) for venue in venues) == 1
    mean = sum(float(venue["weight"]) * float(venue["price"]) for venue in venues)
    index = usdm.get("premiumIndex?symbol=ETHUSDC")["indexPrice"]
    assert mean == pytest.approx(float(index), abs=1e-7)
    hidden = usdm.get("constituents?symbol=XAUUSDT")["constituents"]
    assert {venue["price"] for venue in hidden} == {"-1"}


@pytest.mark.rule("rest-B2.19")
def test_the_trading_schedule_is_two_weeks_without_a_hole(usdm: Any) -> None:
    said = usdm.get("tradingSchedule")
    assert list(said) == ["updateTime", "marketSchedules"]
    markets = said["marketSchedules"]
    assert list(markets) == ["EQUITY", "COMMODITY", "KR_EQUITY", "HK_EQUITY", "CN_EQUITY"]
    week = 7 * 86_400_000
    for market in markets.values():
        sessions = market["sessions"]
        assert sessions[0]["startTime"] <= usdm.now_ms - week
        assert sessions[-1]["endTime"] > usdm.now_ms + week
        for one, after in pairwise(sessions):
            assert one["endTime"] == after["startTime"]
        assert {"REGULAR", "NO_TRADING"} <= {session["type"] for session in sessions}
