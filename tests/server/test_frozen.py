"""A market that never moves, of which some streams are sent all the same, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.client import connect

import mockex
from mockex import sim
from mockex.errors import ConfigError
from mockex.server.journal import Delivered


def _got(*streams: str, seconds: float, late_s: float = 0.0) -> dict[str, list[Any]]:
    """What reaches a client that asks for the streams, `late_s` after one another."""

    async def main() -> dict[str, list[Any]]:
        got: dict[str, list[Any]] = {stream: [] for stream in streams}
        async with mockex.serve("usdm", seed=1, market="frozen", symbols=["ETHUSDC"]) as exchange:

            async def one(stream: str) -> None:
                url = f"{exchange.ws_url}/market/ws/{stream}"
                async with connect(url, proxy=None) as client:
                    async for message in client:
                        got[stream].append(json.loads(message))

            tasks = []
            for stream in streams:
                tasks.append(asyncio.create_task(one(stream)))
                await asyncio.sleep(late_s)
            await asyncio.sleep(seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return got

    return sim.run(main(), seed=1)


@pytest.mark.rule("usdm-5.0.8", "usdm-5.0.20", "usdm-5.0.21")
def test_what_goes_by_the_clock_is_sent_at_each_period_though_nothing_moves() -> None:
    periods = {
        "ethusdc@markPrice": 3,
        "ethusdc@markPrice@1s": 1,
        "indexusdt@compositeIndex": 1,
        "ethusd@assetIndex": 1,
    }
    got = _got(*periods, seconds=30.5)
    assert {name: len(events) for name, events in got.items()} == {
        name: 30 // period for name, period in periods.items()
    }
    events = got["ethusdc@markPrice@1s"]
    assert {b["E"] // 1000 - a["E"] // 1000 for a, b in pairwise(events)} == {1}


def test_a_shorter_period_that_comes_later_does_not_wait_for_the_longer_one() -> None:
    got = _got("ethusdc@markPrice", "tradingSession", seconds=1.0, late_s=0.6)
    assert not got["ethusdc@markPrice"]
    assert len(got["tradingSession"]) == 2 * 5  # at 1 s and 2 s
    assert set(Counter(e["e"] for e in got["tradingSession"]).values()) == {2}


@pytest.mark.parametrize("stream", ["ethusdc@aggTrade", "!contractInfo", "!forceOrder@arr"])
def test_what_needs_a_change_is_silent(stream: str) -> None:
    assert _got(stream, seconds=700.0) == {stream: []}


def test_no_step_is_taken_when_nobody_wants_what_goes_by_the_clock() -> None:
    async def main() -> tuple[int, int, float]:
        async with mockex.serve("usdm", seed=1, market="frozen", symbols=["ETHUSDC"]) as exchange:
            advances: list[int] = []
            advance = exchange.market.advance

            def counted(now_ms: int, wanted: Any = None) -> Any:
                advances.append(now_ms)
                return advance(now_ms, wanted)

            exchange.market.advance = counted  # type: ignore[method-assign]
            url = f"{exchange.ws_url}/market/ws/ethusdc@aggTrade"
            async with connect(url, proxy=None):
                await asyncio.sleep(3600)
            silent = len(advances)
            url = f"{exchange.ws_url}/market/ws/ethusdc@markPrice@1s"
            async with connect(url, proxy=None) as client:
                first = json.loads(await client.recv())
            await asyncio.sleep(24 * 3600)
            delivered = sum(1 for _ in exchange.journal.of(Delivered))
            assert delivered == 1
            return silent, len(advances), first["E"] - exchange.clock.epoch_ms

    silent, steps, first_ms = sim.run(main(), seed=1)
    assert silent == 0
    assert steps <= 2, "one that was delivered, and one that was already set"
    assert 3_600_000 < first_ms <= 3_601_010


def test_one_that_is_thawed_moves_from_the_next_step_on_and_not_before() -> None:
    async def main() -> list[tuple[float, Any]]:
        async with mockex.serve(
            "usdm", seed=1, market="frozen", symbols=["ETHUSDC", "BTCUSDC"]
        ) as exchange:
            exchange.market.top("ETHUSDC")  # of the other one nothing is known yet
            streams = "ethusdc@aggTrade/btcusdc@aggTrade/ethusdc@markPrice@1s"
            url = f"{exchange.ws_url}/market/stream?streams={streams}"
            got: list[tuple[float, Any]] = []
            async with connect(url, proxy=None) as client:
                await asyncio.sleep(5.55)
                exchange.thaw()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        while True:
                            event = json.loads(await client.recv())
                            got.append((exchange.now(), event))
            for symbol in ("ETHUSDC", "BTCUSDC"):
                trades = list(exchange.truth.trades(symbol, 0, 1 << 62))
                assert min(trade.at_ms for trade in trades) == 5_600
            return got

    got = sim.run(main(), seed=1)
    for name in ("ethusdc@aggTrade", "btcusdc@aggTrade"):
        times = [at for at, event in got if event["stream"] == name]
        # Each is sent two steps after its trades: `agg_trade_lag_ms`.
        assert times == pytest.approx([5.8 + 0.1 * n for n in range(8)], abs=0.01)


async def test_what_moves_cannot_be_thawed() -> None:
    async with mockex.serve("usdm", seed=1) as exchange:
        with pytest.raises(ConfigError, match="stands still"):
            exchange.thaw()
