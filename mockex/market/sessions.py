"""Trading sessions of the markets behind TradFi contracts, from the clock alone (usdm 5.15).

The documents name the markets and the states; the hours are those of the venues, holidays left out
(I).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_WEEK = 7 * 24 * 60  # minutes


@dataclass(frozen=True, slots=True)
class Session:
    """What a market does from `start_ms` until `end_ms` (unix). `event` is the wire's `e`."""

    event: str
    state: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Venue:
    """`begins` has the minute of the local week at which each state begins, `offset_ms` what is
    added to UTC on a local day."""

    event: str
    begins: tuple[tuple[int, str], ...]
    offset_ms: Callable[[date], int]


def _sunday(year: int, month: int, number: int) -> date:
    """The first, second … Sunday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=6 - first.weekday() + 7 * (number - 1))


def _new_york(day: date) -> int:
    """Daylight saving from the second Sunday of March to the first of November. Both changes fall
    into hours without trading, so the day is exact enough."""
    summer = _sunday(day.year, 3, 2) <= day < _sunday(day.year, 11, 1)
    return -(4 if summer else 5) * _HOUR_MS


def _fixed(hours: int) -> Callable[[date], int]:
    return lambda day: hours * _HOUR_MS


def _week(days: Iterable[int], hours: dict[str, str]) -> list[tuple[int, str]]:
    """`hours` are times of day, such as 09:30, with the state that begins then; 0 is Monday."""
    return [
        (day * 1440 + int(at[:2]) * 60 + int(at[3:]), state)
        for day in days
        for at, state in hours.items()
    ]


_DAY = {"04:00": "PRE_MARKET", "09:30": "REGULAR", "16:00": "AFTER_MARKET"}
_VENUES = (
    _Venue(
        "EquityUpdate",
        (
            *_week(range(4), _DAY | {"20:00": "OVERNIGHT"}),
            *_week((4,), _DAY | {"20:00": "NO_TRADING"}),
            *_week((6,), {"20:00": "OVERNIGHT"}),
        ),
        _new_york,
    ),
    _Venue(
        "CommodityUpdate",
        (
            *_week(range(4), {"17:00": "NO_TRADING", "18:00": "REGULAR"}),
            *_week((4,), {"17:00": "NO_TRADING"}),
            *_week((6,), {"18:00": "REGULAR"}),
        ),
        _new_york,
    ),
    _Venue(
        "KR_EquityUpdate",
        tuple(_week(range(5), {"09:00": "REGULAR", "15:30": "NO_TRADING"})),
        _fixed(9),
    ),
    _Venue(
        "HK_EquityUpdate",
        tuple(
            _week(
                range(5),
                {
                    "09:30": "REGULAR",
                    "12:00": "NO_TRADING",
                    "13:00": "REGULAR",
                    "16:00": "NO_TRADING",
                },
            )
        ),
        _fixed(8),
    ),
    _Venue(
        "CN_EquityUpdate",
        tuple(
            _week(
                range(5),
                {
                    "09:30": "REGULAR",
                    "11:30": "NO_TRADING",
                    "13:00": "REGULAR",
                    "15:00": "NO_TRADING",
                },
            )
        ),
        _fixed(8),
    ),
)
EVENTS = tuple(venue.event for venue in _VENUES)


def sessions(unix_ms: int) -> list[Session]:
    """The session that each market is in."""
    return [_session(venue, unix_ms) for venue in _VENUES]


def schedule(event: str, from_ms: int, upto_ms: int) -> list[Session]:
    """The sessions of one market that touch a span of time, in order.

    Raises:
        KeyError: no market of that name.
    """
    venue = {v.event: v for v in _VENUES}[event]
    found = [_session(venue, from_ms)]
    while found[-1].end_ms <= upto_ms:
        found.append(_session(venue, found[-1].end_ms))
    return found


def _session(venue: _Venue, unix_ms: int) -> Session:
    standard = _day(unix_ms + venue.offset_ms(_day(unix_ms)))
    local_ms = unix_ms + venue.offset_ms(standard)
    monday_ms = local_ms - (local_ms + 3 * 24 * _HOUR_MS) % (_WEEK * _MINUTE_MS)  # 1970: a Thursday
    minutes = [minute for minute, _ in venue.begins]
    at = bisect_right(minutes, (local_ms - monday_ms) // _MINUTE_MS) - 1
    start = minutes[at] - (_WEEK if at < 0 else 0)  # before the first of a week: the last one's
    end = minutes[at + 1] if at + 1 < len(minutes) else minutes[0] + _WEEK

    def unix(minute: int) -> int:
        ms = monday_ms + minute * _MINUTE_MS
        return ms - venue.offset_ms(_day(ms))

    return Session(venue.event, venue.begins[at][1], unix(start), unix(end))


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()
