"""A capture: what an exchange once sent, line by line, checked before anything is made of it.

One JSON object a line: `t` the Unix time of its arrival in ms (or in seconds), `stream` the name of
the stream, `data` the payload as it came. A line of `<symbol>@depth` whose payload is an answer of
REST (`lastUpdateId`, `bids`, `asks`) is a snapshot: the book that the diffs are laid over.

Everything is refused that could not have been sent like this: then it is of another exchange or
profile, was cut, or its lines were mixed up. Only what a replay needs is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec

from mockex.errors import CaptureError
from mockex.names import Kind, StreamName, parse
from mockex.profile import Profile

Level = tuple[str, str]  # price and quantity, as spelled

_MOST = 2**53  # of an id: beyond it JavaScript could not read it
_SECONDS_BELOW = 1e11  # a Unix time in ms is above it since 1973
_MS_BELOW = 1e14
_DAY_MS = 86_400_000
_INTERVALS_MS: Final = MappingProxyType({
    "s": 1000, "m": 60_000, "h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS, "M": _DAY_MS,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a payload, at any depth, that say when and which: ids of updates of the book,
    of trades, of aggregates, of block trades."""

    times: str = "E"
    updates: str = ""
    trades: str = ""
    aggregates: str = ""
    blocks: str = ""


