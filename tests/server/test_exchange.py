"""The exchange as a whole, in virtual time."""

from __future__ import annotations

import asyncio
import socket

import pytest
from websockets.asyncio.client import connect

import mockex
from mockex import sim
from mockex.server.journal import Attempted, Delivered, Faulted


async def _events(step_ms: int, seconds: float) -> int:
    async with mockex.serve("spot", seed=1, market="steady", step_ms=step_ms) as exchange:
        async with connect(f"{exchange.ws_url}/ws/ethusdc@bookTicker", proxy=None):
            await asyncio.sleep(seconds)
        return sum(1 for _ in exchange.journal.of(Delivered))


@pytest.mark.parametrize(("step_ms", "events"), [(10, 100), (100, 10), (500, 2)])
def test_the_market_moves_every_step_ms(step_ms: int, events: int) -> None:
    got = sim.run(_events(step_ms, 1.0), seed=1)
    assert abs(got - events) <= 1


async def _calm_after(*faults: mockex.faults.Fault) -> tuple[int, list[Faulted]]:
    """Events in the second after a calm; the exchange was being broken before it."""
    async with mockex.serve("spot", seed=1, market="steady") as exchange:
        async with connect(f"{exchange.ws_url}/ws/ethusdc@bookTicker", proxy=None) as first:
            await first.recv()
            for fault in faults:
                exchange.inject(fault)
            await asyncio.sleep(2.0)
            exchange.calm()
            before = exchange.deliveries.events(1, "ethusdc@bookTicker")
            await asyncio.sleep(1.0)
            got = exchange.deliveries.events(1, "ethusdc@bookTicker") - before
            async with connect(f"{exchange.ws_url}/ws/ethusdc@bookTicker", proxy=None) as second:
                await second.recv()
        return got, list(exchange.journal.of(Faulted))


def test_a_calm_ends_every_fault_that_lasts() -> None:
    got, entries = sim.run(
        _calm_after(
            mockex.faults.Stall(scope="total"),
            mockex.faults.HangUpgrade(attempts=5),
            mockex.faults.RefuseUpgrade(attempts=5),
        ),
        seed=1,
    )
    assert got == 10
    assert [e.kind for e in entries if e.phase == "seen"] == ["Stall"]


def test_a_calm_lets_through_what_a_link_held() -> None:
    async def main() -> tuple[int, int]:
        async with mockex.serve("spot", seed=1, market="steady") as exchange:
            async with connect(f"{exchange.ws_url}/ws/ethusdc@bookTicker", proxy=None) as client:
                await client.recv()
                await exchange.inject(mockex.faults.Hold()).seen(within_s=1)
                await asyncio.sleep(1.0)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await client.recv()
                exchange.calm()
                got = 0
                async with asyncio.timeout(1.0):
                    while got < 15:
                        await client.recv()
                        got += 1
            return got, exchange.live("ethusdc@bookTicker")

    assert sim.run(main(), seed=1)[0] == 15


async def test_a_fault_of_the_link_is_refused_on_the_machines_network() -> None:
    async with mockex.serve("spot", seed=1) as exchange:
        with pytest.raises(mockex.FaultError, match="Hold is about bytes on a link, and"):
            exchange.inject(mockex.faults.Hold())


async def test_a_small_frame_does_not_wait_for_the_acknowledgement_of_the_one_before() -> None:
    async with (
        mockex.serve("spot", seed=1) as exchange,
        connect(f"{exchange.ws_url}/ws/ethusdc@trade", proxy=None),
    ):
        accepted = exchange.open_connections()[0].transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_several_ports_are_one_exchange_and_attempts_name_theirs() -> None:
    async def main() -> tuple[list[int], list[int], int, list[str]]:
        stream = "ethusdc@bookTicker"
        async with mockex.serve("spot", seed=1, market="steady") as exchange:
            urls = [exchange.ws_url, await exchange.listen_also(), await exchange.listen_also()]
            clients = [await connect(f"{url}/ws/{stream}", proxy=None) for url in urls]
            live = exchange.live(stream)
            await exchange.inject(mockex.faults.Outage(how="refuse", ms=1000)).seen(within_s=1)
            ends = []
            for url, client in zip(urls, clients, strict=True):
                await client.wait_closed()
                with pytest.raises(ConnectionRefusedError):
                    await connect(f"{url}/ws/{stream}", proxy=None)
                ends.append(type(client.protocol.close_exc).__name__)
            await asyncio.sleep(1.5)
            async with connect(f"{urls[2]}/ws/{stream}", proxy=None) as again:
                await again.recv()
            attempts = [e.port for e in exchange.journal.of(Attempted)]
            return attempts, [int(url.rpartition(":")[2]) for url in urls], live, ends

    attempts, ports, live, ends = sim.run(main(), seed=1)
    assert attempts == [0, ports[1], ports[2], ports[2]]
    assert len(set(ports)) == 3
    assert live == 3
    assert ends == ["ConnectionClosedError"] * 3


def test_what_a_link_holds_is_held_and_let_go_at_every_port() -> None:
    async def main() -> tuple[int, int]:
        async with mockex.serve("spot", seed=1, market="steady") as exchange:
            url = f"{await exchange.listen_also()}/ws/ethusdc@bookTicker"
            async with connect(url, proxy=None) as client:
                await client.recv()
                held = await exchange.inject(mockex.faults.Hold()).seen(within_s=1)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await client.recv()
                exchange.calm()
                async with asyncio.timeout(0.2):
                    await client.recv()
            return len(held.conns), exchange.live("ethusdc@bookTicker")

    assert sim.run(main(), seed=1) == (1, 0)


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_it_listens_on_the_address_that_it_was_told_and_on_no_other() -> None:
    async with mockex.serve("spot", host="127.0.0.2") as exchange:
        assert exchange.ws_url == f"ws://127.0.0.2:{exchange.ws_port}"
        assert exchange.rest_url == f"http://127.0.0.2:{exchange.rest_port}"
        for port in (exchange.ws_port, exchange.rest_port):
            assert await _answers("127.0.0.2", port)
            assert not await _answers("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "more", "right"),
    [
        ("localhost", {}, "an IPv4 address of this machine"),
        ("::1", {}, "an IPv4 address of this machine"),
        ("192.0.2.1", {}, "an address of this machine"),  # TEST-NET-1, RFC 5737: nobody's
        ("127.0.0.2", {"toxiproxy": "auto"}, "127.0.0.1 behind a Toxiproxy"),
    ],
)
async def test_an_address_that_cannot_be_is_refused(
    host: str, more: dict[str, str], right: str
) -> None:
    with pytest.raises(mockex.ConfigError, match=right):
        async with mockex.serve("spot", host=host, **more):  # type: ignore[arg-type]
            pytest.fail("it listens")
