"""Counting: messages of a connection, attempts of an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockex.session.limits import Attempts, Window


@pytest.mark.rule("spot-3.5.2")
def test_a_window_is_any_such_stretch_of_time() -> None:
    window = Window(2, 1.0)
    assert [window.count(at) for at in (0.0, 0.9, 1.0, 1.8, 2.0)] == [
        False, False, False, True, False,
    ]  # fmt: skip


def full(limit: int | None = 3, window_s: float = 300.0) -> Attempts:
    made = Attempts(limit, window_s)
    for at in (0.0, 10.0, 20.0):
        assert made.wait_s("a", at) is None
        made.count("a", at)
    return made


@pytest.mark.rule("spot-1.5")
def test_one_attempt_more_than_the_limit_must_wait_for_the_oldest_to_leave() -> None:
    made = full()
    assert made.wait_s("a", 25.0) == 275.0
    assert made.wait_s("a", 299.5) == 0.5
    assert made.wait_s("a", 300.0) is None


@pytest.mark.rule("spot-3.5.5b")
def test_an_attempt_that_is_refused_and_counted_makes_the_wait_longer() -> None:
    made = full()
    made.count("a", 25.0)
    assert made.wait_s("a", 25.0) == 285.0


def test_addresses_are_counted_apart() -> None:
    made = full()
    assert made.wait_s("b", 25.0) is None


def test_no_limit_is_no_limit_and_none_at_all_is_none_ever() -> None:
    assert full(None).wait_s("a", 25.0) is None
    made = Attempts(0, 300.0)
    made.count("a", 1.0)
    assert made.wait_s("a", 1.0) == 300.0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 40)), max_size=80))
def test_only_addresses_of_the_last_window_are_kept(asked: list[tuple[str, float]]) -> None:
    made, now, last = Attempts(2, 60.0), 0.0, dict[str, list[float]]()
    for address, pause in asked:
        now += pause
        recent = [at for at in last.get(address, []) if now - at < 60.0]
        assert (made.wait_s(address, now) is None) == (len(recent[-2:]) < 2)
        made.count(address, now)
        last[address] = [*recent, now]
        assert set(made._times) == {a for a, at in last.items() if now - at[-1] < 60.0}
