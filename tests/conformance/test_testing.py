"""The assertions for tests of one's own, on adapters that are right and wrong on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from mockex import Exchange
from mockex.faults import AckError, CloseWith, Outage, Reset, Stall
from mockex_conformance.testing import (
    assert_flat_traffic,
    assert_recovers,
    assert_single_delivery,
)

pytest_plugins = "pytester"

DEPTH, TRADES = "ethusdc@depth5@100ms", "btcusdc@trade"
pytestmark = pytest.mark.mockex(ground="virtual", market="steady", seed=7)
ON_BOTH_GROUNDS = pytest.mark.parametrize(
    "ground",
    [
        pytest.param(ground, marks=pytest.mark.mockex(ground=ground, market="steady"))
        for ground in ("virtual", "real")
    ],
)


@asynccontextmanager
async def adapter(
    exchange: Exchange,
    streams: Iterable[str] = (DEPTH,),
    *,
    leaks: bool = False,
    comes_back: bool = True,
    late_s: float = 0.1,
) -> AsyncIterator[None]:
    """Follows streams; one that `leaks` has one owner more after each loss, `late_s` later."""
    tasks: set[asyncio.Task[None]] = set()

    async def follow() -> None:
        while True:
            with suppress(WebSocketException, OSError):
                url = f"{exchange.ws_url}/ws/{'/'.join(streams)}"
                async with connect(url, proxy=None, close_timeout=1) as ws:
                    async for _ in ws:
                        pass
            if not comes_back:
                return
            await asyncio.sleep(late_s)
            if leaks:
                tasks.add(asyncio.create_task(late()))

    async def late() -> None:
        await asyncio.sleep(late_s)
        await follow()

    tasks.add(asyncio.create_task(follow()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- what is right ---


@ON_BOTH_GROUNDS
async def test_an_adapter_that_comes_back_once_passes_all(mockex: Exchange, ground: str) -> None:
    async with adapter(mockex):
        await assert_single_delivery(mockex, watch_s=0.2)
        await mockex.inject(Reset()).seen(within_s=5)
        await assert_recovers(mockex)
        await assert_single_delivery(mockex, stream=DEPTH, watch_s=0.2)
        await assert_flat_traffic(mockex, steps=3)


async def test_a_stream_that_was_given_up_is_not_missed(mockex: Exchange) -> None:
    async with connect(f"{mockex.ws_url}/ws/{DEPTH}/{TRADES}", proxy=None) as ws:
        await ws.recv()
        await ws.send(f'{{"method":"UNSUBSCRIBE","params":["{TRADES}"],"id":1}}')
        reading = asyncio.create_task(_read(ws))
        await assert_single_delivery(mockex)
        reading.cancel()


async def _read(ws: object) -> None:
    async for _ in ws:  # type: ignore[attr-defined]
        pass


async def test_two_deliveries_may_be_right(mockex: Exchange) -> None:
    async with adapter(mockex), adapter(mockex):
        await assert_single_delivery(mockex, deliveries=2)
        await assert_flat_traffic(mockex, deliveries=2)


async def test_an_overlap_that_is_allowed_passes(mockex: Exchange) -> None:
    async with adapter(mockex):
        await assert_single_delivery(mockex)
        async with adapter(mockex):
            await asyncio.sleep(0.5)
        await assert_single_delivery(mockex, overlap_s=1)


# --- what is wrong ---


@ON_BOTH_GROUNDS
async def test_a_second_delivery_is_named_with_rule_moment_and_fault(
    mockex: Exchange, ground: str
) -> None:
    async with adapter(mockex, leaks=True):
        await assert_single_delivery(mockex, watch_s=0.2)
        await mockex.inject(Reset()).seen(within_s=5)
        with pytest.raises(AssertionError) as failed:
            await assert_single_delivery(mockex)
    said = str(failed.value)
    assert said.startswith(
        f"stream {DEPTH} is delivered on 2 live connections (c2, c3); exactly 1 is allowed;"
        " one more than before the loss. Rule: a stream is delivered on exactly 1 live connection,"
        " whatever was lost. Seen at "
    )
    assert said.endswith(" s, after Reset on c1.")
    assert "\n" not in said


async def test_a_second_delivery_that_comes_late_is_waited_for(mockex: Exchange) -> None:
    async with adapter(mockex, leaks=True, late_s=0.4):
        await assert_single_delivery(mockex)
        await mockex.inject(Reset()).seen(within_s=5)
        await assert_recovers(mockex)
        with pytest.raises(AssertionError, match="on 2 live connections"):
            await assert_single_delivery(mockex)


async def test_a_second_delivery_that_has_gone_away_is_found(mockex: Exchange) -> None:
    async with adapter(mockex):
        async with adapter(mockex):
            await asyncio.sleep(0.5)
        with pytest.raises(AssertionError, match=r"on 2 live connections \(c1, c2\)"):
            await assert_single_delivery(mockex)
        with pytest.raises(AssertionError, match="on 2 live connections"):
            await assert_single_delivery(mockex, overlap_s=0.1)


async def test_no_delivery_is_told_with_what_the_exchange_saw(mockex: Exchange) -> None:
    with pytest.raises(AssertionError, match=f"no events of {DEPTH} within 1 s; there was no att"):
        await assert_single_delivery(mockex, stream=DEPTH, within_s=1)
    with pytest.raises(AssertionError, match="no events of any stream within 1 s"):
        await assert_single_delivery(mockex, within_s=1)
    mockex.inject(AckError())
    async with connect(f"{mockex.ws_url}/ws", proxy=None) as ws:
        await ws.send(f'{{"method":"SUBSCRIBE","params":["{DEPTH}"],"id":1}}')
        with pytest.raises(AssertionError, match="a request was refused: "):
            await assert_single_delivery(mockex, stream=DEPTH, within_s=1)


async def test_a_delivery_that_ends_again_is_none(mockex: Exchange) -> None:
    async with adapter(mockex, comes_back=False):
        ending = asyncio.get_running_loop().call_later(0.5, lambda: mockex.inject(Reset()))
        with pytest.raises(AssertionError, match=f"{DEPTH}: not delivered any more after 1 s"):
            await assert_single_delivery(mockex)
        ending.cancel()


@ON_BOTH_GROUNDS
async def test_who_does_not_come_back_is_told_so(mockex: Exchange, ground: str) -> None:
    async with adapter(mockex, [DEPTH, TRADES], comes_back=False):
        await assert_single_delivery(mockex, watch_s=0.1)
        await mockex.inject(CloseWith(code=1001)).seen(within_s=5)
        with pytest.raises(AssertionError) as failed:
            await assert_recovers(mockex, within_s=0.5)
    assert str(failed.value).startswith(
        f"not recovered: no events of {DEPTH}, {TRADES} within 0.5 s of the fault; there was no"
        " attempt to connect. Rule: what was lost is back within 0.5 s."
    )
    assert "after CloseWith on c1" in str(failed.value)


async def test_who_came_back_too_late_did_not_recover_in_time(mockex: Exchange) -> None:
    async with adapter(mockex, late_s=3):
        await assert_single_delivery(mockex)
        await mockex.inject(Reset()).seen(within_s=5)
        await asyncio.sleep(10)
        assert mockex.live(DEPTH) == 1
        with pytest.raises(AssertionError, match="not recovered: no events"):
            await assert_recovers(mockex, within_s=2)
        await assert_recovers(mockex, within_s=4)


async def test_events_from_before_the_fault_are_no_recovery(mockex: Exchange) -> None:
    async with adapter(mockex):
        await assert_single_delivery(mockex)
        await mockex.inject(Stall()).seen(within_s=5)
        with pytest.raises(AssertionError, match=f"no events of {DEPTH} within 1.0 s"):
            await assert_recovers(mockex, within_s=1)
        mockex.calm()


async def test_without_a_fault_or_a_stream_nothing_can_recover(mockex: Exchange) -> None:
    with pytest.raises(AssertionError, match="no fault was seen, so nothing could be recovered"):
        await assert_recovers(mockex)
    await mockex.inject(Outage(how="refuse", ms=100)).seen(within_s=5)
    with pytest.raises(AssertionError, match="nothing was subscribed before the fault"):
        await assert_recovers(mockex)


@ON_BOTH_GROUNDS
async def test_doubled_traffic_is_told_in_events_and_bytes(mockex: Exchange, ground: str) -> None:
    async with adapter(mockex, leaks=True):
        await assert_single_delivery(mockex, watch_s=1)
        await mockex.inject(Reset()).seen(within_s=5)
        await asyncio.sleep(0.5)
        with pytest.raises(AssertionError) as failed:
            await assert_flat_traffic(mockex, steps=5)
    said = str(failed.value)
    assert f"stream {DEPTH}: each event is sent 2 times instead of 1, in " in said
    assert " of 5 steps now; " in said
    assert "KB/s before: x " in said
    assert "Rule: as much is sent after losses as before: each event 1 time." in said


async def test_traffic_that_was_double_before_is_found_too(mockex: Exchange) -> None:
    async with adapter(mockex):
        async with adapter(mockex):
            await asyncio.sleep(1)
        with pytest.raises(AssertionError, match=r"sent 2 times instead of 1, in .* before the f"):
            await assert_flat_traffic(mockex)


async def test_traffic_that_cannot_be_measured_is_not_flat(mockex: Exchange) -> None:
    with pytest.raises(AssertionError, match="no stream was ever subscribed"):
        await assert_flat_traffic(mockex, within_s=1)
    async with adapter(mockex):
        with pytest.raises(AssertionError, match=r"steps with events within 0.5 s; 20 are n"):
            await assert_flat_traffic(mockex, within_s=0.5)


@pytest.mark.mockex(ground="real")
def test_the_traceback_ends_in_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
import pytest
from mockex_conformance.testing import assert_single_delivery

@pytest.mark.mockex(ground="virtual")
async def test_it(mockex):
    await assert_single_delivery(mockex, within_s=1)
"""
    )
    result = pytester.runpytest_inprocess(
        "-pno:randomly", "-pno:hypothesispytest", "-oasyncio_default_fixture_loop_scope=function"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       await assert_single_delivery(mockex, within_s=1)",
            "E       AssertionError: no events of any stream within 1 s; there was no attempt to*",
            "test_it.py:6: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*testing.py*")
