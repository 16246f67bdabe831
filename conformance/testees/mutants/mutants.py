"""Deliberately wrong testees: the reference adapter with one thing broken, by name.

    python mutants.py two-owners

Each mutant is a function that patches the adapter's classes before it starts; its docstring says
what is wrong. `RIGHT` holds the ones that are unusual and right, which nothing may fail.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from mockex_adapter import testee
from mockex_adapter.backoff import Backoff
from mockex_adapter.exchange import Stream, Timers
from mockex_adapter.feed import Feed
from mockex_adapter.lifecycle import Event, State
from mockex_adapter.link import Link, Socket
from mockex_adapter.pacing import Ledger, Request
from mockex_adapter.supervisor import Supervisor

MUTANTS: dict[str, Callable[[], None]] = {}
RIGHT: dict[str, Callable[[], None]] = {}


def mutant(patch: Callable[[], None]) -> Callable[[], None]:
    MUTANTS[patch.__name__.replace("_", "-")] = patch
    return patch


def right(patch: Callable[[], None]) -> Callable[[], None]:
    RIGHT[patch.__name__.replace("_", "-")] = patch
    return patch


# --- who owns the connection ------------------------------------------------------------------


def _start_another_line(feed: Feed, streams: Iterable[Stream]) -> None:
    """A second owner for the same streams, of which nobody keeps track."""
    lost = list(streams)
    line = feed._make_line(lost[0].route)
    line.wanted.update({stream.name: stream for stream in lost})
    feed._own(line.run())
    line.changed()


@mutant
def two_owners() -> None:
    """The incident: the inner loop reconnects, and so does the outer runner that was told."""
    broken = Feed.broken

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        lost = list(streams)
        broken(self, lost, reason)
        _start_another_line(self, lost)

    Feed.broken = told


@mutant
def both_handlers() -> None:
    """`on_error` and `on_close` each schedule a reconnect; a clean close has no error."""
    broken = Feed.broken

    def told(self: Feed, streams: Iterable[Stream], reason: str) -> None:
        lost = list(streams)
        broken(self, lost, reason)
        if not reason.startswith("close "):
            _start_another_line(self, lost)

    Feed.broken = told


@mutant
def dials_twice() -> None:
    """A second dial starts when the first takes longer than 500 ms; the loser is dropped."""
    opened = Link.open

    @asynccontextmanager
    async def open_twice(self: Link) -> AsyncIterator[Socket]:
        async def dial(chosen: asyncio.Future[Socket], done: asyncio.Event) -> None:
            async with opened(self) as connection:
                if not chosen.done():
                    chosen.set_result(connection)
                    await done.wait()

        chosen: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        done = asyncio.Event()
        dials = [asyncio.create_task(dial(chosen, done))]
        try:
            await asyncio.wait([chosen, *dials], timeout=self.timers.handshake_s / 20)
            if not chosen.done() and not dials[0].done():
                dials.append(asyncio.create_task(dial(chosen, done)))
            await asyncio.wait([chosen, *dials], return_when=asyncio.FIRST_COMPLETED)
            if not chosen.done():
                await asyncio.gather(*dials)
            yield chosen.result()
        finally:
            done.set()
            await asyncio.wait(dials, timeout=self.timers.close_s)
            for task in dials:
                task.cancel()
            await asyncio.gather(*dials, return_exceptions=True)

    Link.open = open_twice


# --- subscriptions -----------------------------------------------------------------------------


@mutant
def drops_the_sixth() -> None:
    """Subscribes the first five streams."""
    next_request, complete = Ledger.next_request, Ledger.complete

    def first_five(self: Ledger, wanted: Any, suspects: Any, now: float) -> Request | None:
        return next_request(self, list(wanted)[:5], suspects, now)

    Ledger.next_request = first_five
    Ledger.complete = lambda self, wanted: complete(self, list(wanted)[:5])


def _count_dials() -> None:
    dial = Supervisor._dial

    def counted(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        self.dials = getattr(self, "dials", 0) + 1
        dial(self, tasks)

    Supervisor._dial = counted


@mutant
def forgets_streams() -> None:
    """Subscribes at start only: after a loss it asks for the first stream and no more."""
    _count_dials()
    next_request = Link._next_request

    def at_start(self: Link) -> Request | None:
        wanted = self.owner.wanted
        if self.owner.dials > 1:
            self.owner.wanted = dict(list(wanted.items())[:1])
        try:
            return next_request(self)
        finally:
            self.owner.wanted = wanted

    Link._next_request = at_start


@mutant
def list_grows() -> None:
    """Appends the restored streams to the list of wanted ones."""
    _count_dials()
    next_request = Link._next_request

    def grown(self: Link) -> Request | None:
        request = next_request(self)
        if request is None:
            return None
        return replace(request, names=request.names * self.owner.dials)

    Link._next_request = grown


# --- coming back -------------------------------------------------------------------------------


@mutant
def clean_close_is_final() -> None:
    """Does not reconnect after close code 1000."""
    step = Supervisor._step

    def final(self: Supervisor, tasks: Any, event: Event, link: Link | None) -> None:
        if event is Event.FAILED and link is self._current and "close 1000" in self.reason:
            self._current, self.state = None, State.CLOSED
            return
        step(self, tasks, event, link)

    Supervisor._step = final


@mutant
def restart_churns() -> None:
    """Closes what it has before each start; the close itself asks for a start. One loss sets it
    off."""
    _count_dials()
    adopt = Supervisor._adopt

    def churn(self: Supervisor) -> None:
        adopt(self)
        if self.dials > 1:
            self._loop.call_later(0.3, self._end, self._current)

    Supervisor._adopt = churn


@mutant
def no_backoff() -> None:
    """Tries again at once."""
    Supervisor._delay = lambda self: 0.0


@mutant
def backoff_resets_on_open() -> None:
    """A completed handshake sets the delay back."""
    step = Supervisor._step

    def trusting(self: Supervisor, tasks: Any, event: Event, link: Link | None) -> None:
        if event is Event.OPENED:
            self._backoff.forget()
        step(self, tasks, event, link)

    Supervisor._step = trusting


@mutant
def backoff_resets_on_message() -> None:
    """The first message sets the delay back."""
    on_message = Supervisor.on_message

    def trusting(self: Supervisor, link: Link, message: Any) -> None:
        self._backoff.forget()
        on_message(self, link, message)

    Supervisor.on_message = trusting


# --- heartbeat -----------------------------------------------------------------------------------


@mutant
def empty_pong() -> None:
    """Answers pings with an empty pong."""
    send_frame = Protocol.send_frame

    def emptied(self: Protocol, frame: Frame) -> None:
        send_frame(self, Frame(Opcode.PONG, b"") if frame.opcode is Opcode.PONG else frame)

    Protocol.send_frame = emptied


@mutant
def deaf() -> None:
    """Waits on a read without a limit."""

    async def never(self: Link, connection: Socket) -> None:
        await asyncio.Event().wait()

    Link._probe = never
    Supervisor._look_for_silence = lambda self, link, now: None


# --- resources -----------------------------------------------------------------------------------

_KEPT: list[Any] = []


@mutant
def abandons_socket() -> None:
    """Replaces a connection without closing the old socket."""
    opened = Link.open

    @asynccontextmanager
    async def kept(self: Link) -> AsyncIterator[Socket]:
        async with opened(self) as connection:
            _abandon(connection)
            yield connection

    Link.open = kept


def _abandon(connection: Socket) -> None:
    """Whatever ends the connection, its socket stays as it is: open, and nobody reads it."""
    transport: Any = connection.transport
    told: list[bool] = []
    _KEPT.append(transport)

    def forget(*_: object) -> None:
        transport.pause_reading()
        if not told:
            told.append(True)
            connection.connection_lost(None)

    for name in ("close", "abort", "_force_close", "_fatal_error"):
        setattr(transport, name, forget)
    transport.can_write_eof = lambda: False  # no half-close may tell the peer


@mutant
def thread_per_reconnect() -> None:
    """A thread for each connection that waits for ever."""
    dial = Supervisor._dial

    def with_thread(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        dial(self, tasks)

    Supervisor._dial = with_thread


# --- ending --------------------------------------------------------------------------------------


@mutant
def deaf_to_sigterm() -> None:
    """Waits for its threads to finish by themselves: SIGTERM changes nothing."""
    run = testee.Testee.run

    async def deaf_run(self: testee.Testee, lines: AsyncIterator[str]) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        await run(self, lines)

    testee.Testee.run = deaf_run


@mutant
def undead() -> None:
    """The reconnect timer survives `close`."""
    close = testee.Testee._close

    async def not_quite(self: testee.Testee, params: dict[str, Any]) -> dict[str, Any]:
        was_started = self._session is not None
        answer = await close(self, params)
        if was_started:
            loop = asyncio.get_running_loop()
            again = self._timers.backoff_base_s
            loop.call_later(again, lambda: loop.create_task(self._start({})))
        return answer

    testee.Testee._close = not_quite


# --- the dead ones -------------------------------------------------------------------------------


@mutant
def silent() -> None:
    """Connects to nothing."""

    async def nothing(self: testee.Testee, params: dict[str, Any]) -> dict[str, Any]:
        return {}

    testee.Testee._start = nothing


@mutant
def crashing() -> None:
    """Exits after the first event."""

    def crash(self: Feed, stream: Stream, payload: Any, **_: Any) -> None:
        os._exit(70)

    Feed.arrived = crash


@mutant
def liar() -> None:
    """Connects to nothing and tells of a connection, events and a book all the same."""

    async def lie(self: testee.Testee, params: dict[str, Any]) -> dict[str, Any]:
        self._notify("state", state="live", reason="")
        self._tasks.create_task(lies(self))
        return {}

    async def lies(self: testee.Testee) -> None:
        number = 1_000_000
        while True:
            number += 1
            for stream in self._wanted:
                self._notify("event", stream=stream, id=number)
            await asyncio.sleep(0.1)

    testee.Testee._start = lie


# --- right, but unusual --------------------------------------------------------------------------


@right
def per_stream_connections() -> None:
    """One connection for each stream."""
    Supervisor.room_for = lambda self, stream: not self.wanted and stream.route == self.route


@right
def slow_but_right() -> None:
    """Every limit at 90 % of what it declared."""
    first_s, cap_s = 0.9 * 5.0, 0.9 * 10.0

    def slow(self: Backoff) -> float:
        attempts, self._attempts = self._attempts, self._attempts + 1
        scale = self._cap_s / Timers().backoff_cap_s
        # Jitter of a tenth: slow, not in step.
        return scale * (first_s if attempts == 0 else cap_s * self._random.uniform(0.9, 1.0))

    Backoff.next_delay_s = slow
    defaults = Timers(
        stable_s=0.9 * 10.0,
        handshake_s=0.9 * 10.0,
        ack_s=0.9 * 10.0 / 2,
        probe_after_s=0.9 * 30.0,
        probe_wait_s=0.9 * 30.0,
        close_s=0.9 * 2.0,
    )
    scaled = Timers.scaled
    Timers.scaled = lambda self, factor: scaled(defaults, factor)


_become: list[str] = []  # one process is one mutant, however often it is started


def become(name: str) -> None:
    """Patch the adapter, once.

    Raises:
        SystemExit: with 127, for a name that nobody has.
    """
    known = MUTANTS | RIGHT
    if name not in known:
        print(f"unknown mutant {name!r}; known: {', '.join(sorted(known))}", file=sys.stderr)
        raise SystemExit(127)
    if _become != [name]:
        _become.append(name)
        known[name]()


async def entry(
    environ: Mapping[str, str], stdin: AsyncIterator[str], stdout: Callable[[str], None]
) -> int:
    """The mutant `MUTANT` on somebody else's loop."""
    become(environ.get("MUTANT", ""))
    return await testee.main(environ, stdin, stdout)


if __name__ == "__main__":
    become(sys.argv[1] if len(sys.argv) > 1 else "")
    sys.exit(asyncio.run(testee._process()))
