"""Sessions of other venues, from the clock alone."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockex.market.sessions import EVENTS, schedule, sessions


def ms(text: str) -> int:
    """Unix ms of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def state(event: str, at: str) -> str:
    return next(s.state for s in sessions(ms(at)) if s.event == event)


@pytest.mark.rule("usdm-5.15")
@pytest.mark.parametrize(
    ("event", "at", "expected"),
    [
        # New York in summer: UTC-4
        ("EquityUpdate", "2026-06-01T07:59", "OVERNIGHT"),
        ("EquityUpdate", "2026-06-01T08:00", "PRE_MARKET"),
        ("EquityUpdate", "2026-06-01T13:29", "PRE_MARKET"),
        ("EquityUpdate", "2026-06-01T13:30", "REGULAR"),
        ("EquityUpdate", "2026-06-01T20:00", "AFTER_MARKET"),
        ("EquityUpdate", "2026-06-02T00:00", "OVERNIGHT"),
        ("EquityUpdate", "2026-06-05T23:59", "AFTER_MARKET"),  # Friday
        ("EquityUpdate", "2026-06-06T00:00", "NO_TRADING"),
        ("EquityUpdate", "2026-06-07T23:59", "NO_TRADING"),
        ("EquityUpdate", "2026-06-08T00:00", "OVERNIGHT"),
        # and in winter: UTC-5
        ("EquityUpdate", "2026-12-01T14:29", "PRE_MARKET"),
        ("EquityUpdate", "2026-12-01T14:30", "REGULAR"),
        # the days around both changes
        ("EquityUpdate", "2026-03-06T13:30", "PRE_MARKET"),
        ("EquityUpdate", "2026-03-06T14:30", "REGULAR"),
        ("EquityUpdate", "2026-03-09T13:30", "REGULAR"),
        ("EquityUpdate", "2026-10-30T13:30", "REGULAR"),
        ("EquityUpdate", "2026-11-02T13:30", "PRE_MARKET"),
        ("CommodityUpdate", "2026-06-01T20:59", "REGULAR"),
        ("CommodityUpdate", "2026-06-01T21:00", "NO_TRADING"),
        ("CommodityUpdate", "2026-06-01T22:00", "REGULAR"),
        ("CommodityUpdate", "2026-06-06T12:00", "NO_TRADING"),
        ("KR_EquityUpdate", "2026-06-01T00:00", "REGULAR"),
        ("KR_EquityUpdate", "2026-06-01T06:30", "NO_TRADING"),
        ("HK_EquityUpdate", "2026-06-01T03:59", "REGULAR"),
        ("HK_EquityUpdate", "2026-06-01T04:00", "NO_TRADING"),
        ("HK_EquityUpdate", "2026-06-01T07:59", "REGULAR"),
        ("CN_EquityUpdate", "2026-06-01T03:30", "NO_TRADING"),
        ("CN_EquityUpdate", "2026-06-01T06:59", "REGULAR"),
        ("CN_EquityUpdate", "2026-06-07T05:00", "NO_TRADING"),  # Sunday
    ],
)
def test_each_market_keeps_its_hours(event: str, at: str, expected: str) -> None:
    assert state(event, at) == expected


@given(st.integers(ms("2020-01-01T00:00"), ms("2040-01-01T00:00")))
def test_sessions_hold_the_moment_and_follow_each_other(unix_ms: int) -> None:
    now = sessions(unix_ms)
    assert tuple(session.event for session in now) == EVENTS
    for session in now:
        assert session.start_ms <= unix_ms < session.end_ms
        regular = {"REGULAR", "NO_TRADING"}
        if session.event == "EquityUpdate":
            regular |= {"PRE_MARKET", "AFTER_MARKET", "OVERNIGHT"}
        assert session.state in regular
        after = next(s for s in sessions(session.end_ms) if s.event == session.event)
        assert after.start_ms == session.end_ms, "no hole"
        assert after.state != session.state
        last = next(s for s in sessions(session.end_ms - 1) if s.event == session.event)
        assert last == session


def test_a_schedule_covers_its_span_without_a_hole() -> None:
    begin, end = ms("2026-03-01T00:00"), ms("2026-03-15T00:00")
    for event in EVENTS:
        found = schedule(event, begin, end)
        assert found[0].start_ms <= begin
        assert found[-1].end_ms > end >= found[-1].start_ms
        assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(found))
    with pytest.raises(KeyError):
        schedule("MoonUpdate", begin, end)
