"""Scripts that are played, and faults that are ended, in virtual time: every moment is exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

import mockex
from mockex import sim
from mockex.errors import FaultError, NotInjected
from mockex.faults import (
    AfterEvents,
    ClearLink,
    CutFrame,
    Every,
    Fault,
    HangUpgrade,
    Hold,
    Latency,
    LinkFault,
    Outage,
    QuietStart,
    Reset,
    SilentStream,
    Slice,
    SlowUpgrade,
    Stall,
    Trigger,
    WithholdAck,
)
from mockex.faults.script_reading import parse
from mockex.server.desk import MOST_TOLD, Desk
from mockex.server.injector import Handle
from mockex.server.journal import Closed, Ended, Faulted
from mockex.server.line import Line
from mockex.server.script_run import ScriptRun

DEPTH = "ethusdc@depth5@100ms"
TARGET = f"/public/ws/{DEPTH}"
Scenario = Callable[["Play"], Awaitable[None]]


class Play:
    """An exchange with one client that comes back 100 ms after each loss, and its desk."""

    def __init__(self, exchange: mockex.Exchange) -> None:
        self.exchange = exchange
        self.told: list[str] = []
        self.desk = Desk(exchange, self.told.append)
        self.began = exchange.loop_time()

    def start(self, text: str) -> ScriptRun:
        self.began = self.exchange.loop_time()
        return self.desk.play(parse(text.encode(), toml=True, file="a.toml"))

    def moments(self, *phases: str) -> list[tuple[float, str, str]]:
        """When what happened to faults, since the start of the script."""
        return [
            (round(e.t - self.began, 3), e.kind, e.phase)
            for e in self.exchange.journal.of(Faulted)
            if e.phase in (phases or ("injected", "seen", "ended"))
        ]

    def phases(self, number: int) -> list[str]:
        return [e.phase for e in self.exchange.journal.of(Faulted) if e.fault == number]


@asynccontextmanager
async def coming_back(url: str) -> AsyncIterator[None]:
    async def client() -> None:
        while True:
            with suppress(WebSocketException, OSError):
                async with connect(url + TARGET, proxy=None) as socket:
                    async for _ in socket:
                        pass
            await asyncio.sleep(0.1)

    task = asyncio.create_task(client())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def play(scenario: Scenario, *, client: bool = True, speed: float = 1.0) -> None:
    async def main() -> None:
        async with mockex.serve("usdm", seed=7, speed=speed) as exchange:
            if not client:
                await scenario(Play(exchange))
                return
            async with coming_back(exchange.ws_url):
                while not exchange.live(DEPTH):
                    await asyncio.sleep(0.05)
                await scenario(Play(exchange))

    sim.run(main(), seed=3)


# --- when ---


def test_steps_come_at_their_times_and_follow_each_other() -> None:
    async def scenario(p: Play) -> None:
        run = p.start(
            '[[fault]]\nat = "2s"\nfault = "Reset"\n'
            '[[fault]]\nafter = "500ms"\nfault = "Fin"\n'
            '[[fault]]\nevery = "3s"\nuntil = "9s"\nfault = "CloseWith"\n'
            '[[fault]]\nafter = "1s"\nfault = "CloseWith"\nreason = "after the first of every"\n'
        )
        assert not run.over
        await asyncio.sleep(20)
        assert p.moments("injected") == [
            (2.0, "Reset", "injected"),
            (2.5, "Fin", "injected"),
            (3.0, "CloseWith", "injected"),
            (4.0, "CloseWith", "injected"),
            (6.0, "CloseWith", "injected"),
            (9.0, "CloseWith", "injected"),
        ]
        assert run.over
        assert run.unseen() == []
        assert p.told == []

    play(scenario)


def test_the_first_step_may_follow_the_start() -> None:
    async def scenario(p: Play) -> None:
        p.start('[[fault]]\nafter = "1500ms"\nfault = "Reset"\n')
        await asyncio.sleep(2)
        assert p.moments("injected") == [(1.5, "Reset", "injected")]

    play(scenario)


def test_times_are_of_the_exchanges_clock() -> None:
    async def scenario(p: Play) -> None:
        p.start('[[fault]]\nat = "4s"\nfault = "Stall"\nuntil = "8s"\n')
        await asyncio.sleep(3)
        assert p.moments("injected")[0] == (0.4, "Stall", "injected")
        assert (0.8, "Stall", "ended") in p.moments()

    play(scenario, speed=10.0)


def test_time_that_stands_still_brings_no_fault_and_time_that_is_moved_on_brings_all() -> None:
    async def scenario(p: Play) -> None:
        p.exchange.time.freeze()
        run = p.start('[[fault]]\nevery = "1s"\nuntil = "5s"\nfault = "CloseWith"\n')
        await asyncio.sleep(3)
        assert p.moments() == []
        await p.exchange.time.advance(10)
        assert len(p.moments("injected")) == 5
        assert run.over

    play(scenario)


def test_a_step_may_follow_so_many_events_of_a_stream_since_the_step_before() -> None:
    async def scenario(p: Play) -> None:
        p.start(
            '[[fault]]\nat = "950ms"\nfault = "Reset"\n'
            f'[[fault]]\nafter = {{events = 5, stream = "{DEPTH}"}}\nfault = "Reset"\n'
            '[[fault]]\nafter = {events = 1}\nfault = "CloseWith"\n'
            '[[fault]]\nafter = {events = 1, stream = "btcusdc@depth"}\nfault = "CloseWith"\n'
        )
        await asyncio.sleep(5)
        # Back 100 ms after each loss, then an event each 100 ms.
        first, second, third = (at for at, _, _ in p.moments("injected"))
        assert first == 0.95
        assert 0.5 <= second - first <= 0.71
        assert 0.1 <= third - second <= 0.31
        counted = [p.exchange.deliveries.events(conn, DEPTH) for conn in (2, 3)]
        assert counted == [5, 1]

    play(scenario)


def test_jitter_moves_each_turn_as_the_seed_says_without_drift() -> None:
    seen: dict[int, list[float]] = {}

    def at(seed: int) -> list[float]:
        async def scenario(p: Play) -> None:
            p.start(
                f'seed = {seed}\n[[fault]]\nevery = "2s"\nuntil = "40s"\njitter = "400ms"\n'
                'fault = "Reset"\n'
            )
            await asyncio.sleep(50)
            seen[seed] = [moment[0] for moment in p.moments("injected")]

        play(scenario)
        return seen[seed]

    times = at(5)
    assert times == at(5)
    assert times != at(6)
    assert len(times) == 20
    moved = [time - 2 * turn for turn, time in enumerate(times, 1)]
    assert all(-0.4 <= m <= 0.4 for m in moved)
    assert max(moved) - min(moved) > 0.4


def test_steps_without_a_time_between_them_come_one_after_the_other() -> None:
    async def scenario(p: Play) -> None:
        steps = '[[fault]]\nafter = "0s"\nfault = "SlowUpgrade"\nms = 1\n' * 5000
        run = p.start(steps)
        await asyncio.sleep(1)
        assert len(p.moments("injected")) == 5000
        assert run.over

    play(scenario, client=False)


# --- how long ---


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ('"Stall"', ["Stall", "Resume"]),
        ('"Hold"', ["Hold", "Release"]),
        ('"Latency"\ndelay_ms = 50', ["Latency", "ClearLink"]),
        ('"Slice"\nbytes = 20', ["Slice", "ClearLink"]),
        (f'"SilentStream"\nstream = "{DEPTH}"', ["SilentStream"]),
        ('"QuietStart"', ["QuietStart"]),
    ],
)
@pytest.mark.parametrize("how", ['until = "3s"', 'for = "1s"'])
def test_a_fault_that_lasts_is_ended_when_the_script_says_so(
    fault: str, kinds: list[str], how: str
) -> None:
    async def scenario(p: Play) -> None:
        run = p.start(f'[[fault]]\nat = "2s"\n{how}\nfault = {fault}\n')
        await asyncio.sleep(2.5)
        assert p.desk.is_on(1)
        assert not run.over
        await asyncio.sleep(5)
        assert [kind for _, kind, _ in p.moments("injected")] == kinds
        assert (3.0, kinds[0], "ended") in p.moments("ended")
        assert not p.desk.is_on(1)
        assert run.over
        assert p.told == []
        before = p.exchange.deliveries.events(1, DEPTH)
        await asyncio.sleep(1)
        assert p.exchange.deliveries.events(1, DEPTH) - before == 10

    play(scenario)


def test_each_turn_of_a_fault_that_lasts_is_ended() -> None:
    async def scenario(p: Play) -> None:
        p.start('[[fault]]\nevery = "2s"\nuntil = "6s"\nfor = "500ms"\nfault = "Stall"\n')
        await asyncio.sleep(10)
        stalls = [moment for moment in p.moments("injected", "ended") if moment[1] == "Stall"]
        assert [(at, phase) for at, _, phase in stalls] == [
            (2.0, "injected"), (2.5, "ended"), (4.0, "injected"), (4.5, "ended"),
            (6.0, "injected"), (6.5, "ended"),
        ]  # fmt: skip

    play(scenario)


def test_a_stall_whose_connection_has_gone_needs_no_end() -> None:
    async def scenario(p: Play) -> None:
        run = p.start(
            '[[fault]]\nat = "1s"\nfor = "3s"\nfault = "Stall"\n'
            '[[fault]]\nat = "2s"\nfault = "Reset"\n'
        )
        await asyncio.sleep(5)
        assert [kind for _, kind, _ in p.moments("injected")] == ["Stall", "Reset"]
        assert run.over
        assert p.told == []

    play(scenario)


# --- what cannot be done ---


def test_a_step_that_cannot_be_done_is_journaled_and_told_and_the_next_follow() -> None:
    async def scenario(p: Play) -> None:
        run = p.start(
            '[[fault]]\nat = "1s"\nfault = "Reset"\nconnection = 99\n'
            '\n[[fault]]\nafter = "1s"\nfault = "Reset"\n'
        )
        await asyncio.sleep(3)
        assert p.told == ["a.toml:1: Reset: nothing live delivers c99"]
        assert p.moments() == [
            (1.0, "Reset", "injected"), (1.0, "Reset", "ended"),
            (2.0, "Reset", "injected"), (2.0, "Reset", "seen"),
        ]  # fmt: skip
        assert run.moments[1].detail == "Reset: nothing live delivers c99"
        assert run.over
        assert run.unseen() == []

    play(scenario)


def test_what_cannot_be_done_when_its_trigger_comes_is_told_too() -> None:
    async def scenario(p: Play) -> None:
        p.desk.inject(Reset(connection=99, when=AfterEvents(3)))
        await asyncio.sleep(2)
        assert p.told == ["fault 1: Reset: nothing live delivers c99"]
        assert p.desk.faults.all[1].failure

    play(scenario)


def test_a_fault_that_hits_nothing_has_a_number_and_an_end() -> None:
    async def scenario(p: Play) -> None:
        with pytest.raises(NotInjected, match="nothing live delivers any stream") as caught:
            p.desk.inject(Reset())
        assert caught.value.number == 1
        assert p.phases(1) == ["injected", "ended"]

    play(scenario, client=False)


# --- ended by hand ---


def test_a_script_that_is_stopped_injects_nothing_more_and_ends_what_is_on() -> None:
    async def scenario(p: Play) -> None:
        run = p.start(
            '[[fault]]\nat = "1s"\nfor = "9s"\nfault = "Stall"\n'
            '[[fault]]\nat = "4s"\nfault = "Reset"\n'
            '[[fault]]\nevery = "3s"\nfault = "CloseWith"\n'
            '[[fault]]\nafter = {events = 1000}\nfault = "Fin"\n'
        )
        await asyncio.sleep(2)
        run.stop()
        run.stop()
        assert run.over
        assert not p.desk.is_on(1)
        await asyncio.sleep(200)
        assert [kind for _, kind, _ in p.moments("injected")] == ["Stall", "Resume"]

    play(scenario)


def test_calm_ends_scripts_and_every_fault_that_lasts() -> None:
    async def scenario(p: Play) -> None:
        lasting: list[Fault] = [
            Stall(), Latency(delay_ms=20), SlowUpgrade(ms=1, attempts=3), WithholdAck(),
            SilentStream(stream=DEPTH),
        ]  # fmt: skip
        run = p.start('[[fault]]\nat = "9s"\nfault = "Reset"\n')
        for fault in lasting:
            p.desk.inject(fault)
        await asyncio.sleep(1)
        on = [number for number in p.desk.asked if p.desk.is_on(number)]
        assert on == [1, 2, 3, 4, 5]
        assert p.desk.calm() == on
        assert run.over
        assert [number for number in p.desk.asked if p.desk.is_on(number)] == []
        assert all(p.phases(number)[-1] == "ended" for number in on)
        assert p.desk.calm() == []
        await asyncio.sleep(10)
        assert not any(kind == "Reset" for _, kind, _ in p.moments())

    play(scenario)


@pytest.mark.parametrize(
    "fault",
    [
        SlowUpgrade(ms=1), HangUpgrade(), Outage(attempts=2), WithholdAck(), QuietStart(),
        SilentStream(stream="btcusdc@depth"),
    ],
)  # fmt: skip
def test_what_waits_for_attempts_or_requests_is_withdrawn(fault: Fault) -> None:
    async def scenario(p: Play) -> None:
        number = p.desk.inject(fault).id
        assert p.desk.is_on(number)
        p.desk.end(number)
        assert not p.desk.is_on(number)
        assert p.phases(number) == ["injected", "ended"]
        async with connect(p.exchange.ws_url + TARGET, proxy=None) as client:
            await client.recv()

    play(scenario, client=False)


def test_the_end_of_a_hold_spares_other_faults_of_the_link() -> None:
    async def scenario(p: Play) -> None:
        slow, hold = p.desk.inject(Latency(delay_ms=20)), p.desk.inject(Hold())
        await asyncio.sleep(1)
        p.desk.end(hold.id)
        await asyncio.sleep(1)
        assert p.desk.is_on(slow.id)
        assert not p.desk.is_on(hold.id)
        other = p.desk.inject(Slice(bytes=20))
        p.desk.end(slow.id)
        assert not p.desk.is_on(other.id)
        assert p.phases(slow.id)[-1] == p.phases(other.id)[-1] == "ended"

    play(scenario)


def test_a_stall_is_ended_on_its_own_connection_only() -> None:
    async def scenario(p: Play) -> None:
        async with connect(p.exchange.ws_url + TARGET, proxy=None) as other:
            await other.recv()
            first = p.desk.inject(Stall(connection=1))
            second = p.desk.inject(Stall(connection=2))
            p.desk.end(first.id)
            assert not p.desk.is_on(first.id)
            assert p.desk.is_on(second.id)

    play(scenario)


def test_a_quiet_start_is_on_until_its_connection_may_speak() -> None:
    async def scenario(p: Play) -> None:
        number = p.desk.inject(QuietStart()).id
        p.desk.inject(Reset())
        await asyncio.sleep(1)
        assert p.phases(number) == ["injected", "seen"]
        assert p.desk.is_on(number), "it has no attempts left, and its connection is still quiet"
        p.desk.end(number)
        await asyncio.sleep(1)
        assert not p.desk.is_on(number)
        assert p.phases(number) == ["injected", "seen", "ended"]
        assert p.exchange.deliveries.events(2, DEPTH) > 5

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (CutFrame(), r"fault 1 \(CutFrame\) is nothing that lasts"),
        (Reset(), r"fault 1 \(Reset\) is nothing that lasts"),
        (Outage(ms=300), r"fault 1 \(Outage\) is over already"),
    ],
)
def test_what_cannot_be_ended_says_why(fault: Fault, why: str) -> None:
    async def scenario(p: Play) -> None:
        p.desk.inject(fault)
        await asyncio.sleep(1)
        with pytest.raises(FaultError, match=why):
            p.desk.end(1)

    play(scenario)


@pytest.mark.parametrize("by", ["number", "calm"])
@pytest.mark.parametrize("when", [AfterEvents(20), Every(seconds=1.5, times=9)])
def test_a_trigger_is_taken_back(when: Trigger, by: str) -> None:
    async def scenario(p: Play) -> None:
        p.desk.inject(Reset(when=when))
        await asyncio.sleep(1)
        if by == "number":
            p.desk.end(1)
        else:
            assert p.desk.calm() == [1]
        await asyncio.sleep(9)
        assert p.phases(1) == ["injected", "ended"]
        with pytest.raises(FaultError, match="is over already"):
            p.desk.end(1)

    play(scenario)


def test_a_fault_of_others_is_known_and_cannot_be_ended_by_its_number() -> None:
    async def scenario(p: Play) -> None:
        p.exchange.inject(Stall())
        await asyncio.sleep(1)
        assert p.desk.faults.all[1].phase == "seen"
        with pytest.raises(FaultError, match="was not asked for here"):
            p.desk.end(1)
        with pytest.raises(KeyError):
            p.desk.end(2)

    play(scenario)


def test_a_second_end_is_refused() -> None:
    async def scenario(p: Play) -> None:
        p.desk.inject(Stall())
        await asyncio.sleep(1)
        p.desk.end(1)
        with pytest.raises(FaultError, match="is over already"):
            p.desk.end(1)

    play(scenario)


# --- waiting ---


def test_a_fault_that_settles_is_waited_for() -> None:
    async def scenario(p: Play) -> None:
        number = p.desk.inject(Stall()).id
        assert await p.desk.settled(number, 1)
        assert await p.desk.settled(number, 0)
        never = p.desk.inject(SlowUpgrade(ms=1)).id
        began = p.exchange.loop_time()
        assert not await p.desk.settled(never, 2)
        assert p.exchange.loop_time() - began == pytest.approx(2, abs=0.01)
        failing = p.desk.inject(Reset(connection=99, when=AfterEvents(1))).id
        p.desk.end(number)
        assert not await p.desk.settled(failing, 60)
        assert p.exchange.loop_time() - began < 5, "it cannot be seen any more"

    play(scenario)


def test_news_of_a_script_are_waited_for_until_there_are_none_to_come() -> None:
    async def scenario(p: Play) -> None:
        run = p.start('[[fault]]\nat = "5s"\nfault = "Reset"\n')
        await run.news(0, 1)
        assert run.moments == []
        await run.news(0, 60)
        assert [m.phase for m in run.moments] in (["injected"], ["injected", "seen"])
        await run.news(2, 60)
        assert round(p.exchange.loop_time() - p.began, 1) == 5.0

    play(scenario)


def test_the_ends_of_connections_are_those_of_the_script() -> None:
    async def scenario(p: Play) -> None:
        p.start(
            '[[fault]]\nat = "1s"\nfault = "Reset"\n'
            '[[fault]]\nat = "2s"\nfault = "CloseWith"\ncode = 1012\n'
        )
        await asyncio.sleep(3)
        assert [e.how for e in p.exchange.journal.of(Ended)][:1] == ["rst"]
        assert [e.code for e in p.exchange.journal.of(Closed) if e.by == "server"] == [1012]

    play(scenario)


# --- on a link that takes its time ---


class SlowLine(Line):
    """A link whose server does everything half a second later, and ends faults only if it can."""

    def __init__(self, *, ends: bool) -> None:
        super().__init__()
        self._ends = ends

    def inject(self, handle: Handle, fault: LinkFault) -> None:
        async def do() -> None:
            await asyncio.sleep(0.5)
            if not isinstance(fault, ClearLink):
                self._lasting.append(handle)
                handle.happened([])
            elif self._ends:
                self._over(LinkFault)
                handle.happened([])
            else:
                handle.failed("the server is gone")

        self._exchange.spawn(do())

    def mend(self) -> None:
        async def do() -> None:
            await asyncio.sleep(0.5)
            self._over(LinkFault)

        if self._ends:
            self._exchange.spawn(do())


async def on_slow_line(exchange: mockex.Exchange, *, ends: bool = True) -> None:
    exchange.line = SlowLine(ends=ends)
    await exchange.line.attach(exchange)


def test_a_script_is_over_once_the_link_has_ended_its_faults() -> None:
    async def scenario(p: Play) -> None:
        await on_slow_line(p.exchange)
        run = p.start('[[fault]]\nat = "1s"\nfor = "2s"\nfault = "Latency"\ndelay_ms = 1\n')
        await asyncio.sleep(3.2)
        assert not run.over
        await run.news(2, 60)
        assert run.over
        assert (3.5, "Latency", "ended") in p.moments("ended")
        assert p.told == []

    play(scenario)


def test_a_link_that_does_not_end_a_fault_is_given_up_and_told() -> None:
    async def scenario(p: Play) -> None:
        await on_slow_line(p.exchange, ends=False)
        run = p.start('[[fault]]\nat = "1s"\nfor = "2s"\nfault = "Latency"\ndelay_ms = 1\n')
        await asyncio.sleep(4)
        assert not run.over
        await run.news(2, 60)
        assert run.over
        assert p.told == [
            "fault 2: ClearLink: the server is gone",
            "a.toml:1: Latency: was told to end, and has not within 5 s",
        ]

    play(scenario)


@pytest.mark.parametrize("ends", [True, False])
def test_the_end_of_faults_on_a_link_is_waited_for(ends: bool) -> None:
    async def scenario(p: Play) -> None:
        await on_slow_line(p.exchange, ends=ends)
        number = p.desk.inject(Latency(delay_ms=1)).id
        await asyncio.sleep(1)
        p.desk.end(number)
        assert p.desk.is_on(number)
        assert await p.desk.until_over([number], 2) == ([] if ends else [number])
        if not ends:
            assert p.desk.calm() == [number]
            assert await p.desk.until_over([number], 2) == [number]

    play(scenario)


# --- what is told ---


def test_what_is_told_again_and_again_is_told_once() -> None:
    async def scenario(p: Play) -> None:
        p.start('[[fault]]\nevery = "10ms"\nuntil = "1s"\nfault = "Reset"\nconnection = 99\n')
        await asyncio.sleep(2)
        assert len(p.moments("ended")) == 100
        assert p.told == ["a.toml:1: Reset: nothing live delivers c99"]

    play(scenario, client=False)


def test_no_more_is_told_than_anybody_reads() -> None:
    async def scenario(p: Play) -> None:
        p.start('[[fault]]\nat = "0s"\nfault = "Reset"\n' * 1000)
        await asyncio.sleep(1)
        assert len(p.told) == MOST_TOLD + 1
        assert "the journal" in p.told[-1]

    play(scenario, client=False)
