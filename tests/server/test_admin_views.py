"""What the admin API says of connections, streams and the journal, and how it begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import jsonschema
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

import mockex
from mockex.faults import AckError, Outage, RefuseUpgrade, Reset, Stall
from mockex.server import admin_journal
from mockex.server.admin import serve_admin
from mockex.server.desk import Desk
from mockex.server.journal import AnyEntry

DEPTH, TRADES = "ethusdc@depth5@100ms", "btcusdc@trade"


class Api:
    """An exchange and calls to its admin API."""

    def __init__(self, desk: Desk, http: httpx2.AsyncClient) -> None:
        self.desk, self.exchange, self._http = desk, desk.exchange, http

    async def __call__(self, path: str, method: str = "GET", **more: Any) -> Any:
        response = await self._http.request(method, f"/api/v1{path}", **more)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(self, status: int, path: str, method: str = "GET", **more: Any) -> str:
        """Why a call is refused."""
        response = await self._http.request(method, f"/api/v1{path}", **more)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        return str(response.json()["detail"])

    async def until_flows(self, stream: str, connections: int = 1) -> None:
        """Until an event of `stream` was written to so many connections."""
        async with asyncio.timeout(20):
            while sum(name == stream for _, name in self.tallies) < connections:
                await asyncio.sleep(0.01)

    @property
    def tallies(self) -> Any:
        return self.exchange.deliveries.tallies


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with mockex.serve("spot", seed=7, market="steady") as exchange:
        desk = Desk(exchange)
        async with (
            serve_admin(desk) as url,
            httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20) as http,
        ):
            yield Api(desk, http)


def client(api: Api, *streams: str) -> connect:
    return connect(f"{api.exchange.ws_url}/ws/{'/'.join(streams)}", proxy=None, close_timeout=1)


async def read_on(ws: ClientConnection) -> None:
    while True:
        await ws.recv()


# --- how things stand ---


async def test_it_says_where_and_what_it_is(api: Api) -> None:
    told = await api("/exchange")
    assert (told["ws"], told["rest"]) == (api.exchange.ws_url, api.exchange.rest_url)
    assert (told["profile"], told["dated"], told["seed"]) == ("spot", "spot-2026-11", 7)
    assert told["opened_at"] == api.exchange.clock.opened_at


async def test_a_connection_is_told_with_what_flows_on_it(api: Api) -> None:
    async with client(api, DEPTH, "nosuch@trade"):
        await api.until_flows(DEPTH)
        (told,) = (await api("/connections"))["connections"]
    assert (told["number"], told["state"], told["mode"]) == (1, "live", "raw")
    assert told["target"] == f"/ws/{DEPTH}/nosuch@trade"
    assert told["streams"][DEPTH]["events"] >= 1
    assert told["streams"][DEPTH]["bytes"] > 100
    assert told["streams"]["nosuch@trade"] is None
    assert 0 < told["attempted_s"] <= told["upgraded_s"] <= told["streams"][DEPTH]["last_s"]


async def test_connections_are_told_by_state_and_page(api: Api) -> None:
    async with client(api, DEPTH), client(api, DEPTH):
        api.exchange.inject(Reset(connection=1))
        async with asyncio.timeout(20):
            while (await api("/connections", params={"state": "over"}))["next"] < 2:
                await asyncio.sleep(0.01)
        over = await api("/connections", params={"state": "over"})
        assert [c["number"] for c in over["connections"]] == [1]
        page = await api("/connections", params={"limit": 1})
        assert (page["connections"][0]["number"], page["next"]) == (1, 1)
        rest = await api("/connections", params={"after": 1})
        assert [c["number"] for c in rest["connections"]] == [2]
        assert (await api("/connections", params={"after": 2})) == {"connections": [], "next": 2}


async def test_a_stream_is_told_with_all_its_deliveries(api: Api) -> None:
    async with client(api, DEPTH), client(api, DEPTH, TRADES):
        await api.until_flows(DEPTH, 2)
        first, second = (await api("/streams"))["streams"]
        assert (first["name"], first["deliveries"], first["connections"]) == (DEPTH, 2, [1, 2])
        assert first["flow"]["events"] >= 2
        assert (second["name"], second["deliveries"]) == (TRADES, 1)
    one = await api(f"/streams/{TRADES}")
    assert one["connections"] in ([], [2])


async def test_a_stream_that_is_not_there_is_refused_by_name(api: Api) -> None:
    assert (await api("/streams/ethusdc@trade"))["deliveries"] == 0
    said = await api.refused(404, "/streams/ethusdc@trad")
    assert "no stream is called 'ethusdc@trad' here" in said


# --- the journal ---


def decoded(told: dict[str, Any]) -> list[AnyEntry]:
    return msgspec.convert(told["entries"], list[AnyEntry])


async def test_the_journal_is_read_page_by_page_and_is_the_same(api: Api) -> None:
    async with client(api, DEPTH):
        await api.until_flows(DEPTH)
        entries: list[AnyEntry] = []
        after = 0
        while True:
            told = await api("/journal", params={"after": after, "limit": 2})
            entries += decoded(told)
            assert len(told["entries"]) <= 2
            after = told["next"]
            if after == told["end"]:
                break
    assert entries == api.exchange.journal.entries[: len(entries)]
    assert len(entries) > 4


async def test_the_journal_is_read_by_type_connection_and_stream(api: Api) -> None:
    async with client(api, DEPTH), client(api, TRADES):
        await api.until_flows(DEPTH)
        kinds = {"kind": ["upgraded", "subscribed"]}
        both = (await api("/journal", params=kinds))["entries"]
        assert [e["type"] for e in both] == ["upgraded", "subscribed"] * 2
        second = (await api("/journal", params={**kinds, "conn": 2}))["entries"]
        assert {e["conn"] for e in second} == {2}
        depth = (await api("/journal", params={"stream": DEPTH}))["entries"]
        assert {e["type"] for e in depth} == {"subscribed", "delivered"}
        await api.exchange.inject(Reset(connection=2)).seen(within_s=5)
        hit = (await api("/journal", params={"conn": 2, "kind": "faulted"}))["entries"]
        assert [e["phase"] for e in hit] == ["seen"]


async def test_an_unknown_type_is_refused_with_those_there_are(api: Api) -> None:
    said = await api.refused(422, "/journal", params={"kind": "upgrade"})
    assert "kind: 'upgrade' is none of answered, asked, attempted," in said
    assert await api.refused(422, "/journal", params={"limit": 0})


async def test_who_waits_is_answered_by_the_first_entry_that_fits(api: Api) -> None:
    asked = {"after": 0, "kind": "upgraded", "within_s": 15}
    waiting = asyncio.create_task(api("/journal", params=asked))
    async with client(api, DEPTH):
        (entry,) = (await waiting)["entries"]
    assert entry["type"] == "upgraded"


async def test_one_answer_looks_at_no_more_than_it_may(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_journal, "_MOST_LOOKED_AT", 2)
    async with client(api, DEPTH):
        await api.until_flows(DEPTH)
        told = await api("/journal", params={"kind": "delivered", "within_s": 15})
    assert told["entries"] == []
    assert told["next"] == 2
    assert told["end"] > 2


async def test_the_schema_of_the_api_has_every_part_with_what_it_answers(api: Api) -> None:
    schema = (await api._http.get("/openapi.json")).json()
    jsonschema.Draft202012Validator.check_schema(schema["components"]["schemas"]["JournalTold"])
    answers = {
        f"{method} {path}": operation["responses"]["200"]["content"]["application/json"]["schema"]
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if path.rpartition("/")[2] in ("exchange", "connections", "streams", "journal", "reset")
    }
    assert {name: schema["$ref"].rpartition("/")[2] for name, schema in answers.items()} == {
        "get /api/v1/exchange": "ExchangeTold",
        "get /api/v1/connections": "ConnectionsTold",
        "get /api/v1/streams": "StreamsTold",
        "get /api/v1/journal": "JournalTold",
        "post /api/v1/reset": "ResetTold",
    }


# --- a new beginning ---


async def test_a_reset_closes_everything_and_the_journal_begins_behind_it(api: Api) -> None:
    async with client(api, DEPTH) as ws:
        await api.until_flows(DEPTH)
        api.exchange.inject(Stall())
        told = await api("/reset", "POST")
        assert told["connections"] == [1]
        with pytest.raises(WebSocketException):
            await read_on(ws)
    assert api.exchange.open_connections() == []
    journal = await api("/journal", params={"kind": "attempted"})
    assert (journal["entries"], journal["cut"]) == ([], told["cut"])
    assert (await api("/connections"))["connections"] == []
    async with client(api, DEPTH):
        entries = (await api("/journal", params={"conn": 2}))["entries"]
        assert [e["type"] for e in entries][:3] == ["attempted", "upgraded", "subscribed"]
        assert [c["number"] for c in (await api("/connections"))["connections"]] == [2]


async def test_a_reset_ends_faults_of_attempts_and_requests(api: Api) -> None:
    api.desk.inject(RefuseUpgrade(status=503, attempts=9))
    api.desk.inject(AckError())
    assert (await api("/reset", "POST"))["faults"] == [1, 2]
    async with client(api, DEPTH) as ws:
        await ws.recv()


async def test_nothing_is_used_up_behind_a_reset(api: Api) -> None:
    async with httpx2.AsyncClient(base_url=api.exchange.rest_url, trust_env=False) as rest:
        first = await rest.get("/api/v3/ping")
        again = await rest.get("/api/v3/ping")
        await api("/reset", "POST")
        anew = await rest.get("/api/v3/ping")
    used = [r.headers["x-mbx-used-weight-1m"] for r in (first, again, anew)]
    assert used == ["1", "2", "1"]


async def test_a_reset_ends_the_outage_of_a_port_that_refuses(api: Api) -> None:
    await api.desk.inject(Outage(how="refuse", ms=60_000)).seen(within_s=5)
    assert (await api("/reset", "POST"))["faults"] == [1]
    async with client(api, DEPTH) as ws:
        await ws.recv()
