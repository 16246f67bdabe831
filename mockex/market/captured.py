"""What a capture says of each symbol: how its numbers are spelled, and the book it begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

from mockex.errors import CaptureError
from mockex.market.capture import Capture, Line, sides
from mockex.market.instruments import Instrument, instruments
from mockex.market.truth import History, Levels, Side
from mockex.names import Kind, StreamName
from mockex.profile import Profile

_BOOKS = frozenset({Kind.DIFF_DEPTH, Kind.PARTIAL_DEPTH, Kind.RPI_DEPTH})
_TRADES = frozenset({Kind.TRADE, Kind.AGG_TRADE})
_NEVER_MS = 1 << 30
_MOST = 1 << 61  # ticks and steps are kept in 64 bits


@dataclass(slots=True)
class Captured:
    """One symbol of a replay. `base` is the book at the beginning of each turn, None if it is not
    known; `source` names the stream that its book is made of and `trades` that of its trades."""

    instrument: Instrument
    base: Levels | None
    history: History
    touched: Mapping[Kind, Levels]  # every level of a kind of diffs
    source: str = ""
    trades: str = ""
    levels: Levels = ({}, {})

    def change(self, update_id: int, bids: Mapping[int, int], asks: Mapping[int, int]) -> None:
        """Make changed levels part of the truth."""
        for side, changed in ((Side.BID, bids), (Side.ASK, asks)):
            for price, quantity in changed.items():
                self.history.record(update_id, side, price, quantity, self.levels)
                if quantity:
                    self.levels[side][price] = quantity
                else:
                    self.levels[side].pop(price, None)

    def difference(self, bids: Mapping[int, int], asks: Mapping[int, int]) -> Levels:
        """What leads from the book as it is to this one."""
        old_bids, old_asks = self.levels
        return (
            dict(_differing(old_bids, bids)),
            dict(_differing(old_asks, asks)),
        )

    def restored(self, kind: Kind) -> Levels:
        """Every level that diffs of a kind have touched, as it was at the beginning; and one more,
        if there is none: a diff never has both sides empty (wire B7)."""
        base: Levels = ({}, {})
        if kind is Kind.DIFF_DEPTH and self.base is not None:
            base = self.base
        touched = self.touched[kind]
        bids, asks = ({p: base[side].get(p, 0) for p in touched[side]} for side in Side)
        if not bids and not asks and base[Side.BID]:
            best = max(base[Side.BID])
            bids = {best: base[Side.BID][best]}
        return bids, asks


def _differing(old: Mapping[int, int], new: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    for price in old.keys() - new.keys():
        yield price, 0
    for price, quantity in new.items():
        if old.get(price) != quantity:
            yield price, quantity


def levels_of(i: Instrument, payload: Mapping[str, Any]) -> Levels:
    """The levels of a payload of depth."""
    bids, asks = sides(payload)
    return _in_ticks(i, bids), _in_ticks(i, asks)


def _in_ticks(i: Instrument, levels: Iterable[tuple[str, str]]) -> dict[int, int]:
    return {ticks(i, price): steps(i, quantity) for price, quantity in levels}


def ticks(i: Instrument, price: str) -> int:
    """A price as the capture spells it."""
    return _units(price, i.price_decimals) // i.tick


def steps(i: Instrument, quantity: str) -> int:
    """A quantity as the capture spells it."""
    return _units(quantity, i.quantity_decimals) // i.step


def _units(text: str, decimals: int) -> int:
    whole, _, rest = text.partition(".")
    return int(whole + rest.ljust(decimals, "0"))


class _Scale:
    """How many decimals some numbers have, and what they are all multiples of."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals
        self._units = 0  # what all are multiples of, in units of the last decimal
        self._most = 0
        self.first = ""

    def take(self, text: str) -> None:
        decimals = text.partition(".")[2]
        if len(decimals) > self.decimals:
            finer = 10 ** (len(decimals) - self.decimals)
            self._units, self._most = self._units * finer, self._most * finer
            self.decimals = len(decimals)
        units = _units(text, self.decimals)
        self._units, self._most = gcd(self._units, units), max(self._most, units)
        self.first = self.first or text

    @property
    def step(self) -> int:
        return self._units or 1

    @property
    def most(self) -> int:
        """The largest one, in steps."""
        return self._most // self.step


