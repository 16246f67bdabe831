"""The adapter as a level-2 testee: in this process by its `entry`, and as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mockex_adapter.testee import main

if TYPE_CHECKING:
    from tests.adapter.conftest import World

DIFF, TRADES, ARRAY = "ethusdc@depth@100ms", "ethusdc@aggTrade", "!miniTicker@arr"


class Driver:
    """Speaks to a testee and keeps what it said."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.said: list[dict[str, Any]] = []
        self._id = 0
        self._answers: dict[int | None, asyncio.Future[dict[str, Any]]] = {}

    async def stdin(self) -> AsyncIterator[str]:
        while (line := await self.lines.get()) is not None:
            yield line

    def stdout(self, line: str) -> None:
        message = json.loads(line)
        if "method" in message:
            self.said.append(message)
        elif message["id"] in self._answers:
            self._answers.pop(message["id"]).set_result(message)

    def ask(self, method: str, **params: Any) -> asyncio.Future[dict[str, Any]]:
        self._id += 1
        request = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        return self.raw(json.dumps(request), self._id)

    def raw(self, line: str, request_id: int | None) -> asyncio.Future[dict[str, Any]]:
        answer = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        self.lines.put_nowait(line)
        return answer

    def heard(self, method: str) -> list[dict[str, Any]]:
        return [message["params"] for message in self.said if message["method"] == method]


def environ(world: World, *streams: str, scale: str = "0.1", mode: str = "combined") -> Any:
    return {
        "MOCKEX_WS_URL": world.ws_url,
        "MOCKEX_REST_URL": world.rest_url,
        "MOCKEX_PROFILE": world.exchange.product,
        "MOCKEX_MODE": mode,
        "MOCKEX_STREAMS": ",".join(streams),
        "MOCKEX_TIME_SCALE": scale,
    }


@asynccontextmanager
async def speaking(world: World, *streams: str) -> AsyncIterator[Driver]:
    driver = Driver()
    work = asyncio.create_task(main(environ(world, *streams), driver.stdin(), driver.stdout))
    try:
        yield driver
        driver.lines.put_nowait(None)
        async with asyncio.timeout(3):
            assert await work == 0
        assert not world.exchange.live or await gone(world)
    finally:
        work.cancel()


async def gone(world: World) -> bool:
    await world.until(lambda: not world.exchange.live)
    return True


async def test_says_hello_first_and_connects_to_nothing_before_start(world: World) -> None:
    async with speaking(world, TRADES) as driver:
        await world.until(lambda: driver.heard("gauge"))
        assert driver.said[0]["method"] == "hello"
        assert driver.heard("hello")[0]["protocol"] == 1
        assert (await driver.ask("status"))["result"] == {"state": "closed", "wanted": [TRADES]}
        assert world.exchange.peers == []


async def test_presents_events_and_true_books(world: World) -> None:
    async with speaking(world, DIFF, TRADES) as driver:
        assert (await driver.ask("start"))["result"] == {}
        await world.until(lambda: any(book["valid"] for book in driver.heard("book")))
        await world.until(lambda: len(driver.heard("event")) > 20)
        assert {event["stream"] for event in driver.heard("event")} == {DIFF, TRADES}
        book = (await driver.ask("book", symbol="ETHUSDC"))["result"]
        assert book["valid"]
        assert len(book["bids"]) == len(book["asks"]) == 20
        assert (await driver.ask("status"))["result"]["state"] == "live"
        assert len(driver.heard("book")) <= 20


async def test_an_event_that_is_an_array_is_presented_without_members(world: World) -> None:
    async with speaking(world, ARRAY) as driver:
        await driver.ask("start")
        await world.until(lambda: len(driver.heard("event")) > 3)
        assert driver.heard("event")[-1] == {"stream": ARRAY, "id": 0}


async def test_storm_of_starts_is_one_set_of_connections(spot: World) -> None:
    async with speaking(spot, TRADES) as driver:
        answers = [driver.ask("start") for _ in range(20)]
        assert all("result" in answer for answer in await asyncio.gather(*answers))
        await spot.until(lambda: driver.heard("event"))
        await driver.ask("start")
        await asyncio.sleep(0.1)
        assert len(spot.exchange.peers) == 1


async def test_after_close_nothing_is_connected_and_nothing_is_said(spot: World) -> None:
    async with speaking(spot, TRADES) as driver:
        await driver.ask("close")
        await driver.ask("start")
        await spot.until(lambda: driver.heard("event"))
        answers = await asyncio.gather(*(driver.ask("close") for _ in range(8)))
        assert all(answer["result"] == {} for answer in answers)
        count = len(driver.heard("event"))
        await spot.until(lambda: not spot.exchange.live)
        await asyncio.sleep(0.3)
        assert len(driver.heard("event")) == count
        assert len(spot.exchange.peers) == 1
        assert driver.heard("state")[-1]["state"] == "closed"


