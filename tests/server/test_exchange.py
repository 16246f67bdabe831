"""The exchange as a whole, in virtual time."""

from __future__ import annotations

import asyncio
import socket

import pytest
from websockets.asyncio.client import connect

import mockex
from mockex import sim
from mockex.server.journal import Delivered, Faulted


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
        with pytest.raises(mockex.FaultError, match="into a link of"):
            exchange.inject(mockex.faults.Hold())


async def test_a_small_frame_does_not_wait_for_the_acknowledgement_of_the_one_before() -> None:
    async with (
        mockex.serve("spot", seed=1) as exchange,
        connect(f"{exchange.ws_url}/ws/ethusdc@trade", proxy=None),
    ):
        accepted = exchange.open_connections()[0].transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
