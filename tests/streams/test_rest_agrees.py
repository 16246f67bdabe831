"""REST and streams say the same of what follows from the market."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.clock import Clock
from mockex.market.instruments import instruments, listed_beside
from mockex.market.walk import Market
from mockex.profile import profile_named
from mockex.rest import Request, Rest
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_780_272_000_000
SEEDS = st.integers(0, 10_000)


class Exchange:
    """Streams and REST of one market, stepped by hand."""

    def __init__(self, name: str, seed: int, *streams: str, **changes: object) -> None:
        profile = profile_named(name).with_(**changes)
        traded = instruments(profile, ["ETHUSDC", "BTCUSDC"])
        self.market = Market((*traded, *listed_beside(profile, traded)), seed=seed, profile=profile)
        self.publisher = Publisher(profile, self.market, EPOCH_MS)
        self.rest = Rest(profile, self.market, Clock(0.0, EPOCH_MS))
        self.prefix = profile.rest_prefix
        self.now_ms = 0
        self.sent: dict[str, list[Any]] = {stream: [] for stream in streams}
        for stream in streams:
            self.publisher.add(stream)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.now_ms += 100
            changes = self.market.advance(self.now_ms, self.publisher.symbols)
            for event in self.publisher.publish(self.now_ms, changes):
                self.sent[event.stream].append(json.loads(event.text))

    def get(self, target: str) -> Any:
        response = self.rest.answer(Request("GET", f"{self.prefix}/{target}"), self.now_ms / 1000)
        assert response.status == 200, response.body
        return json.loads(response.body)


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_prices_and_indexes_are_those_of_the_streams(seed: int) -> None:
    exchange = Exchange(
        "usdm", seed, "!markPrice@arr@1s", "!assetIndex@arr", "domusdt@compositeIndex"
    )
    for _ in range(5):
        exchange.steps(10)
        others, tradifi = exchange.sent["!markPrice@arr@1s"][-2:]
        sent = {row["s"]: row for row in (*others, *tradifi) if row["st"] == 1}
        answered = {row["symbol"]: row for row in exchange.get("premiumIndex")}
        assert answered.keys() == sent.keys() == {"ETHUSDC", "BTCUSDC", "XAUUSDT"}
        for symbol, row in answered.items():
            for ours, theirs in (
                ("markPrice", "p"), ("indexPrice", "i"), ("estimatedSettlePrice", "P"),
                ("lastFundingRate", "r"), ("nextFundingTime", "T"),
            ):  # fmt: skip
                assert row[ours] == sent[symbol][theirs]
        indexes = exchange.get("assetIndex")
        assert [(row["symbol"], row["index"], row["bidRate"]) for row in indexes] == [
            (row["s"], row["i"], row["B"]) for row in exchange.sent["!assetIndex@arr"][-1]
        ]
        (composite,) = exchange.get("indexInfo?symbol=DOMUSDT")
        assert [part["weightInQuantity"] for part in composite["baseAssetList"]] == [
            part["w"] for part in exchange.sent["domusdt@compositeIndex"][-1]["c"]
        ]


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_trades_of_usdm_are_those_of_the_streams(seed: int) -> None:
    exchange = Exchange(
        "usdm", seed, "ethusdc@trade", "ethusdc@aggTrade", rpi_trades=300_000,
        excluded_trades=500_000,
    )  # fmt: skip
    exchange.steps(100)
    trades = {t["t"]: t for t in exchange.sent["ethusdc@trade"]}
    answered = {t["id"]: t for t in exchange.get("trades?symbol=ETHUSDC&limit=1000")}
    assert answered.keys() == {number for number, t in trades.items() if t["X"] != "NA"}
    assert {n for n, t in answered.items() if t["isRPITrade"]} == {
        number for number, t in trades.items() if t["X"] == "RPI"
    }
    orders = {o["a"]: o for o in exchange.get("aggTrades?symbol=ETHUSDC&limit=1000")}
    for sent in exchange.sent["ethusdc@aggTrade"]:
        assert orders[sent["a"]] == {
            key: sent[key] for key in ("a", "p", "q", "nq", "f", "l", "T", "m")
        }


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(0, 7), st.integers(1, 12))
def test_a_snapshot_with_rpi_orders_joins_their_stream(
    seed: int, late: int, snapshot_after: int
) -> None:
    exchange = Exchange("usdm", seed)
    exchange.steps(late)
    stream = "ethusdc@rpiDepth@500ms"
    exchange.sent[stream] = []
    exchange.publisher.add(stream)
    exchange.steps(snapshot_after)
    snapshot = exchange.get("rpiDepth?symbol=ETHUSDC")
    exchange.steps(30)
    exchange.steps(-exchange.now_ms // 100 % 5)  # to a moment at which the stream has told all
    last_id = snapshot["lastUpdateId"]
    events = [e for e in exchange.sent[stream] if e["u"] >= last_id]
    assert events[0]["pu"] <= last_id <= events[0]["u"]
    local = [dict(snapshot["bids"]), dict(snapshot["asks"])]
    for event in events:
        for side, levels in zip(local, (event["b"], event["a"]), strict=True):
            for price, quantity in levels:
                side.pop(price, None)
                if Decimal(quantity):
                    side[price] = quantity
    now = exchange.get("rpiDepth?symbol=ETHUSDC")
    assert local == [dict(now["bids"]), dict(now["asks"])]


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_block_trades_and_reference_prices_are_those_of_the_streams(seed: int) -> None:
    exchange = Exchange(
        "spot", seed, "ethusdc@blockTrade", "ethusdc@referencePrice", block_trade_s=2
    )
    exchange.steps(100)
    answered = exchange.get("historicalBlockTrades?symbol=ETHUSDC&fromId=1")
    sent = exchange.sent["ethusdc@blockTrade"]
    assert [(t["id"], t["price"], t["qty"], t["time"]) for t in answered] == [
        (t["t"], t["p"], t["q"], t["T"]) for t in sent
    ]
    assert len(sent) >= 4
    price = exchange.get("referencePrice?symbol=ETHUSDC")["referencePrice"]
    assert price == exchange.sent["ethusdc@referencePrice"][-1]["r"]
