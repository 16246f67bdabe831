"""An exchange behind a link: the same faults through a real Toxiproxy and the simulated network."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import mockex
from mockex.errors import ConfigError, FaultError, LinkError, ToxiproxyUnavailable
from mockex.faults import (
    Bandwidth,
    BlackHole,
    ClearLink,
    FinLink,
    Hold,
    Latency,
    LimitData,
    LinkFault,
    LinkTerms,
    NeverAccept,
    Outage,
    Refused,
    Release,
    Reset,
    ResetLink,
    Slice,
    SlowClose,
)
from mockex.server.journal import Ended, Faulted, Opened
from mockex.server.line import ProxiedLine

Make = Callable[..., Any]
TARGET = "/public/stream?streams=ethusdc@depth5@100ms"

proxied = pytest.mark.toxiproxy


async def live(make_exchange: Make, raw: Make, **options: Any) -> tuple[mockex.Exchange, Any]:
    exchange = await make_exchange(**options)
    client = await raw(exchange.ws_port)
    await client.upgrade(TARGET)
    await client.text()
    return exchange, client


async def once_it_accepts(raw: Make, port: int) -> Any:
    """A replaced proxy is away for some milliseconds."""
    async with asyncio.timeout(5):
        while True:
            with suppress(ConnectionRefusedError):
                return await raw(port)
            await asyncio.sleep(0)


@proxied
@pytest.mark.parametrize(
    "fault",
    [
        Latency(delay_ms=30, jitter_ms=10),
        Bandwidth(bytes_per_s=64_000),
        Slice(bytes=10, gap_ms=0.1),
        Hold(),
        BlackHole(),
    ],
)
async def test_a_fault_on_bytes_is_seen_once_bytes_went_that_way(
    make_exchange: Make, raw: Make, fault: LinkFault
) -> None:
    exchange, client = await live(make_exchange, raw, toxiproxy="auto")
    handle = exchange.inject(fault)
    if isinstance(fault, Bandwidth | Slice):  # a change that ends connections on a real Toxiproxy
        assert await client.until_end() == "fin"
        client = await once_it_accepts(raw, exchange.ws_port)
        await client.upgrade(TARGET)
    await handle.seen(within_s=5)
    assert handle.times_seen == 1
    await exchange.inject(ClearLink()).seen(within_s=5)
    await asyncio.wait_for(handle.ended(), 5)
    await exchange.line.check()


@proxied
async def test_what_was_held_arrives_complete_and_in_order(make_exchange: Make, raw: Make) -> None:
    exchange, client = await live(make_exchange, raw, toxiproxy="auto")
    await exchange.inject(Hold()).seen(within_s=5)
    before = client.buffer
    with pytest.raises(TimeoutError):
        await client.more(within_s=0.35)
    assert client.buffer == before
    await exchange.inject(Release()).seen(within_s=5)
    ids = []
    for _ in range(6):
        text = await client.text()
        ids.append(int(text.partition('"u":')[2].partition(",")[0]))
    assert ids == sorted(set(ids))
    assert not list(exchange.journal.of(Ended))


@proxied
async def test_an_end_waits_with_the_bytes_that_are_held(make_exchange: Make, raw: Make) -> None:
    exchange, client = await live(make_exchange, raw, toxiproxy="auto")
    await exchange.inject(Hold()).seen(within_s=5)
    await exchange.inject(Reset()).seen(within_s=5)
    with pytest.raises(TimeoutError):
        await client.more(within_s=0.3)
    exchange.inject(Release())
    assert await client.until_end() == "fin"


@proxied
@pytest.mark.parametrize(("ends", "end"), [("fin", "fin"), ("reset", "rst")])
async def test_a_link_ends_connections_as_it_was_made_to(
    make_exchange: Make, raw: Make, ends: Any, end: str
) -> None:
    exchange, client = await live(make_exchange, raw, link=LinkTerms(ends=ends))
    seen = await exchange.inject(ResetLink() if ends == "reset" else FinLink()).seen(within_s=5)
    assert seen.conns == [1]
    assert await client.until_end() == end
    again = await raw(exchange.ws_port)
    await again.upgrade(TARGET)
    limit = exchange.inject(LimitData(bytes=10, then=ends))
    assert await again.until_end() == end
    await limit.seen(within_s=5)
    other = {"fin": ResetLink(), "reset": FinLink()}[ends]
    with pytest.raises(FaultError, match="this link was made to end them with"):
        exchange.inject(other)


@proxied
async def test_a_late_fin_is_late(make_exchange: Make, raw: Make) -> None:
    exchange, client = await live(make_exchange, raw, toxiproxy="auto")
    handle = exchange.inject(SlowClose(delay_ms=400))
    await exchange.inject(Latency(delay_ms=0)).seen(within_s=5)  # what came before is in place
    loop = asyncio.get_running_loop()
    began = loop.time()
    await exchange.inject(Reset()).seen(within_s=5)
    assert await client.until_end() == "fin"
    assert loop.time() - began >= 0.4
    await handle.seen(within_s=5)


@proxied
@pytest.mark.parametrize("fault", [Refused(ms=300), Outage(how="refuse", ms=300)])
async def test_attempts_are_refused_and_the_port_stays(
    make_exchange: Make, raw: Make, fault: Any
) -> None:
    exchange, client = await live(make_exchange, raw, toxiproxy="auto")
    port = exchange.ws_port
    handle = exchange.inject(fault)
    seen = await handle.seen(within_s=5)
    assert seen.detail == "our own probe was refused"
    with pytest.raises(ConnectionRefusedError):
        await raw(port)
    await client.until_end()
    await asyncio.wait_for(handle.ended(), 5)
    again = await raw(port)
    await again.upgrade(TARGET)


@proxied
async def test_a_port_that_somebody_takes_while_it_is_refused_is_told_by_the_fault_and_the_line(
    make_exchange: Make, raw: Make
) -> None:
    exchange, _ = await live(make_exchange, raw, toxiproxy="auto")
    handle = exchange.inject(Refused(ms=200))
    await handle.seen(within_s=5)
    loop = asyncio.get_running_loop()
    taker = await loop.create_server(asyncio.Protocol, "127.0.0.1", exchange.ws_port)
    await asyncio.wait_for(handle.ended(), 5)
    *_, last = exchange.journal.of(Faulted)
    assert "address already in use" in last.detail
    with pytest.raises(LinkError, match="address already in use"):
        await exchange.line.check()
    taker.close()


@proxied
async def test_the_terms_of_a_line_stand_from_the_beginning_and_after_a_clearing(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(link="latency=60ms")
    loop = asyncio.get_running_loop()
    client = await raw(exchange.ws_port)

    async def round_trip() -> float:
        began = loop.time()
        await client.send_frame(9, b"x")
        while (await client.frame())[0] != 10:
            pass
        return loop.time() - began

    began = loop.time()
    await client.upgrade(TARGET)
    assert loop.time() - began >= 0.12
    await exchange.inject(Latency(delay_ms=300)).seen(within_s=5)
    assert await round_trip() >= 0.36
    await exchange.inject(ClearLink()).seen(within_s=5)
    await round_trip()
    assert 0.12 <= await round_trip() < 0.3
    (opened,) = exchange.journal.of(Opened)
    assert (opened.line, opened.ws_port) == ("toxiproxy", exchange.ws_port)
    assert exchange.ws_port != exchange.listeners[0].port


@proxied
async def test_a_named_port_is_the_port_of_the_link(make_exchange: Make, raw: Make) -> None:
    free = await make_exchange()
    port = free.ws_port
    with pytest.raises(LinkError, match="address already in use"):
        await make_exchange(toxiproxy="auto", port=port)


@proxied
async def test_more_ports_for_streams_have_links_too(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange(link="ends=reset")
    url = await exchange.listen_also()
    client = await raw(int(url.rpartition(":")[2]))
    await client.upgrade(TARGET)
    await client.text()
    await exchange.inject(ResetLink()).seen(within_s=5)
    assert await client.until_end() == "rst"


@proxied
async def test_a_server_that_dies_is_told_and_nothing_more_is_injected(
    make_exchange: Make, raw: Make
) -> None:
    exchange, _ = await live(make_exchange, raw, toxiproxy="auto")
    line = exchange.line
    assert isinstance(line, ProxiedLine)
    os.kill(line.server_pid, signal.SIGKILL)
    handle = exchange.inject(Hold())
    await asyncio.wait_for(handle.ended(), 10)
    with pytest.raises(LinkError, match="does not answer"):
        await line.check()
    phases = [(e.phase, e.detail) for e in exchange.journal.of(Faulted)]
    assert [phase for phase, _ in phases] == ["injected", "ended"]
    assert "does not answer" in phases[-1][1]


@proxied
async def test_a_server_that_stands_still_is_told_within_the_time_limit(
    make_exchange: Make, raw: Make
) -> None:
    exchange, _ = await live(make_exchange, raw, toxiproxy="auto")
    line = exchange.line
    assert isinstance(line, ProxiedLine)
    os.kill(line.server_pid, signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(LinkError, match="does not answer"):
        await line.check()
    assert loop.time() - began < 8


async def test_what_toxiproxy_cannot_do_is_refused(make_exchange: Make) -> None:
    exchange = await make_exchange()
    with pytest.raises(FaultError, match="Hold is about bytes on a link, and there is none"):
        exchange.inject(Hold())
    with pytest.raises(ConfigError, match="toxiproxy: 'off' is not usable"):
        await make_exchange(toxiproxy="off", link="latency=1ms")
    for url in (
        "http://10.0.0.1:8474",
        "https://127.0.0.1:1",
        "127.0.0.1:8474",
        "http://127.0.0.1",
    ):
        with pytest.raises(ToxiproxyUnavailable, match=r"expected http://127\.0\.0\.1:PORT"):
            await make_exchange(toxiproxy=url)


@proxied
async def test_never_accept_is_for_virtual_time(make_exchange: Make) -> None:
    exchange = await make_exchange(toxiproxy="auto")
    with pytest.raises(FaultError, match="NeverAccept: Toxiproxy accepts by itself"):
        exchange.inject(NeverAccept())


async def test_without_a_server_each_step_that_was_tried_is_told(
    make_exchange: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("MOCKEX_TOXIPROXY_BIN", "MOCKEX_TOXIPROXY_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToxiproxyUnavailable, match="MOCKEX_TOXIPROXY_BIN"):
        await make_exchange(toxiproxy="auto")


async def test_where_something_else_answers_is_no_toxiproxy(make_exchange: Make) -> None:
    other = await make_exchange()
    with pytest.raises(ToxiproxyUnavailable, match=r"no Toxiproxy: .*/version answers '404"):
        await make_exchange(toxiproxy=f"http://127.0.0.1:{other.rest_port}")