_BOOK = Members("E T", updates="U u pu lastUpdateId")
_BARS = Members("E t T", trades="f L")
_ROLLING = Members("E O C", trades="F L")
MEMBERS: Final[Mapping[Kind, Members]] = MappingProxyType({
    Kind.AGG_TRADE: Members("E T", trades="f l", aggregates="a"),
    Kind.TRADE: Members("E T", trades="t"),
    Kind.BLOCK_TRADE: Members("E T", blocks="t"),
    Kind.KLINE: _BARS,
    Kind.CONTINUOUS_KLINE: Members("E t T", updates="f L"),  # usdm 5.4
    Kind.TICKER: _ROLLING,
    Kind.ALL_TICKERS: _ROLLING,
    Kind.WINDOW_TICKER: _ROLLING,
    Kind.ALL_WINDOW_TICKERS: _ROLLING,
    Kind.BOOK_TICKER: Members("E T", updates="u"),
    Kind.ALL_BOOK_TICKERS: Members("E T", updates="u"),
    Kind.AVG_PRICE: Members("E T"),
    Kind.REFERENCE_PRICE: Members("E t"),
    Kind.PARTIAL_DEPTH: _BOOK,
    Kind.DIFF_DEPTH: _BOOK,
    Kind.RPI_DEPTH: _BOOK,
    Kind.MARK_PRICE: Members("E T"),
    Kind.ALL_MARK_PRICES: Members("E T"),
    Kind.FORCE_ORDER: Members("E T"),
    Kind.ALL_FORCE_ORDERS: Members("E T"),
    Kind.TRADING_SESSION: Members("E t T"),
})  # fmt: skip
# Payloads that are lists; all others are objects.
_LISTS = frozenset({
    Kind.ALL_MINI_TICKERS, Kind.ALL_TICKERS, Kind.ALL_WINDOW_TICKERS, Kind.ALL_MARK_PRICES,
    Kind.ALL_ASSET_INDEXES,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One event: `at_ms` since the first one, `data` the payload as it came."""

    number: int
    at_ms: int
    name: StreamName
    data: str

    @property
    def payload(self) -> Any:
        """The payload, read anew each time: as objects a capture would take many times the room."""
        return msgspec.json.decode(self.data)


@dataclass(frozen=True, slots=True)
class Picture:
    """A book as a snapshot or a partial picture shows it."""

    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(slots=True)
class Capture:
    """A capture that can be replayed. `align_ms`: times may be shifted by whole multiples of this,
    or its klines would begin at odd times; `skipped` are lines that were left out, or
    that follow a gap, and why."""

    file: str
    start_ms: int
    lines: list[Line]
    align_ms: int
    pictures: Mapping[str, Picture]  # by symbol: the first snapshot, else the first partial picture
    skipped: list[tuple[int, str]] = field(default_factory=list)

    @property
    def streams(self) -> Mapping[str, StreamName]:
        """What it holds, in the order of their first events."""
        return {line.name.text: line.name for line in self.lines}

    @property
    def length_ms(self) -> int:
        """From its first to its last event."""
        return self.lines[-1].at_ms


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    t: float
    stream: str
    data: msgspec.Raw


class _Bad(Exception):
    """A line that is not as it must be."""


_decoder = msgspec.json.Decoder(_Line)


class _Reader:
    """Checks lines one after the other."""

    def __init__(self, profile: Profile, *, lenient: bool) -> None:
        self._profile = profile
        self._lenient = lenient
        self._number = 0
        self.skipped: list[tuple[int, str]] = []
        self.start_ms = 0
        self.lines: list[Line] = []
        self.snapshots: dict[str, Picture] = {}
        self.partials: dict[str, Picture] = {}
        self._last_ms = 0
        self._last_id: dict[str, int] = {}  # by stream
        self._joined: set[str] = set()

    def take(self, number: int, text: bytes) -> None:
        """One line of the file.

        Raises:
            _Bad: it is not as it must be.
        """
        self._number = number
        try:
            line = _decoder.decode(text)
            payload = msgspec.json.decode(line.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _Bad(f"not a line of a capture: {error}") from None
        name = self._name(line.stream)
        at_ms = _unix_ms(line.t)
        if self.lines and at_ms < self._last_ms:
            raise _Bad(f"out of order: t goes back by {self._last_ms - at_ms} ms")
        if not isinstance(payload, list if name.kind in _LISTS else dict):
            wanted = "an array" if name.kind in _LISTS else "an object"
            raise _Bad(f"the payload of {name.text} must be {wanted}")
        _check_times(name, payload)
        if isinstance(payload, dict) and self._check(name, payload):
            return
        if not self.lines:
            self.start_ms = at_ms
        self._last_ms = at_ms
        self.lines.append(Line(number, at_ms - self.start_ms, name, bytes(line.data).decode()))

    def _name(self, stream: str) -> StreamName:
        name = parse(stream)
        if name is None:
            raise _Bad(f"another exchange: {stream!r} is no stream of this one")
        if name.kind not in self._profile.streams:
            raise _Bad(
                f"another profile: {self._profile.name} has no stream {name.kind}, as {stream!r} is"
            )
        return name

    def _check(self, name: StreamName, payload: dict[str, Any]) -> bool:
        """Whether it was a snapshot, which is kept apart."""
        match name.kind:
            case Kind.DIFF_DEPTH if "lastUpdateId" in payload:
                self.snapshots.setdefault(
                    name.subject.upper(),
                    _picture(payload, payload.get("bids"), payload.get("asks")),
                )
                return True
            case Kind.DIFF_DEPTH | Kind.RPI_DEPTH:
                self._check_diff(name, payload)
            case Kind.PARTIAL_DEPTH:
                self._check_partial(name, payload)
            case Kind.BOOK_TICKER:
                self._of_profile("bookTicker", "e", payload)
                self._grows(name, payload, "u", also_equal=True)
            case Kind.KLINE | Kind.CONTINUOUS_KLINE:
                bar = payload.get("k")
                if not isinstance(bar, dict):
                    raise _Bad(f"k must be a bar, not {bar!r}")
                _id(bar, "t")
                _id(bar, "T")
            case Kind.ALL_BOOK_TICKERS:
                _id(payload, "u")
                if not isinstance(payload.get("s"), str):
                    raise _Bad(f"s must be a symbol, not {payload.get('s')!r}")
            case Kind.TRADE:
                self._check_trade(name, payload, "t")
            case Kind.AGG_TRADE:
                self._check_trade(name, payload, "a")
        return False

    def _of_profile(self, what: str, member: str, payload: Mapping[str, Any]) -> None:
        """A member that usdm has and spot has not."""
        usdm = member in payload
        if usdm is not (self._profile.name == "usdm"):
            other, has = ("usdm", "a") if usdm else ("spot", "no")
            raise _Bad(f"another profile: this is {other}, {what} has {has} member {member}")

    def _check_diff(self, name: StreamName, payload: dict[str, Any]) -> None:
        self._of_profile("depth", "pu", payload)
        first, final = _id(payload, "U"), _id(payload, "u")
        for side in sides(payload):
            _levels(side)
        last = self._last_id.get(name.text)
        if final < first or (last is not None and final <= last):
            raise _Bad(f"out of order: update {final} after {last or first}")
        before = _id(payload, "pu") if self._profile.name == "usdm" else first - 1
        if last is not None and before != last:
            member = "pu" if self._profile.name == "usdm" else "U"
            self._cut(f"cut: {member} is {payload[member]} and the update before was {last}")
        if last is None:
            self._check_joins(name, before)
        self._last_id[name.text] = final

    def _cut(self, reason: str) -> None:
        """Updates are missing before this line, which itself is good: the gap may stay."""
        if not self._lenient:
            raise _Bad(reason)
        self.skipped.append((self._number, reason))

    def _check_joins(self, name: StreamName, before: int) -> None:
        """A picture that ends before the symbol's first diff begins tells nothing of the book."""
        symbol = name.subject.upper()
        if name.kind is not Kind.DIFF_DEPTH or symbol in self._joined:
            return
        self._joined.add(symbol)
        snapshot = self.snapshots.get(symbol)
        if snapshot is not None and snapshot.update_id < before:
            del self.snapshots[symbol]
            self._cut(
                f"cut: the snapshot is of update {snapshot.update_id} and the first diff follows "
                f"update {before}"
            )
        partial = self.partials.get(symbol)
        if partial is not None and partial.update_id < before:
            del self.partials[symbol]  # the next one will do

    def _check_partial(self, name: StreamName, payload: dict[str, Any]) -> None:
        self._of_profile("partial depth", "u", payload)
        usdm = self._profile.name == "usdm"
        self._grows(name, payload, "u" if usdm else "lastUpdateId", also_equal=True)
        self.partials.setdefault(name.subject.upper(), _picture(payload, *sides(payload)))

    def _check_trade(self, name: StreamName, payload: dict[str, Any], member: str) -> None:
        self._grows(name, payload, member)
        _levels([[payload.get("p"), payload.get("q")]])
        _id(payload, "T")
        if not isinstance(payload.get("m"), bool):
            raise _Bad(f"m must be true or false, not {payload.get('m')!r}")

    def _grows(
        self, name: StreamName, payload: dict[str, Any], member: str, *, also_equal: bool = False
    ) -> None:
        found, last = _id(payload, member), self._last_id.get(name.text)
        if last is not None and (found < last or (found == last and not also_equal)):
            raise _Bad(f"out of order: {member} {found} after {last}")
        self._last_id[name.text] = found


def read_capture(
    lines: Iterable[bytes], file: str, profile: Profile, *, lenient: bool = False
) -> Capture:
    """The capture that `lines` of `file` are; with `lenient` bad lines are left out, and gaps stay
    what they are.

    Raises:
        CaptureError: a line is not as it must be, or nothing is there to replay.
    """
    reader = _Reader(profile, lenient=lenient)
    skipped = reader.skipped
    number = 0
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            reader.take(number, text)
        except _Bad as error:
            reason = str(error)
            if not text.endswith(b"\n") and reason.startswith("not a line"):
                reason = "cut: the last line is not complete"
            if not lenient:
                raise CaptureError(file, number, reason) from None
            skipped.append((number, reason))
    if not reader.lines:
        reason = "empty: it holds no event" + (f", {len(skipped)} bad lines" if skipped else "")
        raise CaptureError(file, number, reason)
    pictures = reader.partials | reader.snapshots
    kept = [line for line in reader.lines if not _is_stale(line, pictures)]
    if not kept:
        raise CaptureError(file, number, "empty: every event is older than the snapshot")
    align_ms = max((_interval_ms(line.name) for line in kept), default=0) or 1000
    return Capture(file, reader.start_ms, kept, align_ms, pictures, skipped)


def _is_stale(line: Line, pictures: Mapping[str, Picture]) -> bool:
    """Whether a diff is in the picture already: each client leaves it out, too (spot 6.1)."""
    picture = pictures.get(line.name.subject.upper())
    if line.name.kind is not Kind.DIFF_DEPTH or picture is None:
        return False
    return bool(line.payload["u"] <= picture.update_id)


def _interval_ms(name: StreamName) -> int:
    """How long the bars of a kline are; 0 for all other streams. Months begin on days."""
    if name.kind not in (Kind.KLINE, Kind.CONTINUOUS_KLINE):
        return 0
    return int(name.option[:-1]) * _INTERVALS_MS[name.option[-1]]


def _check_times(name: StreamName, payload: Any) -> None:
    members = MEMBERS.get(name.kind, Members()).times.split()
    for row in payload if isinstance(payload, list) else [payload]:
        if not isinstance(row, dict):
            raise _Bad(f"a row of {name.text} must be an object, not {row!r:.80}")
        for member in members:
            if member in row:
                _id(row, member)


def sides(payload: Mapping[str, Any]) -> tuple[Any, Any]:
    """Bids and asks of any kind of depth."""
    if "u" in payload:
        return payload.get("b"), payload.get("a")
    return payload.get("bids"), payload.get("asks")


def _unix_ms(t: float) -> int:
    if not 1e8 < t < _MS_BELOW:
        raise _Bad(f"t is {t:g}, not a Unix time in ms or seconds")
    return round(t * 1000) if t < _SECONDS_BELOW else round(t)


def _id(payload: Mapping[str, Any], member: str) -> int:
    found = payload.get(member)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _MOST:
        raise _Bad(f"{member} must be a whole number, not {found!r:.80}")
    return found


def _picture(payload: Mapping[str, Any], bids: object, asks: object) -> Picture:
    final = _id(payload, "lastUpdateId" if "lastUpdateId" in payload else "u")
    return Picture(final, _levels(bids), _levels(asks))


def _levels(found: object) -> tuple[Level, ...]:
    try:
        return tuple((_number(price), _number(quantity)) for price, quantity in found)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise _Bad(f"levels must be pairs of price and quantity, not {found!r:.80}") from None


def _number(text: object) -> str:
    if not isinstance(text, str) or not text.replace(".", "", 1).isascii():
        raise ValueError
    if not text.replace(".", "", 1).isdigit():
        raise ValueError
    return text
