"""A server that somebody else runs: it is used, and left as it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import psutil
import pytest

import mockex
from mockex.errors import LinkError
from mockex.faults import Hold
from mockex.faults.provisioning import Found, at, find
from mockex.faults.toxiproxy import Api
from mockex.server.wire import held_port
from tests.e2e.conftest import RawClient

pytestmark = pytest.mark.toxiproxy

WITHIN_S = 20.0


@pytest.fixture(params=["127.0.0.1", "127.0.0.2"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int, int]]:
    """Host, port and process of one that others use as well: it has a proxy of theirs."""
    found = find(binary_only=True)
    assert isinstance(found, Found)
    with held_port(request.param) as port:
        process = await asyncio.create_subprocess_exec(
            str(found.binary), "-host", request.param, "-port", str(port),
            env={**os.environ, "LOG_LEVEL": "error"},
        )  # fmt: skip
        try:
            async with asyncio.timeout(WITHIN_S):
                while not isinstance(at(f"http://{request.param}:{port}"), Found):
                    await asyncio.sleep(0.01)
            async with Api(request.param, port) as api:
                theirs = {"name": "theirs", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}
                await api.post("/proxies", theirs)
            yield request.param, port, process.pid
            assert process.returncode is None, "not ours to end"
        finally:
            process.terminate()
            await process.wait()


async def proxies(host: str, port: int) -> set[str]:
    async with Api(host, port) as api:
        return set(await api.get("/proxies"))


async def test_links_are_made_there_on_the_loopback_alone_and_taken_away_again(
    server: tuple[str, int, int],
) -> None:
    host, port, pid = server
    async with mockex.serve("usdm", toxiproxy=f"http://{host}:{port}") as exchange:
        assert len(await proxies(host, port)) == 3, "theirs, and ours for streams and REST"
        listening = [
            one.laddr.ip for one in psutil.Process(pid).net_connections() if one.status == "LISTEN"
        ]
        assert set(listening) == {host, "127.0.0.1"}
        client = await RawClient.connect(exchange.ws_port)
        await client.upgrade("/public/stream?streams=ethusdc@depth5@100ms")
        await exchange.inject(Hold()).seen(within_s=WITHIN_S)
        client.close()
    assert await proxies(host, port) == {"theirs"}


async def test_of_what_somebody_else_takes_away_nothing_is_believed(
    server: tuple[str, int, int],
) -> None:
    host, port, _ = server
    async with mockex.serve("usdm", toxiproxy=f"http://{host}:{port}") as exchange:
        async with Api(host, port) as api:
            for name in await proxies(host, port) - {"theirs"}:
                await api.delete(f"/proxies/{name}")
        with pytest.raises(LinkError, match="proxy not found"):
            await exchange.line.check()
