import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mockex_conformance import shim
from mockex_conformance.shim import BadParams, Refused, Report, Settings, serve

ENVIRON = {"MOCKEX_WS_URL": "ws://127.0.0.1:1", "MOCKEX_STREAMS": "a@trade,b@trade"}


class Adapter:
    """Notes what it is told; some of its methods are coroutines, some are not."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings = settings
        self.report = report
        self.calls: list[Any] = []
        self.let_go = asyncio.Event()

    async def start(self) -> None:
        self.calls.append("start")
        self.report.state("connecting")

    def subscribe(self, streams: list[str]) -> None:
        if "unknown@stream" in streams:
            raise BadParams("no such symbol")
        self.calls.append(("subscribe", streams))

    def unsubscribe(self, streams: list[str]) -> None:
        raise RuntimeError("broken")

    async def reconnect(self) -> None:
        raise Refused("it is fine")

    async def close(self) -> None:
        self.calls.append("close")

    async def consume(self, delay_ms: int = 0) -> None:
        await self.let_go.wait()

    def status(self) -> dict[str, Any]:
        return {"state": "live", "wanted": list(self.settings.streams)}


class Suite:
    """The other side: says lines, sees lines."""

    def __init__(self, **options: Any) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._seen: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._next = 0
        self.made: list[Adapter] = []
        options.setdefault("supports", ("state", "event"))
        self.task = asyncio.create_task(
            serve(self._make, ENVIRON, self._stdin(), self._stdout, name="mine", **options)
        )

    @property
    def adapter(self) -> Adapter:
        return self.made[0]

    def _make(self, settings: Settings, report: Report) -> Adapter:
        self.made.append(Adapter(settings, report))
        return self.made[0]

    async def _stdin(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line

    def _stdout(self, line: str) -> None:
        assert "\n" not in line
        self._seen.put_nowait(json.loads(line))

    async def sees(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self._seen.get(), 5)
        assert message.pop("jsonrpc") == "2.0"
        return message

    def says(self, line: str | None) -> None:
        self._lines.put_nowait(line)

    def asks(self, method: str, params: Any = None) -> int:
        self._next += 1
        request = {"jsonrpc": "2.0", "id": self._next, "method": method}
        self.says(json.dumps(request if params is None else {**request, "params": params}))
        return self._next

    async def answer(self, method: str, params: Any = None) -> Any:
        """The answer to a request, notifications left out: its result, or its error's code."""
        number = self.asks(method, params)
        while (message := await self.sees()).get("id") != number:
            pass
        return message["result"] if "result" in message else message["error"]["code"]

    async def ends(self) -> int:
        return await asyncio.wait_for(self.task, 5)


async def test_says_hello_first_and_ends_after_quit() -> None:
    suite = Suite(version="1.2")
    assert await suite.sees() == {
        "method": "hello",
        "params": {"protocol": 1, "name": "mine", "version": "1.2", "supports": ["state", "event"]},
    }
    assert await suite.answer("quit") == {}
    assert await suite.ends() == 0


async def test_settings_are_read_from_the_environment() -> None:
    more = {"MOCKEX_TIME_SCALE": "0.1", "MOCKEX_LIFETIME_S": "6", "MOCKEX_MODE": "raw"}
    settings = Settings.read(ENVIRON | more)
    assert settings.streams == ("a@trade", "b@trade")
    assert (settings.time_scale, settings.lifetime_s, settings.mode) == (0.1, 6.0, "raw")
    assert Settings.read({"MOCKEX_WS_URL": "ws://h", "MOCKEX_STREAMS": ""}).streams == ()


async def test_requests_reach_the_object_and_its_results_the_suite() -> None:
    suite = Suite()
    assert await suite.answer("start") == {}
    assert await suite.answer("subscribe", {"streams": ["c@trade"]}) == {}
    assert await suite.answer("status") == {"state": "live", "wanted": ["a@trade", "b@trade"]}
    assert await suite.answer("close") == {}
    assert suite.adapter.calls == ["start", ("subscribe", ["c@trade"]), "close"]
    await suite.answer("quit")
    await suite.ends()


