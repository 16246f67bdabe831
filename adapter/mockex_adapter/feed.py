"""What a user of the adapter sees.

    async with Feed(Settings(ws_url=..., rules=USDM), ["ethusdc@aggTrade"]) as feed:
        async for item in feed:
            ...

The block is the life of all connections: none exists before it, none after it, and an exception
that leaves it, the consumer's own included, closes everything and goes on to the caller. Streams
are put on lines (`supervisor`) by route and by the limit of 1,024; only lines own connections.

Between the lines and the consumer stands the `outbox`, which is bounded; nothing of what happens
behind it is seen by the lines. Books are kept ahead of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

from mockex_adapter.book import Book
from mockex_adapter.errors import FeedClosed, Malformed
from mockex_adapter.exchange import ATTEMPTS, Settings, Stream, read_stream
from mockex_adapter.lifecycle import State
from mockex_adapter.outbox import (
    BookChanged,
    Item,
    Outbox,
    Resync,
    StateChanged,
    StreamEvent,
    Trouble,
)
from mockex_adapter.pacing import Pacer
from mockex_adapter.rest import Snapshots
from mockex_adapter.supervisor import Supervisor
from mockex_adapter.sync import BookSync, Place, Sequence, read_diff


class Feed:
    """The streams of one exchange. `wanted` is what was last asked for."""

    def __init__(self, settings: Settings, streams: Iterable[str] = ()) -> None:
        self.wanted = {name: read_stream(settings.rules, name) for name in streams}
        self._settings = settings
        self._attempts = Pacer(*ATTEMPTS)  # all lines share the address that the exchange counts
        self._outbox = Outbox(settings.queue)
        self._lines: list[Supervisor] = []
        self._owned: list[asyncio.Task[None]] = []
        self._open = False
        self._sequences: dict[str, Sequence] = {}
        self._syncs: dict[str, tuple[str, BookSync]] = {}  # symbol: its book's stream, its book
        self._snapshots: Snapshots | None = None
        self._state: StateChanged | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._open = True
        wanted, self.wanted = self.wanted, {}
        self.subscribe(*wanted)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):  # the consumer's own: it goes on as it is, in no group
            kind = error = trace = None
        try:
            await self.close()
        finally:
            await self._tasks.__aexit__(kind, error, trace)

    async def close(self) -> None:
        """End it: returns when nothing is connected and nothing will connect. Final; may be called
        at any time, by anybody, again."""
        self._open = False
        for task in self._owned:
            task.cancel()
        if self._owned:
            await asyncio.wait(self._owned)
        self._outbox.filled.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while self._open:
            item = self._outbox.get()
            if item is not None:
                return item
            await self._outbox.filled.wait()
        raise StopAsyncIteration

    def subscribe(self, *names: str) -> None:
        """Want `names` from now on. Raises `BadStreamName` (nothing has changed), `FeedClosed`."""
        streams = [read_stream(self._settings.rules, name) for name in names]
        if not self._open:
            raise FeedClosed
        for stream in streams:
            if stream.name in self.wanted:
                continue
            self.wanted[stream.name] = stream
            self._sequences[stream.name] = Sequence(stream)
            if stream.kind == "diff" and stream.symbol not in self._syncs:
                self._keep_book(stream)
            self._line_for(stream).wanted[stream.name] = stream
        self._changed()

    def unsubscribe(self, *names: str) -> None:
        """Want `names` no more."""
        if not self._open:
            raise FeedClosed
        for name in names:
            stream = self.wanted.pop(name, None)
            if stream is None:
                continue
            del self._sequences[name]
            for line in self._lines:
                line.wanted.pop(name, None)
                line.suspects.discard(name)
            if self._syncs.get(stream.symbol, ("",))[0] == name:
                self._drop_book(stream)
        self._changed()

    def reconnect(self) -> bool:
        """Replace every connection that is neither new nor being replaced already; old ones end
        last. Whether there was one."""
        if not self._open:
            raise FeedClosed
        replaced = [line.reconnect() for line in self._lines]
        return any(replaced)

    def book(self, symbol: str) -> Book | None:
        """The book of `symbol` as it is now, None unless it is proven to be right."""
        _, sync = self._syncs.get(symbol.lower(), ("", None))
        return sync.book if sync is not None else None

    @property
    def state(self) -> str:
        """`connecting`, `live`, `waiting`, or `closed`."""
        return self._state.state if self._open and self._state else "closed"

    @property
    def queued(self) -> int:
        """Items that wait for the consumer."""
        return len(self._outbox)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        self._owned.append(self._tasks.create_task(work))

    def _line_for(self, stream: Stream) -> Supervisor:
        for line in self._lines:
            if line.room_for(stream):
                return line
        line = self._make_line(stream.route)
        self._lines.append(line)
        self._own(line.run())
        return line

    def _make_line(self, route: str) -> Supervisor:
        return Supervisor(self._settings, route, self._attempts, self)

    def _changed(self) -> None:
        for line in self._lines:
            line.changed()

    # Books.

    def _keep_book(self, stream: Stream) -> None:
        self._syncs[stream.symbol] = (stream.name, BookSync())
        if self._snapshots is None:
            self._snapshots = Snapshots(self._settings, self._on_snapshot, self.tell)
            self._own(self._snapshots.run())

    def _drop_book(self, stream: Stream) -> None:
        del self._syncs[stream.symbol]
        if self._snapshots is not None:
            self._snapshots.settled(stream.symbol)
        self.tell(BookChanged(stream.symbol.upper()))
        for other in self.wanted.values():
            if other.kind == "diff" and other.symbol == stream.symbol:
                return self._keep_book(other)
        return None

    def _on_snapshot(self, symbol: str, snapshot: Book) -> None:
        if symbol in self._syncs:
            self._book_did(symbol, self._syncs[symbol][1].snapshot(snapshot))

    def _book_did(self, symbol: str, outcome: str) -> None:
        assert self._snapshots is not None
        if outcome == "gap":
            self.tell(Resync(symbol.upper(), "events are missing"))
        if outcome in ("gap", "fetch"):
            self._snapshots.want(symbol)
        if outcome == "changed":
            self._snapshots.settled(symbol)
        if outcome in ("gap", "changed"):
            self.tell(BookChanged(symbol.upper()))

    def _throw_book(self, stream: Stream, reason: str) -> None:
        name, sync = self._syncs.get(stream.symbol, ("", None))
        if sync is not None and name == stream.name and sync.reset():
            self.tell(Resync(stream.symbol.upper(), reason))
            self.tell(BookChanged(stream.symbol.upper()))

    # What the lines tell.

    def arrived(self, stream: Stream, payload: Any, *, held: bool = False) -> None:
        """An event of `stream` came, on the connection that is the current one; or it was `held`
        back until that was the current one."""
        sequence = self._sequences.get(stream.name)
        if sequence is None:
            return
        try:
            if stream.id_key is not None and not isinstance(payload, dict):
                raise Malformed("event", payload)
            diff = read_diff(payload) if stream.kind == "diff" else None
            place, event_id = sequence.place(payload, held=held)
        except Malformed as error:
            self.tell(Trouble(str(error), stream.name))
            self._throw_book(stream, "an event was malformed")
            return
        if place is Place.OLD:
            return
        event = StreamEvent(stream.name, event_id, payload)
        self._outbox.put(event, behind_hole=place is Place.BEHIND_HOLE)
        name, sync = self._syncs.get(stream.symbol, ("", None))
        if diff is not None and sync is not None and name == stream.name:
            self._book_did(stream.symbol, sync.event(diff))

    def position(self, stream: Stream) -> int | None:
        """The id of the last event of `stream`."""
        return self._sequences[stream.name].last if stream.name in self._sequences else None

    def broken(self, streams: Iterable[Stream], reason: str) -> None:
        """The connection of `streams` is gone."""
        for stream in streams:
            if stream.name in self._sequences:
                self._sequences[stream.name].broken()
            self._throw_book(stream, f"connection lost: {reason}")

    def tell(self, item: Item) -> None:
        """Something to know, for the consumer."""
        self._outbox.put(item)

    def line_changed(self) -> None:
        """A line may be in another state: the feed is in the worst one of its lines."""
        lines = [line for line in self._lines if line.wanted]
        waiting = [line for line in lines if line.state is State.WAITING]
        if waiting:
            line = min(waiting, key=lambda line: line.wait_s)
            state = StateChanged("waiting", round(line.wait_s * 1000), line.reason)
        elif all(line.live for line in lines):
            state = StateChanged("live")
        else:
            state = StateChanged("connecting")
        if state != self._state:
            self._state = state
            self.tell(state)
