"""Weights used up, 429, bans, and addresses (rest A3, B1). Times are fed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mockex.profile import profile_named
from mockex.rest.limits import Counter, Kind, Limits

Make = Callable[..., Any]
HOUR = 3600.0


def statuses(asking: Any, count: int, now: float, target: str = "ping", **more: Any) -> list[int]:
    return [asking.response(target, now=now, **more).status for _ in range(count)]


@pytest.mark.rule("rest-A3.1", "rest-B1.4")
@pytest.mark.parametrize(("name", "limit"), [("spot", 6000), ("usdm", 2400)])
def test_so_much_weight_is_allowed_in_a_minute(make_asking: Make, name: str, limit: int) -> None:
    asking = make_asking(name)
    assert statuses(asking, limit, 200.0) == [200] * limit
    assert asking.response("ping", now=200.0).status == 429


@pytest.mark.rule("rest-A2.6", "rest-A2.8", "rest-A3.8", "rest-B1.7", "rest-B1.8")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("spot", "Too much request weight used; current limit is 3 request weight per 1 MINUTE. "
                 "Please use WebSocket Streams for live updates to avoid polling the API."),
        ("usdm", "Too many requests; current limit is 3 requests per minute. "
                 "Please use the websocket for live updates to avoid polling the API."),
    ],
)  # fmt: skip
def test_beyond_the_weight_it_is_429_with_the_seconds_to_wait(
    make_asking: Make, name: str, text: str
) -> None:
    asking = make_asking(name, weight_limit=3)
    assert statuses(asking, 3, 10.0) == [200] * 3
    refused = asking.response("ping", now=50.2)
    assert json.loads(refused.body) == {"code": -1003, "msg": text}
    assert dict(refused.headers)["retry-after"] == "10"
    assert refused.retry_after_s == 10


@pytest.mark.rule("rest-A3.9", "rest-B1.5")
def test_windows_are_minutes_of_the_clock(make_asking: Make) -> None:
    asking = make_asking("usdm", weight_limit=3)
    assert statuses(asking, 4, 59.99) == [200, 200, 200, 429]
    assert statuses(asking, 4, 60.0) == [200, 200, 200, 429]
    assert asking.response("ping", now=119.999).retry_after_s == 1
    assert asking.response("time", now=120.0).used_weight == 1


@pytest.mark.rule("rest-B1.7")
def test_retry_after_can_be_switched_off(make_asking: Make) -> None:
    asking = make_asking("usdm", weight_limit=0, ban_after=1, retry_after=False)
    for status in (429, 418):
        refused = asking.response("ping", now=1.0)
        assert (refused.status, refused.retry_after_s) == (status, None)
        assert "retry-after" not in dict(refused.headers)


@pytest.mark.rule("rest-A3.11", "rest-B1.5")
@pytest.mark.parametrize("name", ["spot", "usdm"])
def test_a_refused_request_costs_its_weight(make_asking: Make, name: str) -> None:
    target = "trades?symbol=NOSUCH"
    weight = make_asking(name).response("trades?symbol=ETHUSDC").weight
    assert make_asking(name).response(target).used_weight == weight
    assert make_asking(name, charge_refused=False).response(target).used_weight == 0


@pytest.mark.rule("rest-A3.12")
def test_a_429_is_cheap(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=30)
    used = [asking.response("trades?symbol=ETHUSDC").used_weight for _ in range(4)]
    assert used == [25, 50, 51, 52]
    dear = make_asking("spot", weight_limit=30, throttled_weight=7)
    assert [dear.response("trades?symbol=ETHUSDC").used_weight for _ in range(3)] == [25, 50, 57]


@pytest.mark.rule("rest-A2.5", "rest-A2.9", "rest-A3.8", "rest-A3.12", "rest-A3.13")
def test_whoever_goes_on_after_ten_429s_is_banned(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=5)
    assert statuses(asking, 15, 10.0) == [200] * 5 + [429] * 10
    banned = asking.response("ping", now=10.5)
    assert banned.status == 418
    assert banned.retry_after_s == 120
    assert json.loads(banned.body) == {
        "code": -1003,
        "msg": f"Way too much request weight used; IP banned until {asking.epoch_ms + 130_500}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
    }
    # a new minute does not help, and asking does not make it longer
    assert asking.response("ping", now=130.4).status == 418
    assert dict(asking.response("no/such/path", now=100.0).headers)["retry-after"] == "31"
    assert asking.response("ping", now=130.5).status == 200


@pytest.mark.rule("rest-A3.13")
def test_429s_of_another_minute_are_not_counted(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=1)
    for minute in range(5):
        assert statuses(asking, 11, 60.0 * minute) == [200] + [429] * 10


@pytest.mark.rule("rest-A3.8", "rest-A3.13")
def test_bans_double_up_to_three_days(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=0, ban_after=1)
    lengths = []
    now = 0.0
    for _ in range(14):
        assert statuses(asking, 2, now) == [429, 418]
        wait = asking.response("ping", now=now).retry_after_s
        lengths.append(wait)
        now += wait
    assert lengths[:4] == [120, 240, 480, 960]
    assert lengths[-2:] == [72 * 3600] * 2
    assert statuses(asking, 2, now + 73 * HOUR) == [429, 418]
    assert asking.response("ping", now=now + 73 * HOUR).retry_after_s == 120, "long forgotten"


@pytest.mark.rule("rest-A3.2")
def test_requests_are_counted_whatever_they_weigh(make_asking: Make) -> None:
    asking = make_asking("spot", raw_limit=3)
    assert statuses(asking, 3, 250.0) == [200] * 3
    refused = asking.response("ping", now=250.0)
    assert refused.status == 429
    assert refused.retry_after_s == 50
    assert "current limit is 3 requests per 5 MINUTE" in json.loads(refused.body)["msg"]
    assert statuses(asking, 1, 300.0) == [200]


@pytest.mark.rule("rest-A3.2")
def test_300_000_requests_are_allowed_in_5_minutes_on_spot(spot: Any, usdm: Any) -> None:
    def raw(asking: Any) -> list[Any]:
        limits = asking.get("exchangeInfo")["rateLimits"]
        return [row for row in limits if row["rateLimitType"] == "RAW_REQUESTS"]

    assert raw(spot) == [
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000}
    ]
    assert raw(usdm) == []


@pytest.mark.rule("rest-B2.13")
def test_funding_has_a_limit_of_its_own(make_asking: Make) -> None:
    asking = make_asking("usdm", funding_limit=3)
    assert statuses(asking, 2, 10.0, "fundingRate") == [200] * 2
    assert statuses(asking, 2, 10.0, "fundingInfo") == [200, 429]
    assert asking.response("fundingRate", now=10.0).retry_after_s == 290
    assert statuses(asking, 1, 10.0) == [200], "others are served"
    assert statuses(asking, 1, 300.0, "fundingRate") == [200]


@pytest.mark.rule("rest-A3.7")
def test_limits_are_by_address_and_not_by_key(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=1)
    key = {"x-mbx-apikey": "another"}
    assert statuses(asking, 1, 1.0, address="10.0.0.1") == [200]
    assert statuses(asking, 1, 1.0, address="10.0.0.1", headers=key) == [429]
    assert statuses(asking, 2, 1.0, address="10.0.0.2") == [200, 429]


@pytest.mark.rule("rest-A3.7")
def test_all_of_loopback_is_one_address(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=1)
    assert statuses(asking, 1, 1.0, address="127.0.0.1") == [200]
    for address in ("127.0.0.9", "::1", "::ffff:127.0.0.1"):
        assert statuses(asking, 1, 1.0, address=address) == [429]
    assert statuses(asking, 2, 1.0, address="in memory") == [200, 429]


def test_addresses_that_need_not_be_remembered_are_forgotten() -> None:
    limits = Limits(profile_named("spot").with_(weight_limit=5, ban_after=1))
    for _ in range(7):
        limits.charge("banned", 1, 0.0)
    for number in range(4095):
        limits.charge(f"a{number}", 1, 0.0)
    limits.charge("one more", 1, 100_000.0)
    assert len(limits._known) == 2
    assert limits.used("a1") == 0
    limits.charge("one more", 6, 100_000.0)
    assert limits.charge("banned", 6, 100_000.0, Counter.FUNDING).kind is Kind.THROTTLED
    assert limits.charge("banned", 6, 100_000.0).retry_after_s == 240, "the second ban"
