"""A fault script under way: each step at its time of the exchange's clock, nothing by sleeping.

A step that waits for the one before it is set when that one was first done, whether it could be
done or not; the others are set at the start. What became of each fault is in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from mockex.errors import FaultError, NotInjected
from mockex.faults.script import After, AfterSeen, At, Each, Script, Step
from mockex.server.counting import count_events
from mockex.server.journal import Faulted
from mockex.server.timers import Timer

END_S = 5.0  # how long a real link may take to end a fault

if TYPE_CHECKING:
    from mockex.server.desk import Desk


class ScriptRun:
    """One script that is played. `faults` are the numbers of its faults so far, with the index of
    the step of each; `moments` is what the journal said of them, in order."""

    def __init__(self, script: Script, desk: Desk, number: int) -> None:
        self.script = script
        self.number = number
        self.faults: dict[int, int] = {}
        self.moments: list[Faulted] = []
        self.stopped = False
        self._news = asyncio.Event()
        self._desk = desk
        self._exchange = desk.exchange
        self._left = len(script.steps)  # steps of which there is more to come
        self._ends: dict[int, Timer] = {}  # of faults that are on, by number
        self._ending: set[int] = set()  # faults that were told to end, and may not have yet
        self._timers: dict[int, Timer] = {}  # of steps, by index
        self._counts: dict[int, Callable[[], None]] = {}  # how to stop counting, by step
        self._start_s = 0.0

    @property
    def over(self) -> bool:
        """Nothing more will be injected or ended."""
        return not self._ending and (self.stopped or not (self._left or self._ends))

    def unseen(self) -> list[int]:
        """Its faults that were not seen, and of which nothing says why."""
        told = self._desk.faults.all
        return [n for n in self.faults if not (told[n].times_seen or told[n].failure)]

    async def news(self, after: int, within_s: float) -> None:
        """Wait until there are more moments than `after`, or there will be no more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(self.moments) <= after and not (self.over and not self._awaited()):
                    self._news.clear()
                    await self._news.wait()

    def heard(self, entry: Faulted) -> None:
        """The desk heard of one of its faults."""
        self.moments.append(entry)
        if entry.phase == "ended":
            self._ending.discard(entry.fault)
        self._news.set()

    def start(self) -> None:
        """Begin now."""
        self._start_s = self._exchange.now()
        for index, step in enumerate(self.script.steps):
            match step.when:
                case At(seconds=seconds):
                    self._at(index, 0, self._start_s + seconds)
                case Each(seconds=seconds):
                    self._at(index, 0, self._start_s + seconds)
                case After() | AfterSeen() if index == 0:
                    self._follow(index)
                case _:
                    pass  # once the one before it was done

    def stop(self) -> None:
        """Inject nothing more, and end what is on because of it."""
        if self.stopped:
            return
        self.stopped = True
        for timer in (*self._timers.values(), *self._ends.values()):
            timer.cancel()
        for stop_counting in self._counts.values():
            stop_counting()
        for number in list(self._ends):
            self._end(number)
        self._news.set()

    def _awaited(self) -> bool:
        """Whether a fault may still be seen."""
        told = self._desk.faults.all
        return any(told[number].ended_at is None for number in self.unseen())

    def _at(self, index: int, turn: int, exchange_s: float) -> None:
        moved_s = self.script.drawn_s(index, turn)
        self._timers[index] = self._exchange.at(
            exchange_s + moved_s, partial(self._do, index, turn)
        )

    def _follow(self, index: int) -> None:
        """Set a step whose time counts from now."""
        match self.script.steps[index].when:
            case After(seconds=seconds):
                self._at(index, 0, self._exchange.now() + seconds)
            case AfterSeen(events=events, stream=stream):
                self._counts[index] = count_events(
                    self._exchange, events, stream, partial(self._do, index, 0)
                )
            case _:
                pass

    def _do(self, index: int, turn: int) -> None:
        self._timers.pop(index, None)
        self._counts.pop(index, None)
        if self.stopped:
            return
        step, since = self.script.steps[index], len(self._desk.faults.steps)
        try:
            number = self._desk.inject(step.fault, self._called(step)).id
        except NotInjected as error:
            number = error.number
            self._tell(step, error)
        else:
            self._end_later(step, number)
        self.faults[number] = index
        self._desk.follow(number, self, since)
        if not self._again(index, step, turn):
            self._left -= 1
        if turn == 0 and index + 1 < len(self.script.steps):
            self._follow(index + 1)

    def _again(self, index: int, step: Step, turn: int) -> bool:
        """Set the next turn of a step that has one."""
        if not isinstance(step.when, Each):
            return False
        since_s = step.when.seconds * (turn + 2)
        if step.when.until_s is not None and since_s > step.when.until_s:
            return False
        self._at(index, turn + 1, self._start_s + since_s)
        return True

    def _end_later(self, step: Step, number: int) -> None:
        if step.for_s is not None:
            until_s = self._exchange.now() + step.for_s
        elif step.until_s is not None:
            until_s = self._start_s + step.until_s
        else:
            return
        self._ends[number] = self._exchange.at(until_s, partial(self._end, number))

    def _end(self, number: int) -> None:
        del self._ends[number]
        if not self._desk.is_on(number):
            return  # its connection has gone, or somebody else has ended it
        step = self.script.steps[self.faults[number]]
        try:
            self._desk.end(number)
        except FaultError as error:
            self._tell(step, error)
            return
        if self._desk.is_on(number):
            self._ending.add(number)
            self._exchange.timers.after(END_S, partial(self._give_up, number, step))

    def _give_up(self, number: int, step: Step) -> None:
        """Wait no longer for the end of a fault of the link."""
        if number in self._ending:
            self._ending.discard(number)
            self._tell(step, FaultError(f"was told to end, and has not within {END_S:g} s"))
            self._news.set()

    def _called(self, step: Step) -> str:
        return f"{self.script.file}:{step.line}"

    def _tell(self, step: Step, why: FaultError) -> None:
        self._desk.tell_of(self._called(step), type(step.fault).__name__, str(why))
