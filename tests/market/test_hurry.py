"""A market that is hurried: the same steps, sooner."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mockex.errors import ConfigError
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import SPOT, USDM, Profile
from mockex.streams.schedule import Publisher

SYMBOLS = ["ETHUSDC", "BTCUSDC"]


def market(profile: Profile = SPOT, kind: str = "walk") -> Market:
    return Market(instruments(profile, SYMBOLS), seed=7, profile=profile, kind=kind)


def step_times(made: Market) -> list[int]:
    return list(made.truth.history("ETHUSDC").step_ms)


def test_steps_are_closer_from_the_next_usual_one_on_and_then_as_before() -> None:
    made = market()
    made.advance(250)
    assert made.hurry(120, 25) == (300, 500)
    made.advance(700)
    assert step_times(made) == [100, 200, 300, *range(325, 501, 25), 600, 700]
    assert made.step_ms == 100
    assert made.next_step_ms() == 800


@pytest.mark.parametrize("kind", ["walk", "steady"])
def test_an_update_id_stands_for_the_same_book_in_every_hurry(kind: str) -> None:
    usual, hurried = market(kind=kind), market(kind=kind)
    hurried.advance(1000)
    hurried.hurry(1000, 10)
    hurried.advance(3000)
    usual.advance(20_000)
    last = hurried.truth.last_update_id("ETHUSDC")
    assert last > usual.truth.id_at("ETHUSDC", 10_000)
    assert hurried.truth.book("ETHUSDC", last) == usual.truth.book("ETHUSDC", last)


def test_a_symbol_that_nobody_looked_at_went_through_the_hurry_as_well() -> None:
    made = market()
    made.advance(1000, ["ETHUSDC"])
    made.hurry(500, 5)
    made.advance(2000, ["ETHUSDC"])
    steps = {name: list(made.truth.history(name).step_ms) for name in SYMBOLS}
    assert steps["BTCUSDC"] == steps["ETHUSDC"]
    assert len(steps["BTCUSDC"]) == 11 + 500 // 5 + 4


def test_streams_with_a_period_keep_to_it() -> None:
    made = market(USDM, kind="steady")
    publisher = Publisher(USDM, made, epoch_ms=0)
    for name in ("ethusdc@bookTicker", "ethusdc@depth5@100ms", "ethusdc@depth5"):
        assert parse(name) is not None
        publisher.add(name)
    assert publisher.real_time == 1
    sent: dict[str, list[int]] = {}
    now_ms = 0
    while now_ms < 1500:
        if now_ms == 500:
            made.hurry(300, 10)
        now_ms = made.next_step_ms()
        for event in publisher.publish(now_ms, made.advance(now_ms, publisher.symbols)):
            sent.setdefault(event.stream, []).append(now_ms)
    assert len(sent["ethusdc@bookTicker"]) == 6 + 30 + 6
    assert sent["ethusdc@depth5@100ms"] == list(range(100, 1501, 100))
    assert sent["ethusdc@depth5"] == [300, 500, 750, 1000, 1300, 1500]


def test_one_that_is_calmed_ends_with_the_next_usual_step() -> None:
    made = market()
    made.hurry(1000, 20)
    made.advance(160)
    assert made.calm_down() == 200
    made.advance(400)
    assert step_times(made) == [100, 120, 140, 160, 180, 200, 300, 400]


def test_one_that_is_calmed_before_it_begins_never_does() -> None:
    made = market()
    made.advance(150)
    made.hurry(1000, 20)
    assert made.calm_down() == 200
    made.advance(400)
    assert step_times(made) == [100, 200, 300, 400]


def test_a_market_without_a_hurry_is_calm() -> None:
    made = market()
    assert made.calm_down() == 100
    made.advance(300)
    assert {b - a for a, b in pairwise(step_times(made))} == {100}


def test_one_hurry_may_follow_another_but_not_meet_it() -> None:
    made = market()
    made.hurry(100, 50)
    with pytest.raises(ConfigError, match="one hurry at a time"):
        made.hurry(100, 50)
    made.advance(100)
    with pytest.raises(ConfigError, match="one hurry at a time"):
        made.hurry(100, 50)
    made.advance(200)
    assert made.hurry(100, 25) == (300, 400)


@pytest.mark.parametrize(
    ("kind", "step_ms", "says"),
    [
        ("frozen", 10, "moves by itself"),
        ("walk", 0, "a divisor of 100"),
        ("walk", 30, "a divisor of 100"),
    ],
)
def test_what_cannot_hurry_says_why(kind: str, step_ms: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        market(kind=kind).hurry(100, step_ms)