async def test_may_be_started_again_with_what_was_asked_for_meanwhile(spot: World) -> None:
    async with speaking(spot, TRADES) as driver:
        for _ in range(4):
            driver.ask("start")
            driver.ask("close")
        driver.ask("subscribe", streams=["btcusdc@trade"])
        driver.ask("unsubscribe", streams=[TRADES])
        await driver.ask("start")
        await spot.until(lambda: any(peer.streams for peer in spot.exchange.live))
        assert [set(peer.streams) for peer in spot.exchange.live] == [{"btcusdc@trade"}]


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("nonsense", {}, -32601),
        ("hold", {}, -32601),
        ("subscribe", {"streams": "x"}, -32602),
        ("subscribe", {"streams": [1]}, -32602),
        ("subscribe", {"streams": ['x"],"method":"y']}, -32602),
        ("consume", {"delay_ms": -1}, -32602),
        ("book", {}, -32602),
        ("reconnect", {}, -32000),
    ],
)
async def test_requests_that_cannot_be_are_answered_with_an_error(
    spot: World, method: str, params: dict[str, Any], code: int
) -> None:
    async with speaking(spot, TRADES) as driver:
        assert (await driver.ask(method, **params))["error"]["code"] == code


async def test_a_connection_that_has_only_just_opened_is_not_replaced_and_the_answer_says_so(
    spot: World,
) -> None:
    async with speaking(spot, TRADES) as driver:
        await driver.ask("start")
        refused = await driver.ask("reconnect")
        assert refused["error"]["message"] == "each connection is new, or being replaced already"
        await spot.until(lambda: driver.heard("event"))
        while "error" in await driver.ask("reconnect"):
            await asyncio.sleep(0.05)
        await spot.until(partial(subscribed, spot, 2))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ('{"method":1}', -32600),
        ('{"method":"x","params":[]}', -32602),
    ],
)
async def test_lines_that_are_no_requests_are_answered_too(
    spot: World, line: str, code: int
) -> None:
    async with speaking(spot) as driver:
        assert (await driver.raw(line, None))["error"]["code"] == code


async def test_failing_consumer_is_told_and_events_go_on(spot: World) -> None:
    async with speaking(spot, TRADES) as driver:
        await driver.ask("start")
        await driver.ask("consume", fail=10)
        await spot.until(lambda: len(driver.heard("error")) == 10)
        count = len(driver.heard("event"))
        await spot.until(lambda: len(driver.heard("event")) > count + 5)


async def test_blocked_consumer_blocks_nothing_else(spot: World) -> None:
    async with speaking(spot, TRADES) as driver:
        await driver.ask("start")
        await spot.until(lambda: driver.heard("event"))
        await driver.ask("consume", block_ms=700)
        await asyncio.sleep(0.1)
        count = len(driver.heard("event"))
        pong = await spot.exchange.live[0].connection.ping(b"x")
        async with asyncio.timeout(0.3):
            await pong
            await driver.ask("status")
        assert len(driver.heard("event")) <= count + 1
        await spot.until(lambda: len(driver.heard("event")) > count + 50)


def subscribed(world: World, count: int) -> bool:
    peers = world.exchange.peers
    return len(peers) == count and bool(peers[-1].streams)


async def test_every_reconnect_leaves_as_many_tasks_as_before(spot: World) -> None:
    async with speaking(spot, TRADES) as driver:
        await driver.ask("start")
        await spot.until(lambda: driver.heard("event"))
        before = len(asyncio.all_tasks())
        for count in range(2, 12):
            spot.exchange.live[0].reset()
            await spot.until(partial(subscribed, spot, count))
        await spot.until(lambda: len(asyncio.all_tasks()) <= before)


@asynccontextmanager
async def process(world: World, *streams: str) -> AsyncIterator[asyncio.subprocess.Process]:
    testee = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mockex_adapter.testee",
        env={**os.environ, **environ(world, *streams)},
        cwd=Path(__file__).parent,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**21,
    )
    try:
        yield testee
    finally:
        if testee.returncode is None:
            testee.kill()
        await testee.wait()


async def started(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline())["method"] == "hello"
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"start"}\n')


@pytest.mark.parametrize("end", ["quit", "end of stdin", "SIGTERM"])
async def test_process_ends_at_once_when_told(world: World, end: str) -> None:
    async with process(world, TRADES) as testee:
        await started(testee)
        assert testee.stdin is not None
        await world.until(lambda: world.exchange.live)
        if end == "quit":
            testee.stdin.write(b'{"jsonrpc":"2.0","id":2,"method":"quit"}\n')
        elif end == "end of stdin":
            testee.stdin.close()
        else:
            testee.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(testee.communicate(), 3)
        assert testee.returncode == 0
        if end == "quit":
            assert b'"id": 2, "result": {}' in output
        await gone(world)


async def test_process_whose_output_nobody_reads_keeps_its_connection_and_its_bounds(
    spot: World,
) -> None:
    async with process(spot, *(f"s{n}@aggTrade" for n in range(100))) as testee:
        await started(testee)
        await spot.until(lambda: spot.exchange.live)
        await asyncio.sleep(1.0)  # some 10,000 events, more than a pipe holds
        pong = await spot.exchange.live[0].connection.ping(b"x")
        await asyncio.wait_for(pong, 2)
        testee.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(testee.wait(), 3) == 0
