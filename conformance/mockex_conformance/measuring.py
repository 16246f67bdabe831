"""Rounds: what a testee of the incident holds after each reset of everything.

The market makes events of equal length, so traffic is a whole number of deliveries times one
stream. Each testee has an exchange of its own; live deliveries and bytes are read from its journal,
sockets from the operating system, goroutines or tasks from what the testee says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mockex
from mockex.errors import MachineLacks
from mockex.faults import Reset
from mockex.server.exchange import Exchange
from mockex.server.journal import AnyEntry, Attempted, Closed, Delivered, Ended, Said, Sampled
from mockex_conformance.case import NotLive
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun, ProtocolBroken
from mockex_conformance.harness.run import CaseRun
from mockex_conformance.harness.times import Conditions
from mockex_conformance.incident import Round, Rounds
from mockex_conformance.recording import read_entries
from mockex_conformance.report.figures.deliveries import Steps, deliveries_over_time

PROFILE = "usdm"
SETTINGS = {"compression": False}  # bytes are compared, and deflated ones are of any length
STREAM = "ethusdc@depth5@100ms"
KB = 1000  # the record's: 10 messages of 312 bytes a second are 3.12 KB/s
LIVE_S = 15.0  # to go live, and to come back
SETTLED_S = 1.0  # without an attempt or an end: twice the incident's pause before it dials again


@dataclass(frozen=True, slots=True)
class Measuring:
    """How long to measure: resets of everything, and market steps after each."""

    rounds: int
    steps: int


FULL = Measuring(rounds=5, steps=20)
QUICK = Measuring(rounds=3, steps=10)


# --- traffic --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Meter:
    """Bytes of one stream over whole steps of the market, from the journal.

    The exchange's own view of the audiences is applied before any listener of ours hears of an
    entry, so `members` is right at each flush.
    """

    exchange: Exchange
    first: int | None = None
    last: int | None = None
    began_at: float = 0.0
    ended_at: float = 0.0
    bytes: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    steps: int = 0

    def hear(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        if not isinstance(entry, Delivered) or STREAM not in entry.streams:
            return
        if self.first is None:
            # The step that is being flushed may have been written in part before we listened.
            self.first, self.last = entry.step, entry.step + self.steps
        assert self.last is not None
        if entry.step > self.last:
            self.done.set()
            return
        if entry.step == self.first:
            self.began_at = entry.t
            return
        self.ended_at = entry.t
        members = len(self.exchange.deliveries.members(entry.audience))
        self.bytes += entry.streams[STREAM].bytes * members

    @property
    def kb_s(self) -> float:
        """KB/s: bytes per step times steps per second, both as measured."""
        return self.bytes / (self.ended_at - self.began_at) / KB


async def traffic(exchange: Exchange, steps: int) -> Meter:
    """What leaves for the stream in the next `steps` steps of the market.

    Raises:
        TimeoutError: the stream is not delivered for so long.
    """
    meter = Meter(exchange, steps=steps)
    exchange.journal.listen(meter.hear, replay=False)
    try:
        async with asyncio.timeout(LIVE_S + steps * exchange.market.step_ms / 1000):
            await meter.done.wait()
    finally:
        exchange.journal.unlisten(meter.hear)
    return meter


# --- rounds ---------------------------------------------------------------------------------------


async def settle(exchange: Exchange) -> int:
    """Return once the stream is delivered and nothing has connected or ended for SETTLED_S; the
    index in the journal from which on nothing did.

    Raises:
        TimeoutError: that does not happen within LIVE_S.
    """
    journal = exchange.journal
    async with asyncio.timeout(LIVE_S):
        while True:
            since = len(journal.entries)
            if exchange.live(STREAM):
                try:
                    async with asyncio.timeout(SETTLED_S):
                        await journal.wait(moves, since=since)
                except TimeoutError:
                    return since
            else:
                await journal.wait(lambda _: exchange.live(STREAM) > 0, since=since)


def moves(entry: AnyEntry) -> bool:
    return isinstance(entry, Attempted | Ended | Closed)


async def measure(testee: Description, out: Path, seed: int, how: Measuring) -> Rounds:
    """The rounds of one testee, or why there are none."""
    try:
        return await _measured(testee, out, seed, how)
    except OSError as error:
        if not MachineLacks.says(error):
            raise
        return Rounds(testee.name, PROFILE, ended=str(MachineLacks(error)))


async def _measured(testee: Description, out: Path, seed: int, how: Measuring) -> Rounds:
    """The rounds, against an exchange of its own."""
    done: list[Round] = []
    ended = ""
    async with mockex.serve(
        profile=PROFILE,
        market="steady",
        seed=seed,
        settings=SETTINGS,
        journal=rounds_journal(out, testee.name),
    ) as exchange:
        testing = CaseRun(
            exchange,
            testee,
            Conditions(seed=seed),
            streams=[STREAM],
            mode=testee.modes[0],
            stderr=out / "stderr" / f"{testee.name}-{PROFILE}-rounds.txt",
            start_lock=out / ".start-lock",
        )
        try:
            await testing.start()
            for number in range(how.rounds + 1):
                if number:
                    await exchange.inject(Reset(all=True)).seen(within_s=LIVE_S)
                since = await settle(exchange)
                done.append(await measure_round(exchange, number, how.steps, since))
        except CannotRun as error:
            return Rounds(testee.name, PROFILE, skipped=str(error))
        except (TimeoutError, NotLive, ProtocolBroken, MachineLacks) as error:
            ended = f"ended in round {len(done)}: {str(error) or 'the stream is not delivered'}"
        finally:
            testing.note("body-over")
            await testing.stop()
    return Rounds(testee.name, PROFILE, tuple(done), ended=ended)


async def measure_round(exchange: Exchange, number: int, steps: int, since: int) -> Round:
    """What is there now that the testee has settled. Sockets and tasks are the last that were
    sampled and said since then, which is journal index `since`."""
    deliveries = exchange.live(STREAM)
    kb_s = (await traffic(exchange, steps)).kb_s
    sockets, tasks = 0, None
    for entry in exchange.journal.entries[since:]:
        if isinstance(entry, Sampled):
            sockets = entry.sockets.get("ESTABLISHED", 0)
        elif isinstance(entry, Said) and entry.method == "gauge":
            tasks = entry.params.get("tasks")
    return Round(number, deliveries, sockets, tasks, kb_s)


async def measure_all(
    testees: Sequence[Description],
    cannot: Mapping[str, str],
    out: Path,
    seed: int,
    how: Measuring,
) -> list[Rounds]:
    """The rounds of several testees, side by side: each waits most of the time. `cannot` says of
    some why they do not run here."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            testee.name: group.create_task(measure(testee, out, seed, how))
            for testee in testees
            if testee.name not in cannot
        }
    return [
        tasks[testee.name].result()
        if testee.name in tasks
        else Rounds(testee.name, PROFILE, skipped=cannot[testee.name])
        for testee in testees
    ]


def rounds_charts(measured: Sequence[Rounds], out: Path) -> list[Steps]:
    """Deliveries over time of each testee that was measured."""
    return [
        deliveries_over_time(
            read_entries(rounds_journal(out, rounds.testee)), STREAM, rounds.testee
        )
        for rounds in measured
        if rounds.rounds
    ]


def rounds_journal(out: Path, testee: str) -> Path:
    """Where the journal of a testee's rounds is."""
    return out / "journal" / f"{testee}-{PROFILE}-rounds.jsonl"
