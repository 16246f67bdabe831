"""The waits between attempts."""

from __future__ import annotations

from random import Random

import pytest

from mockex_adapter.backoff import Backoff
from mockex_adapter.rest import retry_after_s


class Highest(Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_first_wait_is_none_and_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(Highest(), base_s=0.5, cap_s=3.0)
    assert [backoff.next_delay_s() for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_waits_are_spread_over_the_whole_range() -> None:
    delays = []
    for seed in range(200):
        backoff = Backoff(Random(seed), base_s=1.0, cap_s=10.0)
        delays.append([backoff.next_delay_s() for _ in range(4)][-1])
    assert min(delays) < 0.4
    assert max(delays) > 3.6


def test_only_a_proved_connection_clears_the_count() -> None:
    backoff = Backoff(Highest(), base_s=0.5, cap_s=10.0)
    for _ in range(5):
        backoff.next_delay_s()
    assert backoff.next_delay_s() == 8.0
    backoff.forget()
    assert backoff.next_delay_s() == 0.0


def test_time_given_by_the_exchange_is_a_floor_under_one_wait() -> None:
    backoff = Backoff(Highest(), base_s=0.5, cap_s=2.0)
    backoff.told_to_wait(7.0)
    assert backoff.next_delay_s() == 7.0
    assert backoff.next_delay_s() == 0.5


def test_refusal_without_a_time_gets_the_longest_wait() -> None:
    backoff = Backoff(Highest(), base_s=0.5, cap_s=2.0)
    backoff.told_to_wait(None)
    assert backoff.next_delay_s() == 2.0


def test_outage_of_any_length_has_a_wait() -> None:
    backoff = Backoff(Highest(), base_s=0.5, cap_s=10.0)
    for _ in range(3000):
        delay_s = backoff.next_delay_s()
    assert delay_s == 10.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5.0), (None, None), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_retry_after_is_read_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds
