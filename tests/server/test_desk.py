"""A fault that is cleared is over, and one that cannot happen any more says so: every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

import mockex
from mockex import sim
from mockex.errors import FaultUnseen
from mockex.faults import (
    AcceptThenClose,
    AckError,
    AfterEvents,
    BadUpgrade,
    Bandwidth,
    BlackHole,
    Burst,
    ClearLink,
    CloseWith,
    CutFrame,
    Enlarge,
    Every,
    Fault,
    Fin,
    FinLink,
    Fragment,
    Gather,
    HangUpgrade,
    Hold,
    Latency,
    LifetimeCut,
    LimitData,
    NeverAccept,
    Outage,
    QuietStart,
    Refused,
    RefuseUpgrade,
    Release,
    Reset,
    ResetLink,
    Resume,
    ServerShutdown,
    SilentStream,
    Slice,
    SlowClose,
    SlowUpgrade,
    Stall,
    WithholdAck,
)
from mockex.faults.catalogue import classes
from mockex.server.desk import Desk
from mockex.server.journal import Closed, Ended, Faulted, HalfClosed

DEPTH = "ethusdc@depth5@100ms"
TARGET = f"/public/ws/{DEPTH}"
ARRAY = "!miniTicker@arr"
BOOK = "ethusdc@bookTicker"
SUBSCRIBE = '{"method":"SUBSCRIBE","params":["btcusdc@depth5@100ms"],"id":1}'

LASTING: list[Fault] = [
    AcceptThenClose(ms=60_000),
    AckError(),
    BadUpgrade(kind="garbage"),
    Bandwidth(bytes_per_s=1000),
    BlackHole(),
    Burst(rate_per_s=100, ms=60_000),
    CutFrame(),
    Enlarge(stream=DEPTH, bytes=100_000),
    Fragment(events=1000),
    Gather(events=1000),
    HangUpgrade(),
    Hold(),
    Latency(delay_ms=5000),
    LimitData(bytes=100_000),
    NeverAccept(),
    Outage(ms=60_000),
    Outage(how="refuse", ms=60_000),
    QuietStart(),
    Refused(ms=60_000),
    RefuseUpgrade(),
    ServerShutdown(lead_ms=5000),
    SilentStream(stream="btcusdc@depth5@100ms"),
    Slice(bytes=1, gap_ms=1000),
    SlowClose(delay_ms=60_000),
    SlowUpgrade(ms=60_000),
    Stall(scope="total"),
    Stall(scope="data"),
    Stall(scope="stream", stream=DEPTH),
    WithholdAck(),
]
# Done when `inject` returns, or within the same moment: nothing is left to clear.
AT_ONCE = {ClearLink, CloseWith, Fin, FinLink, LifetimeCut, Release, Reset, ResetLink, Resume}


@asynccontextmanager
async def exchange() -> AsyncIterator[tuple[mockex.Exchange, Desk]]:
    # Spot announces a shutdown.
    async with mockex.serve("spot", seed=7, market="steady") as running:
        yield running, Desk(running)


class Client:
    """A client that reads all that comes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.texts: list[str] = []
        self._came = asyncio.Event()

    async def read(self) -> None:
        with suppress(WebSocketException, OSError):
            async for text in self.socket:
                self.texts.append(str(text))
                self._came.set()

    async def until(self, part: str) -> None:
        """Until a text with this part comes, within 2 s."""
        self.texts.clear()
        async with asyncio.timeout(2):
            while not any(part in text for text in self.texts):
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def client(
    running: mockex.Exchange, target: str = f"/ws/{DEPTH}/{BOOK}"
) -> AsyncIterator[Client]:
    """One that has got its first event."""
    url = running.ws_url + target
    async with connect(url, proxy=None, close_timeout=0.1, ping_interval=None) as socket:
        one = Client(socket)
        reading = asyncio.create_task(one.read())
        await one.until("")
        yield one
        socket.transport.abort()
        await reading


def steps(running: mockex.Exchange, number: int) -> list[Faulted]:
    return [entry for entry in running.journal.of(Faulted) if entry.fault == number]


