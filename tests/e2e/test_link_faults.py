"""Faults of the link, through the real Toxiproxy, by what a raw client socket really got."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import psutil
import pytest

from mockex.errors import FaultError, LinkError
from mockex.faults import Bandwidth, ClearLink, Direction, Latency, LinkFault, LinkTerms, ResetLink
from mockex.faults.proxy_server import ProxyServer, running
from mockex.faults.toxiproxy import Api, ToxiproxyFaults
from mockex.server.journal import Ended

pytestmark = pytest.mark.toxiproxy

DEPTH = "ethusdc@depth5@100ms"
TARGET = f"/public/stream?streams={DEPTH}"
Make = Callable[..., Any]


@pytest.fixture
async def server() -> AsyncIterator[ProxyServer]:
    async with running() as started:
        yield started
    assert not psutil.pid_exists(started.pid), "nothing is left running"


@pytest.fixture
async def faults(server: ProxyServer) -> AsyncIterator[ToxiproxyFaults]:
    async with ToxiproxyFaults(server.host, server.port) as made:
        yield made


async def round_trip(client: Any) -> float:
    """Seconds from a ping of ours to its pong; events in between are passed over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.send_frame(9, b"there and back")
    while (await client.frame())[0] != 10:
        pass
    return loop.time() - began


async def test_latency_delays_what_is_under_way_and_ends_again(
    make_exchange: Make, raw: Make, faults: ToxiproxyFaults
) -> None:
    exchange = await make_exchange()
    link = await faults.link(exchange.ws_port, name="ws")
    client = await raw(link.port)
    await client.upgrade("/ws")
    before = await round_trip(client)
    await link.inject(Latency(delay_ms=150))
    assert await round_trip(client) >= 0.150
    await link.inject(Latency(delay_ms=300))
    await link.inject(Latency(delay_ms=100, direction=Direction.UPSTREAM))
    assert await round_trip(client) >= 0.400
    await link.inject(ClearLink())
    assert min([await round_trip(client) for _ in range(3)]) < before + 0.100


async def test_link_reset_is_a_rst_for_both_ends_and_the_port_stays(
    make_exchange: Make, raw: Make, faults: ToxiproxyFaults
) -> None:
    exchange = await make_exchange()
    link = await faults.link(exchange.ws_port, name="ws", terms=LinkTerms(ends="reset"))
    client = await raw(link.port)
    await client.upgrade(TARGET)
    await client.text()
    await link.inject(ResetLink())
    assert await client.until_end() == "rst"
    ended = await asyncio.wait_for(exchange.journal.wait(lambda e: isinstance(e, Ended)), 2)
    assert (ended.by, ended.how) == ("client", "rst")
    again = await raw(link.port)
    await again.upgrade(TARGET)
    assert DEPTH in await again.text()


async def test_two_servers_do_not_mix_up_their_links(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            server = await stack.enter_async_context(running())
            faults = ToxiproxyFaults(server.host, server.port)
            made.append(await stack.enter_async_context(faults))
        links = await asyncio.gather(*(f.link(exchange.ws_port, name="same") for f in made))
        assert links[0].port != links[1].port
        for link in links:
            client = await raw(link.port)
            await client.upgrade("/ws")


async def test_a_dead_server_is_named_and_not_waited_for(
    server: ProxyServer, faults: ToxiproxyFaults
) -> None:
    link = await faults.link(1, name="ws", terms=LinkTerms(ends="reset"))
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(LinkError, match="does not answer"):
        await link.inject(ResetLink())
    with pytest.raises(LinkError, match="was given up"):
        await link.inject(ResetLink())
    faults._links.clear()


async def test_a_change_does_not_let_in_whom_the_link_refuses(
    raw: Make, make_exchange: Make, faults: ToxiproxyFaults
) -> None:
    exchange = await make_exchange()
    link = await faults.link(exchange.ws_port, terms=LinkTerms(ends="reset"))
    await link.refuse()
    for fault in (Bandwidth(bytes_per_s=64_000), ResetLink(), ClearLink()):
        await link.inject(fault)
        with pytest.raises(ConnectionRefusedError):
            await raw(link.port)
    await link.check()
    await link.accept()
    await (await raw(link.port)).upgrade(TARGET)
    await link.check()


async def test_a_link_that_somebody_else_has_closed_is_told(
    server: ProxyServer, faults: ToxiproxyFaults
) -> None:
    link = await faults.link(1, name="ws")
    async with Api(server.host, server.port) as api:
        await api.post("/proxies/ws", {"enabled": False})
    with pytest.raises(LinkError, match="was asked for enabled=True and has False"):
        await link.check()


async def test_a_port_that_was_taken_while_the_link_refused_is_told(
    faults: ToxiproxyFaults,
) -> None:
    link = await faults.link(1, name="ws")
    await link.refuse()
    taker = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", link.port)
    with pytest.raises(LinkError, match="address already in use"):
        await link.accept()
    with pytest.raises(LinkError, match="was asked for enabled=True and has False"):
        await link.check()
    taker.close()


async def test_a_link_that_exists_already_is_refused(faults: ToxiproxyFaults) -> None:
    await faults.link(1, name="ws")
    with pytest.raises(LinkError, match="refused the call"):
        await faults.link(1, name="ws")


async def test_what_a_link_cannot_do_is_refused(faults: ToxiproxyFaults) -> None:
    link = await faults.link(1, name="ws")
    with pytest.raises(FaultError, match="LinkFault is no fault that Toxiproxy can do"):
        await link.inject(LinkFault())
    with pytest.raises(FaultError, match="is no name of a link"):
        await faults.link(1, name="a/b")


async def test_the_server_ends_with_whoever_started_it() -> None:
    script = (
        "import asyncio\n"
        "from mockex.faults.proxy_server import running\n"
        "async def main():\n"
        "    async with running() as server:\n"
        "        print(server.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