def captured(capture: Capture, profile: Profile) -> dict[str, Captured]:
    """The symbols of a capture whose book or trades it holds, by name.

    Raises:
        ConfigError: one of them is no name of a symbol.
    """
    scales: dict[str, tuple[_Scale, _Scale]] = {}
    streams: dict[str, dict[str, StreamName]] = {}
    decimals = 8 if profile.eight_decimals else 0
    for line in capture.lines:
        symbol = line.name.subject.upper()
        if line.name.kind not in _BOOKS | _TRADES:
            continue
        streams.setdefault(symbol, {})[line.name.text] = line.name
        prices, quantities = scales.setdefault(symbol, (_Scale(decimals), _Scale(decimals)))
        for price, quantity in _pairs(line):
            prices.take(price)
            quantities.take(quantity)
    for symbol, picture in capture.pictures.items():
        for price, quantity in (*picture.bids, *picture.asks):
            if symbol in scales:
                scales[symbol][0].take(price)
                scales[symbol][1].take(quantity)
    found = {
        symbol: _captured(capture, profile, symbol, *scales[symbol], streams[symbol])
        for symbol in scales
    }
    _touch(capture, found)
    return found


def _pairs(line: Line) -> Iterator[tuple[str, str]]:
    payload = line.payload
    if line.name.kind in _TRADES:
        yield payload["p"], payload["q"]
    else:
        for side in sides(payload):
            yield from side


def _captured(
    capture: Capture,
    profile: Profile,
    symbol: str,
    prices: _Scale,
    quantities: _Scale,
    streams: Mapping[str, StreamName],
) -> Captured:
    if max(prices.most, quantities.most) >= _MOST:
        raise CaptureError(capture.file, 0, f"numbers of {symbol} have too many digits to be kept")
    (usual,) = instruments(profile, [symbol])
    instrument = replace(
        usual,
        price_decimals=prices.decimals,
        quantity_decimals=quantities.decimals,
        tick=prices.step,
        step=quantities.step,
    )
    instrument = replace(instrument, start_ticks=ticks(instrument, prices.first or "0"))
    picture = capture.pictures.get(symbol)
    base: Levels | None = None
    if picture is not None:
        base = (_in_ticks(instrument, picture.bids), _in_ticks(instrument, picture.asks))
    began: Levels = ({}, {}) if base is None else base
    return Captured(
        instrument,
        base,
        History(0 if picture is None else picture.update_id, [(dict(began[0]), dict(began[1]))]),
        {kind: ({}, {}) for kind in _BOOKS},
        _source(profile, streams),
        _trades(streams),
        (dict(began[0]), dict(began[1])),
    )


def _source(profile: Profile, streams: Mapping[str, StreamName]) -> str:
    """The fastest diffs, else the deepest pictures."""
    periods = profile.streams.get(Kind.DIFF_DEPTH, {})
    diffs = [n for n in streams.values() if n.kind is Kind.DIFF_DEPTH]
    partials = [n for n in streams.values() if n.kind is Kind.PARTIAL_DEPTH]
    if diffs:
        return min(diffs, key=lambda n: periods.get(n.option, _NEVER_MS)).text
    return max(partials, key=lambda n: n.levels or 0).text if partials else ""


def _trades(streams: Mapping[str, StreamName]) -> str:
    """Single trades, else aggregates, each as if it were one."""
    for kind in (Kind.TRADE, Kind.AGG_TRADE):
        for name in streams.values():
            if name.kind is kind:
                return name.text
    return ""


def _touch(capture: Capture, symbols: Mapping[str, Captured]) -> None:
    for line in capture.lines:
        if line.name.kind in (Kind.DIFF_DEPTH, Kind.RPI_DEPTH):
            symbol = symbols[line.name.subject.upper()]
            levels = levels_of(symbol.instrument, line.payload)
            for side, changed in zip(symbol.touched[line.name.kind], levels, strict=True):
                side.update(changed)
