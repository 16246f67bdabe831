"""One connection, from its first byte to its last: never a second one, never a retry.

Three tasks share it and end together: the reader takes messages as they come and never waits for
anybody; the asker sends requests, paced (`pacing`); the watch looks at the clock. Pongs are sent
by the library as soon as a ping is parsed, so no slow consumer and no full queue can delay them.
What arrived at all, pings included, is seen in `data_received`; that is what the watch asks for
before it holds the peer for dead. Whatever ends the connection is raised as one exception, and on
the way out the socket is closed: in peace (a close frame, `close_s` for the answer) when the
supervisor retires it, at once and hard in every other case, because a peer held for dead answers
nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import Frame, Opcode

from mockex_adapter.errors import ConnectionLost
from mockex_adapter.exchange import MAX_MESSAGE_BYTES, Rules, Timers
from mockex_adapter.pacing import Ledger, Pacer, Request

if TYPE_CHECKING:
    from mockex_adapter.supervisor import Supervisor

_ROOM_FOR_PONGS = 2  # per second, kept out of the message limit


class Socket(ClientConnection):
    """The library's connection, which also notes when something arrived and counts its pongs."""

    heard_at = 0.0
    pinged: Callable[[], None] = staticmethod(lambda: None)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        super().data_received(data)

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged()
        super().process_event(event)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc  # the exchange never redirects; whoever does is not to be followed


@dataclass(eq=False)
class Link:
    """One connection of a line. `heard` has the time of the last event of each stream."""

    target: str
    rules: Rules
    timers: Timers
    owner: Supervisor
    ids: itertools.count[int]
    polite: bool = False  # set by the owner before it ends the task
    opened_at: float | None = None
    answered_at: float | None = None  # all requests were answered
    heard: dict[str, float] = field(default_factory=dict)
    held: list[tuple[str, Any]] = field(default_factory=list)  # events kept back until moved over
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.ids)
        self._pacer = Pacer(self.rules.messages_per_s - _ROOM_FOR_PONGS)
        self._work = asyncio.Event()
        self._work.set()
        self._again: dict[str, None] = {}  # in the order of asking
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Socket]:
        """Dial, upgrade, and close whatever happens."""
        connection = await _Connect(
            self.target,
            proxy=None,
            compression="deflate",
            open_timeout=self.timers.handshake_s,
            close_timeout=self.timers.close_s,
            ping_interval=None,
            max_size=MAX_MESSAGE_BYTES,
            create_connection=Socket,
        )
        assert isinstance(connection, Socket)
        connection.pinged = self._count
        self.opened_at = connection.heard_at = self._loop.time()
        try:
            yield connection
        finally:
            try:
                if self.polite:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self.timers.close_s):
                            await connection.close()
            finally:
                connection.transport.abort()

    async def carry(self, connection: Socket) -> None:
        """Serve the connection until it ends.

        Raises:
            ConnectionLost, in an ExceptionGroup: it ended, or was found dead.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask(connection))
            tasks.create_task(self._watch(connection))
            await self._read(connection)

    def changed(self) -> None:
        """What is wanted has changed: ask for the difference."""
        self._work.set()

    def ask_again(self, name: str) -> None:
        """Unsubscribe and subscribe `name`."""
        self._again[name] = None
        self._work.set()

    def lasted(self, now: float) -> bool:
        """Whether the connection has proved itself."""
        return self.opened_at is not None and now - self.opened_at >= self.timers.stable_s

    async def _read(self, connection: Socket) -> None:
        try:
            while True:
                self._take(await connection.recv())
        except ConnectionClosed as closed:
            end = closed.rcvd
            reason = "no close frame" if end is None else f"close {end.code} {end.reason}".strip()
            raise ConnectionLost(reason) from closed

    def _take(self, data: str | bytes) -> None:
        try:
            message = msgspec.json.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and "e" not in message and "stream" not in message:
            if isinstance(message.get("error"), dict):
                return self._on_error(message.get("id"), message["error"])
            if "result" in message:
                return self._on_result(message.get("id"))
            if "code" in message and "msg" in message:
                return self._on_error(message.get("id"), message)
        self.owner.on_message(self, message)
        return None

    def _on_result(self, request_id: object) -> None:
        self._ledger.answered(request_id)
        self._work.set()

    def _on_error(self, request_id: object, error: dict[str, Any]) -> None:
        request = self._ledger.refused(request_id)
        if request is not None:
            code = error.get("code")
            code = code if isinstance(code, int) else 0
            self.owner.on_refused(self, request, code, str(error.get("msg", "")))
        self._work.set()

    async def _ask(self, connection: Socket) -> None:
        while True:
            await self._work.wait()
            await asyncio.sleep(self._pacer.delay_s(self._loop.time()))
            request = self._next_request()
            if request is None:
                self._work.clear()
                if self.answered_at is None and self._ledger.complete(self.owner.wanted):
                    self.answered_at = self._loop.time()
                continue
            self._count()
            with suppress(ConnectionClosed):  # the reader tells the same, with the reason
                await connection.send(request.to_json())

    def _next_request(self) -> Request | None:
        now = self._loop.time()
        while self._again:
            name = next(iter(self._again))
            del self._again[name]
            if name in self.owner.wanted:
                return self._ledger.again(name, now)
        return self._ledger.next_request(self.owner.wanted, self.owner.suspects, now)

    def _count(self) -> None:
        self._pacer.count(self._loop.time())

    async def _watch(self, connection: Socket) -> None:
        while True:
            await asyncio.sleep(self.timers.tick_s)
            now = self._loop.time()
            if now - connection.heard_at >= self.timers.probe_after_s:
                await self._probe(connection)
            if self._ledger.overdue(now, self.timers.ack_s, self.heard):
                raise ConnectionLost("a request was not answered, twice")
            self._work.set()
            self.owner.on_tick(self, now)

    async def _probe(self, connection: Socket) -> None:
        """Nothing arrived for long: ask, and give up if still nothing arrives."""
        asked_at = self._loop.time()
        self._count()
        with suppress(WebSocketException):
            await connection.ping()
        await asyncio.sleep(self.timers.probe_wait_s)
        if connection.heard_at < asked_at:
            raise ConnectionLost(f"silent for {self._loop.time() - connection.heard_at:.1f} s")
