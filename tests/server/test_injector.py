"""A fault is ended once, when nothing of it goes on any more, and not before."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from typing import Literal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

import mockex
from mockex import sim
from mockex.errors import FaultUnseen
from mockex.faults import (
    AcceptThenClose,
    Burst,
    Every,
    Fin,
    Gather,
    Latency,
    LinkTerms,
    Outage,
    RefuseUpgrade,
    Reset,
    Resume,
    ServerShutdown,
    Stall,
)
from mockex.faults.link import LinkFault
from mockex.server.journal import Delivered
from mockex.server.line import ProxiedLine
from tests.server.test_desk import BOOK, DEPTH, client, exchange, steps


def phases(running: mockex.Exchange, number: int) -> list[str]:
    return [step.phase for step in steps(running, number)]


async def attempt(running: mockex.Exchange, seconds: float = 100.0) -> None:
    """A client that is there for so long, or until somebody ends it."""
    with suppress(WebSocketException, OSError, TimeoutError):
        async with (
            asyncio.timeout(seconds),
            connect(f"{running.ws_url}/ws/{DEPTH}/{BOOK}", proxy=None, close_timeout=0.1) as ws,
        ):
            async for _ in ws:
                pass


def test_a_turn_that_cannot_be_done_leaves_the_one_that_is_on_to_be_called_off() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running) as one:
            burst = desk.inject(Burst(rate_per_s=100, ms=10_000, when=Every(1, times=2)))
            await asyncio.sleep(2.5)
            assert phases(running, burst.id) == ["injected", "seen", "ended"], "turn 2 failed"
            assert desk.is_on(burst.id)
            assert desk.calm() == [burst.id]
            assert await desk.until_over([burst.id], 0.2) == []
            assert phases(running, burst.id)[-2:] == ["ended", "ended"]
            one.texts.clear()
            await asyncio.sleep(1)
            assert sum('"B"' in text for text in one.texts) < 12, "the market is hurried no more"

    sim.run(main(), seed=3)


def test_the_end_of_one_shutdown_leaves_the_next_to_be_called_off() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            shutdown = desk.inject(ServerShutdown(lead_ms=3000, when=Every(1, times=2)))
            await asyncio.sleep(1.5)
            async with client(running):
                await asyncio.sleep(2.9)
                assert phases(running, shutdown.id) == ["injected", "seen", "seen"]
                desk.calm()
                await asyncio.sleep(5)
                assert phases(running, shutdown.id) == ["injected", "seen", "seen", "ended"]
                assert running.live(DEPTH) == 1

    sim.run(main(), seed=3)


def test_of_two_refusals_the_end_of_the_first_leaves_the_second_to_be_called_off() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            outage = desk.inject(Outage(how="refuse", ms=3000, when=Every(1, times=2)))
            await asyncio.sleep(4.5)
            assert desk.is_on(outage.id)
            assert phases(running, outage.id) == ["injected", "seen", "seen"]
            with pytest.raises(ConnectionRefusedError):
                await connect(running.ws_url, proxy=None)
            desk.calm()
            assert await desk.until_over([outage.id], 0.1) == []
            async with client(running):
                await asyncio.sleep(5)
            assert phases(running, outage.id) == ["injected", "seen", "seen", "ended"]

    sim.run(main(), seed=3)


def test_a_rule_of_each_turn_is_used_up_before_the_fault_is_ended() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(RefuseUpgrade(status=503, when=Every(1, times=2)))
            await asyncio.sleep(1.1)
            await attempt(running)
            assert phases(running, fault.id) == ["injected", "seen"]
            await asyncio.sleep(1)
            await attempt(running)
            assert phases(running, fault.id) == ["injected", "seen", "seen", "ended"]

    sim.run(main(), seed=3)


async def test_attempts_in_the_same_moment_are_both_seen_before_the_end() -> None:
    async with exchange() as (running, desk):
        fault = desk.inject(Outage(attempts=2))
        # Both wait to be accepted before the exchange gets to run.
        with (
            socket.create_connection(("127.0.0.1", running.ws_port)),
            socket.create_connection(("127.0.0.1", running.ws_port)),
        ):
            await asyncio.wait_for(fault.ended(), 5)
        assert phases(running, fault.id) == ["injected", "seen", "seen", "ended"]


def test_a_close_that_is_still_to_come_keeps_a_fault_on() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=1000, after_ms=5000))
            waits = asyncio.create_task(fault.seen(within_s=100))
            reading = asyncio.create_task(attempt(running))
            await asyncio.sleep(2)
            assert desk.is_on(fault.id)
            assert phases(running, fault.id) == ["injected"]
            assert (await waits).conns == [1]
            await reading
            assert phases(running, fault.id) == ["injected", "seen", "ended"]
            assert not desk.is_on(fault.id)

    sim.run(main(), seed=3)


@pytest.mark.parametrize("stays_s", [0.5, 2])
def test_a_close_whose_connection_ends_first_is_not_seen(stays_s: float) -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=1000, after_ms=5000))
            reading = asyncio.create_task(attempt(running, stays_s))
            with pytest.raises(FaultUnseen, match="its connection, c1, ended first"):
                await fault.seen(within_s=100)
            await reading
            await asyncio.sleep(10)
            assert phases(running, fault.id) == ["injected", "ended"]

    sim.run(main(), seed=3)


def test_a_quota_goes_on_beyond_the_time_in_which_attempts_count() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=1000, events=50))
            reading = asyncio.create_task(attempt(running))
            await asyncio.sleep(1.5)
            assert phases(running, fault.id) == ["injected"]
            await reading
            assert phases(running, fault.id) == ["injected", "seen", "ended"]

    sim.run(main(), seed=3)


def test_a_quota_whose_connection_leaves_after_that_time_is_ended_once() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=1000, events=1000))
            await attempt(running, 2)
            await asyncio.sleep(1)
            assert phases(running, fault.id) == ["injected", "ended"]
            assert steps(running, fault.id)[-1].detail == "its connection, c1, ended first"

    sim.run(main(), seed=3)


def test_a_quota_is_cleared_also_after_that_time() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=1000, events=1000))
            reading = asyncio.create_task(attempt(running, 5))
            await asyncio.sleep(2)
            desk.end(fault.id)
            with pytest.raises(FaultUnseen, match="it was ended before that"):
                await fault.seen(within_s=100)
            await reading
            assert phases(running, fault.id) == ["injected", "ended"]

    sim.run(main(), seed=3)


def test_a_close_that_is_called_off_lets_events_pass_at_once_and_later_ends_nothing() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=60_000, after_ms=1000))
            url = f"{running.ws_url}/ws/{DEPTH}"
            async with connect(url, proxy=None, close_timeout=0.1) as ws:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(ws.recv(), 0.3)
                desk.end(fault.id)
                async with asyncio.timeout(0.01):
                    await ws.recv()  # what was withheld
                stall = desk.inject(Stall())
                await asyncio.sleep(2)
                assert phases(running, stall.id) == ["injected", "seen"]
                assert desk.is_on(stall.id)
                assert running.live(DEPTH) == 1

    sim.run(main(), seed=3)


def test_a_close_that_is_called_off_leaves_other_stalls() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=60_000, after_ms=1000))
            url = f"{running.ws_url}/ws/{DEPTH}/{BOOK}"
            async with connect(url, proxy=None, close_timeout=0.1) as ws:
                stall = desk.inject(Stall(scope="stream", stream=DEPTH))
                await asyncio.sleep(0.35)
                desk.end(fault.id)
                await asyncio.sleep(1.65)
                desk.inject(Reset())
                came = []
                with suppress(ConnectionClosed):
                    while True:
                        came.append(str(await ws.recv()))
            assert len(came) == 20
            assert all('"B"' in text for text in came), "none of the stream that is stalled"
            assert stall.times_seen == 1

    sim.run(main(), seed=3)


@pytest.mark.parametrize("scope", ["data", "total"])
def test_nothing_that_was_withheld_is_sent_after_a_fin(scope: Literal["data", "total"]) -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            stall = desk.inject(Stall(scope=scope))
            await stall.seen(within_s=1)
            desk.inject(Fin())
            before = len([*running.journal.of(Delivered)])
            desk.calm()
            await asyncio.sleep(1)
            assert len([*running.journal.of(Delivered)]) == before
            assert phases(running, stall.id) == ["injected", "seen", "ended"]

    sim.run(main(), seed=3)


def test_a_close_is_called_off_where_another_fault_has_ended_the_events_already() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(AcceptThenClose(ms=60_000, after_ms=1000))
            url = f"{running.ws_url}/ws/{DEPTH}"
            async with connect(url, proxy=None, close_timeout=0.1):
                await asyncio.sleep(0.35)
                desk.inject(Fin())
                desk.end(fault.id)
                await asyncio.sleep(2)
            assert phases(running, fault.id) == ["injected", "ended"]
            assert not [*running.journal.of(Delivered)]

    sim.run(main(), seed=3)


def test_a_fault_of_the_link_with_turns_to_come_is_not_over_with_those_in_place() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            every = desk.inject(Latency(delay_ms=100, when=Every(5, times=3)))
            await asyncio.sleep(6)
            other = desk.inject(Latency(delay_ms=50))
            desk.end(other.id)
            assert phases(running, every.id) == ["injected", "seen"]
            await asyncio.sleep(5)
            desk.end(every.id)
            assert await desk.until_over([every.id], 1) == []
            await asyncio.sleep(10)
            assert phases(running, every.id) == ["injected", "seen", "seen", "ended"]

    sim.run(main(), seed=3)


class SlowLink:
    """A link that takes a second for each change."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def inject(self, fault: LinkFault) -> None:
        await asyncio.sleep(1)
        self.done.append(type(fault).__name__)


