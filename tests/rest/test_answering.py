"""Paths, methods, headers and the order of checks; nothing that is sent is an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockex.profile import profile_named
from mockex.rest import Request
from mockex.rest.endpoints import endpoints

Make = Callable[..., Any]
PREFIXES = {"spot": "/api/v3", "usdm": "/fapi/v1"}


@pytest.mark.rule("rest-A4.1", "rest-A4.2", "rest-B2.1", "rest-B2.2", "rest-A3.5", "rest-B1.6")
@pytest.mark.parametrize("name", PREFIXES)
def test_ping_and_time_say_what_they_cost(make_asking: Make, name: str) -> None:
    asking = make_asking(name)
    assert asking.get("ping") == {}
    answer = asking.response("time", now=201.5)
    assert json.loads(answer.body) == {"serverTime": asking.epoch_ms + 201_500}
    assert dict(answer.headers)["x-mbx-used-weight-1m"] == "2"
    assert (answer.weight, answer.used_weight) == (1, 2)


@pytest.mark.rule("rest-A3.5b")
def test_spot_has_a_bare_header_beside_it(spot: Any, usdm: Any) -> None:
    assert dict(spot.response("ping").headers)["x-mbx-used-weight"] == "1"
    assert "x-mbx-used-weight" not in dict(usdm.response("ping").headers)


@pytest.mark.rule("rest-A3.5")
def test_the_header_names_the_interval_of_the_limit(make_asking: Make) -> None:
    asking = make_asking("spot", weight_window_s=7200.0)
    assert dict(asking.response("ping").headers)["x-mbx-used-weight-2h"] == "1"


@pytest.mark.rule("rest-B1.6")
@pytest.mark.parametrize(
    ("target", "header"),
    [
        ("premiumIndex?symbol=ETHUSDC", "11"),
        ("fundingRate", None),
        ("fundingInfo", None),
        ("ticker/bookTicker?symbol=ETHUSDC", "10"),  # it costs 2 and does not say so
        ("/fapi/v2/ticker/price?symbol=ETHUSDC", "10"),
    ],
)
def test_some_endpoints_of_usdm_send_no_weight_or_a_wrong_one(
    usdm: Any, target: str, header: str | None
) -> None:
    for _ in range(10):
        usdm.get("ping")
    assert dict(usdm.response(target).headers).get("x-mbx-used-weight-1m") == header


@pytest.mark.rule("rest-A1.9", "rest-A1.10", "spot-7.6")
@pytest.mark.parametrize(
    "path", ["/", "", "/api/v1/depth?symbol=ETHUSDC", "/fapi/v1/ping", "/api/v3/depth/", "*"]
)
def test_an_unknown_path_is_404_with_html_only_for_those_that_want_it(spot: Any, path: str) -> None:
    request = Request("GET", path)
    bare = spot.rest.answer(request, 1.0)
    assert (bare.status, bare.body) == (404, b"")
    assert "content-type" not in dict(bare.headers)
    wanted = spot.rest.answer(Request("GET", path, {"accept": "text/html,*/*"}), 1.0)
    assert wanted.status == 404
    assert dict(wanted.headers)["content-type"] == "text/html"
    assert b"<html>" in wanted.body


@pytest.mark.rule("rest-A1.9")
def test_a_known_path_has_no_html(spot: Any) -> None:
    answer = spot.response("depth", headers={"accept": "text/html"})
    assert (answer.status, json.loads(answer.body)["code"]) == (400, -1102)


@pytest.mark.rule("rest-C9")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_listen_keys_are_gone_from_spot(make_asking: Make, method: str) -> None:
    path = "/api/v3/userDataStream"
    assert make_asking("spot").response(path, method=method).status == 404
    assert make_asking("spot", retired_status=410).response(path, method=method).status == 410
    assert make_asking("spot", retired_status=410).response("/api/v3/no").status == 404
    assert make_asking("usdm", retired_status=410).response(path, method=method).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_another_method_is_405_and_says_what_is_right(spot: Any, method: str) -> None:
    answer = spot.response("depth?symbol=ETHUSDC", method=method)
    assert (answer.status, answer.body, answer.weight) == (405, b"", 1)
    assert dict(answer.headers)["allow"] == "GET, HEAD"


def test_head_is_what_get_is(spot: Any) -> None:
    assert spot.response("ping", method="HEAD") == spot.response("ping", address="10.0.0.1")


def test_an_absolute_target_is_its_path(spot: Any) -> None:
    assert spot.response("ping").status == 200
    request = Request("GET", "http://127.0.0.1:1/api/v3/time?")
    assert spot.rest.answer(request, 1.0).status == 200
    assert spot.rest.answer(Request("GET", "http://[/"), 1.0).status == 404


@pytest.mark.rule("rest-A1.3", "rest-A1.3b", "rest-A2.27")
def test_times_are_in_microseconds_if_the_header_says_so(spot: Any) -> None:
    for unit in ("MICROSECOND", "microsecond"):
        said = spot.get("time", now=200.1234, headers={"x-mbx-time-unit": unit})
        assert said == {"serverTime": (spot.epoch_ms + 200_123) * 1000 + 400}
        said = spot.get("time", now=200.0, headers={"x-mbx-time-unit": unit})
        assert said == {"serverTime": spot.now_ms * 1000}
    for unit in ("MILLISECOND", "millisecond"):
        said = spot.get("time", now=200.1234, headers={"x-mbx-time-unit": unit})
        assert said == {"serverTime": spot.epoch_ms + 200_123}
    for unit in ("Microsecond", "second", ""):
        refused = spot.refused("time", headers={"x-mbx-time-unit": unit})
        assert refused == (
            400,
            -1194,
            "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.",
        )


@pytest.mark.rule("rest-A1.3b")
def test_a_lax_profile_takes_any_unit_for_milliseconds(make_asking: Make) -> None:
    asking = make_asking("spot", time_unit="lax")
    said = asking.get("time", headers={"x-mbx-time-unit": "second"})
    assert said == {"serverTime": asking.now_ms}


@pytest.mark.rule("rest-A1.3")
def test_usdm_knows_no_time_units(usdm: Any) -> None:
    said = usdm.get("time", headers={"x-mbx-time-unit": "MICROSECOND"})
    assert said == {"serverTime": usdm.now_ms}


@pytest.mark.rule("rest-A1.3")
@pytest.mark.parametrize(
    ("target", "members"),
    [
        ("trades?symbol=ETHUSDC&limit=2", ("time",)),
        ("historicalTrades?symbol=ETHUSDC&limit=2", ("time",)),
        ("historicalBlockTrades?symbol=ETHUSDC&fromId=1&limit=2", ("time",)),
        ("aggTrades?symbol=ETHUSDC&limit=2", ("T",)),
        ("ticker/24hr", ("openTime", "closeTime")),
        ("ticker?symbols=[%22ETHUSDC%22]", ("openTime", "closeTime")),
    ],
)
def test_every_time_of_an_answer_is_rescaled(
    spot: Any, target: str, members: tuple[str, ...]
) -> None:
    in_ms = spot.get(target)
    in_us = spot.get(target, headers={"x-mbx-time-unit": "microsecond"})
    for row in in_ms:
        row.update({member: row[member] * 1000 for member in members})
    assert in_us == in_ms


@pytest.mark.rule("rest-A1.3")
def test_what_ends_inclusively_ends_in_a_last_microsecond(spot: Any) -> None:
    micro = {"x-mbx-time-unit": "microsecond"}
    row = spot.get("klines?symbol=ETHUSDC&interval=1m&limit=2", headers=micro)[0]
    assert row[6] - row[0] == 59_999_999
    day = spot.get("ticker/tradingDay?symbol=ETHUSDC", headers=micro)
    assert day["closeTime"] - day["openTime"] == 86_399_999_999


@pytest.mark.rule("rest-A2.32")
def test_checks_come_in_their_order(make_asking: Make) -> None:
    asking = make_asking("spot", weight_limit=52, ban_after=1)
    assert asking.refused("depth?symbol=NOSUCH&limit=x")[1] == -1100  # 5: parameters
    assert asking.refused("depth?symbol=NOSUCH&limit=0")[1] == -1121  # 10: symbol
    assert asking.refused("depth?symbol=ETHUSDC&limit=0")[1] == -1130  # 15: the rest
    assert asking.response("no/such/path").status == 404  # 16
    assert asking.response("no/such/path", method="POST").status == 404
    assert asking.refused("depth?symbol=ETHUSDC&limit=1000")[0] == 429  # 67
    assert asking.response("no/such/path").status == 418


@pytest.mark.rule("rest-A2.1", "rest-A2.2")
def test_an_error_is_a_code_and_a_text(spot: Any) -> None:
    answer = spot.response("depth")
    assert answer.status == 400
    assert answer.body == (
        b'{"code":-1102,"msg":"Mandatory parameter \'symbol\' was not sent, was empty/null, or '
        b'malformed."}'
    )
    assert dict(answer.headers)["content-type"] == "application/json;charset=UTF-8"


def test_a_key_is_not_shown(usdm: Any) -> None:
    request = Request("GET", "/", {"x-mbx-apikey": "secret"})
    assert "secret" not in repr(request)


# --- whatever is sent ----------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["symbol", "symbols", "limit", "interval", "fromId", "startTime", "endTime", "timeZone", "type",
     "windowSize", "symbolStatus", "permissions", "showPermissionSets", "pair", "contractType",
     "", "more", "Symbol"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["ETHUSDC", "BTCUSDC", "ethusdc", "NOSUCH", '["ETHUSDC"]', '["ETHUSDC","ETHUSDC"]', "[]",
         "1m", "1s", "1M", "7d", "0d", "99m", "+14:00", "-12:00", "14:01", "0", "1", "1000", "5000",
         "99999999999999999999", "1780272000000", "1780272000000000", "MINI", "HALT", "TRADING",
         "PERPETUAL", "SPOT", '["SPOT"]', "true", ""]
    ),
    st.text(max_size=20),
)  # fmt: skip


def _targets(name: str) -> st.SearchStrategy[str]:
    query = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(
        lambda sent: "&".join(f"{key}={value}" for key, value in sent)
    )
    known = st.tuples(st.sampled_from(list(endpoints(profile_named(name)))), query).map("?".join)
    return st.one_of(known, st.text(max_size=40), st.text(max_size=40).map(lambda t: f"/{t}"))


@pytest.mark.parametrize("name", PREFIXES)
@pytest.mark.rule("rest-A2.2")
def test_no_request_raises_and_every_answer_is_whole(make_asking: Make, name: str) -> None:
    @settings(max_examples=400, deadline=None)
    @given(
        target=_targets(name),
        method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", ""]),
        headers=st.dictionaries(
            st.sampled_from(["accept", "x-mbx-apikey", "x-mbx-time-unit"]),
            st.sampled_from(["text/html", "MICROSECOND", "key", "", "\u00e9"]),
        ),
        at=st.sampled_from([0.0, 0.05, 1.0, 200.0, 200.00001]),
    )
    def ask(target: str, method: str, headers: dict[str, str], at: float) -> None:
        asking = make_asking(name)
        answer = asking.rest.answer(Request(method, target, headers), at)
        assert answer.status in (200, 400, 401, 404, 405)
        kind = dict(answer.headers).get("content-type", "")
        if kind.startswith("application/json"):
            said = json.loads(answer.body)
            assert (answer.status == 200) != (isinstance(said, dict) and "code" in said)
        else:
            assert answer.status in (404, 405)
        for header, value in answer.headers:
            assert header == header.lower()
            value.encode("latin-1")

    ask()
