"""Rules of a connection through the whole exchange, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import mockex
from mockex import faults, sim
from mockex.server.connection import Connection
from mockex.server.journal import Closed, Ended, HalfClosed, Refused, Subscribed, Upgraded
from mockex.server.views import Heartbeats

DEPTH = "ethusdc@depth5@100ms"
KLINE = "ethusdc@kline_1m"


def running(
    body: Callable[[mockex.Exchange], Awaitable[Any]], profile: str = "spot", **settings: object
) -> Any:
    """What `body` makes of an exchange in virtual time."""

    async def main() -> Any:
        async with mockex.serve(profile, seed=5, market="steady", settings=settings) as exchange:
            return await body(exchange)

    return sim.run(main(), seed=5)


def open_at(exchange: mockex.Exchange, target: str, **options: Any) -> connect:
    return connect(exchange.ws_url + target, proxy=None, **options)


async def received(client: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(client.recv(), 5))


async def answer(client: ClientConnection, **message: Any) -> Any:
    """The answer to a request, events passed over."""
    await client.send(json.dumps(message))
    while "id" not in (got := await received(client)):
        pass
    return got


async def until_closed(client: ClientConnection) -> ConnectionClosed:
    """How the connection ended; what comes before is passed over."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as closed:
        return closed


# --- attempts --------------------------------------------------------------------------------


async def attempts(exchange: mockex.Exchange, number: int, target: str = "/ws") -> list[int]:
    """Statuses of so many handshakes in a row; 101 for those that were upgraded."""
    statuses = []
    for _ in range(number):
        try:
            async with open_at(exchange, target):
                statuses.append(101)
        except InvalidStatus as error:
            statuses.append(error.response.status_code)
    return statuses


@pytest.mark.rule("spot-1.5", "spot-3.5.5")
def test_the_301st_attempt_in_five_minutes_is_told_when_to_come_again() -> None:
    async def body(exchange: mockex.Exchange) -> None:
        assert await attempts(exchange, 300) == [101] * 300
        with pytest.raises(InvalidStatus) as caught:
            await open_at(exchange, "/ws")
        response = caught.value.response
        assert response.status_code == 429
        wait_s = int(response.headers["Retry-After"])
        assert 290 < wait_s <= 300
        assert json.loads(response.body or b"") == {
            "code": -1034,
            "msg": "Too many connection attempts from IP; current limit is 300 per '5 MINUTE'.",
        }
        await asyncio.sleep(wait_s)
        assert await attempts(exchange, 1) == [101]
        (refused,) = exchange.journal.of(Refused)
        assert refused.status == 429

    running(body)


@pytest.mark.rule("spot-3.5.5b")
@pytest.mark.parametrize(("counted", "last"), [(True, 429), (False, 101)])
def test_failed_attempts_count_unless_told_otherwise(counted: bool, last: int) -> None:
    async def body(exchange: mockex.Exchange) -> None:
        assert await attempts(exchange, 3, "/nowhere") == [404] * 3
        assert await attempts(exchange, 1) == [last]

    running(body, attempts_limit=3, count_failed_attempts=counted)


@pytest.mark.rule("spot-3.5.5")
@pytest.mark.parametrize("status", [403, 418])
def test_the_answer_can_be_that_of_a_firewall_or_of_a_ban(status: int) -> None:
    async def body(exchange: mockex.Exchange) -> None:
        assert await attempts(exchange, 2) == [101, status]

    running(body, attempts_limit=1, attempts_refusal=status)


@pytest.mark.rule("usdm-1.5")
def test_futures_do_not_count_attempts_unless_told_to() -> None:
    async def body(exchange: mockex.Exchange) -> list[int]:
        return await attempts(exchange, 302, "/public/ws")

    assert running(body, "usdm") == [101] * 302
    assert running(body, "usdm", attempts_limit=300)[-2:] == [429, 429]


# --- paths -----------------------------------------------------------------------------------

PATHS = {
    "/ws": False,
    "/stream": True,
    "/stream?streams=": True,
    "/ws/0": False,
    "/ws/listen-key_of.nobody": False,
    "/stream?streams=%21ticker%40arr/!bookTicker": True,
}


