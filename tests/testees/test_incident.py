"""The programs of the incident against the exchange: how many live deliveries each leaves."""

import asyncio
import importlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import mockex
from mockex.faults import Reset
from mockex_conformance.description import Limits

INCIDENT = Path(__file__).parents[2] / "conformance" / "testees" / "incident"
VARIANTS = ("bug", "fix1-socket", "fix1-client", "fix1-context", "fix2", "fix3")
LEAKS = {"bug", "fix1-socket", "fix2"}
STREAM = "ethusdc@depth5@100ms"
ROUNDS = 3
SETTLED_S = 1.5  # three times the program's longest delay


def described(language: str, variant: str) -> dict[str, Any]:
    return tomllib.loads((INCIDENT / language / variant / "testee.toml").read_text())


async def until(condition: Callable[[], Any], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


class Testee:
    """One process, and what it said."""

    __test__ = False

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self._next = 0

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))

    def params(self, method: str) -> list[dict[str, Any]]:
        return [m["params"] for m in self.said if m.get("method") == method]

    async def answer(self, method: str, **params: Any) -> dict[str, Any]:
        self._next += 1
        number = self._next
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        await until(lambda: any(m.get("id") == number for m in self.said))
        return next(m for m in self.said if m.get("id") == number)


@asynccontextmanager
async def running(
    exchange: mockex.Exchange, language: str, variant: str, mode: str, streams: str
) -> AsyncIterator[Testee]:
    about = described(language, variant)
    environ = os.environ | about["testee"].get("env", {})
    environ |= {
        "MOCKEX_WS_URL": exchange.ws_url,
        "MOCKEX_REST_URL": exchange.rest_url,
        "MOCKEX_PROFILE": exchange.profile.name,
        "MOCKEX_MODE": mode,
        "MOCKEX_STREAMS": streams,
    }
    process = await asyncio.create_subprocess_exec(
        *(word.replace("{python}", sys.executable) for word in about["testee"]["command"]),
        cwd=INCIDENT / language / variant / about["testee"]["cwd"],
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    testee = Testee(process)
    listening = asyncio.create_task(testee.listen())
    try:
        yield testee
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], None]:
    """Builds the programs of a language, once; skips the test where that cannot be."""
    done: set[str] = set()

    def build(language: str) -> None:
        if language == "go" and language not in done:
            if shutil.which("go") is None:
                pytest.skip("the incident in Go needs Go")
            command = described("go", "bug")["testee"]["build"]
            subprocess.run(command, cwd=INCIDENT / "go", check=True, timeout=100)
        done.add(language)

    return build


async def live_after_rounds(
    language: str, variant: str, ready: asyncio.Barrier
) -> tuple[list[int], list[int], list[dict[str, Any]]]:
    """Live deliveries at first and after each round of resetting all of them; tasks likewise; the
    answers of the testee. Rounds begin when all are ready: starting programs takes processor
    time, and the race between the two owners is about 200 ms."""
    async with (
        mockex.serve("usdm", seed=7) as exchange,
        running(exchange, language, variant, "combined", STREAM) as testee,
    ):
        await until(lambda: testee.params("hello"))
        assert testee.params("hello")[0]["name"] == f"incident-{language}-{variant}"
        await until(lambda: testee.params("gauge"))
        assert not exchange.connections.all, "it connects before it is told to"
        answers = [await testee.answer("start")]
        await until(lambda: testee.params("event"))
        await ready.wait()
        live, tasks = [], []
        for round_ in range(ROUNDS + 1):
            if round_:
                await exchange.inject(Reset(stream=STREAM, all=True)).seen()
            await asyncio.sleep(SETTLED_S)
            live.append(exchange.live(STREAM))
            tasks.append(testee.params("gauge")[-1]["tasks"])
        answers.append(await testee.answer("start"))
        answers.append(await testee.answer("subscribe", streams=["btcusdc@trade"]))
        answers.append(await testee.answer("close"))
        await until(lambda: exchange.live(STREAM) == 0)
        attempts = len(exchange.connections.all)
        events = len(testee.params("event"))
        await asyncio.sleep(SETTLED_S)
        assert len(exchange.connections.all) == attempts, "it dials after close"
        assert len(testee.params("event")) == events, "it presents events after close"
        answers.append(await testee.answer("quit"))
        assert await asyncio.wait_for(testee.process.wait(), 5) == 0
    return live, tasks, answers


@pytest.mark.alone
@pytest.mark.parametrize("language", ["go", "python"])
async def test_three_variants_leave_one_delivery_more_for_each_round_of_resets(
    language: str, built: Callable[[str], None]
) -> None:
    built(language)
    ready = asyncio.Barrier(len(VARIANTS))
    async with asyncio.TaskGroup() as group:
        running = {
            variant: group.create_task(live_after_rounds(language, variant, ready))
            for variant in VARIANTS
        }
    counted = {variant: task.result()[0] for variant, task in running.items()}
    assert counted == {
        variant: [1, 2, 3, 4] if variant in LEAKS else [1, 1, 1, 1] for variant in VARIANTS
    }
    for variant, task in running.items():
        live, tasks, answers = task.result()
        if variant in LEAKS:  # each leaked loop is one goroutine or task
            assert tasks[-1] - tasks[0] == pytest.approx(live[-1] - live[0], abs=1)
        else:
            assert tasks[-1] <= tasks[0] + 1
        codes = [answer.get("error", {}).get("code") for answer in answers]
        assert codes == [None, None, -32000, None, None]


