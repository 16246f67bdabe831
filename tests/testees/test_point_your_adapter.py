"""The programs of docs/point-your-adapter.md do what the page says."""

import asyncio
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import mockex
from mockex.faults import Reset
from mockex_conformance.description import CEILINGS, Limits
from mockex_conformance.harness import load

PAGE = Path(__file__).parents[2] / "docs" / "point-your-adapter.md"
STREAM = "ethusdc@depth5@100ms"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with every file that the page shows."""
    blocks = re.findall(r"^```\w+ title=(\S+)\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    assert {name for name, _ in blocks} == {"my_adapter.py", "testee.toml", "testee.py"}
    return tmp_path


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)


async def start(exchange: mockex.Exchange, program: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environ = os.environ | {
        "MOCKEX_WS_URL": exchange.ws_url,
        "MOCKEX_PROFILE": exchange.profile.name,
        "MOCKEX_STREAMS": STREAM,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, program, env=environ, stdin=pipe, stdout=pipe
    )


@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_the_program_of_section_1_holds_its_stream_through_a_reset(
    files: Path, profile: str
) -> None:
    async with mockex.serve(profile, seed=7) as exchange:
        process = await start(exchange, files / "my_adapter.py")
        await until(lambda: exchange.live(STREAM) == 1)
        await exchange.inject(Reset()).seen()
        await until(lambda: exchange.live(STREAM) == 1)
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_the_program_of_section_3_is_a_testee_of_level_2(files: Path, profile: str) -> None:
    async with mockex.serve(profile, seed=7) as exchange:
        process = await start(exchange, files / "testee.py")
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        async def says(method: str) -> dict[str, Any]:
            """The next line about `method`, or the next answer."""
            async with asyncio.timeout(15):
                while True:
                    message: dict[str, Any] = json.loads(await stdout.readline())
                    if message.get("method", "answer") == method:
                        return message

        async def answer(method: str, **params: Any) -> Any:
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            stdin.write(json.dumps(request).encode() + b"\n")
            message = await says("answer")
            return message["result"] if "result" in message else message["error"]["code"]

        assert (await says("hello"))["params"]["name"] == "my-adapter"
        assert not exchange.connections.all
        assert await answer("reconnect") == -32000
        assert await answer("start") == {}
        assert (await says("event"))["params"]["stream"] == STREAM
        await exchange.inject(Reset()).seen()
        await until(lambda: exchange.live(STREAM) == 1)
        assert await answer("subscribe", streams=["btcusdc@depth5@100ms"]) == {}
        await until(lambda: exchange.live("btcusdc@depth5@100ms") == 1)
        assert await answer("unsubscribe", streams=[STREAM]) == {}
        await until(lambda: exchange.live(STREAM) == 0)
        assert await answer("reconnect") == {}
        await until(lambda: exchange.live("btcusdc@depth5@100ms") == 1)
        assert await answer("status") == {"state": "live", "wanted": ["btcusdc@depth5@100ms"]}
        assert await answer("close") == {}
        assert not exchange.connections.live()
        assert await answer("no_such_method") == -32601
        assert await answer("quit") == {}
        await process.communicate()
        assert process.returncode == 0


def test_the_description_of_section_2_is_read(files: Path) -> None:
    from mockex_conformance.harness.load import load

    described = load(files)
    assert (described.name, described.level, described.cwd) == ("my-adapter", 0, files.resolve())
    assert described.limits.reconnect_cap_ms == 20_000


def test_the_client_is_pinned_to_the_version_that_its_description_names() -> None:
    client = PAGE.parents[1] / "conformance" / "testees" / "clients" / "python-binance"
    version = tomllib.loads((client / "testee.toml").read_text())["testee"]["version"]
    pins = (client / "requirements.txt").read_text().splitlines()
    assert f"python-binance=={version}" in pins
    assert all("==" in pin for pin in pins)


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table that begins with `heading`, by the name in their first cell."""
    lines = PAGE.read_text().split(f"| {heading} |", 1)[1].splitlines()[2:]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in _until_empty(lines)]
    return {first.strip("`"): rest for first, *rest in cells}


def _until_empty(lines: list[str]) -> list[str]:
    return lines[: lines.index("")]


def test_the_page_has_every_key_with_its_default() -> None:
    told = {name: cells[0].strip("`") for name, cells in rows("key").items()}
    fields = {f.name: f.default for f in msgspec.structs.fields(load.TesteeTable)}
    assert told.keys() == fields.keys()
    for name, default in fields.items():
        if not isinstance(default, str | int | bool):
            continue
        assert told[name] == json.dumps(default), name


def test_the_page_has_every_limit_with_its_default_and_its_ceiling() -> None:
    told = rows("limit")
    usual = Limits()
    assert list(told) == list(usual.__struct_fields__)
    for name, (default, ceiling, _) in told.items():
        value = getattr(usual, name)
        if value is not None:
            assert default == f"{value:g}", name
        if name != "stall_detect_ms":
            assert ceiling == f"{CEILINGS[name]:g}", name
