"""Time in the hands of a test, on both grounds."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

import mockex
from mockex import sim
from mockex.clock import Clock
from mockex.server.journal import Behind, Closed, Delivered, Joined, Pinged, Ponged, Retimed, Slowed
from mockex.server.timers import Timers

T = TypeVar("T")
Run = Callable[[Awaitable[T]], T]


def _on_the_machine(program: Awaitable[T]) -> T:
    async def main() -> T:
        return await program

    return asyncio.run(main())


def _in_virtual_time(program: Awaitable[T]) -> T:
    return sim.run(program, seed=1)  # type: ignore[arg-type]


both = pytest.mark.parametrize("run", [_on_the_machine, _in_virtual_time])


@asynccontextmanager
async def reading(
    exchange: mockex.Exchange, streams: str, max_queue: int | None = None
) -> AsyncIterator[list[dict[str, object]]]:
    """A client that reads all that it is sent."""
    got: list[dict[str, object]] = []

    async def read(client: ClientConnection) -> None:
        async for message in client:
            got.append(json.loads(message))  # noqa: PERF401 - others look at it meanwhile

    url = f"{exchange.ws_url}/stream?streams={streams}"
    async with connect(url, proxy=None, max_queue=max_queue) as client:
        task = asyncio.create_task(read(client))
        try:
            yield got
        finally:
            task.cancel()


async def _caught_up(exchange: mockex.Exchange, got: list[dict[str, object]]) -> None:
    """Wait until the client has read all that was written to it."""
    async with asyncio.timeout(5):
        while len(got) < sum(
            batch.events for e in exchange.journal.of(Delivered) for batch in e.streams.values()
        ):
            await asyncio.sleep(0.001)


@both
def test_frozen_time_stands_still_and_goes_on_from_there(run: Run[None]) -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", market="steady", speed=10.0) as exchange,
            reading(exchange, "ethusdc@bookTicker") as got,
        ):
            await exchange.journal.wait(lambda e: isinstance(e, Delivered))
            exchange.time.freeze()
            stands = exchange.time.now_s
            await _caught_up(exchange, got)
            before = len(got)
            await asyncio.sleep(0.1)
            assert (exchange.time.now_s, len(got)) == (stands, before)
            exchange.time.resume()
            await exchange.journal.wait(
                lambda e: isinstance(e, Delivered), since=len(exchange.journal.entries)
            )
            assert stands < exchange.time.now_s < stands + 5

    run(main())


@both
def test_an_advance_brings_every_event_at_its_own_time_and_leaves_time_frozen(
    run: Run[None],
) -> None:
    async def main() -> None:
        async with mockex.serve("usdm", market="steady") as exchange:
            exchange.time.freeze()
            start = exchange.time.unix_ms
            async with reading(exchange, "ethusdc@bookTicker/ethusdc@depth@500ms") as got:
                await exchange.journal.wait(lambda e: isinstance(e, Joined))
                await exchange.time.advance(60)
                assert exchange.time.unix_ms == start + 60_000
                await _caught_up(exchange, got)
                await asyncio.sleep(0.05)
                assert exchange.time.unix_ms == start + 60_000
            tickers = [e["data"] for e in got if e["stream"] == "ethusdc@bookTicker"]
            times = [e["T"] for e in tickers]  # type: ignore[index]
            assert len(times) == 600
            assert times == list(range(times[0], times[0] + 60_000, 100))
            assert sum(e["stream"] == "ethusdc@depth@500ms" for e in got) == 120

    run(main())


@pytest.mark.rule("spot-1.1", "spot-1.8", "spot-10.10")
@both
def test_who_answers_pings_outlives_a_jump_and_who_does_not_is_closed_in_it(
    run: Run[None],
) -> None:
    async def main() -> None:
        async with mockex.serve("spot", market="frozen") as exchange:
            exchange.time.freeze()
            async with reading(exchange, "ethusdc@bookTicker"):
                reader, writer = await asyncio.open_connection("127.0.0.1", exchange.ws_port)
                writer.write(
                    b"GET /ws/ethusdc@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                )
                await reader.readuntil(b"\r\n\r\n")  # and never another word
                await exchange.time.advance(3600)
                closed = [(e.conn, e.code, e.reason) for e in exchange.journal.of(Closed)]
                assert closed == [(2, 1008, "Pong timeout")]
                pings = [e for e in exchange.journal.of(Pinged) if e.conn == 1]
                pongs = [e.payload for e in exchange.journal.of(Ponged)]
                assert len(pings) == 180
                # The deadline is three pings long: so many may be under way.
                assert len(pongs) >= 176
                assert pongs == [e.payload for e in pings[: len(pongs)]]
                writer.close()

    run(main())


@pytest.mark.rule("spot-1.6", "spot-1.11", "spot-3.2.1", "spot-3.2.3", "spot-10.12")
@both
def test_a_lifetime_ends_on_the_exchanges_clock(run: Run[None]) -> None:
    async def main() -> None:
        settings = {"ping_interval_s": None}
        async with mockex.serve("spot", market="frozen", settings=settings) as exchange:
            exchange.time.freeze()
            async with connect(f"{exchange.ws_url}/ws/ethusdc@trade", proxy=None) as client:
                await exchange.time.advance(24 * 3600 - 1)
                assert exchange.live("ethusdc@trade") == 1
                await exchange.time.advance(1)
                await client.wait_closed()
                assert client.close_code == 1001

    run(main())


@both
def test_bars_are_closed_on_the_exchanges_clock(run: Run[None]) -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", step_ms=1000) as exchange,
            reading(exchange, "ethusdc@kline_1m") as got,
        ):
            exchange.time.freeze()
            await exchange.journal.wait(lambda e: isinstance(e, Joined))
            start_ms = exchange.time.unix_ms
            await exchange.time.advance(600)
            await _caught_up(exchange, got)
        bars = [e["data"]["k"] for e in got]  # type: ignore[index]
        closed = [bar["t"] for bar in bars if bar["x"]]
        first = start_ms // 60_000 * 60_000
        assert closed == list(range(first, first + 600_000, 60_000))

    run(main())


@pytest.mark.rule("rest-A3.13")
@both
def test_windows_and_bans_of_rest_end_on_the_exchanges_clock(run: Run[None]) -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", settings={"weight_limit": 10}) as exchange,
            httpx2.AsyncClient(base_url=f"{exchange.rest_url}/api/v3", trust_env=False) as client,
        ):

            async def ask() -> httpx2.Response:
                return await client.get("/depth?symbol=ETHUSDC")  # weighs 5

            exchange.time.freeze()
            assert [(await ask()).status_code for _ in range(3)] == [200, 200, 429]
            await exchange.time.advance(60)
            answers = [await ask() for _ in range(13)]
            assert [answer.status_code for answer in answers] == [200] * 2 + [429] * 10 + [418]
            wait_s = int(answers[-1].headers["retry-after"])
            assert 115 <= wait_s <= 120
            await exchange.time.advance(wait_s - 2)
            assert (await ask()).status_code == 418
            await exchange.time.advance(60)
            assert (await ask()).status_code == 200

    run(main())


@both
def test_the_next_event_is_the_next_thing_that_a_client_is_sent(run: Run[None]) -> None:
    async def main() -> None:
        async with mockex.serve("spot", market="steady") as exchange:
            exchange.time.freeze()
            start = exchange.time.now_s
            assert await exchange.time.advance_to_next_event(within_s=5) is None
            assert exchange.time.now_s == pytest.approx(start + 5)
            async with reading(exchange, "ethusdc@depth"):
                await exchange.journal.wait(lambda e: isinstance(e, Joined))
                at = await exchange.time.advance_to_next_event()
                assert at is not None
                assert at == int(start + 5) + 1 == exchange.time.now_s
                assert await exchange.time.advance_to_next_event() == at + 1

    run(main())


@both
def test_a_jump_waits_for_a_reader_whose_buffers_are_full(run: Run[None]) -> None:
    async def main() -> None:
        async with mockex.serve("usdm", market="walk") as exchange:
            exchange.time.freeze()
            streams = "ethusdc@depth20@100ms/btcusdc@depth20@100ms"
            async with reading(exchange, streams, max_queue=2) as got:
                await exchange.journal.wait(lambda e: isinstance(e, Joined))
                await exchange.time.advance(300)
                await _caught_up(exchange, got)
            assert list(exchange.journal.of(Slowed)) == []
            assert len(got) == 6_000

    run(main())


def test_who_takes_nothing_is_waited_for_once() -> None:
    async def main() -> float:
        async with mockex.serve("spot", settings={"ping_interval_s": None}) as exchange:
            exchange.time.freeze()
            async with connect(
                f"{exchange.ws_url}/ws/ethusdc@depth20@100ms", proxy=None, max_queue=1
            ):
                await exchange.journal.wait(lambda e: isinstance(e, Joined))
                began = exchange.loop_time()
                await exchange.time.advance(3600)
                assert next(exchange.journal.of(Slowed)).full
                return exchange.loop_time() - began

    assert 2.0 <= sim.run(main(), seed=1) < 6.0


def test_time_that_is_moved_in_two_places_moves_by_both() -> None:
    async def main() -> None:
        async with mockex.serve("spot") as exchange:
            exchange.time.freeze()
            start = exchange.time.now_s
            await asyncio.gather(exchange.time.advance(10), exchange.time.advance(5))
            assert exchange.time.now_s == pytest.approx(start + 15)
            for wrong in (-1, math.inf, math.nan):
                with pytest.raises(ValueError, match="does not go back"):
                    await exchange.time.advance(wrong)

    sim.run(main(), seed=1)


def test_tenths_of_a_second_are_steps_of_the_market() -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", market="steady") as exchange,
            reading(exchange, "ethusdc@bookTicker"),
        ):
            await exchange.journal.wait(lambda e: isinstance(e, Joined))
            exchange.time.freeze()
            await exchange.time.advance(1 - exchange.time.now_s)
            for number in range(11, 1_000):
                await exchange.time.advance(0.1)
                *_, last = exchange.journal.of(Delivered)
                assert last.step == number
            assert exchange.time.unix_ms - exchange.clock.epoch_ms in (99_899, 99_900)

    sim.run(main(), seed=1)


def test_what_is_asked_for_during_an_advance_holds_after_it() -> None:
    async def main() -> None:
        async with mockex.serve("spot") as exchange:
            jump = asyncio.create_task(exchange.time.advance(10))
            await asyncio.sleep(1e-4)
            exchange.time.freeze()
            await jump
            stands = exchange.time.now_s
            await asyncio.sleep(1)
            assert exchange.time.now_s == stands
            jump = asyncio.create_task(exchange.time.advance(10))
            await asyncio.sleep(1e-4)
            exchange.time.resume()
            exchange.time.set_speed(4)
            await jump
            now = exchange.time.now_s
            await asyncio.sleep(1)
            assert exchange.time.now_s == pytest.approx(now + 4)
            assert [e.how for e in exchange.journal.of(Retimed)] == [
                "advancing", "frozen", "advanced", "advancing", "resumed", "speed-set", "advanced",
            ]  # fmt: skip

    sim.run(main(), seed=1)


def test_an_advance_that_is_given_up_leaves_time_as_it_was() -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", step_ms=1000) as exchange,
            reading(exchange, "ethusdc@bookTicker"),
        ):
            await exchange.journal.wait(lambda e: isinstance(e, Joined))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1e-3):
                    await exchange.time.advance(1e6)
            now = exchange.time.now_s
            assert 10 < now < 1e6
            await asyncio.sleep(2)
            assert exchange.time.now_s == pytest.approx(now + 2, abs=0.01)

    sim.run(main(), seed=1)


def test_a_fault_of_every_so_many_seconds_keeps_to_the_exchanges_clock() -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", market="frozen") as exchange,
            reading(exchange, "ethusdc@bookTicker"),
            reading(exchange, "ethusdc@trade"),
        ):
            exchange.time.freeze()
            await exchange.journal.wait(lambda e: isinstance(e, Joined))
            when = mockex.faults.Every(seconds=600, times=2)
            handle = exchange.inject(mockex.faults.CloseWith(when=when))
            await exchange.time.advance(599)
            assert handle.times_seen == 0
            await exchange.time.advance(1)
            assert handle.times_seen == 1
            await exchange.time.advance(600)
            assert handle.times_seen == 2

    sim.run(main(), seed=1)


@both
def test_a_stalled_connection_outlives_a_jump_and_its_deadlines_start_anew(run: Run[None]) -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", market="frozen") as exchange,
            reading(exchange, "ethusdc@bookTicker"),
        ):
            exchange.time.freeze()
            await exchange.journal.wait(lambda e: isinstance(e, Joined))
            exchange.inject(mockex.faults.Stall(scope="total"))
            await exchange.time.advance(2 * 24 * 3600)
            assert list(exchange.journal.of(Closed)) == []
            exchange.inject(mockex.faults.Resume())
            await exchange.time.advance(3600)
            assert exchange.live("ethusdc@bookTicker") == 1
            await exchange.time.advance(24 * 3600)
            assert [entry.code for entry in exchange.journal.of(Closed)][:1] == [1001]

    run(main())


def test_a_duration_of_a_fault_keeps_to_the_loops_clock() -> None:
    async def main() -> None:
        async with (
            mockex.serve("spot", market="frozen") as exchange,
            reading(exchange, "ethusdc@bookTicker"),
        ):
            handle = exchange.inject(mockex.faults.ServerShutdown(lead_ms=500))
            await exchange.time.advance(3600)
            assert next(exchange.journal.of(Closed), None) is None
            await asyncio.sleep(0.6)
            assert next(exchange.journal.of(Closed)).code == 1001
            await handle.ended()

    sim.run(main(), seed=1)


def test_a_new_speed_holds_for_what_is_already_due() -> None:
    async def main() -> list[float]:
        async with (
            mockex.serve("spot", market="steady") as exchange,
            connect(f"{exchange.ws_url}/ws/ethusdc@bookTicker", proxy=None) as client,
        ):
            times = []
            for speed in (1.0, 0.1, 100.0):
                exchange.time.set_speed(speed)
                await client.recv()
                before = exchange.loop_time()
                await client.recv()
                times.append(round(exchange.loop_time() - before, 3))
        return times

    assert sim.run(main(), seed=1) == [0.1, 1.0, 0.001]


async def test_a_market_that_cannot_keep_up_says_so() -> None:
    async with (
        mockex.serve("spot", market="steady", step_ms=1, speed=1000.0) as exchange,
        reading(exchange, "ethusdc@bookTicker/btcusdc@depth@100ms"),
        asyncio.timeout(5),
    ):
        entry = await exchange.journal.wait(lambda e: isinstance(e, Behind))
    assert isinstance(entry, Behind)
    assert entry.late_s >= 0.005
    assert entry.exchange_s >= 1.0


def test_a_market_that_keeps_up_says_nothing() -> None:
    async def main() -> int:
        async with mockex.serve("spot", market="steady", speed=1000.0) as exchange:
            async with reading(exchange, "ethusdc@bookTicker"):
                await asyncio.sleep(1.0)
            return sum(1 for _ in exchange.journal.of(Behind))

    assert sim.run(main(), seed=1) == 0


async def test_timers_of_a_frozen_clock_wait_and_are_armed_anew() -> None:
    loop = asyncio.get_running_loop()
    clock = Clock(loop.time(), 0, speed=100.0)
    timers, called = Timers(loop, clock), list[str]()
    timers.at(1.0, lambda: called.append("first"))
    clock.freeze(loop.time())
    timers.rearm()
    timers.at(0.5, lambda: called.append("earlier"))
    await asyncio.sleep(0.03)
    assert called == []
    clock.resume(loop.time())
    timers.rearm()
    async with asyncio.timeout(2):
        while len(called) < 2:
            await asyncio.sleep(0.001)
    assert called == ["earlier", "first"]
    timers.close()