@pytest.mark.rule("spot-2.6", "spot-2.7", "spot-2.8", "spot-7.1", "spot-7.2", "wire-B13")
@pytest.mark.parametrize(("path", "wrapped"), PATHS.items())
def test_a_path_without_a_stream_that_is_served_waits_for_requests(
    path: str, wrapped: bool
) -> None:
    async def body(exchange: mockex.Exchange) -> None:
        async with open_at(exchange, path) as client:
            assert await answer(client, method="GET_PROPERTY", params=["combined"], id=1) == {
                "result": wrapped,
                "id": 1,
            }
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.recv(), 10)
            done = await answer(client, method="SUBSCRIBE", params=[DEPTH], id=2)
            assert done == {"result": None, "id": 2}, "never wrapped"
            event = await received(client)
            assert ("stream" in event) is wrapped

    running(body)


@pytest.mark.rule("spot-2.15", "spot-2.19", "spot-4.2.8")
@pytest.mark.parametrize("name", [DEPTH, DEPTH.replace("@", "%40"), "%65thusdc%40depth5%40100ms"])
def test_a_name_may_be_percent_encoded_and_is_told_as_it_is(name: str) -> None:
    async def body(exchange: mockex.Exchange) -> None:
        async with open_at(exchange, f"/stream?streams={name}") as client:
            assert (await received(client))["stream"] == DEPTH
            listed = await answer(client, method="LIST_SUBSCRIPTIONS", id=1)
            assert listed["result"] == [DEPTH]

    running(body)


@pytest.mark.rule("spot-4.2.10", "spot-4.2.9")
def test_a_stream_of_the_url_that_is_subscribed_again_is_served_once_and_reported() -> None:
    async def body(exchange: mockex.Exchange) -> None:
        async with open_at(exchange, f"/stream?streams={KLINE}/{DEPTH}") as client:
            await received(client)
            await answer(client, method="SUBSCRIBE", params=[DEPTH, "ethusdc@trade"], id=1)
            listed = await answer(client, method="LIST_SUBSCRIPTIONS", id=2)
            assert listed["result"] == [KLINE, DEPTH, "ethusdc@trade"]
            seen: list[int] = []
            while len(seen) < 10:
                event = await received(client)
                if event["stream"] == DEPTH:
                    seen.append(event["data"]["lastUpdateId"])
            assert len(set(seen)) == 10, "each event once"
        by_url, again = exchange.journal.of(Subscribed)
        assert (by_url.via, by_url.again) == ("url", [])
        assert (again.via, again.again) == ("request", [DEPTH])
        assert exchange.connections.all[1].streams[DEPTH]

    running(body)


# --- forms -----------------------------------------------------------------------------------


@pytest.mark.rule("spot-2.11", "spot-2.12", "spot-2.13")
@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond"])
def test_one_market_in_milliseconds_and_in_microseconds(unit: str) -> None:
    async def body(exchange: mockex.Exchange) -> None:
        diff = "ethusdc@depth@100ms"
        async with (
            open_at(exchange, f"/ws/{diff}") as plain,
            open_at(exchange, f"/ws/{diff}?timeUnit={unit}") as micro,
            open_at(exchange, f"/stream?timeUnit={unit}&streams={KLINE}") as klines,
        ):
            for _ in range(3):
                first, second = await received(plain), await received(micro)
                assert second == first | {"E": first["E"] * 1000}
            bar = (await received(klines))["data"]["k"]
            assert bar["T"] % 60_000_000 == 59_999_999
            assert bar["T"] + 1 - bar["t"] == 60_000_000
        assert [e.micro for e in exchange.journal.of(Upgraded)] == [False, True, True]

    running(body)


@pytest.mark.rule("usdm-1.12")
def test_futures_ignore_the_time_unit() -> None:
    async def body(exchange: mockex.Exchange) -> None:
        async with open_at(exchange, f"/public/ws/{DEPTH}?timeUnit=MICROSECOND") as client:
            assert (await received(client))["E"] < 10**13

    running(body, "usdm")


@pytest.mark.rule("spot-3.3.1", "spot-3.3.3", "spot-3.3.4", "spot-10.13")
def test_a_shutdown_is_announced_to_everybody_in_their_own_form() -> None:
    async def body(exchange: mockex.Exchange) -> None:
        targets = ["/ws", "/stream", "/ws?timeUnit=MICROSECOND", f"/stream?streams={DEPTH}"]
        clients = [await open_at(exchange, target) for target in targets]
        handle = exchange.inject(faults.ServerShutdown(lead_ms=2000))
        told = []
        for client in clients:
            while "serverShutdown" not in json.dumps(got := await received(client)):
                pass
            told.append(got)
        at = told[0]["E"]
        notice = {"e": "serverShutdown", "E": at}
        wrapped = {"stream": "!serverShutdown", "data": notice}
        assert told == [notice, wrapped, {"e": "serverShutdown", "E": at * 1000}, wrapped]
        listed = await answer(clients[0], method="LIST_SUBSCRIPTIONS", id=1)
        assert listed["result"] == []
        assert (await received(clients[3]))["stream"] == DEPTH, "data keep flowing"
        await handle.ended()
        for client in clients:
            ended = await until_closed(client)
            assert ended.rcvd is not None
            assert (ended.rcvd.code, ended.rcvd.reason) == (1001, "")

    running(body)


