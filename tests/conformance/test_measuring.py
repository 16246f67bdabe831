"""Rounds: what is measured is what the exchange really did."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from websockets.asyncio.client import connect

import mockex
from mockex.faults import Reset
from mockex.server.exchange import Exchange
from mockex.server.frames import text_frame
from mockex_conformance import measuring
from mockex_conformance.harness.load import find


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with mockex.serve(
        profile=measuring.PROFILE, market="steady", seed=7, settings=measuring.SETTINGS
    ) as opened:
        yield opened


def url(exchange: Exchange) -> str:
    return f"{exchange.ws_url}/public/stream?streams={measuring.STREAM}"


async def test_traffic_is_what_one_client_receives_times_the_deliveries(
    exchange: Exchange,
) -> None:
    async with connect(url(exchange)) as one:
        single = await measuring.traffic(exchange, steps=5)
        size = len(text_frame(await one.recv(decode=True)))
        async with connect(url(exchange)), connect(url(exchange)):
            triple = await measuring.traffic(exchange, steps=5)
    assert (single.bytes, triple.bytes) == (5 * size, 3 * 5 * size)
    for meter in (single, triple):
        # Never faster than the market's ten steps a second; slower if the machine was.
        assert meter.kb_s == meter.bytes / (meter.ended_at - meter.began_at) / measuring.KB
        assert meter.ended_at - meter.began_at > 0.4


async def test_settled_means_delivered_and_nothing_moving(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "SETTLED_S", 0.2)
    settling = asyncio.create_task(measuring.settle(exchange))
    async with connect(url(exchange)):
        await exchange.journal.wait(lambda _: exchange.live(measuring.STREAM) == 1)
        assert not settling.done()
        async with connect(url(exchange)):
            await settling
        assert exchange.live(measuring.STREAM) <= 2
    times = [e.t for e in exchange.journal.entries if measuring.moves(e)]
    assert exchange.loop_time() - times[1] >= 0.2


async def test_a_testee_that_does_not_come_back_never_settles(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LIVE_S", 0.2)
    async with connect(url(exchange)):
        await exchange.journal.wait(lambda _: exchange.live(measuring.STREAM) == 1)
        await exchange.inject(Reset(all=True)).seen()
        with pytest.raises(TimeoutError):
            await measuring.settle(exchange)


async def test_the_bug_grows_by_one_delivery_and_its_traffic_with_it(tmp_path: Path) -> None:
    for folder in ("journal", "stderr"):
        (tmp_path / folder).mkdir()
    (testee,) = find("incident-python-bug")
    how = measuring.Measuring(rounds=1, steps=5)
    (measured,) = await measuring.measure_all([testee], {}, tmp_path, 7, how)
    before, after = measured.rounds
    assert (before.deliveries, after.deliveries) == (1, 2)
    assert (before.sockets, after.sockets) == (1, 2)
    assert after.kb_s == pytest.approx(2 * before.kb_s, rel=0.1)
    (chart,) = measuring.rounds_charts([measured], tmp_path)
    assert (chart.most, chart.last) == (2, 2)
    assert [kind for _, kind in chart.marks] == ["Reset"]


async def test_what_cannot_run_here_is_not_started(tmp_path: Path) -> None:
    (testee,) = find("incident-go-bug")
    (measured,) = await measuring.measure_all(
        [testee], {testee.name: "its build needs 'go'"}, tmp_path, 7, measuring.QUICK
    )
    assert (measured.rounds, measured.skipped) == ((), "its build needs 'go'")


async def test_an_exchange_that_may_open_no_file_ends_the_rounds_of_its_testee(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    monkeypatch.setattr(mockex, "serve", Mock(side_effect=lacks))
    (testee,) = find("incident-python-bug")
    (measured,) = await measuring.measure_all([testee], {}, tmp_path, 7, measuring.QUICK)
    assert measured.ended == "this machine: too many open files: raise `ulimit -n`"
