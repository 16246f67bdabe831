"""Each entry of a journal in words."""

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
    Lagged,
    Launched,
    Noted,
    Opened,
    Pinged,
    Ponged,
    Received,
    Refused,
    Replied,
    Requested,
    Retimed,
    Said,
    Signalled,
    Slowed,
    Subscribed,
    Unsubscribed,
    Upgraded,
)
from mockex.server.views import Deliveries
from mockex_conformance.report.figures.canvas import printable
from mockex_conformance.report.figures.moments import many, named, span

Direction = Literal["in", "out", ""]

_LONG = 160  # characters of a text that came over the wire
_QUIET = ("event", "gauge", "book", "gap")  # what a testee may say all the time
_WHO: dict[str, Direction] = {"client": "in", "server": "out"}
_BY = {"client": "the testee", "server": "the exchange"}


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
    members = Deliveries()
    for entry in entries:
        members.apply(entry)
        if isinstance(entry, Delivered):
            told: Told | None = _delivered(entry, sorted(members.members(entry.audience)))
        else:
            told = _opening(entry) or _connection(entry) or _testee(entry) or _case(entry)
        if told is not None:
            yield entry, told


def _delivered(entry: Delivered, conns: list[int]) -> Told:
    size = sum(batch.bytes for batch in entry.streams.values())
    events = sum(batch.events for batch in entry.streams.values())
    whom = f"c{conns[0]}" if len(conns) == 1 else ""
    of = f"of {_streams(list(entry.streams))}"
    if len(conns) != 1:
        of += f" to {named(conns)}" if conns else " to nobody"
    return Told(
        whom, "out", "deliveries", f"{many(events, 'event')} {of}, {size:,} bytes",
        folds=f"d{entry.audience} {whom}", plural=f"deliveries {of}", size=size,
    )  # fmt: skip


def _opening(entry: AnyEntry) -> Told | None:
    """From the attempt to what is asked for."""
    match entry:
        case Attempted(conn=conn):
            return Told(f"c{conn}", "in", "attempt", "")
        case Upgraded(conn=conn, target=target):
            return Told(f"c{conn}", "out", "upgraded", _cut(target))
        case Refused(conn=conn, status=status, reason=reason):
            return Told(f"c{conn}", "out", "refused", f"{status} {reason}".strip())
        case Subscribed(conn=conn, streams=streams, silent=silent, via=via):
            text = f"{_streams(streams)} by {'the URL' if via == 'url' else 'a request'}"
            text += f"; never sent: {_streams(silent)}" if silent else ""
            return Told(f"c{conn}", "", "subscribed", text)
        case Unsubscribed(conn=conn, streams=streams):
            return Told(f"c{conn}", "", "unsubscribed", _streams(streams))
        case _:
            return None


def _connection(entry: AnyEntry) -> Told | None:
    """What happens on a connection that is open, and over REST."""
    match entry:
        case Received(conn=conn, opcode=opcode, size=size, text=text):
            what = "ping" if opcode == "ping" else "message"
            return Told(f"c{conn}", "in", what, _cut(text) or many(size, "byte"))
        case Replied(conn=conn, text=text):
            return Told(f"c{conn}", "out", "reply", _cut(text))
        case Pinged(conn=conn, payload=payload):
            return Told(
                f"c{conn}", "out", "ping", _bytes(payload), folds=f"ping{conn}", plural="pings"
            )
        case Ponged(conn=conn, payload=payload):
            text, folds = _bytes(payload), f"pong{conn} {bool(payload)}"
            plural = "pongs" if payload else "empty pongs"
            return Told(f"c{conn}", "in", "pong", text, folds=folds, plural=plural)
        case Closed(conn=conn, by=by, code=code, reason=reason):
            text = f"{'no code' if code is None else code} {_cut(reason)}".strip()
            return Told(f"c{conn}", _WHO[by], "close", text)
        case HalfClosed(conn=conn, by=by):
            return Told(f"c{conn}", _WHO[by], "half-closed", f"a FIN of {_BY[by]}")
        case Ended(conn=conn, by=by, how=how):
            return Told(f"c{conn}", _WHO[by], "ended", f"{how.upper()} of {_BY[by]}")
        case Slowed(conn=conn, full=full):
            return Told(f"c{conn}", "", "slow", "send buffer " + ("full" if full else "drained"))
        case Requested(method=method, target=target, status=status):
            return Told("REST", "in", "request", f"{method} {_cut(target)}: {status}")
        case _:
            return None


def _testee(entry: AnyEntry) -> Told | None:
    """What the testee is told, says and does."""
    match entry:
        case Launched(command=command):
            return Told("testee", "", "started", _cut(" ".join(command)))
        case Signalled(signal=signal):
            return Told("testee", "", "signal", signal)
        case Exited(code=code, last_words=words, left=left):
            text = f"code {code}" if code >= 0 else f"signal {-code}"
            text += f"; left behind: {', '.join(left)}" if left else ""
            return Told("testee", "", "exited", text + (f"; {_cut(words)}" if words else ""))
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
        case _:
            return None


def _case(entry: AnyEntry) -> Told | None:
    """What the suite does and notes."""
    match entry:
        case Faulted(kind=kind, phase=phase, conns=conns, detail=detail):
            text = f"{kind} {phase}" + (f" on {named(conns)}" if conns else "")
            text += f": {_cut(detail)}" if detail else ""
            return Told("suite", "", "fault", text, marked=phase == "seen")
        case Noted(name=name, detail=detail) if name not in ("case", "outcome", "traceback"):
            return Told("suite", "", name, _landmark(detail), marked=name == "over")
        case Lagged(late_s=late_s):
            return Told("suite", "", "lagged", f"our own loop was {span(late_s)} late")
        case Behind(late_s=late_s):
            return Told(
                "suite", "", "behind", f"the market ran {span(late_s)} late", folds="behind"
            )
        case Retimed(how=how, speed=speed):
            return Told("suite", "", "clock", f"{how}, speed {speed:g}")
        case Opened(profile=profile, seed=seed):
            return Told("suite", "", "opened", f"{profile}, seed {seed}")
        case _:
            return None


def _state(params: dict[str, Any]) -> str:
    told = str(params.get("state", ""))
    if wait_ms := params.get("wait_ms"):
        told += f" for {wait_ms} ms"
    return _cut(told + (f": {reason}" if (reason := params.get("reason")) else ""))


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
            told.append(f"on {named(value if isinstance(value, list) else [value])}")
        else:
            told.append(f"{word.replace('_', ' ')} {_value(value)}{unit}")
    return _cut(", ".join(told))


def _streams(names: list[str]) -> str:
    if len(names) <= 3:
        return ", ".join(map(_cut, names))
    return f"{_cut(names[0])}, {_cut(names[1])} and {len(names) - 2} more"


def _members(members: dict[str, Any]) -> str:
    """Members of an object as `name value`, long ones cut."""
    told = [f"{name} {_value(value)}" for name, value in members.items() if value not in ("", None)]
    return _cut(", ".join(told))


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _streams(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _bytes(payload: str) -> str:
    """A payload in hexadecimal, as text where it is text."""
    if not payload:
        return "empty"
    try:
        text = bytes.fromhex(payload).decode("ascii")
    except ValueError:
        return f"0x{payload[:_LONG]}"
    return repr(text) if text.isprintable() else f"0x{payload[:_LONG]}"


def _cut(text: str) -> str:
    """One printable line, not too long."""
    line = printable(text[: _LONG + 1])
    return line if len(line) <= _LONG else line[:_LONG] + "…"
