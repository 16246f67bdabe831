"""Bursts of events, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

import mockex
from mockex import sim
from mockex.errors import FaultError, FaultUnseen
from mockex.faults import Burst
from mockex.profile import USDM
from mockex.server.bursts import Rate
from mockex.server.journal import Batch, Delivered, Faulted
from tests.market.capturing import lines_of

SYMBOLS = ("ETHUSDC", "BTCUSDC", "SOLUSDC", "BNBUSDC")
TICKERS = tuple(f"{symbol.lower()}@bookTicker" for symbol in SYMBOLS)
Play = Callable[[mockex.Exchange], Awaitable[Any]]


def with_clients(play: Play, *clients: tuple[str, ...], **options: Any) -> Any:
    """What `play` returns, on an exchange with clients that take these streams."""

    async def main() -> Any:
        options.setdefault("market", "steady")
        async with mockex.serve("usdm", seed=1, symbols=SYMBOLS, **options) as exchange:

            async def take(streams: tuple[str, ...]) -> None:
                url = f"{exchange.ws_url}/public/stream?streams={'/'.join(streams)}"
                async with connect(url, proxy=None) as client:
                    async for _ in client:
                        pass

            tasks = [asyncio.create_task(take(streams)) for streams in clients]
            await asyncio.sleep(1.05)
            try:
                return await play(exchange)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return sim.run(main(), seed=1)


def events(exchange: mockex.Exchange, stream: str, begin: float, end: float) -> int:
    return sum(
        entry.streams[stream].events
        for entry in exchange.journal.of(Delivered)
        if stream in entry.streams and begin <= entry.t < end
    )


def test_a_burst_has_the_rate_for_its_time_and_what_has_a_period_keeps_to_it() -> None:
    depth = "ethusdc@depth5@100ms"

    async def play(exchange: mockex.Exchange) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        handle = exchange.inject(Burst(rate_per_s=1000, ms=2000))
        seen = await handle.seen(within_s=0.5)
        assert seen.conns == [1]
        await handle.ended()
        assert loop.time() - begin == pytest.approx(2.05, abs=0.01)
        many = sum(events(exchange, name, begin, begin + 2.06) for name in TICKERS)
        assert many == 4 * (1 + 500), "500 steps of 4 ms and the usual one before them"
        assert events(exchange, depth, begin, begin + 2.06) == 21
        await asyncio.sleep(1)
        assert sum(events(exchange, n, begin + 2.06, begin + 3.06) for n in TICKERS) == 40

    with_clients(play, (*TICKERS, depth))


def test_the_rate_counts_each_event_once_however_many_take_it() -> None:
    async def play(exchange: mockex.Exchange) -> None:
        handle = exchange.inject(Burst(rate_per_s=2000, ms=1000))
        assert (await handle.seen(within_s=0.5)).conns == [1, 2]

    with_clients(play, TICKERS[:2], TICKERS[2:])


def test_a_burst_that_never_has_its_rate_is_not_seen() -> None:
    async def play(exchange: mockex.Exchange) -> None:
        handle = exchange.inject(Burst(rate_per_s=4000, ms=500))
        with pytest.raises(FaultUnseen):
            await handle.seen(within_s=2)
        assert [e.phase for e in exchange.journal.of(Faulted)] == ["injected", "ended"]

    # Every second step of such a walk changes no best price.
    with_clients(play, TICKERS, market="walk", rate=0.2)


def test_calm_ends_it_with_the_next_usual_step_and_another_may_follow() -> None:
    async def play(exchange: mockex.Exchange) -> None:
        handle = exchange.inject(Burst(rate_per_s=1000, ms=60_000))
        await handle.seen(within_s=1)
        exchange.calm()
        async with asyncio.timeout(0.11):
            await handle.ended()
        exchange.calm()
        await exchange.inject(Burst(rate_per_s=1000, ms=500)).seen(within_s=1)
        ended = [e.fault for e in exchange.journal.of(Faulted) if e.phase == "ended"]
        assert ended == [1]

    with_clients(play, TICKERS)


def test_a_faster_clock_needs_fewer_steps_of_its_own_time() -> None:
    async def play(exchange: mockex.Exchange) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        handle = exchange.inject(Burst(rate_per_s=1000, ms=1000))
        await handle.seen(within_s=0.5)
        await handle.ended()
        assert loop.time() - begin == pytest.approx(1.0, abs=0.06)
        assert exchange.market.next_step_ms() % 100 == 0
        assert min(_gaps(exchange)) == pytest.approx(0.004)

    with_clients(play, TICKERS, speed=5.0)


def _gaps(exchange: mockex.Exchange) -> list[float]:
    times = [entry.t for entry in exchange.journal.of(Delivered)]
    return [b - a for a, b in pairwise(times)]


@pytest.mark.parametrize(
    ("streams", "options", "says"),
    [
        (("ethusdc@depth5@100ms",), {}, "no stream is wanted that is sent at each change"),
        (TICKERS[:1], {}, "1 streams have at most 1000 events in a second"),
        (TICKERS, {"market": "frozen"}, "moves by itself"),
    ],
)
def test_what_cannot_burst_says_why(
    streams: tuple[str, ...], options: dict[str, Any], says: str
) -> None:
    async def play(exchange: mockex.Exchange) -> None:
        with pytest.raises(FaultError, match=says):
            exchange.inject(Burst(rate_per_s=2000, ms=1000))

    with_clients(play, streams, **options)


def test_a_second_burst_is_refused_while_one_is_on() -> None:
    async def play(exchange: mockex.Exchange) -> None:
        exchange.inject(Burst(rate_per_s=500, ms=1000))
        with pytest.raises(FaultError, match="one hurry at a time"):
            exchange.inject(Burst(rate_per_s=500, ms=1000))

    with_clients(play, TICKERS)


def test_a_replay_has_the_rate_of_its_capture(tmp_path: Path) -> None:
    capture = tmp_path / "capture.ndjson"
    capture.write_bytes(b"".join(lines_of(USDM, ["ethusdc@trade"], until_ms=5000)))

    async def play(exchange: mockex.Exchange) -> None:
        with pytest.raises(FaultError, match="no stream is wanted that is sent at each change"):
            exchange.inject(Burst(rate_per_s=10, ms=1000))

    with_clients(play, market=f"replay:{capture}")


def test_a_rate_forgets_what_is_older_than_its_window() -> None:
    rate = Rate(100)

    def reached(t: float, step: int, stream: str = "a", events: int = 20) -> bool:
        batch = {stream: Batch(1, 1, events, 10)}
        return rate.reached(Delivered(t=t, audience=1, step=step, streams=batch))

    assert not reached(1.0, 1)
    assert not reached(1.0, 1), "another audience of the same step"
    assert not reached(1.3, 2), "the first one is too old"
    assert reached(1.4, 3)
