"""Depth and book tickers against the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mockex.clock import Clock
from mockex.errors import BookUnknown
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import profile_named
from mockex.rest import Request, Rest

Make = Callable[..., Any]


@pytest.mark.rule(
    "rest-A4.4", "rest-A4.21", "rest-A5.1", "rest-B2.4", "rest-B2.25", "wire-B14", "rest-C5"
)
@pytest.mark.parametrize(
    ("name", "limit", "levels"),
    [("spot", "", 100), ("spot", "&limit=7", 7), ("spot", "&limit=101", 101),
     ("spot", "&limit=99999", None), ("usdm", "", None), ("usdm", "&limit=5", 5),
     ("usdm", "&limit=1000", None)],
)  # fmt: skip
def test_depth_is_the_book_at_its_id(
    make_asking: Make, name: str, limit: str, levels: int | None
) -> None:
    asking = make_asking(name, snapshots_within_events=0)
    answer = asking.response(f"depth?symbol=ETHUSDC{limit}")
    said = asking.get(f"depth?symbol=ETHUSDC{limit}")
    book = asking.market.truth.book("ETHUSDC", said["lastUpdateId"])
    i = asking.market.instruments["ETHUSDC"]
    for side, truth in (("bids", book.bids), ("asks", book.asks)):
        spelled = [[i.price(price), i.quantity(quantity)] for price, quantity in truth[:levels]]
        assert said[side] == spelled
    assert said["lastUpdateId"] == asking.market.truth.last_update_id("ETHUSDC")
    assert answer.last_update_id == said["lastUpdateId"], "for the journal"
    if name == "spot":
        assert list(said) == ["lastUpdateId", "bids", "asks"]
    else:
        assert list(said) == ["lastUpdateId", "E", "T", "bids", "asks"]
        assert asking.now_ms - 1000 <= said["T"] <= said["E"] <= asking.now_ms


@pytest.mark.rule("usdm-6.3.4", "spot-6.3.4")
@pytest.mark.parametrize(("name", "percent"), [("spot", 0), ("usdm", 20)])
def test_a_snapshot_is_at_the_bound_of_an_event_or_now_and_then_within_it(
    name: str, percent: int
) -> None:
    profile = profile_named(name)
    assert profile.snapshots_within_events == percent * 10_000
    counts = {0: 0, percent: 0, 100: 0}
    several = 0
    market = Market(instruments(profile, ["ETHUSDC"]), seed=1, profile=profile)
    exchanges = {
        share: Rest(profile.with_(snapshots_within_events=share * 10_000), market, Clock(0.0, 0))
        for share in counts
    }
    for step in range(1, 601):
        (change,) = market.advance(step * 100)
        for share, rest in exchanges.items():
            target = f"{profile.rest_prefix}/depth?symbol=ETHUSDC&limit=5"
            answer = rest.answer(Request("GET", target, address=str(step)), step / 10)
            said = json.loads(answer.body)
            assert change.first_update_id <= said["lastUpdateId"] <= change.final_update_id
            truth = market.truth.book("ETHUSDC", said["lastUpdateId"])
            i = market.instruments["ETHUSDC"]
            assert said["bids"] == [[i.price(p), i.quantity(q)] for p, q in truth.bids[:5]]
            counts[share] += said["lastUpdateId"] < change.final_update_id
        several += change.first_update_id < change.final_update_id
    assert counts[0] == 0
    assert counts[100] == several
    assert counts[percent] == pytest.approx(several * percent / 100, rel=0.25)


@pytest.mark.rule("rest-A1.6", "wire-B1")
@pytest.mark.parametrize(("name", "decimals"), [("spot", (8, 8)), ("usdm", (2, 3))])
def test_numbers_have_the_decimals_of_the_product(
    make_asking: Make, name: str, decimals: tuple[int, int]
) -> None:
    for price, quantity in make_asking(name).get("depth?symbol=ETHUSDC&limit=5")["bids"]:
        assert (len(price.partition(".")[2]), len(quantity.partition(".")[2])) == decimals


@pytest.mark.rule("rest-A1.7")
def test_symbols_outside_ascii_are_answered_in_utf8(spot: Any) -> None:
    encoded = "%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456USDC"
    answer = spot.response(f"ticker/price?symbol={encoded}")
    assert "这是测试币456USDC".encode() in answer.body
    assert spot.get(f"ticker/price?symbols=[%22{encoded}%22]")[0]["symbol"] == "这是测试币456USDC"


@pytest.mark.rule("rest-A4.16", "rest-B2.16", "rest-B2.29", "wire-A7")
def test_a_book_ticker_is_the_top_of_the_book(make_asking: Make, spot: Any, usdm: Any) -> None:
    for asking in (spot, make_asking("usdm", snapshots_within_events=0)):
        said = asking.get("ticker/bookTicker?symbol=ETHUSDC")
        depth = asking.get("depth?symbol=ETHUSDC&limit=5")
        assert [said["bidPrice"], said["bidQty"]] == depth["bids"][0]
        assert [said["askPrice"], said["askQty"]] == depth["asks"][0]
    members = ["symbol", "bidPrice", "bidQty", "askPrice", "askQty"]
    assert list(spot.get("ticker/bookTicker?symbol=ETHUSDC")) == members
    said = usdm.get("ticker/bookTicker?symbol=ETHUSDC")
    assert list(said) == [*members, "time", "lastUpdateId"]
    assert said["lastUpdateId"] == usdm.market.truth.last_update_id("ETHUSDC")
    assert said["time"] == usdm.now_ms


@pytest.mark.rule("rest-A1.2", "rest-A4.20")
def test_one_symbol_is_an_object_and_several_are_an_array(spot: Any) -> None:
    one = spot.get("ticker/bookTicker?symbol=ETHUSDC")
    assert spot.get("ticker/bookTicker?symbols=%5B%22ETHUSDC%22%5D") == [one]
    assert spot.get('ticker/bookTicker?symbols=["BTCUSDC","ETHUSDC"]')[1] == one
    every = spot.get("ticker/bookTicker")
    assert [row["symbol"] for row in every] == list(spot.market.instruments)
    assert one in every


@pytest.mark.rule("rest-A4.32", "rest-A2.28")
@pytest.mark.parametrize("path", ["ticker/bookTicker", "ticker/price", "ticker/24hr"])
def test_a_list_leaves_out_what_is_in_another_status(spot: Any, path: str) -> None:
    assert len(spot.get(f"{path}?symbolStatus=TRADING")) == 4
    assert spot.get(f"{path}?symbolStatus=HALT") == []
    assert spot.get(f"{path}?symbols=[%22ETHUSDC%22]&symbolStatus=BREAK") == []
    assert spot.get(f"{path}?symbol=ETHUSDC&symbolStatus=TRADING")["symbol"] == "ETHUSDC"


@pytest.mark.rule("rest-B2.5")
def test_rpi_depth_is_the_book_with_the_rpi_orders_in_it(make_asking: Make, usdm: Any) -> None:
    said = usdm.get("rpiDepth?symbol=ETHUSDC&limit=1000")
    assert said == usdm.get("rpiDepth?symbol=ethusdc")
    assert list(said) == ["lastUpdateId", "E", "T", "bids", "asks"]
    asking = make_asking("usdm", snapshots_within_events=0)
    visible = asking.get("depth?symbol=ETHUSDC&limit=1000")
    assert said["lastUpdateId"] == visible["lastUpdateId"]
    for side in ("bids", "asks"):
        with_rpi = {price: float(quantity) for price, quantity in said[side]}
        assert all(with_rpi[price] >= float(quantity) for price, quantity in visible[side])
        assert len(with_rpi) > len(visible[side]) or with_rpi != dict(visible[side])
    bids = [float(price) for price, _ in said["bids"]]
    asks = [float(price) for price, _ in said["asks"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]


@pytest.mark.rule("rest-A2.7")
def test_a_book_that_is_not_known_is_the_exchanges_fault(
    make_asking: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = make_asking("spot")

    def book(symbol: str, update_id: int | None = None) -> Any:
        raise BookUnknown(symbol)

    monkeypatch.setattr(asking.market.truth, "book", book)
    status, code, text = asking.refused("depth?symbol=ETHUSDC")
    assert (status, code) == (503, -1000)
    assert "ETHUSDC" in text
    assert asking.get("ticker/price?symbol=ETHUSDC")
