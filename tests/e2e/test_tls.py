"""wss:// and https:// on loopback: what works, what faults do below TLS, and what is refused."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import mockex
from mockex import sim
from mockex.errors import ConfigError, FaultError
from mockex.faults import CutFrame, Fault, Fin, LifetimeCut, Outage, Reset
from mockex.server.journal import Attempted, Ended, Faulted, HalfClosed
from mockex.streams.envelope import Event

DEPTH = "ethusdc@depth5@100ms"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tls.md"
Make = Callable[..., Any]


def trusting(exchange: mockex.Exchange) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=exchange.authority_pem)


def open_at(exchange: mockex.Exchange, target: str = f"/public/ws/{DEPTH}") -> connect:
    return connect(exchange.ws_url + target, ssl=trusting(exchange), proxy=None)


async def ending(client: ClientConnection) -> ConnectionClosed:
    """How it ended; what comes before is passed over."""
    try:
        async with asyncio.timeout(5):
            while True:
                await client.recv()
    except ConnectionClosed as closed:
        return closed


async def test_streams_and_rest_speak_tls(make_exchange: Make) -> None:
    exchange = await make_exchange("spot", tls=True)
    assert exchange.ws_url.startswith("wss://127.0.0.1:")
    async with open_at(exchange, f"/ws/{DEPTH}") as client:
        assert "lastUpdateId" in str(await client.recv())
    async with httpx2.AsyncClient(verify=trusting(exchange), trust_env=False) as http:
        answer = await http.get(f"{exchange.rest_url}/api/v3/depth?symbol=ETHUSDC")
    assert answer.status_code == 200
    assert answer.url.scheme == "https"


async def test_who_does_not_trust_it_or_speaks_no_tls_ends_by_himself(make_exchange: Make) -> None:
    exchange = await make_exchange(tls=True)
    async with open_at(exchange) as witness:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(exchange.ws_url + "/ws", proxy=None)
        other = await make_exchange(tls=True)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(exchange.ws_url + "/ws", ssl=trusting(other), proxy=None)
        for port in (exchange.ws_port, exchange.rest_port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        await witness.recv()
    assert len(list(exchange.journal.of(Attempted))) == 1


@pytest.mark.parametrize(
    ("fault", "cause", "how"),
    [
        (Reset(), ConnectionResetError, "rst"),
        (CutFrame(then="reset"), ConnectionResetError, "rst"),
        (Outage(attempts=1), ConnectionResetError, "rst"),
        (Fin(), EOFError, "fin"),
        (LifetimeCut(bare=True), EOFError, "fin"),
        (CutFrame(then="fin"), EOFError, "fin"),
    ],
    ids=repr,
)
async def test_what_is_done_to_tcp_is_done_below_tls(
    make_exchange: Make, fault: Fault, cause: type[Exception], how: str
) -> None:
    exchange = await make_exchange(tls=True)
    async with open_at(exchange) as client:
        await client.recv()
        exchange.inject(fault)
        ended = await ending(client)
    assert ended.rcvd is None, "no close frame"
    assert isinstance(ended.__cause__, cause)
    entry = await asyncio.wait_for(exchange.journal.wait(lambda e: isinstance(e, Ended)), 5)
    assert isinstance(entry, Ended)
    assert (entry.by, entry.how) == ("server", how)
    assert len(list(exchange.journal.of(HalfClosed))) == (how == "fin")


async def deaf(exchange: mockex.Exchange, target: str) -> asyncio.StreamWriter:
    """A client that is sent more and more, and reads nothing behind its handshake."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", exchange.ws_port, ssl=trusting(exchange), limit=2
    )
    key = "AAAAAAAAAAAAAAAAAAAAAA=="
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert await reader.read(1) == b"H"
    return writer


async def blocked(exchange: mockex.Exchange) -> asyncio.StreamWriter:
    """The same, once something waits to be sent to it."""
    symbols = "/".join(f"sym{n:02d}usdc@depth20@100ms" for n in range(60))
    writer = await deaf(exchange, f"/public/stream?streams={symbols}")
    (connection,) = exchange.open_connections()
    async with asyncio.timeout(30):
        while not connection.transport.get_write_buffer_size():
            await asyncio.sleep(0.02)
    return writer


MANY = {"symbols": [f"SYM{n:02d}USDC" for n in range(60)], "step_ms": 10}


