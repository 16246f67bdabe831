"""The exchange: market, streams, sessions and sockets on one event loop.

All time is the loop's. A step of the market is flushed at its own moment on the exchange's grid;
if the loop was late, the steps that are due are flushed one after the other, none is lost and none
is merged. The beat measures that lateness and journals it, for the suite's tolerances.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Coroutine, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mockex.clock import Clock
from mockex.faults.model import Fault
from mockex.market.replay import Replay
from mockex.market.walk import Market
from mockex.names import parse
from mockex.profile import Profile
from mockex.rest import Rest
from mockex.server.admission import Admission
from mockex.server.connection import Connection
from mockex.server.fanout import Fanout
from mockex.server.injector import Handle, Injector
from mockex.server.journal import Behind, Journal, Lagged, Opened
from mockex.server.line import Line
from mockex.server.rest_connection import RestConnection
from mockex.server.subscribing import Subscribing
from mockex.server.time import Time
from mockex.server.timers import Timer, Timers
from mockex.server.views import Connections, Deliveries
from mockex.server.wire import Listener, Wire
from mockex.session.core import Session
from mockex.session.target import Target
from mockex.sim import SimLoop
from mockex.streams.replayed import ReplayPublisher
from mockex.streams.schedule import Publisher

HOST = "127.0.0.1"
BEAT_S = 0.020
LATE_S = 0.005  # beats later than this are journaled
BEHIND_EVERY_S = 0.1  # what comes in between says no more
FLUSH_S = 0.1  # "flushed every 100 ms, so that a killed run still leaves a readable file"


def _version() -> str:
    try:
        return version("mockex")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


class Exchange:
    """A running exchange. Made by `serve`; everything is of the loop that opened it."""

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int,
        market: Market,
        speed: float,
        journal: Path | None,
        wire: Wire,
        line: Line,
        epoch_ms: int,
        host: str = HOST,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.virtual = isinstance(loop, SimLoop)  # never late, and over in a moment
        self.profile = profile
        self.seed = seed
        self.wire = wire
        self.line = line
        self._host = host
        self.clock = Clock(loop.time(), epoch_ms, speed)
        self.market = market
        self.truth = self.market.truth
        self.publisher = (
            ReplayPublisher(profile, market, epoch_ms)
            if isinstance(market, Replay)
            else Publisher(profile, market, epoch_ms)
        )
        self.journal = Journal(journal)
        self.connections = Connections()
        self.deliveries = Deliveries()
        self.journal.listen(self.connections.apply)
        self.journal.listen(self.deliveries.apply)
        self.timers = Timers(loop)
        self.exchange_timers = Timers(loop, self.clock)
        self.time = Time(self)
        self.fanout = Fanout(self.journal, self.loop_time, self._wanted, self.publisher.remove)
        self.rest_transports: set[asyncio.Transport] = set()
        self.subscribing = Subscribing(profile)
        self._injector = Injector(self)
        self.forgive()
        self._open: dict[int, Connection] = {}
        self._accepted = 0
        self._step = 0  # how many there were
        self._step_ms = 0  # when the newest was
        self._next_step: Timer | None = None
        self._behind_again_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone: asyncio.Future[None] | None = None  # while closing: all connections are over
        self.listeners: list[Listener] = []  # of streams; more than one if somebody asked
        self.ws_ports: list[int] = []  # where clients come to, to get to these
        self.rest_port = 0  # of REST
        self._rest_listener: Listener

    # --- for users -----------------------------------------------------------------------------

    @property
    def ws_port(self) -> int:
        """Port of the streams."""
        return self.ws_ports[0]

    @property
    def ws_url(self) -> str:
        """Base of the streams, without a path."""
        return self._url_at(self.ws_port)

    def _url_at(self, ws_port: int) -> str:
        return f"{'ws' if self.wire.authority is None else 'wss'}://{self._named}:{ws_port}"

    @property
    def _named(self) -> str:
        """The address for a client of this machine."""
        return HOST if self._host == "0.0.0.0" else self._host  # noqa: S104 - somebody said so

    @property
    def rest_url(self) -> str:
        """Base of REST, without a path."""
        return (
            f"{'http' if self.wire.authority is None else 'https'}://{self._named}:{self.rest_port}"
        )

    @property
    def authority_pem(self) -> str | None:
        """What clients must trust, with TLS: the certificate of the authority of this exchange."""
        return None if self.wire.authority is None else self.wire.authority.pem

    async def listen_also(self) -> str:
        """Listen for streams on one more port; its base URL, without a path. It is the same
        exchange, and the journal says of each attempt at which port it was made."""
        listener = await self.wire.listen(lambda: Connection(self, at_first=False), self._host, 0)
        self.listeners.append(listener)
        self.ws_ports.append(await self.line.open(listener, 0))
        return self._url_at(self.ws_ports[-1])

    def inject(self, fault: Fault) -> Handle:
        """Do `fault`, now or when its trigger says so; `await handle.seen()` for the evidence.

        Raises:
            FaultError: a fault of the link, or nothing is there for it to hit.
        """
        return self._injector.inject(fault)

    def calm(self, *, but: Collection[int] = ()) -> None:
        """End every fault that lasts or waits for something: stalls are resumed and deliver,
        attempts are served, a link lets everything through. Stalls of the connections `but` go on.
        What takes a while (a real link, a port that refuses, a burst) is over once the journal says
        so."""
        self._injector.calm(but)

    def forgive(self) -> None:
        """Forget what clients have used up: weights, attempts, bans."""
        self.rest = Rest(self.profile, self.market, self.clock)
        self.admission = Admission(self)

    def live(self, stream: str) -> int:
        """How many live connections deliver `stream` now."""
        return len(self.connections.delivering(stream))

    def ping(self, connection: int, payload: bytes) -> None:
        """Write a ping of our own, beside those of the session.

        Raises:
            KeyError: no open connection has that number.
        """
        self._open[connection].ping(payload)

    def thaw(self) -> None:
        """Let a frozen market move from the next step on, as a steady one.

        Raises:
            ConfigError: it moves already.
        """
        self.market.thaw(math.floor(self.now() * 1000))
        if self._next_step is not None:
            self._next_step.cancel()
        self._schedule_step()

    # --- for the shell -------------------------------------------------------------------------

    def loop_time(self) -> float:
        """The loop's time: what the journal is written in."""
        return self._loop.time()

    def now(self) -> float:
        """Exchange seconds: what the core is told."""
        return self.clock.exchange_s(self._loop.time())

    def unix_ms(self) -> int:
        """The time that the exchange shows."""
        return self.clock.unix_ms(self.now())

    def at(self, exchange_s: float, callback: Any) -> Timer:
        """Call back at a moment of the exchange's clock."""
        return self.exchange_timers.at(exchange_s, callback)

    def adopt(self, connection: Connection) -> int:
        """Number a connection that was accepted."""
        self._accepted += 1
        self._open[self._accepted] = connection
        return self._accepted

    def forget(self, connection: Connection) -> None:
        """A connection is over."""
        self._open.pop(connection.number, None)
        self._tell_gone()

    def forget_rest(self, transport: asyncio.Transport) -> None:
        """A connection at the REST port is over."""
        self.rest_transports.discard(transport)
        self._tell_gone()

    def _tell_gone(self) -> None:
        if self._gone is not None and not self._open and not self.rest_transports:
            self._gone.set_result(None)
            self._gone = None

    def open_connections(self) -> list[Connection]:
        """Connections that are not over, oldest first."""
        return list(self._open.values())

    def audience_members(self, audience: int) -> Iterable[int]:
        """Numbers of the connections in an audience."""
        return self.deliveries.members(audience)

    def new_session(self, target: Target) -> Session:
        """The exchange's side of a connection that asked for `target`."""
        return Session(self.profile, target, self._serves, self.clock, self.now())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that must wait, until the exchange closes."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _serves(self, name: str) -> bool:
        parsed = parse(name)
        return parsed is not None and self.publisher.serves(parsed)

    # --- running -------------------------------------------------------------------------------

    async def open(self, port: int, rest_port: int) -> None:
        """Listen, then start the market."""
        line = self.line
        await line.attach(self)
        at = line.listens_at(port)
        self.listeners.append(await self.wire.listen(lambda: Connection(self), self._host, at))
        try:
            self._rest_listener = await self.wire.listen(
                lambda: RestConnection(self), self._host, line.listens_at(rest_port)
            )
            self.ws_ports.append(await line.open(self.listeners[0], port))
            self.rest_port = await line.open(self._rest_listener, rest_port)
        except BaseException:
            await self.listeners[0].close()
            if hasattr(self, "_rest_listener"):
                await self._rest_listener.close()
                del self._rest_listener
            raise
        self.journal.append(
            Opened(
                t=self.clock.opened_at,
                version=_version(),
                profile=self.profile.name,
                dated=self.profile.dated,
                seed=self.seed,
                epoch_ms=self.clock.epoch_ms,
                speed=self.clock.speed,
                ws_port=self.ws_port,
                rest_port=self.rest_port,
                line=line.name,
            )
        )
        self._schedule_step()
        if not self.virtual:
            self._flush()
            self._beat_at(self.loop_time() + BEAT_S)

    async def close(self) -> None:
        """Reset what is open and give the ports back. The journal stays readable."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.line.close()
        for listener in (*self.listeners, self._rest_listener):
            await listener.close()
        for connection in self.open_connections():
            connection.reset()
        for transport in tuple(self.rest_transports):
            transport.abort()
        if self._open or self.rest_transports:
            self._gone = self._loop.create_future()
            await self._gone
        self.timers.close()
        self.exchange_timers.close()
        self.journal.close()

    def _wanted(self, stream: str) -> None:
        self.publisher.add(stream)
        if self.market.kind == "frozen":
            self._schedule_by_clock(math.floor(self.now() * 1000))

    def _schedule_step(self) -> None:
        if isinstance(self.market, Replay):
            due_ms = self.market.next_ms()
            if due_ms is not None:
                self._step_at(due_ms)
        elif self.market.kind == "frozen":
            self._schedule_by_clock(self._step_ms)
        else:
            self._step_at(self.market.next_step_ms())

    def _schedule_by_clock(self, after_ms: int) -> None:
        """Where the market stands still, only what is sent by the clock takes a step."""
        due_ms = self.publisher.next_by_clock_ms(after_ms)
        if due_ms is None:
            return
        if self._next_step is not None:
            if self._next_step.when <= due_ms / 1000:
                return
            self._next_step.cancel()
        self._step_at(due_ms)

    def _step_at(self, now_ms: int) -> None:
        self._next_step = self.at(now_ms / 1000, partial(self._run_step, now_ms))

    def _run_step(self, now_ms: int) -> None:
        self._next_step = None
        self._step, self._step_ms = self._step + 1, now_ms
        self._look_behind(now_ms / 1000)
        changes = self.market.advance(now_ms, self.publisher.symbols)
        self.fanout.publish(self._step, self.publisher.publish(now_ms, changes))
        self._schedule_step()

    def _look_behind(self, due_s: float) -> None:
        """Journal that steps run later than they are due: by more than one, and than 100 ms of what
        clients see. A replay's steps are single milliseconds."""
        now, due = self.loop_time(), self.clock.loop_s(due_s)
        late_s = now - due
        least_s = max(self.market.step_ms, 100) / 1000
        if late_s < LATE_S or late_s * self.clock.speed < least_s or now < self._behind_again_at:
            return
        self._behind_again_at = now + BEHIND_EVERY_S
        self.journal.append(
            Behind(t=due, late_s=round(late_s, 6), exchange_s=round(self.now() - due_s, 3))
        )

    def _beat_at(self, due: float) -> None:
        def beat() -> None:
            now = self.loop_time()
            late = now - due
            if late > LATE_S:
                self.journal.append(Lagged(t=due, late_s=round(late, 6)))
            self._beat_at(max(due + BEAT_S, now))

        self.timers.at(due, beat)

    def _flush(self) -> None:
        self.journal.flush()
        if (failed := self.journal.failed) is not None:  # `close` raises it; said here once
            why = f"{failed.filename}: {failed.strerror}; the journal in it ends here"
            asyncio.get_running_loop().call_exception_handler({"message": why})
            return
        self.timers.after(FLUSH_S, self._flush)