async def test_an_object_without_a_status_has_the_one_that_it_reported() -> None:
    suite = Suite()
    await suite.answer("start")
    suite.adapter.status = None  # type: ignore[assignment, method-assign]
    assert await suite.answer("status") == {"state": "connecting", "wanted": ["a@trade", "b@trade"]}
    await suite.answer("subscribe", {"streams": ["c@trade", "a@trade"]})
    assert await suite.answer("subscribe", {"streams": ["unknown@stream"]}) == -32602
    suite.adapter.unsubscribe = lambda streams: None  # type: ignore[method-assign]
    await suite.answer("unsubscribe", {"streams": ["b@trade", "d@trade"]})
    suite.adapter.report.state("waiting", wait_ms=5)
    assert await suite.answer("status") == {"state": "waiting", "wanted": ["a@trade", "c@trade"]}
    await suite.answer("quit")
    await suite.ends()


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("no_such_method", None, -32601),
        ("book", {"symbol": "A"}, -32601),  # in the protocol, but the object has none
        ("__init__", None, -32601),
        (["start"], None, -32601),
        ("start", [], -32602),
        ("subscribe", None, -32602),
        ("subscribe", {"streams": "a@trade"}, -32602),
        ("subscribe", {"streams": ["a/b"]}, -32602),
        ("subscribe", {"streams": [""]}, -32602),
        ("subscribe", {"streams": ["unknown@stream"]}, -32602),
        ("reconnect", None, -32000),
        ("unsubscribe", {"streams": ["a@trade"]}, -32603),
    ],
)
async def test_what_cannot_be_done_is_answered_with_its_code(
    method: Any, params: Any, code: int
) -> None:
    suite = Suite()
    assert await suite.answer(method, params) == code
    assert await suite.answer("start") == {}
    await suite.answer("quit")
    await suite.ends()


async def test_a_line_that_is_no_request_is_ignored_and_said_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite = Suite()
    for line in ("", "garbage", "[1]", '{"method": "start"}'):
        suite.says(line)
    assert await suite.answer("start") == {}
    assert suite.adapter.calls == ["start"]
    assert capsys.readouterr().err.splitlines()[0] == "not a request, ignored: garbage"
    suite.says(None)
    await suite.ends()


async def test_a_slow_request_keeps_no_other_from_its_answer() -> None:
    suite = Suite()
    slow = suite.asks("consume", {"delay_ms": 1})
    assert await suite.answer("status") != {}
    suite.adapter.let_go.set()
    assert await suite.sees() == {"id": slow, "result": {}}
    await suite.answer("quit")
    await suite.ends()


async def test_quit_ends_also_while_a_request_hangs() -> None:
    suite = Suite()
    suite.asks("consume")
    assert await suite.answer("quit") == {}
    assert await suite.ends() == 0


async def test_the_end_of_input_means_quit() -> None:
    suite = Suite()
    suite.says(None)
    assert await suite.ends() == 0


async def test_sigterm_closes_the_object_and_ends() -> None:
    suite = Suite()
    await suite.answer("start")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await suite.ends() == 0
    assert suite.adapter.calls == ["start", "close"]


async def test_an_event_carries_fields_only_if_there_are_any() -> None:
    suite = Suite()
    await suite.answer("status")
    suite.adapter.report.event("a@trade", 7)
    suite.adapter.report.event("a@trade", 8, {"p": "1.0"})
    assert (await suite.sees())["params"] == {"stream": "a@trade", "id": 7}
    assert (await suite.sees())["params"]["fields"] == {"p": "1.0"}
    await suite.answer("quit")
    await suite.ends()


async def test_a_state_is_said_when_it_changes() -> None:
    suite = Suite()
    await suite.answer("status")
    report = suite.adapter.report
    for _ in range(2):
        report.state("live")
    report.state("waiting", wait_ms=5)
    report.state("waiting", wait_ms=6)
    states = [(await suite.sees())["params"] for _ in range(3)]
    assert states == [
        {"state": "live"},
        {"state": "waiting", "wait_ms": 5},
        {"state": "waiting", "wait_ms": 6},
    ]
    await suite.answer("quit")
    await suite.ends()


async def test_the_gauge_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim, "GAUGE_EVERY_S", 0.001)
    numbers = iter(range(100_000))
    suite = Suite(supports=("gauge",), gauge=lambda: {"tasks": next(numbers)})
    await suite.sees()
    assert [(await suite.sees())["params"] for _ in range(3)] == [
        {"tasks": 0},
        {"tasks": 1},
        {"tasks": 2},
    ]
    await suite.answer("quit")
    await suite.ends()


PROGRAM = """
import asyncio, sys
from mockex_conformance.shim import run

class Adapter:
    def __init__(self, settings, report):
        self.report = report

    async def start(self):
        for number in range(20_000):
            self.report.event("a@trade", number)
        await asyncio.sleep(0)
        print("still running", file=sys.stderr, flush=True)

    async def close(self):
        pass

sys.exit(run(Adapter, name="flood"))
"""


async def test_as_a_process_it_is_not_held_up_by_a_reader_that_does_not_read() -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        env=os.environ | ENVIRON,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        limit=1024,  # of what is read ahead
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"start"}\n')
    async with asyncio.timeout(20):
        assert await process.stderr.readline() == b"still running\n"
        out, err = await process.communicate(b'{"jsonrpc":"2.0","id":2,"method":"quit"}\n')
    messages = [json.loads(line) for line in out.splitlines()]
    events = [m["params"]["id"] for m in messages if m.get("method") == "event"]
    assert events == list(range(20_000))
    assert messages[-1] == {"jsonrpc": "2.0", "id": 2, "result": {}}
    assert (process.returncode, err) == (0, b"")
