"""The documented procedure of a local book (spot 6.1, usdm 6.1), done by a straightforward client
that knows nothing of ours, on a stream into which faults are put, against the truth at every id."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.depth import snapshot
from mockex.streams.schedule import Publisher

EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"
DEPTH = 5000

Sides = tuple[dict[str, str], dict[str, str]]  # bids, asks: price to quantity, as spelled


class Stream:
    """The diff stream of one symbol, and the snapshots that REST would give."""

    def __init__(self, profile: Profile, seed: int, suffix: str = "@100ms") -> None:
        self.profile = profile
        self.market = Market(instruments(profile, [SYMBOL]), seed=seed, profile=profile)
        self.truth = self.market.truth
        self._publisher = Publisher(profile, self.market, EPOCH_MS)
        self._publisher.add(f"{SYMBOL.lower()}@depth{suffix}")
        self._now_ms = 0
        self._grown: Sides = ({}, {})
        self._grown_id = 0
        self._asked = 0

    def events(self) -> Iterator[dict[str, Any]]:
        """Without end."""
        while True:
            self._now_ms += 100
            changes = self.market.advance(self._now_ms)
            for event in self._publisher.publish(self._now_ms, changes):
                yield json.loads(event.text)

    def snapshot(self, update_id: int | None = None) -> dict[str, Any]:
        """What `GET depth` answers with the book at `update_id`, None: now."""
        instrument = self.market.instruments[SYMBOL]
        text, _ = snapshot(self.profile, self.truth, instrument, DEPTH, 0, update_id)
        found: dict[str, Any] = json.loads(text)
        return found

    def book(self, update_id: int) -> Sides:
        """The truth at an id, spelled: grown from one id to the next, and made anew now and then
        and where an id is older than the last."""
        truth, spell = self.truth, self.market.instruments[SYMBOL]
        if self._asked % 100 == 0 or update_id < self._grown_id:
            book = truth.book(SYMBOL, update_id)
            bids, asks = (
                {spell.price(price): spell.quantity(quantity) for price, quantity in side}
                for side in (book.bids, book.asks)
            )
            self._grown = (bids, asks)
        else:
            changed = truth.changes(SYMBOL, self._grown_id, update_id)
            for side, levels in zip(self._grown, changed, strict=True):
                for price, quantity in levels.items():
                    side.pop(spell.price(price), None)
                    if quantity:
                        side[spell.price(price)] = spell.quantity(quantity)
        self._asked += 1
        self._grown_id = update_id
        return self._grown


@dataclass
class Client:
    """Holds a book by the letter of the page. `resyncs` counts how often it started over."""

    spot: bool
    book_id: int | None = None
    sides: Sides = field(default_factory=lambda: ({}, {}))
    buffer: list[dict[str, Any]] = field(default_factory=list)
    resyncs: int = 0

    def receive(self, event: dict[str, Any]) -> None:
        """One event of the stream."""
        if self.book_id is None:
            self.buffer.append(event)
        elif not self._apply(event):
            self.book_id, self.buffer = None, [event]
            self.resyncs += 1

    def begin(self, answer: dict[str, Any]) -> bool:
        """Join a snapshot to the buffer; False: it is too old, or there is nothing to hold it
        against, so another one must be fetched."""
        last_id = answer["lastUpdateId"]
        if self.buffer and last_id < self.buffer[0]["U"] - self.spot:
            return False
        self.book_id = last_id
        self.sides = (dict(answer["bids"]), dict(answer["asks"]))
        first = True
        for event in self.buffer:
            if self.spot or not first:
                joined = self._apply(event)
            elif event["u"] < last_id:
                continue  # usdm 6.1, step 3: "Drop events with u < L"
            else:
                joined, first = self._first(event), False
            if not joined:
                self.book_id = None
                return False
        self.buffer = []
        self._fresh = not self.spot and first
        return True

    _fresh: bool = False  # usdm: the first event after the snapshot is still to come

    def _first(self, event: dict[str, Any]) -> bool:
        """usdm 6.1, step 4: `U <= L` and `u >= L`; 6.2 accepts `pu <= L <= u` as well."""
        assert self.book_id is not None
        if not event["pu"] <= self.book_id <= event["u"]:
            return False
        self._set(event)
        return True

    def _apply(self, event: dict[str, Any]) -> bool:
        """False: events are missing."""
        assert self.book_id is not None
        if self.spot:
            if event["u"] < self.book_id:
                return True
            if event["U"] > self.book_id + 1:
                return False
        elif self._fresh:
            if event["u"] < self.book_id:
                return True
            self._fresh = False
            return self._first(event)
        elif event["pu"] != self.book_id:
            return False
        self._set(event)
        return True

    def _set(self, event: dict[str, Any]) -> None:
        for side, levels in zip(self.sides, (event["b"], event["a"]), strict=True):
            for price, quantity in levels:
                if float(quantity):
                    side[price] = quantity
                else:
                    side.pop(price, None)
        self.book_id = event["u"]


def faulty(stream: Stream, random: Random, rate: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The stream as a bad line gives it: some events lost, doubled, or in the wrong order."""
    events = stream.events()
    while True:
        event = next(events)
        match random.choices(("as it is", "lost", "twice", "swapped"), (1, rate, rate, rate))[0]:
            case "lost":
                continue
            case "twice":
                yield "as it is", event
                yield "twice", event
            case "swapped":
                yield "swapped", next(events)
                yield "swapped", event
            case _:
                yield "as it is", event