async def test_a_fin_that_cannot_be_done_is_refused(make_exchange: Make) -> None:
    exchange = await make_exchange(tls=True, settings={"ping_interval_s": None}, **MANY)
    writer = await blocked(exchange)
    with pytest.raises(FaultError, match="only possible while nothing waits to be sent"):
        exchange.inject(Fin(connection=1))
    handle = exchange.inject(CutFrame(connection=1))
    exchange.open_connections()[0].deliver_gated(0, [Event(DEPTH, "{}", 1, 1)])
    await asyncio.wait_for(handle.ended(), 5)
    phases = [e.phase for e in exchange.journal.of(Faulted) if e.kind == "CutFrame"]
    assert phases == ["injected", "ended"], "never seen, because it was not done"
    writer.close()


@pytest.mark.rule("spot-3.2.3")
async def test_the_lifetime_can_end_below_tls(make_exchange: Make) -> None:
    exchange = await make_exchange(tls=True, settings={"lifetime_s": 0.5, "close_shape": "drop"})
    async with open_at(exchange) as client:
        assert isinstance((await ending(client)).__cause__, EOFError)


# --- what cannot be --------------------------------------------------------------------------


async def opened(**options: Any) -> None:
    async with mockex.serve(**options):
        pass


def test_tls_in_virtual_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="False in virtual time"):
        sim.run(opened(tls=True), seed=1)


async def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'mockex[tls]'")):
        await opened(tls=True)


async def test_a_file_for_the_authority_must_be_one_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tls=True beside it"):
        await opened(authority=tmp_path / "a.pem")
    with pytest.raises(ConfigError, match=r"authority: .*no.such.*No such file"):
        await opened(tls=True, authority=tmp_path / "no" / "such" / "a.pem")


# --- the page --------------------------------------------------------------------------------


def program(name: str) -> str:
    found = re.search(rf"^```python program {name}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert found is not None
    return found[1]


async def output(*command: str, cwd: Path, **environ: str) -> tuple[int, str]:
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=clean | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, said.decode()


PYTHON = """
import asyncio, sys, urllib.request
from websockets.asyncio.client import connect
async def main(ws, rest):
    async with connect(ws + "/ws/ethusdc@bookTicker") as socket:
        print(await socket.recv())
    print(urllib.request.urlopen(rest + "/api/v3/ping").status)
asyncio.run(main(*sys.argv[1:]))
"""
NODE = """
import https from "node:https";
https.get(process.argv[2] + "/api/v3/ping", (answer) => {
  console.log(answer.statusCode);
  answer.resume();
}).on("error", (error) => { console.log(error.code); process.exitCode = 1; });
"""


async def test_pythons_own_variable_is_all_that_it_takes(
    make_exchange: Make, tmp_path: Path
) -> None:
    exchange = await make_exchange("spot", tls=True, authority=tmp_path / "authority.pem")
    (tmp_path / "client.py").write_text(PYTHON)
    urls = (exchange.ws_url, exchange.rest_url)
    run = (sys.executable, "client.py", *urls)
    code, said = await output(*run, cwd=tmp_path, SSL_CERT_FILE="authority.pem")
    assert code == 0, said
    assert said.startswith('{"u":')
    assert said.endswith("200\n")
    code, said = await output(*run, cwd=tmp_path)
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in said


async def test_the_pages_client_prints_an_event(make_exchange: Make, tmp_path: Path) -> None:
    exchange = await make_exchange("spot", tls=True, authority=tmp_path / "authority.pem")
    (tmp_path / "client.py").write_text(program("client.py"))
    run = (sys.executable, "client.py", exchange.ws_url, "authority.pem")
    code, said = await output(*run, cwd=tmp_path)
    assert code == 0, said
    assert said.startswith('{"u":')


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
async def test_nodes_own_variable_is_all_that_it_takes(make_exchange: Make, tmp_path: Path) -> None:
    exchange = await make_exchange("spot", tls=True, authority=tmp_path / "authority.pem")
    (tmp_path / "client.mjs").write_text(NODE)
    run = ("node", "client.mjs", exchange.rest_url)
    assert await output(*run, cwd=tmp_path, NODE_EXTRA_CA_CERTS="authority.pem") == (0, "200\n")
    assert (await output(*run, cwd=tmp_path))[0] == 1
