"""The one owner of a line's connections.

A supervisor is one task with one inbox. Everything that could be a reason to reconnect (the end
of a connection, a timer, a notice, the caller's wish) is put into the inbox and goes through the
table of `lifecycle`; only the loop that reads the inbox dials or closes. Links run as children of
its task group: cancelling the supervisor's task ends all of them, sockets included, in whatever
state they are, and nothing outside can start one.

Moving over (planned handover): the new connection is opened and subscribed while the old one
still delivers; its events are held back, stream by stream, until the old one has delivered past
the first of them. Then the old one is retired and what was held back follows; ids drop what was
seen already. So the consumer sees each event once, in order, and a hole only where the exchange
left one.

A supervisor also watches each stream for silence. One that has delivered a rhythm and then
nothing is announced as stale and asked for again, once; if everything busy has fallen silent on a
connection that still answers pings, the line moves to another one. A stream that never delivered
is announced, no more: nothing may simply be happening on it.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from websockets.exceptions import InvalidStatus, WebSocketException

from mockex_adapter.backoff import Backoff
from mockex_adapter.errors import ConnectionLost
from mockex_adapter.exchange import MAX_STREAMS, Settings, Stream, face_of
from mockex_adapter.lifecycle import Action, Event, State, step
from mockex_adapter.link import Link
from mockex_adapter.outbox import Refused, Stale, Trouble
from mockex_adapter.pacing import Pacer, Request
from mockex_adapter.rest import retry_after_s

if TYPE_CHECKING:
    from mockex_adapter.feed import Feed

_BUSY = 5  # events, before a stream's rhythm is believed
_PATIENCE = 20  # times the usual gap between events
_MOST_HELD = 5000  # events held back in a handover


@dataclass(slots=True)
class Rhythm:
    """How often a stream delivers; outlives connections, except for the last time it was heard."""

    heard_at: float | None = None  # on the current connection
    gap_s: float = 0.0
    events: int = 0
    announced: int = 0  # how often the present silence was announced

    def beat(self, now: float) -> None:
        """An event came."""
        if self.heard_at is not None:
            self.events += 1
            gap_s = now - self.heard_at
            self.gap_s = gap_s if self.events == 1 else 0.9 * self.gap_s + 0.1 * gap_s
        self.heard_at = now
        self.announced = 0

    def limit_s(self, silence_s: float) -> float:
        """The silence that is too long."""
        return max(silence_s, _PATIENCE * self.gap_s)


class Supervisor:
    """Keeps one line alive. `wanted` are its streams by name; say `changed` after a change."""

    def __init__(
        self,
        settings: Settings,
        route: str,
        attempts: Pacer,
        consumer: Feed,
    ) -> None:
        self.route = route
        self.mode = settings.mode
        self.state = State.CLOSED
        self.wait_s = 0.0
        self.reason = ""
        self.wanted: dict[str, Stream] = {}
        self.suspects: set[str] = set()
        path = "/stream" if settings.mode == "combined" else "/ws"
        self._target = settings.ws_url.rstrip("/") + route + path
        self._settings = settings
        self._timers = settings.timers
        self._attempts = attempts
        self._consumer = consumer
        self._backoff = Backoff.by(settings)
        self._inbox: asyncio.Queue[tuple[Event, Link | None]] = asyncio.Queue()
        self._current: Link | None = None
        self._attempt: Link | None = None
        self._unproven: set[str] = set()  # streams not yet moved over
        self._timer: asyncio.TimerHandle | None = None
        self._ids = itertools.count(1)
        self._rhythms: dict[str, Rhythm] = {}
        self._faces: dict[tuple[str, str], str] = {}
        self._renew_at = 0.0
        self._loop = asyncio.get_running_loop()

    # What others may ask for.

    def room_for(self, stream: Stream) -> bool:
        """Whether `stream` may be carried here. In raw mode nothing but its face tells it apart."""
        if stream.route != self.route or len(self.wanted) >= MAX_STREAMS:
            return False
        if self.mode == "combined" or not self.wanted:
            return True
        faces = {other.face for other in self.wanted.values()}
        return stream.face not in faces and not any(
            kind == "other" for kind, _ in faces | {stream.face}
        )

    def changed(self) -> None:
        """`wanted` was changed."""
        self._faces = {stream.face: name for name, stream in self.wanted.items()}
        self._post(Event.START if self.wanted else Event.CLOSE)
        for link in (self._current, self._attempt):
            if link is not None:
                link.changed()

    def reconnect(self) -> bool:
        """The caller believes the connection to be bad. One that is new, or being replaced
        already, is left alone: the belief is about the one before it. Whether it is replaced."""
        opened_at = self._current.opened_at if self._current else None
        if opened_at is None or self._loop.time() - opened_at < self._timers.tick_s:
            return False
        self._post(Event.NOTICE, self._current)
        return True

    @property
    def live(self) -> bool:
        """Whether a connection delivers and everything asked for was acknowledged."""
        return self._current is not None and self._current.answered_at is not None

    async def run(self) -> None:
        """Own the line until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    event, link = await self._inbox.get()
                    self._step(tasks, event, link)
            finally:
                self._release()

    # The owner's loop.

    def _post(self, event: Event, link: Link | None = None) -> None:
        self._inbox.put_nowait((event, link))

    def _step(self, tasks: asyncio.TaskGroup, event: Event, link: Link | None) -> None:
        if link is not None and link not in (self._current, self._attempt):
            return  # a connection that was given up has nothing to say
        if event in (Event.START, Event.CLOSE):  # what counts is what is wanted now
            event = Event.START if self.wanted else Event.CLOSE
        if event is Event.FAILED and link is self._current:
            event = Event.LOST
        if event is Event.NOTICE and link is not self._current:
            return
        if link is not None and link.lasted(self._loop.time()):
            self._backoff.forget()
        self.state, actions = step(self.state, event)
        if event is Event.FAILED:
            self._attempt = None
        for action in actions:
            self._perform(tasks, action)
        self._consumer.line_changed()

    def _perform(self, tasks: asyncio.TaskGroup, action: Action) -> None:
        match action:
            case Action.DIAL:
                self._dial(tasks)
            case Action.WAIT:
                self._wait()
            case Action.ADOPT:
                self._adopt()
            case Action.FORGET:
                self._forget()
            case Action.RETIRE:
                self._end(self._current)
            case Action.RELEASE:
                self._release()

    def _dial(self, tasks: asyncio.TaskGroup) -> None:
        self._disarm()
        link = Link(self._target, self._settings.rules, self._timers, self, self._ids)
        self._attempt = link
        self._unproven = set(self.wanted)
        link.task = tasks.create_task(self._hold(link))

    async def _hold(self, link: Link) -> None:
        """The life of one connection; its end is always told to the inbox, and is never an error
        of ours."""
        try:
            now = self._loop.time()
            await asyncio.sleep(self._attempts.delay_s(now))
            self._attempts.count(self._loop.time())
            async with link.open() as connection:
                self._post(Event.OPENED, link)
                await link.carry(connection)
        except* (OSError, WebSocketException, ConnectionLost) as group:
            self._on_loss(link, group.exceptions[0])
        finally:
            self._post(Event.FAILED, link)

    def _on_loss(self, link: Link, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.reason = str(error) or type(error).__name__
        if isinstance(error, InvalidStatus) and error.response.status_code in (403, 418, 429):
            header = error.response.headers.get("Retry-After")
            self._backoff.told_to_wait(retry_after_s(header))

    def _wait(self) -> None:
        self._disarm()
        self.wait_s = self._delay()
        self._timer = self._loop.call_later(self.wait_s, self._post, Event.DUE)

    def _delay(self) -> float:
        return self._backoff.next_delay_s()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _adopt(self) -> None:
        link, self._current, self._attempt = self._attempt, self._attempt, None
        assert link is not None
        # Spread over the last quarter of the lifetime, so that lines do not renew together.
        lifetime_s = self._settings.lifetime_s * self._settings.random.uniform(0.7, 0.9)
        self._renew_at = self._loop.time() + lifetime_s
        for rhythm in self._rhythms.values():
            rhythm.heard_at, rhythm.announced = None, 0
        held, link.held = link.held, []
        for name, payload in held:
            self._present(link, name, payload, held=True)

    def _forget(self) -> None:
        self._current = None
        self._consumer.broken(self.wanted.values(), self.reason)

    def _end(self, link: Link | None) -> None:
        if link is not None and link.task is not None:
            link.polite = True
            link.task.cancel()

    def _release(self) -> None:
        self._disarm()
        self._end(self._current)
        self._end(self._attempt)
        self._current = self._attempt = None
        self._rhythms.clear()
        self.suspects.clear()

    # What the links tell.

    def on_message(self, link: Link, message: Any) -> None:
        """One message that is no reply."""
        name, payload = self._read(message)
        if isinstance(payload, dict) and payload.get("e") == "serverShutdown":
            if name in ("", "!serverShutdown"):
                self._post(Event.NOTICE, link)
            return
        if name not in self.wanted:
            if message is None:
                self._consumer.tell(Trouble("a message that is no JSON"))
            return
        if link is self._current:
            self._present(link, name, payload)
        elif link is self._attempt:
            link.held.append((name, payload))
            link.heard[name] = self._loop.time()
        if self.state is State.OVERLAP:
            self._prove(name)

    def _read(self, message: Any) -> tuple[str, Any]:
        """The stream's name and the payload; no name for what is not addressed to a stream."""
        if self.mode == "combined":
            if isinstance(message, dict):
                return str(message.get("stream", "")), message.get("data")
            return "", message
        if isinstance(message, dict) and message.get("e") == "serverShutdown":
            return "", message
        if len(self.wanted) == 1 and isinstance(message, dict | list):
            return next(iter(self.wanted)), message
        face = face_of(message) if isinstance(message, dict) else ("", "")
        return self._faces.get(face, ""), message

    def _present(self, link: Link, name: str, payload: Any, *, held: bool = False) -> None:
        now = self._loop.time()
        link.heard[name] = now
        self._rhythms.setdefault(name, Rhythm()).beat(now)
        if name in self.wanted:
            self._consumer.arrived(self.wanted[name], payload, held=held)

    def _prove(self, name: str) -> None:
        """Note if `name` can be moved over without a hole: the old connection has come as far as
        the first event of the new one."""
        if name in self._unproven and self._attempt is not None:
            first = next((p for n, p in self._attempt.held if n == name), None)
            stream = self.wanted[name]
            if first is not None and self._reached(stream, first):
                self._unproven.discard(name)
        if not self._unproven or (self._attempt and len(self._attempt.held) > _MOST_HELD):
            self._post(Event.SERVING, self._attempt)

    def _reached(self, stream: Stream, first: Any) -> bool:
        if stream.id_key is None:
            return True
        position = self._consumer.position(stream)
        first_id = first.get(stream.id_key) if isinstance(first, dict) else None
        return position is None or not isinstance(first_id, int) or position >= first_id

    def on_refused(self, link: Link, request: Request, code: int, message: str) -> None:
        """A request was refused. One name: it is the culprit. Several: each is suspected."""
        if request.method != "SUBSCRIBE":
            self._consumer.tell(Trouble(f"{request.method} was refused: {code} {message}"))
        elif len(request.names) > 1:
            self.suspects.update(request.names)
        else:
            if self.wanted.pop(request.names[0], None) is not None:
                self._consumer.tell(Refused(request.names[0], code, message))
                self.changed()

    def on_tick(self, link: Link, now: float) -> None:
        """Time passed on a connection."""
        if link is self._attempt:
            answered_at = link.answered_at
            if answered_at is not None and now - answered_at >= self._timers.settle_s:
                self._post(Event.SERVING, link)
        elif link is self._current:
            if now >= self._renew_at:
                self._post(Event.NOTICE, link)
            self._look_for_silence(link, now)
            self._consumer.line_changed()

    def _look_for_silence(self, link: Link, now: float) -> None:
        if link.answered_at is None:
            return
        busy = silent_twice = 0
        for name in self.wanted:
            rhythm = self._rhythms.setdefault(name, Rhythm())
            since = rhythm.heard_at if rhythm.heard_at is not None else link.answered_at
            known = rhythm.heard_at is not None and rhythm.events >= _BUSY
            busy += known
            silent_s = now - since
            limit_s = rhythm.limit_s(self._timers.data_silence_s)
            if silent_s < limit_s * (1 + 2 * rhythm.announced):
                continue
            if rhythm.announced == 0 and (known or name not in link.heard):
                rhythm.announced = 1
                self._consumer.tell(Stale(name, round(silent_s * 1000)))
                if known:
                    link.ask_again(name)
            elif known:
                silent_twice += 1
        if busy and silent_twice == busy:
            self._post(Event.NOTICE, link)
