"""REST as a function: endpoints, errors, weights and windows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockex.clock import Clock
from mockex.market.instruments import instruments
from mockex.market.walk import Market
from mockex.profile import SPOT, USDM, Profile
from mockex.rest import Request, Response, Rest

EPOCH_MS = 1_780_272_000_000  # a full minute


def rest(profile: Profile) -> Rest:
    market = Market(instruments(profile, ["ETHUSDC"]), seed=1, profile=profile)
    market.advance(1_000)
    return Rest(profile, market, Clock(0.0, EPOCH_MS))


def get(made: Rest, target: str, now: float = 1.0, method: str = "GET") -> Response:
    return made.answer(Request(method, target), now)


def body(response: Response) -> Any:
    return json.loads(response.body)


def header(response: Response, name: str) -> str | None:
    return dict(response.headers).get(name)


@pytest.mark.rule("rest-A4.1", "rest-A4.2", "rest-B2.1", "rest-B2.2", "rest-A3.5", "rest-A3.5b")
@pytest.mark.parametrize(("profile", "prefix"), [(SPOT, "/api/v3"), (USDM, "/fapi/v1")])
def test_ping_and_time(profile: Profile, prefix: str) -> None:
    made = rest(profile)
    assert body(get(made, f"{prefix}/ping")) == {}
    answer = get(made, f"{prefix}/time", 1.5)
    assert body(answer) == {"serverTime": EPOCH_MS + 1500}
    assert header(answer, "x-mbx-used-weight-1m") == "2"


@pytest.mark.rule("rest-A4.4", "rest-B2.4", "rest-B1.3", "rest-C5", "wire-B14")
@pytest.mark.parametrize(
    ("profile", "target", "levels", "weight"),
    [
        (SPOT, "/api/v3/depth?symbol=ETHUSDC", 100, 5),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&limit=7", 7, 5),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&limit=101", 101, 25),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&limit=1000", None, 50),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&limit=99999", None, 250),
        (USDM, "/fapi/v1/depth?symbol=ETHUSDC", None, 10),
        (USDM, "/fapi/v1/depth?symbol=ethusdc&limit=5", 5, 2),
        (USDM, "/fapi/v1/depth?symbol=ETHUSDC&limit=100", 100, 5),
        (USDM, "/fapi/v1/depth?symbol=ETHUSDC&limit=1000", None, 20),
    ],
)
def test_depth_has_so_many_levels_and_weighs_so_much(
    profile: Profile, target: str, levels: int | None, weight: int
) -> None:
    answer = get(rest(profile), target)
    assert answer.status == 200
    assert (answer.weight, answer.used_weight) == (weight, weight)
    assert answer.last_update_id == body(answer)["lastUpdateId"]
    if levels is not None:
        assert len(body(answer)["bids"]) == len(body(answer)["asks"]) == levels


@pytest.mark.rule(
    "rest-A2.1",
    "rest-A2.2",
    "rest-A2.14",
    "rest-A2.15",
    "rest-A2.16",
    "rest-A2.17",
    "rest-A2.20",
    "rest-A3.11",
    "rest-B2.22",
    "wire-A9",
    "wire-B14",
)
@pytest.mark.parametrize(
    ("profile", "target", "code", "msg"),
    [
        (SPOT, "/api/v3/depth", -1102, "Mandatory parameter 'symbol' was not sent"),
        (SPOT, "/api/v3/depth?symbol=", -1102, "Mandatory parameter 'symbol'"),
        (SPOT, "/api/v3/depth?symbol=ethusdc", -1100, "parameter 'symbol'"),
        (SPOT, "/api/v3/depth?symbol=ETH/USDC", -1100, "parameter 'symbol'"),
        (SPOT, "/api/v3/depth?symbol=NOSUCH", -1121, "Invalid symbol."),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&limit=x", -1100,
         "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&limit=0", -1130, "parameter 'limit'"),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&more=1", -1104,
         "read '1' parameter(s) but was sent '2'"),
        (SPOT, "/api/v3/depth?symbol=ETHUSDC&symbol=X", -1101, "Duplicate values"),
        (SPOT, "/api/v3/ping?x=1", -1101, "expected '0' and received '1'"),
        (USDM, "/fapi/v1/depth?symbol=ETHUSDC&limit=3", -4021, "3 is not valid depth limit"),
        (USDM, "/fapi/v1/depth?symbol=ETHUSDC&limit=1500", -1130,
         "Data sent for parameter 'limit' is not valid."),
    ],
)  # fmt: skip
def test_a_wrong_request_gets_its_error_and_costs_its_weight(
    profile: Profile, target: str, code: int, msg: str
) -> None:
    answer = get(rest(profile), target)
    assert answer.status == 400
    assert body(answer)["code"] == code
    assert msg in body(answer)["msg"]
    assert answer.used_weight > 0


@pytest.mark.rule("rest-A1.9", "rest-A1.10", "spot-7.6")
def test_unknown_paths_and_methods() -> None:
    made = rest(SPOT)
    assert get(made, "/api/v1/depth").status == 404
    assert get(made, "/fapi/v1/ping").status == 404
    refused = get(made, "/api/v3/ping", method="POST")
    assert (refused.status, header(refused, "allow")) == (405, "GET, HEAD")


@pytest.mark.rule("rest-A2.6", "rest-A2.8", "rest-A3.9", "rest-B1.8", "rest-A3.8")
@pytest.mark.parametrize(
    ("profile", "target", "text"),
    [
        (SPOT, "/api/v3/ping", "Too much request weight used; current limit is 3 request weight"),
        (USDM, "/fapi/v1/ping", "Too many requests; current limit is 3 requests per minute."),
    ],
)
def test_beyond_the_weight_it_is_429_until_the_window_ends(
    profile: Profile, target: str, text: str
) -> None:
    made = rest(profile.with_(weight_limit=3))
    assert [get(made, target, 10.0).status for _ in range(3)] == [200] * 3
    refused = get(made, target, 50.2)
    assert refused.status == 429
    assert body(refused)["code"] == -1003
    assert text in body(refused)["msg"]
    assert header(refused, "retry-after") == "10"
    assert refused.retry_after_s == 10
    assert get(made, target, 60.0).status == 200, "windows are aligned to the clock"


def test_the_ban_comes_before_everything_else() -> None:
    made = rest(SPOT.with_(weight_limit=0))
    assert get(made, "/nothing").status == 429