@pytest.mark.parametrize("language", ["go", "python"])
async def test_raw_events_are_told_apart_by_symbol(
    language: str, built: Callable[[str], None]
) -> None:
    built(language)
    streams = [STREAM, "btcusdc@depth5@100ms"]
    async with (
        mockex.serve("usdm", seed=7) as exchange,
        running(exchange, language, "fix3", "raw", ",".join(streams)) as testee,
    ):
        await testee.answer("start")
        await until(lambda: {e["stream"] for e in testee.params("event")} == set(streams))
        (connection,) = exchange.connections.delivering()
        assert (connection.route, connection.mode) == ("/public", "raw")
        assert connection.streams == dict.fromkeys(streams, True)
        for event in testee.params("event"):
            assert event["id"] <= exchange.truth.last_update_id(event["stream"][:7].upper())
        testee.process.terminate()
        assert await asyncio.wait_for(testee.process.wait(), 5) in (0, -15)


@pytest.mark.parametrize("language", ["go", "python"])
async def test_streams_of_two_routes_cannot_run_here(
    language: str, built: Callable[[str], None]
) -> None:
    built(language)
    async with (
        mockex.serve("usdm", seed=7) as exchange,
        running(exchange, language, "bug", "combined", f"{STREAM},ethusdc@aggTrade") as testee,
    ):
        assert await asyncio.wait_for(testee.process.wait(), 10) == 127


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(INCIDENT / "python")
    return importlib.import_module("incident.program")


async def test_the_python_entry_runs_on_a_loop_of_somebody_else(program: Any) -> None:
    said: list[dict[str, Any]] = []
    lines: asyncio.Queue[str] = asyncio.Queue()

    async def stdin() -> AsyncIterator[str]:
        while True:
            yield await lines.get()

    async with mockex.serve("spot", seed=7) as exchange:
        environ = {
            "INCIDENT_VARIANT": "bug",
            "MOCKEX_WS_URL": exchange.ws_url,
            "MOCKEX_STREAMS": STREAM,
        }
        before = asyncio.all_tasks()
        main = asyncio.create_task(
            program.main(environ, stdin(), lambda line: said.append(json.loads(line)))
        )
        lines.put_nowait('{"jsonrpc":"2.0","id":1,"method":"start"}')
        await until(lambda: any(m.get("method") == "event" for m in said))
        lines.put_nowait('{"jsonrpc":"2.0","id":2,"method":"quit"}')
        assert await asyncio.wait_for(main, 5) == 0
        assert asyncio.all_tasks() == before, "a task is left"
        await until(lambda: exchange.live(STREAM) == 0)


def test_an_id_is_read_from_every_kind_of_event(program: Any) -> None:
    read = program.read_event

    def combined(stream: str, data: Any) -> str:
        return json.dumps({"stream": stream, "data": data})

    depth = {"e": "depthUpdate", "E": 1, "s": "ETHUSDC", "U": 1, "u": 5, "b": [], "a": []}
    assert read(combined(STREAM, depth), ()) == (STREAM, 5)
    assert read(combined(STREAM, {"lastUpdateId": 6, "bids": []}), ()) == (STREAM, 6)
    trade = {"e": "trade", "s": "ETHUSDC", "t": 7, "T": 1}
    assert read(combined("ethusdc@trade", trade), ()) == ("ethusdc@trade", 7)
    aggregate = {"e": "aggTrade", "s": "ETHUSDC", "a": 8, "f": 1, "l": 2}
    assert read(combined("ethusdc@aggTrade", aggregate), ()) == ("ethusdc@aggTrade", 8)
    assert read(json.dumps(depth), (STREAM, "btcusdc@depth5@100ms")) == (STREAM, 5)
    assert read(json.dumps({"lastUpdateId": 6}), (STREAM,)) == (STREAM, 6)


@pytest.mark.parametrize(
    "message",
    ["no json", "[]", "7", '{"result":null,"id":1}', '{"stream":"x@arr","data":[1]}', b"\xff"],
)
def test_what_is_no_event_is_presented_as_none(program: Any, message: str | bytes) -> None:
    assert program.read_event(message, (STREAM, "btcusdc@depth5@100ms")) is None


def test_each_variant_is_described_in_both_languages() -> None:
    for language in ("go", "python"):
        for variant in VARIANTS:
            about = described(language, variant)
            assert about["testee"]["name"] == f"incident-{language}-{variant}"
            assert about["testee"]["level"] == 2
            assert not about["testee"]["scales_time"]
            assert msgspec.convert(about["limits"], Limits).close_ms == 2000