def test_each_kind_of_fault_is_cleared_below_or_done_at_once() -> None:
    assert {type(fault) for fault in LASTING} | AT_ONCE == set(classes().values())


def named(fault: Fault) -> str:
    return f"{type(fault).__name__}-{getattr(fault, 'how', getattr(fault, 'scope', ''))}".strip("-")


@pytest.mark.parametrize("by", ["desk", "exchange", "number"])
@pytest.mark.parametrize("fault", LASTING, ids=named)
def test_nothing_of_a_fault_happens_once_it_is_cleared(fault: Fault, by: str) -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running) as first:
            handle = desk.inject(fault)
            number = handle.id
            assert desk.is_on(number)
            if by == "desk":
                assert number in desk.calm()
            elif by == "number":
                desk.end(number)
            else:
                running.calm()
            await asyncio.sleep(0.2)
            assert not desk.is_on(number)
            if not desk.faults.all[number].times_seen:
                with pytest.raises(FaultUnseen, match="it was ended before that"):
                    await handle.seen(within_s=100)
            assert steps(running, number)[-1].phase == "ended"
            before, seen = len(running.journal.entries), desk.faults.all[number].times_seen

            lost = not running.live(DEPTH)  # some end what there is, when they begin or are cleared
            assert lost == isinstance(fault, Outage | Refused | BlackHole)
            async with (
                client(running) as second,
                client(running, "/ws/btcusdc@depth5@100ms") as third,
            ):
                old = second if lost else first
                await old.socket.send(SUBSCRIBE)
                await old.until('{"result":null,"id":1}')
                await asyncio.sleep(70)
                for one in (old, second, third):
                    await one.until("")
                    assert max(len(text) for text in one.texts) < 1000
                late = running.journal.entries[before:]
                assert not [e for e in late if isinstance(e, Closed | Ended | HalfClosed)]
                assert desk.faults.all[number].times_seen == seen
                assert [s.phase for s in steps(running, number)].count("ended") == 1

    sim.run(main(), seed=3)


@pytest.mark.parametrize("by", ["desk", "exchange"])
@pytest.mark.parametrize("when", [AfterEvents(5), Every(seconds=0.5, times=3)])
def test_a_trigger_that_is_cleared_does_nothing(when: AfterEvents | Every, by: str) -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            handle = desk.inject(Reset(when=when))
            if by == "desk":
                desk.calm()
            else:
                running.calm()
            await asyncio.sleep(5)
            assert [s.phase for s in steps(running, handle.id)] == ["injected", "ended"]
            assert running.live(DEPTH) == 1

    sim.run(main(), seed=3)


WAITING: list[Fault] = [
    CutFrame(),
    CutFrame(then="reset"),
    Fragment(),
    Gather(events=50),
    Enlarge(stream=ARRAY, bytes=1000),
    Stall(scope="total"),
    Stall(scope="data"),
    Stall(scope="stream", stream=DEPTH),
]


LOSSES: list[tuple[Fault, Fault | None]] = [
    (fault, loss)
    for fault in WAITING
    for loss in (Reset(), CloseWith(), Fin(), None)
    # A total stall withholds the close frame: it is seen with it, and nothing ends.
    if not (fault == Stall(scope="total") and isinstance(loss, CloseWith))
]


@pytest.mark.parametrize(("fault", "loss"), LOSSES)
def test_what_waits_for_a_connection_that_ends_first_says_so_at_once(
    fault: Fault, loss: Fault | None
) -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running, f"/ws/{DEPTH}/{ARRAY}") as one:
            handle = desk.inject(fault)
            waits = asyncio.create_task(handle.seen(within_s=100))
            await asyncio.sleep(0)
            if loss is not None:
                running.inject(loss)
            else:
                one.socket.transport.abort()
            began = running.loop_time()
            with pytest.raises(FaultUnseen, match="its connection, c1, ended first"):
                await waits
            assert running.loop_time() - began < 1
            with pytest.raises(FaultUnseen, match="its connection, c1, ended first"):
                await handle.seen(within_s=100)
            last = steps(running, handle.id)[-1]
            assert (last.phase, last.detail) == ("ended", "its connection, c1, ended first")
            assert not desk.is_on(handle.id)

    sim.run(main(), seed=3)


