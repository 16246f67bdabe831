"""Other numbers in the text of a captured event: times and ids of a later turn.

Ids of updates, of trades, of aggregates and of block trades are counted apart, and each symbol has
its own. In each turn all ids of one kind are larger by the same *span*, so that streams which refer
to each other still do, and none is used twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from mockex.market.capture import MEMBERS, Capture, Line, Members
from mockex.names import Kind, StreamName

DIFFS = frozenset({Kind.DIFF_DEPTH, Kind.RPI_DEPTH})
_MICROSECONDS = 10**14  # times in ms are below it
# Which stream's ids a span of trades is measured by: the first of these that there is. Trades are
# counted without a hole, so their own stream goes on without one.
_BY = {Kind.TRADE: 0, Kind.AGG_TRADE: 1, Kind.KLINE: 2}
_FIRST_LAST = {
    "updates": (("U", "u", "lastUpdateId", "f"), ("u", "lastUpdateId", "L")),
    "aggregates": (("a",), ("a",)),
    "trades": (("t", "f", "F"), ("t", "l", "L")),
    "blocks": (("t",), ("t",)),
}


@dataclass(slots=True)
class _Ids:
    """Ids of one kind in the capture: from the least to the most. `by` ranks what they are of."""

    by: int
    least: int
    most: int

    @property
    def span(self) -> int:
        return self.most - self.least + 1

    def take(self, number: int, by: int) -> None:
        if by < self.by:
            self.by, self.least, self.most = by, number, number
        elif by == self.by:
            self.least, self.most = min(self.least, number), max(self.most, number)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The ids of a depth stream: the update before its first event, and its last one."""

    first_line: int
    before: int
    last: int


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in a payload: where it stands, and what it is."""

    start: int
    end: int
    member: str
    space: str  # `times`, or whose ids they are
    symbol: str
    value: int


class Renumbering:
    """What is added to the ids of a capture in each turn."""

    def __init__(self, capture: Capture, *, usdm: bool) -> None:
        self._usdm = usdm
        self._spaces: dict[tuple[str, str], _Ids] = {}
        self._chains: dict[str, _Chain] = {}
        for line in capture.lines:
            found = list(numbers(line))
            if line.name.kind is Kind.PARTIAL_DEPTH or line.name.kind in DIFFS:
                self._measure_chain(line, {number.member: number.value for number in found})
            for number in found:
                self._measure(line, number)

    def _measure(self, line: Line, number: _Number) -> None:
        if number.space != "times":
            key = number.symbol, number.space
            by = _BY.get(line.name.kind, 3) if number.space == "trades" else 0
            known = self._spaces.setdefault(key, _Ids(by, number.value, number.value))
            known.take(number.value, by)

    def _measure_chain(self, line: Line, found: dict[str, int]) -> None:
        last = found.get("u", found.get("lastUpdateId", 0))
        before = found.get("pu", found.get("U", last + 1) - 1)
        known = self._chains.get(line.name.text)
        if known is None:
            self._chains[line.name.text] = _Chain(line.number, before, last)
            symbol = line.name.subject.upper()
            self._spaces.setdefault((symbol, "updates"), _Ids(0, before, before)).take(before, 0)
        else:
            self._chains[line.name.text] = _Chain(known.first_line, known.before, last)

    def _added(self, symbol: str, space: str, turn: int) -> int:
        return self._spaces[symbol, space].span * turn if turn else 0

    def bridged(self, name: StreamName, turn: int) -> tuple[int, int]:
        """Between two turns of a diff stream: the last id of the turn before `turn`, and the one
        that its first event follows."""
        chain, symbol = self._chains[name.text], name.subject.upper()
        return (
            chain.last + self._added(symbol, "updates", turn - 1),
            chain.before + self._added(symbol, "updates", turn),
        )

    def ids(self, line: Line, turn: int) -> tuple[int, int]:
        """First and last id of an event; 0 if it has none, or is of many symbols."""
        if line.data.startswith("["):
            return 0, 0
        found = {
            (n.space, n.member): n.value + self._added(n.symbol, n.space, turn)
            for n in numbers(line)
            if n.space != "times"
        }
        for space, (firsts, lasts) in _FIRST_LAST.items():
            first = next((found[space, m] for m in firsts if (space, m) in found), None)
            last = next((found[space, m] for m in lasts if (space, m) in found), None)
            if first is not None and last is not None:
                return first, last
        return 0, 0

    def spelled(self, line: Line, turn: int, shift_ms: int) -> tuple[str, int, int]:
        """The text of an event in a turn, and its first and last id."""
        text, at = line.data, 0
        parts: list[str] = []
        chain = self._chains.get(line.name.text)
        for number in numbers(line):
            if number.space == "times":
                value = in_ms(number.value) + shift_ms
            elif number.member == "pu" and turn and chain and line.number == chain.first_line:
                # A picture follows the last one of the turn before; a diff follows its bridge.
                value = self._before(line.name, turn)
            else:
                value = number.value + self._added(number.symbol, number.space, turn)
            parts += (text[at : number.start], str(value))
            at = number.end
        return "".join(parts) + text[at:], *self.ids(line, turn)

    def _before(self, name: StreamName, turn: int) -> int:
        last, bridged = self.bridged(name, turn)
        return bridged if name.kind in DIFFS else last


def numbers(line: Line) -> Iterator[_Number]:
    """The times and ids of an event, in the order of its text. 0 is no time."""
    members = MEMBERS.get(line.name.kind, _OTHERS)
    symbol = line.name.subject.upper()
    pattern, spaces = _pattern(members), _spaces(members)
    if not symbol and line.name.kind is Kind.ALL_BOOK_TICKERS:
        symbol = line.payload["s"]  # it stands behind the id
    for found in pattern.finditer(line.data):
        if found[1] is not None:
            if not line.name.subject:
                symbol = found[1]
            continue
        value = int(found[3])
        space = spaces[found[2]]
        if space != "times" or value:
            yield _Number(found.start(3), found.end(3), found[2], space, symbol, value)


_OTHERS = Members()


@cache
def _spaces(members: Members) -> dict[str, str]:
    spaces = ("times", "updates", "trades", "aggregates", "blocks")
    return {member: space for space in spaces for member in getattr(members, space).split()}


@cache
def _pattern(members: Members) -> re.Pattern[str]:
    """A symbol, or a number of one of the members: a whole one, for decimals stand in quotes."""
    names = "|".join(_spaces(members))
    return re.compile(rf'"s"\s*:\s*"([^"]*)"|"({names})"\s*:\s*(\d+)')


def in_ms(time: int) -> int:
    """A time of a capture, which may be in microseconds (spot 2): what is served is in ms."""
    return time // 1000 if time >= _MICROSECONDS else time
