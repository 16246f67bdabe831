"""The exchange's clock, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockex.clock import Clock


def test_a_frozen_clock_shows_one_second_and_nothing_later_is_ever_due() -> None:
    clock = Clock(opened_at=100.0, epoch_ms=0, speed=2.0)
    clock.freeze(101.0)
    assert clock.frozen
    assert (clock.exchange_s(101.0), clock.exchange_s(500.0)) == (2.0, 2.0)
    assert clock.loop_s(2.0) == 101.0, "what is due is due since then"
    assert clock.loop_s(1.0) == 101.0
    assert clock.loop_s(2.001) == math.inf
    clock.resume(200.0)
    assert not clock.frozen
    assert (clock.exchange_s(201.0), clock.loop_s(4.0)) == (4.0, 201.0)


def test_a_new_speed_goes_on_from_what_the_clock_shows() -> None:
    clock = Clock(opened_at=0.0, epoch_ms=0)
    clock.set_speed(10.0, 5.0)
    assert clock.speed == 10.0
    assert (clock.exchange_s(5.0), clock.exchange_s(6.0)) == (5.0, 15.0)
    assert clock.loop_s(25.0) == 7.0
    clock.freeze(6.0)
    clock.set_speed(0.5, 10.0)
    assert clock.exchange_s(10.0) == 15.0
    clock.resume(10.0)
    assert clock.exchange_s(12.0) == 16.0


def test_a_jump_goes_forward_only() -> None:
    clock = Clock(opened_at=0.0, epoch_ms=0)
    clock.freeze(1.0)
    clock.jump(86_400.0, 2.0)
    assert clock.exchange_s(3.0) == 86_400.0
    clock.jump(86_400.0, 4.0)
    with pytest.raises(ValueError, match="cannot go back to 5"):
        clock.jump(5.0, 4.0)


@pytest.mark.parametrize("speed", [0.0, -1.0, math.inf, math.nan])
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be positive"):
        Clock(0.0, 0, speed)
    clock = Clock(0.0, 0)
    with pytest.raises(ValueError, match="speed must be positive"):
        clock.set_speed(speed, 1.0)
    assert (clock.speed, clock.exchange_s(2.0)) == (1.0, 2.0)


@pytest.mark.parametrize("ms", [0, 1, 1001, 4350, 8_200, 1_234_567, 86_399_999])
def test_a_step_is_shown_at_its_own_millisecond(ms: int) -> None:
    assert Clock(0.0, 5).unix_ms(ms / 1000) == ms + 5


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["freeze", "resume", "speed", "jump"]),
            st.floats(0, 100),
            st.floats(0.01, 1000),
        ),
        max_size=20,
    )
)
def test_no_sequence_of_changes_makes_it_go_back(changes: list[tuple[str, float, float]]) -> None:
    clock, at, shown = Clock(0.0, 0), 0.0, 0.0
    for change, later, amount in changes:
        at += later
        now = clock.exchange_s(at)
        assert now >= shown
        match change:
            case "freeze":
                clock.freeze(at)
            case "resume":
                clock.resume(at)
            case "speed":
                clock.set_speed(amount, at)
            case "jump":
                now += amount
                clock.jump(now, at)
        shown = clock.exchange_s(at)
        assert shown == pytest.approx(now, rel=1e-12)
        assert clock.loop_s(shown) == pytest.approx(at)
