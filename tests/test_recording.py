"""Recording our own exchange, and the same events again from the recording."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

import mockex
from mockex import sim
from mockex.errors import ConfigError, RecordingError
from mockex.recording import CaptureFile, Recorded, Source, line_of, record, source_of
from mockex.server.journal import Delivered, Joined

STREAMS = ("ethusdc@depth@100ms", "ethusdc@depth5@100ms", "ethusdc@trade", "ethusdc@bookTicker")


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "source"),
    [
        ("wss://x/stream?streams=a@trade", {}, Source("wss://x/stream?streams=a@trade", None)),
        ("ws://x:1/public/stream?streams=a", {}, Source("ws://x:1/public/stream?streams=a", None)),
        ("ws://x/ws/a@trade", {}, Source("ws://x/ws/a@trade", "a@trade")),
        ("ws://x/public/ws/a%40trade/", {}, Source("ws://x/public/ws/a%40trade/", "a@trade")),
        ("ws://x/ws/%21ticker%40arr", {}, Source("ws://x/ws/%21ticker%40arr", "!ticker@arr")),
        ("ws://x/feed", {"stream": "a@trade"}, Source("ws://x/feed", "a@trade")),
        ("ws://x", {"streams": ["a", "b"]}, Source("ws://x/stream?streams=a/b", None)),
        ("ws://x/", {"streams": ["a"]}, Source("ws://x/stream?streams=a", None)),
        ("ws://x/market", {"streams": ["a"]}, Source("ws://x/market/stream?streams=a", None)),
        (
            "ws://x/stream?timeUnit=MICROSECOND&streams=a", {"streams": ["b"]},
            Source("ws://x/stream?timeUnit=MICROSECOND&streams=a/b", None),
        ),
    ],
)  # fmt: skip
def test_a_url_says_what_is_recorded(url: str, options: dict[str, Any], source: Source) -> None:
    assert source_of(url, **options) == source


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("http://x/stream", {}, "a ws:// or wss:// URL"),
        ("ws:///stream", {}, "a ws:// or wss:// URL"),
        ("ws://x", {}, "tells what each event is of"),
        ("ws://x/ws", {}, "tells what each event is of"),
        ("ws://x/ws/a/b", {}, "tells what each event is of"),
        ("ws://x", {"stream": "a", "streams": ["b"]}, "not both"),
    ],
)
def test_a_url_that_does_not_say_it_is_refused(
    url: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        source_of(url, **options)


def test_a_line_holds_the_payload_as_it_came() -> None:
    message = '{"stream":"a@trade","data":{"p": "1.0",  "T":5}}'
    assert line_of(message, 12, None) == (
        b'{"t":12,"stream":"a@trade","data":{"p": "1.0",  "T":5}}\n'
    )
    assert (
        line_of('{"p": "1"}', 12, "a@trade") == b'{"t":12,"stream":"a@trade","data":{"p": "1"}}\n'
    )
    assert line_of("[1]", 12, "!x@arr") == b'{"t":12,"stream":"!x@arr","data":[1]}\n'
    assert line_of('{"result":null,"id":1}', 12, None) is None
    assert line_of('{"result":null,"id":1}', 12, "a@trade") is None
    with pytest.raises(ValueError, match="JSON"):
        line_of("hello", 12, "a@trade")
    with pytest.raises(ValueError, match="JSON"):
        line_of("hello", 12, None)


@pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz"])
def test_what_was_flushed_can_be_read_though_the_file_is_not_closed(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    with CaptureFile(path) as file:
        for number in range(3):
            file.write(b'{"n":%d}\n' % number)
            file.flush()
        file.flush()
        file.write(b'{"n":3}\n')
        read = gzip.decompress if name.endswith("gz") else bytes
        assert read(path.read_bytes()) == b'{"n":0}\n{"n":1}\n{"n":2}\n'
    assert read(path.read_bytes()).count(b"\n") == 4
    with pytest.raises(FileExistsError):
        CaptureFile(path)


# --- recorded and played --------------------------------------------------------------------------


async def _read(url: str, got: list[dict[str, Any]]) -> None:
    async with connect(url, proxy=None, max_queue=None) as client:
        async for message in client:
            got.append(json.loads(message))  # noqa: PERF401 - others look at it meanwhile


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


async def _recorded_and_played(out: Path, profile: str) -> None:
    async with mockex.serve(profile, seed=5) as exchange:
        stop = asyncio.Event()
        source = source_of(exchange.ws_url, streams=STREAMS)
        recording = asyncio.create_task(record(source, out, stop=stop))
        await exchange.journal.wait(lambda e: isinstance(e, Joined))
        await asyncio.sleep(30.05)
        stop.set()
        recorded = await recording
        sent = sum(
            batch.events for e in exchange.journal.of(Delivered) for batch in e.streams.values()
        )
    assert recorded.cut is None
    assert recorded.warnings == []
    assert recorded.events == sent > 500
    lines = _lines(out)
    assert len(lines) == recorded.events
    async with mockex.serve(profile, market=f"replay:{out}", loop=False) as exchange:
        exchange.time.freeze()
        got: list[dict[str, Any]] = []
        url = f"{exchange.ws_url}/stream?streams={'/'.join(STREAMS)}"
        reading = asyncio.create_task(_read(url, got))
        await exchange.journal.wait(lambda e: isinstance(e, Joined))
        await exchange.time.advance(3600)
        async with asyncio.timeout(10):
            while len(got) < len(exchange.market.capture.lines):  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        shift = exchange.clock.epoch_ms + 1000 - lines[0]["t"]
    assert shift % 1000 == 0
    # A diff that the first picture holds already is left out.
    stale = len(lines) - len(got)
    assert 0 <= stale <= 2
    played = iter(got)
    for line in lines:
        if stale and line["stream"] == STREAMS[0]:
            stale -= 1
            continue
        event = next(played)
        data = line["data"]
        for member in ("E", "T"):
            if member in data:
                data[member] += shift
        assert event == {"stream": line["stream"], "data": data}


@pytest.mark.parametrize("profile", ["spot", "usdm"])
def test_what_was_recorded_is_played_event_for_event(tmp_path: Path, profile: str) -> None:
    sim.run(_recorded_and_played(tmp_path / "a.ndjson.gz", profile), seed=1)


async def _book(exchange: mockex.Exchange, base: str, got: list[dict[str, Any]]) -> tuple[int, Any]:
    """The book by the documented procedure (usdm 6.1), from all that comes until nothing does."""
    async with httpx2.AsyncClient(base_url=base, trust_env=False) as client:
        answer = (await client.get("/depth?symbol=ETHUSDC&limit=1000")).json()
    last_id = answer["lastUpdateId"]
    sides = [dict(answer[side]) for side in ("bids", "asks")]
    joined = False
    while got:
        event = got.pop(0)
        if event["u"] < last_id:
            continue
        assert event["U"] <= last_id <= event["u"] if not joined else event["pu"] == last_id
        joined, last_id = True, event["u"]
        for side, changed in zip(sides, (event["b"], event["a"]), strict=True):
            side.update(dict(changed))
        if not got:
            await exchange.time.advance(0.5)
            await asyncio.sleep(0.01)
            if exchange.time.now_s > 25:
                break
    return last_id, [{p: q for p, q in side.items() if float(q)} for side in sides]


async def _book_of_a_replay(path: Path) -> None:
    async with mockex.serve("usdm", seed=5) as exchange:
        rest = f"{exchange.rest_url}/fapi/v1"
        source = source_of(f"{exchange.ws_url}/public", streams=["ethusdc@depth@100ms"])
        recorded = await record(source, path, for_s=5.05, rest=rest)
    assert recorded.warnings == []
    async with mockex.serve("usdm", market=f"replay:{path}") as exchange:
        exchange.time.freeze()
        got: list[dict[str, Any]] = []
        reading = asyncio.create_task(_read(f"{exchange.ws_url}/ws/ethusdc@depth@100ms", got))
        await exchange.journal.wait(lambda e: isinstance(e, Joined))
        await exchange.time.advance(4)
        await asyncio.sleep(0.01)
        last_id, sides = await _book(exchange, f"{exchange.rest_url}/fapi/v1", got)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        book, i = exchange.truth.book("ETHUSDC", last_id), exchange.market.instruments["ETHUSDC"]
    assert sides == [
        {i.price(p): i.quantity(q) for p, q in side} for side in (book.bids, book.asks)
    ]


def test_a_client_keeps_its_book_over_four_turns(tmp_path: Path) -> None:
    sim.run(_book_of_a_replay(tmp_path / "a.ndjson"), seed=1)


async def test_what_the_capture_lacks_is_silent_and_a_book_that_it_lacks_is_503(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.ndjson"
    async with mockex.serve("spot", seed=5) as exchange:
        source = source_of(exchange.ws_url, streams=["ethusdc@trade", "ethusdc@depth@100ms"])
        await record(source, path, for_s=1.5)
    async with (
        mockex.serve("spot", market=f"replay:{path}", speed=10.0) as exchange,
        connect(f"{exchange.ws_url}/stream", proxy=None) as client,
        httpx2.AsyncClient(base_url=f"{exchange.rest_url}/api/v3", trust_env=False) as rest,
    ):
        names = ["ethusdc@bookTicker", "ethusdc@trade", "btcusdc@trade"]
        await client.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
        assert json.loads(await client.recv()) == {"result": None, "id": 1}
        streams = {json.loads(await client.recv())["stream"] for _ in range(40)}
        assert streams == {"ethusdc@trade"}
        for target in ("/depth?symbol=ETHUSDC", "/ticker/bookTicker"):
            answer = await rest.get(target)
            assert answer.status_code == 503
            assert answer.json()["code"] == -1000
            assert "no snapshot and no partial depth of ETHUSDC" in answer.json()["msg"]
        assert (await rest.get("/depth?symbol=BTCUSDC")).json()["code"] == -1121
        assert len((await rest.get("/trades?symbol=ETHUSDC")).json()) > 5
        info = (await rest.get("/exchangeInfo")).json()
        assert [symbol["symbol"] for symbol in info["symbols"]] == ["ETHUSDC"]


async def test_faults_are_laid_over_a_replay(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    async with mockex.serve("spot", seed=5) as exchange:
        recording = asyncio.create_task(
            record(source_of(exchange.ws_url, streams=STREAMS), path, for_s=1.0)
        )
        await recording
    async with mockex.serve("spot", market=f"replay:{path}", speed=20.0) as exchange:
        url = f"{exchange.ws_url}/ws/{STREAMS[0]}"
        async with connect(url, proxy=None) as client:
            await client.recv()
            await exchange.inject(mockex.faults.CutFrame()).seen(within_s=5)
            with pytest.raises(Exception, match="close frame"):
                async for _ in client:
                    pass


async def test_a_connection_that_ends_is_said_to_be_cut(tmp_path: Path) -> None:
    async with mockex.serve("spot", seed=5) as exchange:
        source = source_of(f"{exchange.ws_url}/ws/{STREAMS[0]}")
        recording = asyncio.create_task(record(source, tmp_path / "a.ndjson"))
        await exchange.journal.wait(lambda e: isinstance(e, Delivered))
        exchange.inject(mockex.faults.CloseWith(code=1001, reason="bye"))
        recorded = await recording
        assert recorded.cut is not None
        assert "1001" in recorded.cut
        assert "bye" in recorded.cut
        assert recorded.events >= 1
        recording = asyncio.create_task(record(source, tmp_path / "b.ndjson"))
        await exchange.journal.wait(
            lambda e: isinstance(e, Delivered), since=len(exchange.journal.entries)
        )
        exchange.inject(mockex.faults.Reset())
        assert (await recording).cut is not None


async def test_a_snapshot_joins_the_diffs(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    async with mockex.serve("usdm", seed=5) as exchange:
        source = source_of(exchange.ws_url, streams=["ethusdc@depth@100ms", "ethusdc@trade"])
        rest = f"{exchange.rest_url}/fapi/v1"
        recorded = await record(source, path, for_s=1.5, rest=rest)
    assert recorded.warnings == []
    async with mockex.serve("usdm", market=f"replay:{path}") as exchange:
        assert len(exchange.truth.book("ETHUSDC").bids) > 100


async def test_what_comes_by_tls_is_recorded_by_who_trusts_the_authority(tmp_path: Path) -> None:
    path, authority = tmp_path / "a.ndjson", tmp_path / "ca.pem"
    async with mockex.serve("spot", seed=5, tls=True, authority=authority) as exchange:
        source = source_of(exchange.ws_url, streams=["ethusdc@depth@100ms"])
        assert source.url.startswith("wss://")
        with pytest.raises(RecordingError, match="certificate verify failed"):
            await record(source, path, for_s=1.0)
        trust = ssl.create_default_context(cafile=authority)
        rest = f"{exchange.rest_url}/api/v3"
        recorded = await record(source, path, for_s=1.0, rest=rest, trust=trust)
    assert (recorded.cut, recorded.warnings) == (None, [])
    assert b'"lastUpdateId"' in _text(path)


async def test_a_snapshot_that_fails_is_said(tmp_path: Path) -> None:
    async with mockex.serve("spot", seed=5) as exchange:
        source = source_of(exchange.ws_url, streams=["ethusdc@depth@100ms"])
        rest = f"{exchange.rest_url}/api/v9"
        recorded = await record(source, tmp_path / "a.ndjson", for_s=1.0, rest=rest)
    assert recorded.events > 0
    assert len(recorded.warnings) == 1
    assert "no snapshot of ethusdc" in recorded.warnings[0]
    assert "404" in recorded.warnings[0]


async def test_what_is_no_event_is_said_and_not_written(tmp_path: Path) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def talk(client: ServerConnection) -> None:
        for message in (
            "hello",
            b"\x00",
            '{"result":null,"id":1}',
            '{"stream":"a@trade","data":{}}',
        ):
            await client.send(message)

    async with serve(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        source = source_of(f"ws://127.0.0.1:{port}/stream?streams=a@trade")
        recorded: Recorded = await record(source, tmp_path / "a.ndjson")
    assert recorded.events == 1
    assert [warning.split(":")[0] for warning in recorded.warnings] == [
        "not written", "not written", "no event",
    ]  # fmt: skip


async def test_who_does_not_answer_is_named(tmp_path: Path) -> None:
    async with mockex.serve("spot", seed=5) as exchange:
        url = f"{exchange.ws_url}/nowhere/ws/a"
        with pytest.raises(RecordingError, match=re.escape(url)):
            await record(source_of(url), tmp_path / "a.ndjson")
        taken = f"ws://127.0.0.1:{exchange.rest_port}/ws/a"
        with pytest.raises(RecordingError, match="404"):
            await record(source_of(taken), tmp_path / "a.ndjson")
    with pytest.raises(RecordingError, match="Connect call failed"):
        await record(source_of(taken), tmp_path / "a.ndjson")
    assert not (tmp_path / "a.ndjson").exists()


# --- the command ----------------------------------------------------------------------------------


def _record(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mockex", "record", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip


def _holds_something(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _text(path: Path) -> bytes:
    return path.read_bytes()


async def _until_read(path: Path) -> None:
    async with asyncio.timeout(20):
        while not _holds_something(path):
            await asyncio.sleep(0.05)


async def test_ctrl_c_ends_a_recording_tidily(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    async with mockex.serve("spot", seed=5) as exchange:
        process = _record(f"{exchange.ws_url}/ws/{STREAMS[0]}", "--out", str(path))
        await _until_read(path)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(process.communicate, timeout=10)
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(rf"\d+ events in \d+\.\d s, written to {re.escape(str(path))}\n", out)
    assert path.read_bytes().endswith(b"}}\n")


async def test_a_killed_recording_leaves_a_file_that_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    async with mockex.serve("spot", seed=5) as exchange:
        process = _record(exchange.ws_url, "--streams", ",".join(STREAMS), "--out", str(path))
        await _until_read(path)
        process.kill()
        await asyncio.to_thread(process.communicate, timeout=10)
    async with mockex.serve("spot", market=f"replay:{path}") as exchange:
        assert exchange.market.instruments["ETHUSDC"].price_decimals == 8


async def test_a_recording_that_is_cut_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    async with mockex.serve("spot", seed=5) as exchange:
        process = _record(f"{exchange.ws_url}/ws/{STREAMS[0]}", "--out", str(path))
        await _until_read(path)
    out, err = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 1
    assert "events in" in out
    assert err.startswith("mockex: cut: the connection was ended")