@pytest.mark.rule("usdm-1.14")
def test_futures_announce_nothing_and_say_so_to_who_wants_it() -> None:
    async def body(exchange: mockex.Exchange) -> None:
        async with open_at(exchange, f"/public/ws/{DEPTH}") as client:
            await received(client)
            with pytest.raises(mockex.FaultError, match="set server_shutdown to true"):
                exchange.inject(faults.ServerShutdown())

    running(body, "usdm")


# --- ends ------------------------------------------------------------------------------------


@pytest.mark.rule("spot-3.2.1", "spot-3.2.3")
@pytest.mark.parametrize("shape", ["close", "drop"])
def test_the_end_of_the_lifetime_is_a_close_or_the_end_of_tcp(shape: str) -> None:
    async def body(exchange: mockex.Exchange) -> None:
        loop = asyncio.get_running_loop()
        async with open_at(exchange, f"/ws/{DEPTH}", ping_interval=None) as client:
            since = loop.time()
            ended = await until_closed(client)
            assert loop.time() - since == pytest.approx(30.0, abs=0.1)
        await asyncio.sleep(1)
        closes = [e for e in exchange.journal.of(Closed) if e.by == "server"]
        if shape == "close":
            assert ended.rcvd is not None
            assert [(e.code, e.reason) for e in closes] == [(1001, "")]
        else:
            assert ended.rcvd is None
            assert not closes
            assert [e.by for e in exchange.journal.of(HalfClosed)] == ["server"]
        assert len(list(exchange.journal.of(Ended))) == 1

    running(body, lifetime_s=30.0, close_shape=shape)


def test_pongs_of_three_kinds_can_be_told_apart_in_the_journal() -> None:
    async def body(exchange: mockex.Exchange) -> None:
        view = Heartbeats()
        exchange.journal.listen(view.apply)
        async with open_at(exchange, "/ws", ping_interval=None) as client:
            await client.pong()
            await client.pong(b"other")
            await asyncio.sleep(1)
            exchange.ping(1, b"payload")
            exchange.ping(1, b"")
            await asyncio.sleep(1)
        beat = view.of[1]
        assert (beat.pings, beat.copied, beat.empty, beat.foreign) == (2, 2, 1, 1)

    running(body, ping_interval_s=None)


# --- the journal -----------------------------------------------------------------------------


def test_what_is_written_is_in_the_journal_before_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journaled: dict[str, str] = {}  # what was written first of each kind, the newest entry then

    async def body(exchange: mockex.Exchange) -> None:
        def write(connection: Connection, data: bytes) -> None:
            newest = exchange.journal.entries[-1]
            journaled.setdefault(kind_of(data), type(newest).__name__)
            connection.transport.write(data)

        monkeypatch.setattr(Connection, "write", write)
        exchange.inject(faults.RefuseUpgrade(status=429, headers={"Retry-After": "5"}))
        with pytest.raises(InvalidStatus):
            await open_at(exchange, "/ws")
        async with open_at(exchange, f"/ws/{DEPTH}", compression=None) as client:
            await received(client)
            await answer(client, method="LIST_SUBSCRIPTIONS", id=1)
            exchange.inject(faults.Fragment(events=1, pings=1))
            await received(client)
            exchange.ping(exchange.open_connections()[0].number, b"now")
            exchange.inject(faults.CloseWith(code=1001))
            await until_closed(client)

    running(body)
    assert journaled == {
        "a refusal": "Refused", "101": "Upgraded", "an event": "Delivered", "a reply": "Replied",
        "a fragment": "Pinged", "a ping": "Pinged", "a close frame": "Closed",
    }  # fmt: skip


def kind_of(data: bytes) -> str:
    """What bytes from the exchange are, by how they begin."""
    if data.startswith(b"HTTP/1.1"):
        return "101" if b" 101 " in data[:20] else "a refusal"
    opcode, final = data[0] & 0x0F, data[0] & 0x80
    if opcode == 1 and final:
        return "a reply" if b'"result"' in data else "an event"
    return {1: "a fragment", 8: "a close frame", 9: "a ping"}[opcode]
