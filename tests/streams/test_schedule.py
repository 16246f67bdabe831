"""Events of the streams, against an independent book and the rules of each profile."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.depth import snapshot
from mockex.streams.envelope import Event, combined
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"


class Exchange:
    """Market and publisher, stepped by hand."""

    def __init__(self, profile: Profile, *, seed: int = 7, kind: str = "walk") -> None:
        self.profile = profile
        self.market = Market(
            instruments(profile, [SYMBOL, "BTCUSDC"]), seed=seed, profile=profile, kind=kind
        )
        self.publisher = Publisher(profile, self.market, EPOCH_MS)
        self.now_ms = 0

    def steps(self, count: int) -> list[list[Event]]:
        made = []
        for _ in range(count):
            self.now_ms += 100
            changes = self.market.advance(self.now_ms)
            made.append(self.publisher.publish(self.now_ms, changes))
        return made

    def events(self, stream: str, steps: int) -> list[Any]:
        return [
            json.loads(e.text) for step in self.steps(steps) for e in step if e.stream == stream
        ]

    def book(self, update_id: int, levels: int | None = None) -> tuple[Any, Any]:
        book = self.market.truth.book(SYMBOL, update_id)
        spell = self.market.instruments[SYMBOL]
        return tuple(
            [[spell.price(p), spell.quantity(q)] for p, q in side[:levels]]
            for side in (book.bids, book.asks)
        )  # type: ignore[return-value]


class LocalBook:
    """The book of a client that follows the documented procedure and nothing else."""

    def __init__(self, bids: Any, asks: Any) -> None:
        self.sides = [dict(bids), dict(asks)]

    def apply(self, bids: Any, asks: Any) -> None:
        for side, levels in zip(self.sides, (bids, asks), strict=True):
            for price, quantity in levels:
                side.pop(price, None)
                if Decimal(quantity):
                    side[price] = quantity

    def sorted(self) -> tuple[Any, Any]:
        bids = sorted(self.sides[0].items(), key=lambda level: -Decimal(level[0]))
        asks = sorted(self.sides[1].items(), key=lambda level: Decimal(level[0]))
        return [list(b) for b in bids], [list(a) for a in asks]


SPEEDS = [
    (SPOT, "@100ms"), (SPOT, ""), (SPOT, "@1000ms"),
    (USDM, "@100ms"), (USDM, ""), (USDM, "@500ms"), (USDM, "@0ms"),
]  # fmt: skip


@pytest.mark.rule(
    "spot-5.0.18",
    "spot-5.0.19",
    "spot-5.12",
    "spot-6.1.5",
    "spot-6.1.6",
    "spot-6.3.2",
    "usdm-5.0.3",
    "usdm-5.9.1",
    "usdm-6.1.5",
    "usdm-6.3.1",
    "wire-A3",
    "wire-B5",
    "wire-B7",
    "wire-C2",
)
@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SPEEDS), st.integers(0, 500), st.integers(0, 12))
def test_a_book_fed_with_diffs_is_the_exchanges_book_at_every_event(
    speed: tuple[Profile, str], seed: int, late: int
) -> None:
    profile, suffix = speed
    exchange = Exchange(profile, seed=seed)
    exchange.steps(late)  # a subscription begins at any step
    stream = f"ethusdc@depth{suffix}"
    exchange.publisher.add(stream)
    events = exchange.events(stream, 60)
    assert events
    previous = events[0]["pu"] if profile is USDM else events[0]["U"] - 1
    local = LocalBook(*exchange.book(previous))
    for event in events:
        assert event["U"] <= event["u"]
        if profile is USDM:
            assert event["pu"] == previous, "the chain has no break"
            assert event["U"] > event["pu"]
        else:
            assert event["U"] == previous + 1, "events tile the ids"
            assert "pu" not in event
        previous = event["u"]
        assert event["b"] or event["a"], "never both sides empty"
        local.apply(event["b"], event["a"])
        assert local.sorted() == exchange.book(event["u"])
        prices = [Decimal(p) for p, _ in event["b"]]
        assert prices == sorted(prices, reverse=profile is SPOT), "wire A3"
        assert [Decimal(p) for p, _ in event["a"]] == sorted(Decimal(p) for p, _ in event["a"])


@pytest.mark.rule("spot-5.0.17", "spot-5.11", "usdm-5.0.5", "usdm-5.10", "usdm-5.10.1", "wire-C5")
@pytest.mark.parametrize("levels", [5, 10, 20])
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_a_partial_picture_is_the_top_of_the_book_at_its_id(profile: Profile, levels: int) -> None:
    exchange = Exchange(profile)
    stream = f"ethusdc@depth{levels}@100ms"
    exchange.publisher.add(stream)
    events = exchange.events(stream, 40)
    assert len(events) == 40
    for event in events:
        if profile is SPOT:
            assert list(event) == ["lastUpdateId", "bids", "asks"]
            bids, asks, update_id = event["bids"], event["asks"], event["lastUpdateId"]
        else:
            bids, asks, update_id = event["b"], event["a"], event["u"]
        assert (bids, asks) == exchange.book(update_id, levels)
        assert len(bids) == len(asks) == levels


@pytest.mark.rule("usdm-5.0.3", "usdm-5.0.4", "usdm-5.0.5")
@pytest.mark.parametrize(
    ("stream", "period"),
    [("ethusdc@depth", 250), ("ethusdc@depth5@500ms", 500), ("ethusdc@depth10", 250)],
)
def test_usdm_periods_are_on_the_exchanges_grid(stream: str, period: int) -> None:
    exchange = Exchange(USDM)
    exchange.publisher.add(stream)
    times = [e["E"] - EPOCH_MS for e in exchange.events(stream, 40)]
    assert len(times) == 4000 // period
    assert all(0 <= t % period <= 102 for t in times)


@pytest.mark.rule("spot-6.3.1", "wire-B6")
def test_one_id_sequence_is_shared_by_all_book_streams() -> None:
    exchange = Exchange(SPOT)
    for stream in ("ethusdc@depth@100ms", "ethusdc@depth5@100ms"):
        exchange.publisher.add(stream)
    for step in exchange.steps(20):
        diff, partial = (json.loads(e.text) for e in step)
        assert diff["u"] == partial["lastUpdateId"]


@pytest.mark.rule("spot-5.0.13", "spot-5.8.1", "spot-6.3.1", "usdm-5.0.1")
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_a_book_ticker_is_the_top_at_its_id_and_only_when_it_changed(profile: Profile) -> None:
    exchange = Exchange(profile)
    exchange.publisher.add("ethusdc@bookTicker")
    tops = []
    for event in exchange.events("ethusdc@bookTicker", 60):
        bids, asks = exchange.book(event["u"], 1)
        assert [[event["b"], event["B"]]] == bids
        assert [[event["a"], event["A"]]] == asks
        tops.append((event["b"], event["B"], event["a"], event["A"]))
    assert tops
    assert all(a != b for a, b in pairwise(tops))


@pytest.mark.rule("spot-5.0.3", "spot-5.0.4", "spot-5.1.1", "spot-5.1.2", "wire-B8")
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_trades_are_those_of_the_market_and_aggregates_are_their_sum(profile: Profile) -> None:
    exchange = Exchange(profile)
    for stream in ("ethusdc@trade", "ethusdc@aggTrade"):
        exchange.publisher.add(stream)
    by_stream: dict[str, list[Any]] = defaultdict(list)
    for step in exchange.steps(100):
        for event in step:
            by_stream[event.stream].append(json.loads(event.text))
    trades, aggregates = by_stream["ethusdc@trade"], by_stream["ethusdc@aggTrade"]
    ids = [t["t"] for t in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    numbers = [a["a"] for a in aggregates]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    quantities = {t["t"]: Decimal(t["q"]) for t in trades}
    for aggregate in aggregates:
        parts = range(aggregate["f"], aggregate["l"] + 1)
        assert Decimal(aggregate["q"]) == sum(quantities[n] for n in parts)
        lag = aggregate["E"] - aggregate["T"]
        assert lag == (150 if profile is USDM else 1)


ORDER = [
    (SPOT, "ethusdc@trade", "e E s t p q T m M"),
    (SPOT, "ethusdc@aggTrade", "e E s a p q f l T m M"),
    (SPOT, "ethusdc@bookTicker", "u s b B a A"),
    (SPOT, "ethusdc@depth@100ms", "e E s U u b a"),
    (USDM, "ethusdc@trade", "e E T s t p q X m st"),
    (USDM, "ethusdc@aggTrade", "e E a s p q nq f l T m st"),
    (USDM, "ethusdc@bookTicker", "e u s ps b B a A T E st"),
    (USDM, "ethusdc@depth@100ms", "e E T s ps U u pu b a st"),
    (USDM, "ethusdc@depth5@100ms", "e E T s ps U u pu b a st"),
]


@pytest.mark.rule(
    "spot-5.1",
    "spot-5.2",
    "spot-5.8",
    "spot-5.12",
    "spot-7.4",
    "usdm-5.1",
    "usdm-5.8",
    "usdm-5.9",
    "usdm-5.10",
    "wire-B3",
    "wire-B4",
)
@pytest.mark.parametrize(("profile", "stream", "members"), ORDER)
def test_members_stand_in_the_order_of_the_wire(
    profile: Profile, stream: str, members: str
) -> None:
    exchange = Exchange(profile, kind="steady")
    exchange.publisher.add(stream)
    assert list(exchange.events(stream, 5)[0]) == members.split()


@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_a_steady_market_keeps_the_length_of_every_text(profile: Profile) -> None:
    exchange = Exchange(profile, kind="steady")
    streams = ["depth5@100ms", "depth20@100ms", "depth@100ms", "trade", "aggTrade", "bookTicker"]
    for stream in streams:
        exchange.publisher.add(f"ethusdc@{stream}")
    sizes: dict[str, set[int]] = defaultdict(set)
    for step in exchange.steps(300):
        for event in step:
            sizes[event.stream].add(len(event.text))
    assert set(sizes) == {f"ethusdc@{s}" for s in streams}
    assert all(len(found) == 1 for found in sizes.values()), sizes


@pytest.mark.rule("spot-5.0.20")
def test_nothing_is_sent_when_nothing_changed() -> None:
    exchange = Exchange(SPOT, kind="frozen")
    for stream in ("ethusdc@depth5@100ms", "ethusdc@depth", "ethusdc@bookTicker", "ethusdc@trade"):
        exchange.publisher.add(stream)
    assert exchange.steps(30) == [[]] * 30


def test_symbols_are_those_of_the_streams_that_somebody_wants() -> None:
    publisher = Exchange(SPOT).publisher
    assert list(publisher.symbols) == []
    publisher.add("btcusdc@trade")
    publisher.add("ethusdc@trade")
    publisher.add("btcusdc@depth")
    assert list(publisher.symbols) == ["BTCUSDC", "ETHUSDC"]
    publisher.remove("btcusdc@trade")
    assert list(publisher.symbols) == ["ETHUSDC", "BTCUSDC"]
    publisher.remove("btcusdc@depth")
    assert list(publisher.symbols) == ["ETHUSDC"]


def test_nothing_is_sent_that_nobody_wants_any_more() -> None:
    exchange = Exchange(SPOT)
    exchange.publisher.add("ethusdc@trade")
    exchange.publisher.remove("ethusdc@trade")
    exchange.publisher.remove("ethusdc@trade")
    assert exchange.steps(5) == [[]] * 5


@pytest.mark.rule("spot-4.4.3", "usdm-4.3.3", "wire-B5")
@pytest.mark.parametrize(
    ("profile", "name", "served"),
    [
        (SPOT, "ethusdc@depth@100ms", True),
        (SPOT, "ethusdc@depth@250ms", False),
        (SPOT, "ethusdc@depth@0ms", False),
        (SPOT, "ethusdc@depth5", True),
        (SPOT, "nosuch@trade", False),
        (USDM, "ethusdc@depth@250ms", False),
        (USDM, "ethusdc@depth@0ms", True),
        (USDM, "ethusdc@depth20@500ms", True),
        (USDM, "ethusdc@depth20@0ms", False),
        (USDM, "ethusdc@aggTrade", True),
    ],
)
def test_what_is_served_follows_the_profile(profile: Profile, name: str, served: bool) -> None:
    parsed = parse(name)
    assert parsed is not None
    assert Exchange(profile).publisher.serves(parsed) is served


def test_a_stream_that_is_not_served_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="not served"):
        Exchange(SPOT).publisher.add("ethusdc@depth@250ms")


@pytest.mark.rule("rest-A4.21", "rest-A5.1", "rest-B2.25")
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_a_snapshot_is_the_truth_cut_at_its_limit(profile: Profile) -> None:
    exchange = Exchange(profile)
    exchange.steps(10)
    instrument = exchange.market.instruments[SYMBOL]
    text, update_id = snapshot(profile, exchange.market.truth, instrument, 20, EPOCH_MS + 1000)
    answer = json.loads(text)
    assert update_id == answer["lastUpdateId"] == exchange.market.truth.last_update_id(SYMBOL)
    assert (answer["bids"], answer["asks"]) == exchange.book(update_id, 20)
    assert ("E" in answer) is (profile is USDM)


@pytest.mark.rule("spot-6.3.4")
def test_a_snapshot_can_be_of_an_older_id() -> None:
    exchange = Exchange(SPOT)
    exchange.steps(10)
    old = exchange.market.truth.id_at(SYMBOL, 300)
    text, update_id = snapshot(
        SPOT, exchange.market.truth, exchange.market.instruments[SYMBOL], 5, 0, old
    )
    assert update_id == old
    assert json.loads(text)["bids"] == exchange.book(old, 5)[0]


@pytest.mark.rule("spot-2.19")
def test_the_wrapper_of_combined_mode_holds_name_and_payload() -> None:
    assert json.loads(combined("a@trade", '{"t":1}')) == {"stream": "a@trade", "data": {"t": 1}}
