"""What stands in a line of the wire log: an entry's words, whose they are, and what folds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mockex.server.journal import (
    Answered,
    AnyEntry,
    Asked,
    Attempted,
    Behind,
    Closed,
    Delivered,
    Ended,
    Exited,
    Faulted,
    HalfClosed,
    Launched,
    Noted,
    Pinged,
    Ponged,
    Received,
    Refused,
    Replied,
    Requested,
    Said,
    Signalled,
    Upgraded,
)
from mockex.server.views import Deliveries
from mockex.server.words import Teller, Words, cut, listed, many, numbered

Direction = Literal["in", "out", ""]

_QUIET = ("event", "gauge", "book", "gap")  # what a testee may say all the time


@dataclass(frozen=True, slots=True)
class Told:
    """An entry in words. `folds` is the same for entries that repeat each other, and then `plural`
    says what several of them are, and `size` are the bytes of one; empty: it stands by itself."""

    connection: str
    direction: Direction
    what: str
    text: str
    marked: bool = False
    folds: str = ""
    plural: str = ""
    size: int = 0

    def folded(self, times: int, size: int) -> str:
        """The words for `times` of them, `size` bytes together."""
        return f"{times:,} {self.plural}" + (f", {size:,} bytes" if size else "")


def tell(entries: Iterable[AnyEntry]) -> Iterator[tuple[AnyEntry, Told]]:
    """Entries that mean something to a reader, in words."""
    members, teller = Deliveries(), Teller()
    for entry in entries:
        members.apply(entry)
        if isinstance(entry, Delivered):
            told: Told | None = _delivered(entry, sorted(members.members(entry.audience)))
        elif words := teller.told(entry):
            told = _exchange(entry, words)
        else:
            told = _testee(entry)
        if told is not None:
            yield entry, told


def _delivered(entry: Delivered, conns: list[int]) -> Told:
    size = sum(batch.bytes for batch in entry.streams.values())
    events = sum(batch.events for batch in entry.streams.values())
    whom = f"c{conns[0]}" if len(conns) == 1 else ""
    of = f"of {listed(entry.streams)}"
    if len(conns) != 1:
        of += f" to {numbered(conns)}" if conns else " to nobody"
    return Told(
        whom, "out", "deliveries", f"{many(events, 'event')} {of}, {size:,} bytes",
        folds=f"d{entry.audience} {whom}", plural=f"deliveries {of}", size=size,
    )  # fmt: skip


def _exchange(entry: AnyEntry, words: Words) -> Told:
    """What the exchange has written."""
    where = "suite" if words.conn is None else f"c{words.conn}"
    folds = plural = ""
    match entry:
        case Requested():
            where = "REST"
        case Pinged(conn=conn):
            folds, plural = f"ping{conn}", "pings"
        case Ponged(conn=conn, payload=payload):
            folds, plural = f"pong{conn} {bool(payload)}", "pongs" if payload else "empty pongs"
        case Behind():
            folds, plural = "behind", "times late"
        case _:
            pass
    marked = isinstance(entry, Faulted) and entry.phase == "seen"
    # Of a close that both sides have part in, the frames have directions.
    direction = "" if words.what == "closed" else _direction(entry)
    return Told(where, direction, words.what, words.more, marked, folds, plural)


def _direction(entry: AnyEntry) -> Direction:
    match entry:
        case Attempted() | Received() | Ponged() | Requested():
            return "in"
        case Upgraded() | Refused() | Replied() | Pinged():
            return "out"
        case Closed(by=by) | HalfClosed(by=by) | Ended(by=by):
            return "in" if by == "client" else "out"
        case _:
            return ""


def _testee(entry: AnyEntry) -> Told | None:
    """What the testee is told, says and does, and what the suite notes of it."""
    match entry:
        case Launched(command=command):
            return Told("testee", "", "started", cut(" ".join(command)))
        case Signalled(signal=signal):
            return Told("testee", "", "signal", signal)
        case Exited(code=code, last_words=words, left=left):
            text = f"code {code}" if code >= 0 else f"signal {-code}"
            text += f"; left behind: {', '.join(left)}" if left else ""
            return Told("testee", "", "exited", text + (f"; {cut(words)}" if words else ""))
        case Said(method=method, params=params):
            folds = f"said {method} {params.get('stream')}" if method in _QUIET else ""
            plural = f"of {params['stream']}" if "stream" in params else "times"
            text = _state(params) if method == "state" else _members(params)
            return Told("testee", "in", method, text, folds=folds, plural=plural)
        case Asked(method=method, params=params):
            return Told("testee", "out", method, _members(params))
        case Answered(error=error):
            text = "done" if error is None else f"refused: {_members(error)}"
            return Told("testee", "in", "answer", text)
        case Noted(name=name, detail=detail) if name not in ("case", "outcome", "traceback"):
            return Told("suite", "", name, _landmark(detail), marked=name == "over")
        case _:
            return None


def _state(params: dict[str, Any]) -> str:
    told = str(params.get("state", ""))
    if wait_ms := params.get("wait_ms"):
        told += f" for {wait_ms} ms"
    return cut(told + (f": {reason}" if (reason := params.get("reason")) else ""))


def _landmark(detail: dict[str, Any]) -> str:
    """What a landmark says, without what is for checks alone."""
    told = []
    for name, value in detail.items():
        if name in ("since", "ports", "limit_ms"):
            continue
        word, unit = name.removesuffix("_s"), " s" if name.endswith("_s") else ""
        if name in ("what", "why"):
            told.append(str(value))
        elif name in ("conn", "connection") or (name == "connections" and isinstance(value, list)):
            told.append(f"on {numbered(value if isinstance(value, list) else [value])}")
        else:
            told.append(f"{word.replace('_', ' ')} {_value(value)}{unit}")
    return cut(", ".join(told))


def _members(members: dict[str, Any]) -> str:
    """Members of an object as `name value`, long ones cut."""
    told = [f"{name} {_value(value)}" for name, value in members.items() if value not in ("", None)]
    return cut(", ".join(told))


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return listed(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
