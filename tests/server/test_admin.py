"""The admin API as a client of it sees it, on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import jsonschema
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

import mockex
from mockex.errors import ConfigError
from mockex.faults import Reset, SlowUpgrade
from mockex.faults.catalogue import kinds
from mockex.faults.script_reading import MOST_BYTES
from mockex.server import admin_faults
from mockex.server.admin import serve_admin
from mockex.server.desk import Desk

DEPTH = "ethusdc@depth5@100ms"


class Api:
    """An exchange with a client of its streams, and calls to its admin API."""

    def __init__(self, exchange: mockex.Exchange, desk: Desk, told: list[str], url: str) -> None:
        self.exchange, self.desk, self.told, self.url = exchange, desk, told, url
        self.port = int(url.rpartition(":")[2])
        self.http = httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20)

    async def __call__(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return await self.http.request(method, f"/api/v1{path}", **more)

    async def refused(self, status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The problem that a call is answered with."""
        response = await self(method, path, **more)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = response.json()
        assert problem["status"] == status
        assert problem["title"]
        return problem


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    told: list[str] = []

    async def client(url: str) -> None:
        while True:
            with suppress(WebSocketException, OSError):
                async with connect(f"{url}/public/ws/{DEPTH}", proxy=None, close_timeout=1) as ws:
                    async for _ in ws:
                        pass
            await asyncio.sleep(0.05)

    async with mockex.serve("usdm", seed=7) as exchange:
        desk = Desk(exchange, told.append)
        async with serve_admin(desk) as url, asyncio.TaskGroup() as group:
            task = group.create_task(client(exchange.ws_url))
            api = Api(exchange, desk, told, url)
            async with api.http:
                async with asyncio.timeout(30):
                    while not exchange.deliveries.tallies:
                        await asyncio.sleep(0.02)
                yield api
            task.cancel()


# --- faults ---


async def test_a_fault_is_added_listed_and_found_at_its_location(api: Api) -> None:
    response = await api("POST", "/faults", json={"fault": "reset", "all": True})
    assert response.status_code == 201
    added = response.json()
    assert (added["id"], added["fault"], added["fields"]) == (1, "Reset", {"all": True})
    located = (await api.http.get(response.headers["location"])).json()
    await api.desk.settled(1, 5)
    (listed,) = (await api("GET", "/faults")).json()["faults"]
    assert located["id"] == listed["id"] == 1
    assert (listed["phase"], listed["times_seen"], listed["conns"]) == ("seen", 1, [1])
    assert 0 < listed["injected_s"] <= listed["seen_s"]
    assert listed["ended_s"] is None
    assert listed["on"] is False


async def test_who_waits_is_answered_once_it_was_seen(api: Api) -> None:
    waited = {"wait": "seen", "within_s": 10}
    told = (await api("POST", "/faults", params=waited, json={"fault": "Stall"})).json()
    assert (told["phase"], told["times_seen"], told["on"]) == ("seen", 1, True)


async def test_who_waits_in_vain_is_told_that_it_was_not_seen(api: Api) -> None:
    waited = {"wait": "seen", "within_s": 0.05}
    body = {"fault": "SlowUpgrade", "ms": 1}
    response = await api("POST", "/faults", params=waited, json=body)
    assert response.status_code == 201
    assert (response.json()["phase"], response.json()["times_seen"]) == ("injected", 0)
    again = await api("GET", "/faults/1", params=waited)
    assert again.json()["times_seen"] == 0


async def test_a_fault_has_its_trigger(api: Api) -> None:
    body = {"fault": "Reset", "when": {"after": 3}}
    told = (await api("POST", "/faults", params={"wait": "seen"}, json=body)).json()
    assert told["times_seen"] == 1
    assert told["when"] == {"n": 3}
    body = {"fault": "CloseWith", "when": {"every": "100ms", "times": 2}}
    assert (await api("POST", "/faults", json=body)).json()["when"] == {"seconds": 0.1, "times": 2}


async def test_a_fault_that_lasts_is_ended(api: Api) -> None:
    await api("POST", "/faults", params={"wait": "seen"}, json={"fault": "Stall"})
    told = (await api("DELETE", "/faults/1")).json()
    assert (told["phase"], told["on"]) == ("ended", False)
    problem = await api.refused(409, "DELETE", "/faults/1")
    assert problem["detail"] == "fault 1 (Stall) is over already"


async def test_all_that_last_are_ended(api: Api) -> None:
    for body in ({"fault": "Stall"}, {"fault": "CutFrame"}, {"fault": "SlowUpgrade", "ms": 1}):
        await api("POST", "/faults", json=body)
    assert (await api("DELETE", "/faults")).json() == {"ended": [1, 2, 3], "still_on": []}
    assert (await api("DELETE", "/faults")).json() == {"ended": [], "still_on": []}


