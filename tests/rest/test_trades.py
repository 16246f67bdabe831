"""Trades, aggregate trades, block trades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockex.market.executions import Execution, block_trades, execution, market_trades

Make = Callable[..., Any]
KEY = {"x-mbx-apikey": "testkey"}


def _trades(asking: Any, symbol: str = "ETHUSDC") -> Any:
    return market_trades(asking.market, symbol)


@pytest.mark.rule("rest-A4.5", "rest-A4.22", "rest-B2.6", "rest-B2.26", "rest-A1.5")
@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_trades_are_the_newest_ones_in_order(make_asking: Make, name: str) -> None:
    asking = make_asking(name)
    truth = _trades(asking)
    assert [row["id"] for row in asking.get("trades?symbol=ETHUSDC")] == [
        trade.trade_id for trade in truth[-500:]
    ]
    assert len(asking.get("trades?symbol=ETHUSDC&limit=1000")) == 1000
    row, trade = asking.get("trades?symbol=ETHUSDC&limit=1")[0], truth[-1]
    i = asking.market.instruments["ETHUSDC"]
    last = {"isBestMatch": True}
    if name == "usdm":
        rpi = execution(asking.market, "ETHUSDC", trade) is Execution.RPI
        last = {"isRPITrade": rpi}
    assert (
        row
        == {
            "id": trade.trade_id,
            "price": i.price(trade.price),
            "qty": i.quantity(trade.quantity),
            "quoteQty": i.amount(trade.price * trade.quantity, i.price_decimals),
            "time": asking.epoch_ms + trade.at_ms,
            "isBuyerMaker": trade.buyer_is_maker,
        }
        | last
    )
    assert list(row) == ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", *last]


@pytest.mark.rule("rest-B2.26")
def test_trades_that_are_not_the_markets_are_not_listed(usdm: Any) -> None:
    every = usdm.market.truth.history("ETHUSDC").trades
    excluded = [
        t.trade_id for t in every if execution(usdm.market, "ETHUSDC", t) is Execution.EXCLUDED
    ]
    assert excluded, "the market has some"
    target = f"historicalTrades?symbol=ETHUSDC&fromId={every[0].trade_id}&limit=1000"
    listed = [row["id"] for row in usdm.get(target, headers=KEY)]
    assert not set(listed) & set(excluded)
    rows = usdm.get("trades?symbol=ETHUSDC&limit=1000")
    assert any(row["isRPITrade"] for row in rows)


@pytest.mark.rule("rest-A4.6", "rest-B2.7")
@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_historical_trades_begin_at_an_id(make_asking: Make, name: str) -> None:
    asking = make_asking(name)
    ids = [trade.trade_id for trade in _trades(asking)]

    def listed(more: str) -> list[int]:
        rows = asking.get(f"historicalTrades?symbol=ETHUSDC{more}", headers=KEY)
        return [row["id"] for row in rows]

    assert listed(f"&fromId={ids[10]}&limit=3") == ids[10:13]
    assert listed("&fromId=0&limit=2") == ids[:2]
    assert listed(f"&fromId={ids[-1]}") == ids[-1:]
    assert listed(f"&fromId={ids[-1] + 1}") == []
    assert listed("&limit=5") == ids[-5:]


@pytest.mark.rule("rest-A4.7", "rest-A4.22")
def test_block_trades_begin_at_an_id_and_have_no_best_match(spot: Any) -> None:
    truth = block_trades(spot.market, "ETHUSDC", -1, 200_000)
    rows = spot.get("historicalBlockTrades?symbol=ETHUSDC&fromId=1")
    assert [row["id"] for row in rows] == [t.block_id for t in truth]
    assert list(rows[0]) == ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker"]
    assert rows[0]["time"] == spot.epoch_ms + truth[0].at_ms
    two = spot.get("historicalBlockTrades?symbol=ETHUSDC&fromId=2&limit=1")
    assert two == rows[1:2]
    assert spot.get("historicalBlockTrades?symbol=ETHUSDC&fromId=0") == rows
    assert spot.get("historicalBlockTrades?symbol=ETHUSDC&fromId=3&limit=2") == rows[2:4]
    assert spot.get(f"historicalBlockTrades?symbol=ETHUSDC&fromId={rows[-1]['id'] + 1}") == []
    assert spot.get("historicalBlockTrades?symbol=ETHUSDC&fromId=99999999999999999999") == []


@pytest.mark.rule("rest-A4.8", "rest-A4.23", "rest-B2.8", "rest-B2.26")
@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_aggregate_trades_hold_the_trades_of_an_order(make_asking: Make, name: str) -> None:
    asking = make_asking(name)
    rows = asking.get("aggTrades?symbol=ETHUSDC&fromId=0&limit=1000")
    spelled = ["a", "p", "q", "f", "l", "T", "m", "M"]
    if name == "usdm":
        spelled = ["a", "p", "q", "nq", "f", "l", "T", "m"]
        assert any(row["nq"] != row["q"] for row in rows), "RPI orders"
    assert list(rows[0]) == spelled
    trades = {trade.trade_id: trade for trade in _trades(asking)}
    i = asking.market.instruments["ETHUSDC"]
    seen: list[int] = []
    for row in rows:
        held = [trades[n] for n in range(row["f"], row["l"] + 1) if n in trades]
        assert {(t.order_id, i.price(t.price)) for t in held} == {(row["a"], row["p"])}
        assert row["q"] == i.quantity(sum(t.quantity for t in held))
        assert (row["T"], row["m"]) == (asking.epoch_ms + held[0].at_ms, held[0].buyer_is_maker)
        seen += [t.trade_id for t in held]
    assert seen == list(trades)[: len(seen)]
    assert [row["a"] for row in rows] == sorted({row["a"] for row in rows})


@pytest.mark.rule("rest-A1.4", "rest-A1.5", "rest-A4.8", "rest-B2.8")
@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_aggregate_trades_are_chosen_by_time(make_asking: Make, name: str) -> None:
    asking = make_asking(name)
    every = asking.get("aggTrades?symbol=ETHUSDC&fromId=0&limit=1000")
    start, end = every[100]["T"], every[200]["T"]

    def listed(more: str) -> Any:
        return asking.get(f"aggTrades?symbol=ETHUSDC{more}")

    since = [row for row in every if row["T"] >= start]
    until = [row for row in every if row["T"] <= end]
    assert listed(f"&startTime={start}&limit=5") == since[:5], "the oldest from there"
    assert listed(f"&endTime={end}&limit=5") == until[-5:], "the newest up to there"
    both = [row for row in since if row["T"] <= end]
    assert listed(f"&startTime={start}&endTime={end}") == both[:500]
    assert listed(f"&startTime={start}&endTime={end}&limit=3") == both[:3]
    assert listed(f"&startTime={start}000&endTime={end}999") == both[:500], "in µs"
    assert listed(f"&startTime={start}&endTime={start - 1}") == []
    assert len(listed("")) == 500
    assert listed("&limit=2") == asking.get(
        f"aggTrades?symbol=ETHUSDC&fromId={listed('&limit=2')[0]['a']}"
    )


@pytest.mark.rule("rest-B2.8", "rest-B2.23")
def test_aggregate_trades_of_usdm_go_two_days_back(make_asking: Make) -> None:
    for name, count in (("usdm", 0), ("spot", 500)):
        asking = make_asking(name)
        late = 49 * 3600.0
        assert len(asking.get("aggTrades?symbol=ETHUSDC&fromId=0", now=late)) == count


@pytest.mark.rule("rest-A2.22")
def test_an_hour_from_start_to_end_is_not_too_long(usdm: Any) -> None:
    hour = f"startTime={usdm.epoch_ms}&endTime={usdm.epoch_ms + 3_600_000}"
    assert len(usdm.get(f"aggTrades?symbol=ETHUSDC&{hour}")) == 500


@pytest.mark.rule("rest-A1.4")
def test_how_long_a_time_in_microseconds_is_is_a_setting(make_asking: Make) -> None:
    target = f"aggTrades?symbol=ETHUSDC&startTime={1_780_272_000_000_000}"
    assert make_asking("spot").get(target)
    assert make_asking("spot", microsecond_digits=17).get(target) == [], "in the far future"


@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_a_market_that_never_moved_has_no_trades(make_asking: Make, name: str) -> None:
    asking = make_asking(name, kind="frozen")
    assert asking.get("trades?symbol=ETHUSDC") == []
    assert asking.get("aggTrades?symbol=ETHUSDC") == []
    assert asking.get("historicalTrades?symbol=ETHUSDC", headers=KEY) == []
    if name == "spot":
        assert asking.get("historicalBlockTrades?symbol=ETHUSDC&fromId=1") == []
