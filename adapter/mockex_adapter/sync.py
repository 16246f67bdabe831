"""Order and completeness: pure, by the exchange's update ids alone.

`Sequence` watches one stream: what is old is dropped, what does not follow on is marked as
standing behind a hole. `BookSync` joins a snapshot with the events buffered meanwhile and keeps
the book:

=====================  ===============================  =====================================
rule                   spot                             usdm
=====================  ===============================  =====================================
event is too old       `u <= L`                         `u < L`
first event must       `U <= L + 1`                     `pu <= L <= u`
next event must        `U <= B + 1`                     `pu == B`; `U > B + 1` is normal
=====================  ===============================  =====================================

with `L` the snapshot's `lastUpdateId`, `B` the book's. A snapshot older than the buffer is
useless: another is needed. One newer than the whole buffer waits for the first event that proves
it. A book is presented only between a proven join and the first hole; a hole costs this one book
and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

from mockex_adapter.book import Book, Level, read_levels
from mockex_adapter.errors import Malformed
from mockex_adapter.exchange import Stream

_MAX_ID = 2**63
_MAX_BUFFER = 5000  # events; at 100 ms more than eight minutes of waiting for a snapshot
_RESTART = 20  # so many "old" events in a row are a numbering that started over


def read_id(payload: dict[str, Any], key: str) -> int:
    """The id under `key`.

    Raises:
        Malformed: missing, no integer, or none that the exchange can have meant.
    """
    value = payload.get(key)
    if type(value) is not int or not 0 <= value < _MAX_ID:
        raise Malformed(key, value)
    return value


class Place(Enum):
    """Where an event stands in its stream."""

    NEXT = auto()
    BEHIND_HOLE = auto()
    OLD = auto()


class Sequence:
    """The ids of one stream, over all connections that carry it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._broken = False
        self._old = 0
        self.last: int | None = None

    def broken(self) -> None:
        """The connection was lost: only ids can prove that nothing is missing."""
        self._broken = self.last is not None

    def place(self, payload: dict[str, Any], *, held: bool = False) -> tuple[Place, int]:
        """Where `payload` stands, and its id (0 for streams without ids). `held`: it was held back
        in a handover, in which many events in a row may be old.

        Raises:
            Malformed: an id is missing or impossible; nothing has changed.
        """
        key = self._stream.id_key
        if key is None:
            return self._accept(0, hole=self._broken)
        event_id = read_id(payload, key)
        if self.last is None:
            return self._accept(event_id, hole=False)
        if event_id <= self.last:
            self._old += not held
            if self._old < _RESTART:
                return Place.OLD, event_id
            return self._accept(event_id, hole=True)
        return self._accept(event_id, hole=not self._follows(payload, event_id, self.last))

    def _follows(self, payload: dict[str, Any], event_id: int, last: int) -> bool:
        match self._stream.kind:
            case "aggTrade" | "trade":
                return event_id == last + 1
            case "diff":
                if "pu" in payload:
                    return read_id(payload, "pu") == last
                return read_id(payload, "U") <= last + 1
            case _:  # pictures: each stands for itself, and only a lost connection loses some
                return not self._broken

    def _accept(self, event_id: int, *, hole: bool) -> tuple[Place, int]:
        self.last, self._broken, self._old = event_id, False, 0
        return Place.BEHIND_HOLE if hole else Place.NEXT, event_id


@dataclass(frozen=True, slots=True)
class Diff:
    """One event of a diff depth stream. `previous_id` is `pu` on usdm, None on spot."""

    first_update_id: int
    final_update_id: int
    previous_id: int | None
    bids: list[Level]
    asks: list[Level]


def read_diff(payload: dict[str, Any]) -> Diff:
    """The event in `payload`; raises `Malformed`."""
    first, final = read_id(payload, "U"), read_id(payload, "u")
    if first > final:
        raise Malformed("U", first)
    previous = read_id(payload, "pu") if "pu" in payload else None
    bids, asks = read_levels(payload.get("b")), read_levels(payload.get("a"))
    return Diff(first, final, previous, bids, asks)


def read_snapshot(payload: object) -> Book:
    """The book in a REST answer; raises `Malformed`."""
    if not isinstance(payload, dict):
        raise Malformed("snapshot", payload)
    last = read_id(payload, "lastUpdateId")
    return Book(last, read_levels(payload.get("bids")), read_levels(payload.get("asks")))


Outcome = Literal["nothing", "fetch", "changed", "gap"]


class BookSync:
    """One symbol's book. `book` is None unless it is proven to be right."""

    def __init__(self) -> None:
        self.book: Book | None = None
        self._snapshot: Book | None = None  # not yet proven by an event
        self._buffer: list[Diff] = []
        self._fetching = False

    def reset(self) -> bool:
        """Throw everything away; whether a valid book was lost by it."""
        had_book = self.book is not None
        self.book = self._snapshot = None
        self._buffer.clear()
        self._fetching = False
        return had_book

    def event(self, diff: Diff) -> Outcome:
        """Take one event: `fetch` asks for a snapshot, `gap` says that the book was thrown away
        (and that a snapshot is needed), `changed` that `book` is valid and new."""
        if self.book is not None:
            return self._live(self.book, diff)
        if self._buffer and not self._follows(diff, self._buffer[-1].final_update_id):
            if diff.final_update_id <= self._buffer[-1].final_update_id:
                return "nothing"
            self._buffer.clear()  # what lies before a hole can't be used any more
        self._buffer.append(diff)
        del self._buffer[:-_MAX_BUFFER]
        if self._snapshot is not None:
            return self._join(self._snapshot)
        return self._fetch()

    def snapshot(self, snapshot: Book) -> Outcome:
        """Take the snapshot asked for; `fetch` if it is older than what was buffered."""
        if not self._fetching:
            return "nothing"
        self._fetching = False
        return self._join(snapshot)

    def _live(self, book: Book, diff: Diff) -> Outcome:
        if diff.final_update_id <= book.last_update_id:
            return "nothing"
        if not self._follows(diff, book.last_update_id):
            self.reset()
            self._buffer.append(diff)
            self._fetching = True
            return "gap"
        book.apply(diff.final_update_id, diff.bids, diff.asks)
        return "changed"

    def _join(self, snapshot: Book) -> Outcome:
        last = snapshot.last_update_id
        kept = [diff for diff in self._buffer if not self._too_old(diff, last)]
        if kept and not self._joins(kept[0], last):
            self._snapshot = None
            return self._fetch()
        proven = kept or (self._buffer and self._buffer[-1].final_update_id == last)
        if not proven:
            self._snapshot = snapshot
            self._buffer.clear()
            return "nothing"
        self._snapshot, self._buffer = None, []
        self.book = snapshot
        for diff in kept:
            snapshot.apply(diff.final_update_id, diff.bids, diff.asks)
        return "changed"

    def _fetch(self) -> Outcome:
        if self._fetching:
            return "nothing"
        self._fetching = True
        return "fetch"

    @staticmethod
    def _too_old(diff: Diff, last: int) -> bool:
        return diff.final_update_id < last + (diff.previous_id is None)

    @staticmethod
    def _joins(diff: Diff, last: int) -> bool:
        if diff.previous_id is None:
            return diff.first_update_id <= last + 1
        return min(diff.previous_id, diff.first_update_id) <= last <= diff.final_update_id

    @staticmethod
    def _follows(diff: Diff, last: int) -> bool:
        if diff.previous_id is None:
            return diff.first_update_id <= last + 1 and diff.final_update_id > last
        return diff.previous_id == last