async def test_faults_of_others_are_listed_without_their_fields(api: Api) -> None:
    await api.exchange.inject(Reset()).seen(within_s=5)
    told = (await api("GET", "/faults/1")).json()
    assert (told["fault"], told["phase"], told["fields"]) == ("Reset", "seen", None)
    api.exchange.inject(SlowUpgrade(ms=1))
    assert "was not asked for here" in (await api.refused(409, "DELETE", "/faults/2"))["detail"]


async def test_types_are_told_with_fields_units_and_defaults(api: Api) -> None:
    told = (await api("GET", "/faults/types")).json()["types"]
    assert [kind["name"] for kind in told] == [kind.name for kind in kinds()]
    (latency,) = (kind for kind in told if kind["name"] == "Latency")
    assert latency["fields"][0] == {
        "name": "delay_ms", "type": "a whole number", "required": True, "default": None,
        "unit": "ms", "about": "",
    }  # fmt: skip
    assert (latency["on_link"], latency["lasts"]) == (True, True)


# --- what cannot be ---


async def test_what_hits_nothing_is_a_conflict_with_the_text_that_python_gives(api: Api) -> None:
    body = {"fault": "Reset", "connection": 99}
    problem = await api.refused(409, "POST", "/faults", json=body)
    assert problem["detail"] == "Reset: nothing live delivers c99"
    told = (await api("GET", f"/faults/{problem['id']}")).json()
    assert (told["phase"], told["failure"]) == ("ended", problem["detail"])
    problem = await api.refused(409, "POST", "/faults", json={"fault": "Latency", "delay_ms": 1})
    assert "there is none" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "key", "why"),
    [
        ({"fault": "Rset"}, "fault", "nearest is 'Reset'"),
        ({}, "fault", "is no fault"),
        ({"fault": {"a": 1}}, "fault", "is no fault"),
        ({"fault": "Latency", "delay": 1}, "delay", "nearest is 'delay_ms'"),
        ({"fault": "Latency", "delay_ms": "1"}, "delay_ms", "expected a whole number"),
        ({"fault": "Refused", "ms": 0}, "ms", "must be at least 1"),
        ({"fault": "Reset", "when": {"every": "5"}}, "when", "expected"),
        ({"fault": "Reset", "wen": 3}, "wen", "nearest is 'when'"),
        ([1], "", "expected an object"),
    ],
)
async def test_a_fault_that_cannot_be_is_refused_by_its_field(
    api: Api, body: Any, key: str, why: str
) -> None:
    problem = await api.refused(422, "POST", "/faults", json=body)
    assert [error["key"] for error in problem["errors"]] == [key]
    assert why in problem["errors"][0]["detail"]
    assert why in problem["detail"]
    assert (await api("GET", "/faults")).json() == {"faults": []}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"fault": NaN}', b"null"])
async def test_garbage_is_refused(api: Api, body: bytes) -> None:
    await api.refused(422, "POST", "/faults", content=body)
    await api.refused(422, "POST", "/faults/run", content=body)


@pytest.mark.parametrize("path", ["/faults", "/faults/run"])
async def test_a_huge_body_is_refused_before_it_is_read(api: Api, path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 65_536

    problem = await api.refused(413, "POST", path, content=b" " * (MOST_BYTES + 1))
    assert "4 MiB" in problem["detail"]
    with suppress(httpx2.TransportError):  # it may be cut off while it still sends
        assert (await api("POST", path, content=endless())).status_code == 413
    assert (await api.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (404, "GET", "/faults/99"),
        (404, "DELETE", "/faults/99"),
        (404, "GET", "/faults/runs/1"),
        (404, "DELETE", "/faults/runs/1"),
        (404, "GET", "/nothing"),
        (405, "PUT", "/faults"),
        (422, "GET", "/faults/abc"),
        (422, "GET", "/faults/1?wait=maybe"),
        (422, "GET", "/faults/1?wait=seen&within_s=1e9"),
        (422, "GET", "/faults/runs/1?after=-1"),
    ],
)
async def test_what_is_not_there_is_a_problem(
    api: Api, status: int, method: str, path: str
) -> None:
    assert (await api.refused(status, method, path))["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "mockex.example"}, 403),
        ({"Host": "127.0.0.1.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[127.0.0.1"}, 403),
        ({"Origin": "http://page.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost:3000", "Origin": "http://localhost:3000"}, 200),
    ],
)
async def test_only_this_machine_and_no_other_page_is_answered(
    api: Api, headers: dict[str, str], status: int
) -> None:
    response = await api.http.get("/healthz", headers=headers)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers


async def test_a_page_of_another_origin_injects_nothing(api: Api) -> None:
    headers = {"Origin": "http://page.example", "Content-Type": "text/plain"}
    await api.refused(403, "POST", "/faults", content=b'{"fault":"Reset"}', headers=headers)
    assert (await api("GET", "/faults")).json() == {"faults": []}


