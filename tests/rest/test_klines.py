"""Klines of trades, of marks, of indexes, of premiums."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mockex.clock import Clock
from mockex.market.derived import mark, spelled
from mockex.market.executions import market_trades
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import profile_named
from mockex.rest import Request, Rest

Make = Callable[..., Any]
MINUTE = 60_000
HOUR = 60 * MINUTE


@pytest.mark.rule("rest-A4.9", "rest-A4.24", "rest-B2.9", "wire-B1", "wire-B10")
@pytest.mark.parametrize(("name", "decimals"), [("spot", 8), ("usdm", 5)])
def test_a_kline_is_made_of_the_trades_in_it(make_asking: Make, name: str, decimals: int) -> None:
    asking = make_asking(name)
    i = asking.market.instruments["ETHUSDC"]
    rows = asking.get("klines?symbol=ETHUSDC&interval=1m")
    assert [row[0] for row in rows] == [asking.epoch_ms + n * MINUTE for n in range(4)]
    for row in rows:
        assert len(row) == 12
        held = [
            t
            for t in market_trades(asking.market, "ETHUSDC")
            if row[0] <= asking.epoch_ms + t.at_ms <= row[6]
        ]
        taken = [t for t in held if not t.buyer_is_maker]
        prices = [t.price for t in held]
        assert row == [
            row[0],
            i.price(prices[0]),
            i.price(max(prices)),
            i.price(min(prices)),
            i.price(prices[-1]),
            i.quantity(sum(t.quantity for t in held)),
            row[0] + MINUTE - 1,
            i.amount(sum(t.price * t.quantity for t in held), decimals),
            len(held),
            i.quantity(sum(t.quantity for t in taken)),
            i.amount(sum(t.price * t.quantity for t in taken), decimals),
            "0",
        ]


@pytest.mark.rule("rest-A4.10")
def test_klines_for_charts_are_the_same(spot: Any) -> None:
    chosen = "symbol=ETHUSDC&interval=1s&limit=3"
    assert spot.get(f"uiKlines?{chosen}") == spot.get(f"klines?{chosen}")


@pytest.mark.rule("rest-A1.5", "rest-A4.9", "rest-A4.24")
def test_klines_are_chosen_by_time(spot: Any) -> None:
    def opens(more: str) -> list[int]:
        rows = spot.get(f"klines?symbol=ETHUSDC&interval=1s{more}")
        return [(row[0] - spot.epoch_ms) // 1000 for row in rows]

    assert opens("&limit=3") == [198, 199, 200], "the last one is open"
    assert opens(f"&startTime={spot.epoch_ms + 10_000}&limit=3") == [10, 11, 12]
    assert opens(f"&startTime={spot.epoch_ms + 10_001}&limit=1") == [11]
    assert opens(f"&endTime={spot.epoch_ms + 10_000}&limit=2") == [9, 10]
    both = f"&startTime={spot.epoch_ms + 10_000}&endTime={spot.epoch_ms + 12_500}"
    assert opens(both) == [10, 11, 12]
    assert opens("&startTime=0&limit=2") == [0, 1], "nothing before the opening"
    assert opens(f"&startTime={spot.now_ms + 1}") == []
    assert opens("&startTime=99999999999999999999") == []
    assert opens("&endTime=0") == []
    assert len(opens("")) == 201


@pytest.mark.rule("rest-A4.25")
@pytest.mark.parametrize(
    ("zone", "minutes"),
    [("0", 0), ("8", 480), ("+8", 480), ("%2B08:00", 480), ("-1:00", -60), ("05:45", 345),
     ("-12:00", -720), ("14", 840)],
)  # fmt: skip
def test_a_day_begins_at_midnight_of_its_time_zone(spot: Any, zone: str, minutes: int) -> None:
    row = spot.get(f"klines?symbol=ETHUSDC&interval=1d&timeZone={zone}")[-1]
    assert (row[0] + minutes * MINUTE) % (24 * HOUR) == 0
    assert row[0] <= spot.now_ms <= row[6] == row[0] + 24 * HOUR - 1
    start = spot.get(
        f"klines?symbol=ETHUSDC&interval=1m&timeZone={zone}&startTime={spot.epoch_ms + MINUTE}"
    )
    assert start[0][0] == spot.epoch_ms + MINUTE, "startTime stays UTC"


@pytest.mark.rule("rest-A4.9", "rest-B2.10", "spot-5.4.1")
def test_every_interval_of_the_streams_is_one_of_rest(spot: Any, usdm: Any) -> None:
    every = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d"]
    for interval in [*every, "1w", "1M"]:
        assert spot.get(f"klines?symbol=ETHUSDC&interval={interval}")
        target = f"continuousKlines?pair=ETHUSDC&contractType=PERPETUAL&interval={interval}"
        assert usdm.get(target)


@pytest.mark.rule("rest-B2.10")
def test_continuous_klines_are_those_of_the_contract(usdm: Any) -> None:
    for symbol, pair, contract in [
        ("BTCUSDC", "btcusdc", "PERPETUAL"),
        ("BTCUSDC_260925", "BTCUSDC", "CURRENT_QUARTER"),
        ("XAUUSDT", "XAUUSDT", "TRADIFI_PERPETUAL"),
    ]:
        chosen = f"pair={pair}&contractType={contract}&interval=1m"
        assert usdm.get(f"continuousKlines?{chosen}") == usdm.get(
            f"klines?symbol={symbol}&interval=1m"
        )


@pytest.mark.rule("rest-B2.11")
def test_klines_of_marks_are_made_of_what_the_stream_tells(usdm: Any) -> None:
    rows = usdm.get("markPriceKlines?symbol=ETHUSDC&interval=1m")
    assert [row[0] for row in rows] == [usdm.epoch_ms + n * MINUTE for n in range(4)]
    for number, row in enumerate(rows):
        first, last = number * MINUTE, min(number * MINUTE + MINUTE, 200_001)
        marks = [
            mark(usdm.market, "ETHUSDC", usdm.epoch_ms, at_ms).mark
            for at_ms in range(first, last, 3000)
        ]
        opened, highest, lowest, closed = marks[0], max(marks), min(marks), marks[-1]
        assert row == [
            row[0], spelled(opened), spelled(highest), spelled(lowest), spelled(closed), "0",
            row[0] + MINUTE - 1, "0", len(marks), "0", "0", "0",
        ]  # fmt: skip
    assert usdm.get("markPriceKlines?symbol=ETHUSDC&interval=1m") == rows, "also if it is kept"


@pytest.mark.rule("rest-B2.11")
def test_a_long_bar_of_marks_holds_the_short_ones(usdm: Any) -> None:
    for target in ("markPriceKlines?symbol", "indexPriceKlines?pair", "premiumIndexKlines?symbol"):
        short = usdm.get(f"{target}=ETHUSDC&interval=1m")
        (long,) = usdm.get(f"{target}=ETHUSDC&interval=1d")
        assert long[1] == short[0][1]
        assert float(long[2]) == max(float(row[2]) for row in short)
        assert float(long[3]) == min(float(row[3]) for row in short)
        assert long[4] == short[-1][4]
        assert long[8] == sum(row[8] for row in short)


@pytest.mark.rule("rest-B2.11")
def test_the_premium_is_what_the_mark_is_beyond_the_index(usdm: Any) -> None:
    chosen = "=ETHUSDC&interval=1m&limit=1&startTime=0"
    marks = usdm.get(f"markPriceKlines?symbol{chosen}")[0]
    indexes = usdm.get(f"indexPriceKlines?pair{chosen}")[0]
    premiums = usdm.get(f"premiumIndexKlines?symbol{chosen}")[0]
    for part in (1, 4):
        premium = float(marks[part]) / float(indexes[part]) - 1
        assert float(premiums[part]) == pytest.approx(premium, abs=2e-8)


@pytest.mark.rule("rest-B2.11")
def test_before_the_first_sample_a_bar_stands_at_the_opening() -> None:
    profile = profile_named("usdm")
    market = Market(instruments(profile, ["ETHUSDC"]), seed=1, profile=profile)
    market.advance(2_000)
    epoch_ms = 1_780_272_001_000  # a second after a sample
    rest = Rest(profile, market, Clock(0.0, epoch_ms))
    request = Request("GET", "/fapi/v1/markPriceKlines?symbol=ETHUSDC&interval=1m")
    (before,) = json.loads(rest.answer(request, 1.9).body)
    (after,) = json.loads(rest.answer(request, 2.0).body)
    opening = spelled(mark(market, "ETHUSDC", epoch_ms, 0).mark)
    first = spelled(mark(market, "ETHUSDC", epoch_ms, 2000).mark)
    assert before[1:5] == [opening] * 4
    assert after[1:5] == [first] * 4
    assert (before[8], after[8]) == (0, 1)


@pytest.mark.rule("rest-A4.9", "rest-B2.9")
@pytest.mark.parametrize(("name", "most"), [("spot", 1000), ("usdm", 1500)])
def test_there_are_500_klines_unless_more_are_asked_for(
    make_asking: Make, name: str, most: int
) -> None:
    asking = make_asking(name, kind="frozen")
    days_2 = 2 * 86_400.0
    rows = asking.get("klines?symbol=ETHUSDC&interval=1m", now=days_2)
    assert len(rows) == 500
    price = asking.market.instruments["ETHUSDC"].price(
        asking.market.instruments["ETHUSDC"].start_ticks
    )
    assert {tuple(row[1:5]) for row in rows} == {(price,) * 4}, "nothing was traded"
    target = f"klines?symbol=ETHUSDC&interval=1m&limit={most}"
    assert len(asking.get(target, now=days_2)) == most