def follow(profile: Profile, seed: int, count: int, rate: float) -> tuple[int, int]:
    """Let a client follow `count` events; how often it started over, and how many events its book
    was compared after."""
    stream, random = Stream(profile, seed), Random(seed)
    client = Client(spot=profile is SPOT)
    late: deque[dict[str, Any]] = deque()  # snapshots that are on their way
    compared = 0
    for number, (_, event) in enumerate(faulty(stream, random, rate)):
        if number == count:
            break
        client.receive(event)
        if client.book_id is None:
            # REST answers at any id up to now, some events later.
            now = stream.truth.last_update_id(SYMBOL)
            back = random.choice((0, 0, 1, 7, 60, 300))
            late.append(stream.snapshot(max(now - back, stream.truth.id_at(SYMBOL, 0))))
            if len(late) > random.randrange(3):
                client.begin(late.popleft())
        else:
            late.clear()
        if client.book_id is not None and not client.buffer:
            assert client.sides == stream.book(client.book_id), f"seed {seed}, event {number}"
            compared += 1
    return client.resyncs, compared


@pytest.mark.rule(
    "spot-6.1.1",
    "spot-6.1.2",
    "spot-6.1.3",
    "spot-6.1.4",
    "spot-6.1.5",
    "usdm-6.1.1",
    "usdm-6.1.2",
    "usdm-6.1.3",
    "usdm-6.1.4",
    "usdm-6.1.5",
    "usdm-6.2.2",
)
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_the_procedure_leads_to_the_truth_through_lost_and_doubled_and_swapped_events(
    profile: Profile,
) -> None:
    resyncs = compared = 0
    for seed in range(20):
        again, held = follow(profile, seed, 250, rate=0.01)
        resyncs, compared = resyncs + again, compared + held
    assert resyncs > 20, "the faults were noticed"
    assert compared > 2500, "and a book was there most of the time"


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("first", range(0, 100, 25))
def test_a_hundred_seeds_of_ten_thousand_events_agree_with_the_truth_at_every_id(
    first: int,
) -> None:
    for seed in range(first, first + 25):
        resyncs, compared = follow(SPOT, seed, 10_000, rate=0.002)
        assert resyncs > 5
        assert compared > 9000


@pytest.mark.rule("spot-6.1.6", "usdm-6.2.1")
@pytest.mark.parametrize("profile", [SPOT, USDM], ids=["spot", "usdm"])
def test_nothing_is_started_over_while_nothing_is_lost(profile: Profile) -> None:
    resyncs, compared = follow(profile, 3, 400, rate=0.0)
    assert resyncs == 0
    assert compared > 380


@pytest.mark.rule("spot-6.2.1", "spot-6.2.3", "spot-6.3.4", "usdm-6.2.3", "usdm-6.2.4", "rest-A5.1")
@settings(max_examples=40, deadline=None)
@given(st.sampled_from([SPOT, USDM]), st.integers(0, 10_000), st.sampled_from(["", "@100ms"]))
def test_a_snapshot_joins_the_stream_at_every_id(profile: Profile, seed: int, speed: str) -> None:
    stream = Stream(profile, seed, speed)
    source = stream.events()
    events = [next(source) for _ in range(6)]
    # Every update id from the first event's first to the last event's last, which a snapshot may
    # have: also inside an event's range.
    update_id: int = events[0]["U"]
    joined = 0
    while update_id <= events[-1]["u"]:
        client = Client(spot=profile is SPOT, buffer=list(events))
        assert client.begin(stream.snapshot(update_id)), f"at {update_id}"
        assert client.book_id == events[-1]["u"]
        assert client.sides == stream.book(events[-1]["u"]), f"joined at {update_id}"
        joined += 1
        update_id = stream.truth.first_id_after(SYMBOL, update_id) or update_id + 1
    assert joined >= 6