async def test_what_breaks_is_a_problem_and_is_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr(admin_faults, "_known", broken)
    problem = await api.refused(500, "GET", "/faults/1")
    assert problem["detail"] == "mockex itself broke: ZeroDivisionError: by 0"
    assert api.told == [problem["detail"]]


async def test_bytes_that_are_no_http_do_no_harm(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"\x16\x03\x01 nothing\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.read(1000), 5)
    writer.close()
    assert (await api.http.get("/healthz")).json() == {"status": "ok"}
    assert capfd.readouterr() == ("", "")


# --- scripts ---

SCRIPT = """[[fault]]
at = "100ms"
fault = "Reset"

[[fault]]
after = "50ms"
fault = "Reset"
connection = 99
"""


async def test_a_script_is_played_and_its_moments_are_told(api: Api) -> None:
    response = await api(
        "POST", "/faults/run", params={"file": "a.toml"}, content=SCRIPT,
        headers={"Content-Type": "application/toml"},
    )  # fmt: skip
    assert response.status_code == 201
    assert response.json()["steps"] == 2
    where, after, moments = response.headers["location"], 0, []
    async with asyncio.timeout(30):
        while True:
            asked = {"after": after, "within_s": 5}
            told = (await api.http.get(where, params=asked)).json()
            moments += told["moments"]
            after = told["next"]
            if told["over"] and not told["unseen"]:
                break
    assert [(m["line"], m["fault"], m["phase"]) for m in moments] == [
        (1, "Reset", "injected"), (1, "Reset", "seen"), (5, "Reset", "injected"),
        (5, "Reset", "ended"),
    ]  # fmt: skip
    assert moments[-1]["detail"] == "Reset: nothing live delivers c99"
    assert api.told == ["a.toml:5: Reset: nothing live delivers c99"]


async def test_a_script_that_cannot_be_is_refused_by_its_lines(api: Api) -> None:
    body = '{"fault": [\n{"at": "1", "fault": "Reset"},\n{"at": "1s", "fault": "Rset"}]}'
    problem = await api.refused(422, "POST", "/faults/run", content=body)
    assert [(error["line"], error["key"]) for error in problem["errors"]] == [
        (2, "at"), (3, "fault"),
    ]  # fmt: skip
    assert problem["detail"].startswith("script:2: at: ")


async def test_a_script_is_stopped(api: Api) -> None:
    body = {"fault": [{"at": "0s", "for": "1h", "fault": "Stall"}]}
    run = (await api("POST", "/faults/run", json=body)).json()
    await api.desk.settled(1, 5)
    told = (await api("DELETE", f"/faults/runs/{run['id']}")).json()
    assert told["over"]
    assert (await api("GET", "/faults/1")).json()["phase"] == "ended"


async def test_ten_thousand_steps_are_taken(api: Api) -> None:
    steps = [{"at": f"{n}h", "fault": "Reset"} for n in range(1, 5000)] + [
        {"at": "1h", "fault": "CloseWith"}
    ] * 5001
    response = await api("POST", "/faults/run", json={"fault": steps})
    assert response.json()["steps"] == 10_000
    assert (await api("DELETE", "/faults")).json() == {"ended": [], "still_on": []}


# --- the server itself ---


async def test_the_schema_of_the_api_is_valid_and_takes_what_it_says(api: Api) -> None:
    schema = (await api.http.get("/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    body = schema["paths"]["/api/v1/faults"]["post"]["requestBody"]
    faults = body["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator.check_schema(faults)
    jsonschema.validate({"fault": "Latency", "delay_ms": 3}, faults)
    jsonschema.validate({"fault": "Reset", "when": {"every": "5s", "times": 3}}, faults)
    assert not jsonschema.Draft202012Validator(faults).is_valid({"fault": "Latency"})
    assert (await api.http.get("/docs")).status_code == 404


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with mockex.serve("usdm") as exchange:
            with pytest.raises(ConfigError, match=rf"admin_port: {port} .*in use"):
                async with serve_admin(Desk(exchange), port):
                    pass


async def test_it_ends_at_once_though_somebody_still_waits() -> None:
    body = json.dumps({"fault": "SlowUpgrade", "ms": 1})
    async with (
        mockex.serve("usdm") as exchange,
        httpx2.AsyncClient(trust_env=False, timeout=60) as http,
    ):
        desk = Desk(exchange)
        async with serve_admin(desk) as url:
            path = f"{url}/api/v1/faults?wait=seen&within_s=50"
            waiting = asyncio.create_task(http.post(path, content=body))
            async with asyncio.timeout(20):
                while not desk.asked:
                    await asyncio.sleep(0.01)
            port = int(url.rpartition(":")[2])
            idle, writer = await asyncio.open_connection("127.0.0.1", port)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 20
        assert await asyncio.wait_for(idle.read(), 20) == b""
        writer.close()
        await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), 20)