def test_what_is_being_put_on_a_link_is_cleared_by_its_number() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            line, link = ProxiedLine("", LinkTerms()), SlowLink()
            line._exchange, line._streams = running, [link]  # type: ignore[list-item]
            before, running.line = running.line, line
            fault = desk.inject(Latency(delay_ms=100, when=Every(1, times=2)))
            await asyncio.sleep(1.5)
            assert link.done == []
            desk.end(fault.id)
            assert await desk.until_over([fault.id], 5) == []
            await asyncio.sleep(5)
            assert link.done == ["Latency", "ClearLink"]
            assert phases(running, fault.id)[-1] == "ended"
            assert phases(running, fault.id).count("ended") == 1
            running.line = before

    sim.run(main(), seed=3)


def test_each_turn_of_a_burst_that_misses_its_rate_says_so() -> None:
    async def main() -> None:
        # A walk changes the best prices in few of its steps.
        async with (
            mockex.serve("spot", seed=7, market="walk") as running,
            client(running, f"/ws/{BOOK}"),
        ):
            burst = running.inject(Burst(rate_per_s=1000, ms=300, when=Every(1, times=2)))
            with pytest.raises(FaultUnseen, match="the rate was not reached"):
                await burst.seen(within_s=100)
            assert [s.detail for s in steps(running, burst.id)[1:]] == 2 * [
                "the rate was not reached"
            ]

    sim.run(main(), seed=3)


def test_what_was_gathered_stays_behind_a_total_stall_and_comes_first_after_it() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running, f"/ws/{BOOK}") as one:
            gather = desk.inject(Gather(events=50))
            await asyncio.sleep(1)
            stall = desk.inject(Stall(scope="total"))
            one.texts.clear()
            await asyncio.sleep(0.3)
            desk.end(gather.id)
            await asyncio.sleep(0.3)
            assert one.texts == []
            assert desk.is_on(stall.id)
            await desk.inject(Resume()).seen(within_s=1)
            await asyncio.sleep(0.5)
            updates = [int(n) for text in one.texts for n in re.findall(r'"u":(\d+)', text)]
            assert len(updates) >= 20
            assert updates == sorted(updates)

    sim.run(main(), seed=3)


def test_more_of_a_fault_than_happened_before_it_was_cleared_is_not_waited_for() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(RefuseUpgrade(status=503, attempts=3))
            await attempt(running)
            waits = asyncio.create_task(fault.seen(times=3, within_s=100))
            await asyncio.sleep(0)
            desk.calm()
            for wait in (waits, fault.seen(times=2, within_s=100)):
                with pytest.raises(FaultUnseen, match="it was ended before that"):
                    await wait
            await fault.seen(within_s=0.1)

    sim.run(main(), seed=3)


def test_who_waits_for_a_fault_that_is_withdrawn_is_answered_at_once() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            fault = desk.inject(RefuseUpgrade(status=503))
            waits = asyncio.create_task(desk.settled(fault.id, 100))
            await asyncio.sleep(0)
            began = running.loop_time()
            desk.end(fault.id)
            assert not await waits
            assert not await desk.settled(fault.id, 100)
            assert running.loop_time() - began < 1

    sim.run(main(), seed=3)
