"""Whatever clients do and in whatever order: every book that follows the documented procedure is
the truth at its id, and the market's own rules hold."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.depth import snapshot
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"
SPEEDS = {"spot": ("", "@100ms"), "usdm": ("", "@100ms", "@500ms", "@0ms")}
LEVELS = (5, 10, 20)

Sides = tuple[dict[str, str], dict[str, str]]


class Follower:
    """A book on one diff stream that has joined a snapshot; knows where its stream is."""

    def __init__(self, profile: Profile, answer: dict[str, Any], behind: list[dict[str, Any]]):
        self.spot = profile is SPOT
        self.at: int = answer["lastUpdateId"]
        self.sides: Sides = (dict(answer["bids"]), dict(answer["asks"]))
        for event in behind:
            self.receive(event)

    def receive(self, event: dict[str, Any]) -> None:
        if event["u"] <= self.at:
            return  # the snapshot is newer
        before = event["U"] - 1 if self.spot else event["pu"]
        assert before <= self.at, f"a hole between {self.at} and {event['U']}"
        for side, levels in zip(self.sides, (event["b"], event["a"]), strict=True):
            for price, quantity in levels:
                side.pop(price, None)
                if float(quantity):
                    side[price] = quantity
        self.at = event["u"]


class Books(RuleBasedStateMachine):
    """One symbol, its streams, and clients that come and go."""

    @initialize(
        profile=st.sampled_from([SPOT, USDM]),
        seed=st.integers(0, 10_000),
        step_ms=st.sampled_from([10, 50, 100, 200]),
    )
    def opens(self, profile: Profile, seed: int, step_ms: int) -> None:
        self.profile = profile
        self.market = Market(
            instruments(profile, [SYMBOL]), seed=seed, profile=profile, step_ms=step_ms
        )
        self.publisher = Publisher(profile, self.market, EPOCH_MS)
        self.now_ms = 0
        self.events: dict[str, list[dict[str, Any]]] = {}  # by stream, since it was added
        self.followers: dict[str, list[Follower]] = {}

    def book(self, update_id: int) -> Sides:
        book, spell = self.market.truth.book(SYMBOL, update_id), self.market.instruments[SYMBOL]
        bids, asks = (
            {spell.price(price): spell.quantity(quantity) for price, quantity in side}
            for side in (book.bids, book.asks)
        )
        return bids, asks

    @rule(count=st.integers(1, 30))
    def steps(self, count: int) -> None:
        for _ in range(count):
            self.now_ms += self.market.step_ms
            changes = self.market.advance(self.now_ms, self.publisher.symbols)
            for made in self.publisher.publish(self.now_ms, changes):
                event = json.loads(made.text)
                if "depth@" in made.stream + "@":
                    self.events[made.stream].append(event)
                    for follower in self.followers[made.stream]:
                        follower.receive(event)
                else:
                    self.picture(made.stream, event)

    def picture(self, stream: str, event: dict[str, Any]) -> None:
        """Partial depth is the top of the book at its id, best first."""
        count = int(stream.partition("@depth")[2].partition("@")[0])
        bids, asks = self.book(event["lastUpdateId" if self.profile is SPOT else "u"])
        names = ("bids", "asks") if self.profile is SPOT else ("b", "a")
        shown = [event[name] for name in names]
        for side, levels, best_last in zip((bids, asks), shown, (True, False), strict=True):
            best = sorted(side, key=float, reverse=best_last)[:count]
            assert levels == [[price, side[price]] for price in best]

    @rule(data=st.data())
    def subscribes(self, data: st.DataObject) -> None:
        speed = data.draw(st.sampled_from(SPEEDS[self.profile.name]))
        levels = data.draw(st.sampled_from(["", *map(str, LEVELS)]))
        if levels and speed == "@0ms":
            levels = ""
        stream = f"{SYMBOL.lower()}@depth{levels}{speed}"
        if stream not in self.events:
            self.publisher.add(stream)
            self.events[stream], self.followers[stream] = [], []

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def unsubscribes(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(sorted(self.events)))
        self.publisher.remove(stream)
        del self.events[stream], self.followers[stream]

    @precondition(lambda self: any(self.events.values()))
    @rule(data=st.data(), where=st.floats(0, 1))
    def joins(self, data: st.DataObject, where: float) -> None:
        """A snapshot at any id that the buffered events reach."""
        stream = data.draw(st.sampled_from(sorted(s for s, e in self.events.items() if e)))
        events = self.events[stream]
        first, last = events[0]["U"], self.market.truth.last_update_id(SYMBOL)
        wanted = first + int((last - first) * where)
        instrument = self.market.instruments[SYMBOL]
        text, update_id = snapshot(self.profile, self.market.truth, instrument, 5000, 0, wanted)
        assert update_id == wanted
        self.followers[stream].append(Follower(self.profile, json.loads(text), events))

    @invariant()
    def the_market_is_a_market(self) -> None:
        if not hasattr(self, "market"):
            return
        book = self.market.truth.book(SYMBOL)
        assert book.bids[0][0] < book.asks[0][0], "never crossed"
        assert all(quantity > 0 for side in (book.bids, book.asks) for _, quantity in side)

    @invariant()
    def every_book_is_the_truth(self) -> None:
        for followers in getattr(self, "followers", {}).values():
            for follower in followers:
                assert follower.sides == self.book(follower.at)


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