def test_a_stall_that_was_seen_ends_with_its_connection_and_is_no_failure() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            stall = desk.inject(Stall())
            await stall.seen(within_s=1)
            running.inject(Reset())
            await asyncio.wait_for(stall.ended(), 1)
            last = steps(running, stall.id)[-1]
            assert (last.phase, last.conns, last.detail) == ("ended", [1], "")

    sim.run(main(), seed=3)


def test_a_resume_ends_the_stall_and_the_wait_of_what_is_gathered() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            stall, gather = desk.inject(Stall()), desk.inject(Gather(events=1000))
            await stall.seen(within_s=1)
            await desk.inject(Resume()).seen(within_s=1)
            assert [s.phase for s in steps(running, stall.id)] == ["injected", "seen", "ended"]
            assert [s.phase for s in steps(running, gather.id)] == ["injected", "ended"]
            with pytest.raises(FaultUnseen, match="it was ended before that"):
                await gather.seen(within_s=100)

    sim.run(main(), seed=3)


def test_a_resume_whose_connection_ends_before_an_event_says_so() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            await desk.inject(Stall()).seen(within_s=1)
            resume = desk.inject(Resume(backlog="lose"))
            running.inject(Reset())
            with pytest.raises(FaultUnseen, match="its connection, c1, ended first"):
                await resume.seen(within_s=100)

    sim.run(main(), seed=3)


def test_a_quota_of_events_whose_connection_ends_first_says_so_once_no_attempt_can_come() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            began = running.loop_time()
            fault = desk.inject(AcceptThenClose(ms=1000, events=1000))
            waits = asyncio.create_task(fault.seen(within_s=100))
            async with client(running):
                await asyncio.sleep(0.3)
                running.inject(Reset())
                await asyncio.sleep(0.3)
            assert not waits.done(), "it is on for other attempts"
            with pytest.raises(FaultUnseen, match="its connection, c1, ended first"):
                await waits
            assert running.loop_time() - began == pytest.approx(1.0, abs=0.01)

    sim.run(main(), seed=3)


def test_an_attempt_that_never_comes_is_waited_for_as_long_as_it_may_come() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            outage = desk.inject(Outage(ms=1000))
            with pytest.raises(FaultUnseen, match="no attempt was made while it was on"):
                await outage.seen(within_s=100)
            assert [s.phase for s in steps(running, outage.id)] == ["injected", "ended"]

    sim.run(main(), seed=3)


def test_a_turn_that_hits_nothing_is_not_the_last_word() -> None:
    async def main() -> None:
        async with exchange() as (running, desk):
            resets = desk.inject(Reset(when=Every(seconds=1, times=2)))
            waits = asyncio.create_task(resets.seen(within_s=100))
            await asyncio.sleep(1.5)
            async with client(running):
                assert (await waits).conns == [1]
            assert (await resets.seen(within_s=0.1)).conns == [1]

    sim.run(main(), seed=3)


def test_a_fault_in_the_place_of_another_ends_that() -> None:
    async def main() -> None:
        async with exchange() as (running, desk), client(running):
            first, second = desk.inject(CutFrame()), desk.inject(CutFrame(then="reset"))
            with pytest.raises(FaultUnseen, match="another cut took its place"):
                await first.seen(within_s=100)
            await second.seen(within_s=1)

    sim.run(main(), seed=3)


def test_a_burst_that_does_not_reach_its_rate_says_so() -> None:
    async def main() -> None:
        # A walk changes the best prices in few of its steps.
        async with (
            mockex.serve("spot", seed=7, market="walk") as running,
            client(running, f"/ws/{BOOK}"),
        ):
            burst = running.inject(Burst(rate_per_s=1000, ms=300))
            with pytest.raises(FaultUnseen, match="the rate was not reached"):
                await burst.seen(within_s=100)

    sim.run(main(), seed=3)
