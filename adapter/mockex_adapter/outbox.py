"""What the consumer gets, and the bounded queue in which it waits for him.

A slow consumer costs the oldest events, never memory and never a pong. Each hole, whether it was
made here or on the wire, is told by a `Gap` right before the next event of that stream. A changed
book is told by name only, at most once for each symbol, so that the consumer always reads the book
as it is now, and a full queue can't spoil one. Times are in ms, symbols as payloads spell them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event, once and in order. `id` is 0 on streams whose events are not numbered."""

    stream: str
    id: int
    fields: Any


@dataclass(frozen=True, slots=True)
class Gap:
    """Events of `stream` between these ids were lost."""

    stream: str
    after: int | None
    before: int | None


@dataclass(frozen=True, slots=True)
class BookChanged:
    """`feed.book(symbol)` is another one, or none any more."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Resync:
    """The book of `symbol` was thrown away and is being rebuilt."""

    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stale:
    """`stream` has been silent for longer than its rhythm explains."""

    stream: str
    silent_ms: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange refused `stream`; it is not asked for again."""

    stream: str
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something odd happened, and the feed goes on."""

    message: str
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """`state` is `connecting`, `live` or `waiting` (then for `wait_ms`)."""

    state: str
    wait_ms: int = 0
    reason: str = ""


Item = StreamEvent | Gap | BookChanged | Resync | Stale | Refused | Trouble | StateChanged


class Outbox:
    """The bounded queue to the consumer, who has seen what left it: so it knows of each hole."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._holes: set[tuple[str, int]] = set()  # events that stand behind a hole
        self._cut: set[str] = set()  # streams that lost events here
        self._seen: dict[str, int] = {}
        self.filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, *, behind_hole: bool = False) -> None:
        """Add `item`; if it is full, the oldest event goes."""
        if isinstance(item, BookChanged) and item in self._items:
            return
        if isinstance(item, StreamEvent) and behind_hole:
            self._holes.add((item.stream, item.id))
        self._items.append(item)
        if len(self._items) > self._limit:
            self._drop()
        self.filled.set()

    def _drop(self) -> None:
        for index, item in enumerate(self._items):
            if isinstance(item, StreamEvent):
                del self._items[index]
                self._holes.discard((item.stream, item.id))
                self._cut.add(item.stream)
                return
        self._items.popleft()

    def get(self) -> Item | None:
        """The next item, None if there is none."""
        if not self._items:
            self.filled.clear()
            return None
        item = self._items[0]
        if isinstance(item, StreamEvent):
            if item.stream in self._cut or (item.stream, item.id) in self._holes:
                self._cut.discard(item.stream)
                self._holes.discard((item.stream, item.id))
                return Gap(item.stream, self._seen.get(item.stream), item.id or None)
            self._seen[item.stream] = item.id
        return self._items.popleft()
