"""A market that is a capture: its events again, at their own times, once or round and round.

Each turn shifts all times by one whole number of the longest kline interval and all ids by what the
turns before have used, so that to a client the turns are one market that goes on: `U` follows `u`
(spot) and `pu` names the `u` before (usdm), trades are counted on, klines begin when they should.
Where the last picture of the book meets the first one again, a *bridge* is put in: a diff that
restates every level that the capture ever touched.

The text of an event is the capture's own, with other numbers in it, so what is spelled oddly stays
so. The truth is made of the same events, so REST answers from it and its book joins the streams.

For each line, with S the shift of its turn:   shown at   opening + LEAD_MS + turn * period + at_ms
                                               a time     time + S        (multiple of `align_ms`)
                                               an id      id + turn * span of that symbol and kind
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mockex.errors import BookUnknown
from mockex.market.capture import Capture, Line
from mockex.market.captured import Captured, captured, levels_of, steps, ticks
from mockex.market.instruments import Instrument
from mockex.market.renumbering import DIFFS, Renumbering, in_ms
from mockex.market.truth import Book, Trade, Truth
from mockex.market.walk import Change, Market
from mockex.names import Kind, StreamName
from mockex.profile import Profile

LEAD_MS = 1000  # a client that connects at once misses nothing (I)


@dataclass(frozen=True, slots=True)
class Played:
    """One event that is due. Ids as `Event` has them."""

    name: StreamName
    text: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Bridge:
    """Where the capture begins anew: the levels of a diff stream that lead back to its beginning.
    Its first id is the one after `before`."""

    name: StreamName
    instrument: Instrument
    before: int
    final_id: int
    bids: dict[int, int]
    asks: dict[int, int]


class ReplayTruth(Truth):
    """What was sent. The book of a symbol of which the capture holds no picture is not known."""

    def __init__(self, symbols: Mapping[str, Captured]) -> None:
        super().__init__(lambda name: symbols[name].history, tuple(symbols))
        self._known = symbols

    def book(self, symbol: str, update_id: int | None = None) -> Book:
        """As ever.

        Raises:
            BookUnknown: the capture holds no snapshot and no partial depth of it.
        """
        if self._known[symbol].base is None:
            raise BookUnknown(symbol)
        return super().book(symbol, update_id)

    def top(self, symbol: str, update_id: int) -> tuple[int, int, int, int]:
        """As ever; 0 for a side that is empty.

        Raises:
            BookUnknown: the capture holds no snapshot and no partial depth of it.
        """
        return _top(self.book(symbol, update_id))


class Replay(Market):
    """See the module. What an `advance` has passed is asked for with `played`."""

    def __init__(self, capture: Capture, profile: Profile, *, seed: int, loop: bool) -> None:
        self.kind = "replay"
        self.step_ms = self.usual_ms = 1
        self.seed = seed
        self.profile = profile
        self.capture = capture
        self.loop = loop
        self.period_ms = -(-(capture.length_ms + 1) // capture.align_ms) * capture.align_ms
        self._symbols_of = captured(capture, profile)
        self.instruments = {name: s.instrument for name, s in self._symbols_of.items()}
        self.truth = ReplayTruth(self._symbols_of)
        self._numbers = Renumbering(capture, usdm=profile.name == "usdm")
        self._opened_ms = 0
        self._turn = 0
        self._index = 0  # of the next line of this turn
        self._passed: list[tuple[Line, int] | Bridge] = []

    def opens_at(self, wall_ms: int) -> int:
        """What the exchange's clock is to show at its opening: the latest time that is not after
        `wall_ms` and shifts the capture by a whole number of its longest kline interval."""
        first_ms, align_ms = self.capture.start_ms - LEAD_MS, self.capture.align_ms
        self._opened_ms = first_ms + (wall_ms - first_ms) // align_ms * align_ms
        return self._opened_ms

    def next_ms(self) -> int | None:
        """When the next event is due, in ms since the opening; None once all are over."""
        lines, began_ms = self.capture.lines, LEAD_MS + self._turn * self.period_ms
        if self._index < len(lines):
            return began_ms + lines[self._index].at_ms
        return began_ms + self.period_ms + lines[0].at_ms if self.loop else None

    def advance(self, now_ms: int, wanted: Collection[str] | None = None) -> list[Change]:
        """Pass every event that is due at or before `now_ms` (since the opening), in order. There
        is no change to tell of: its streams are the capture's."""
        self._passed.clear()
        while (at_ms := self.next_ms()) is not None and at_ms <= now_ms:
            if self._index == len(self.capture.lines):
                self._begin_anew(at_ms)
            line = self.capture.lines[self._index]
            self._index += 1
            self._passed.append((line, self._turn))
            self._believe(line, at_ms)
        return []

    def played(self, wanted: Collection[str]) -> Iterator[Played | Bridge]:
        """The events of the streams `wanted` that the last `advance` has passed."""
        for passed in self._passed:
            if isinstance(passed, Bridge):
                if passed.name.text in wanted:
                    yield passed
            elif passed[0].name.text in wanted:
                line, turn = passed
                text, first_id, last_id = self._numbers.spelled(line, turn, self._shift_ms(turn))
                yield Played(line.name, text, first_id, last_id)

    def top(self, symbol: str) -> tuple[int, int, int, int]:
        """Best bid and ask now: price and quantity of each; 0 for a side that is empty.

        Raises:
            BookUnknown: the capture holds no snapshot and no partial depth of it.
        """
        return _top(self.truth.book(symbol))

    def best(self, symbol: str, count: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best `count` levels of each side now, best first.

        Raises:
            BookUnknown: the capture holds no snapshot and no partial depth of it.
        """
        book = self.truth.book(symbol)
        return list(book.bids[:count]), list(book.asks[:count])

    def _shift_ms(self, turn: int) -> int:
        """What is added to the times of a turn."""
        return self._opened_ms + LEAD_MS + turn * self.period_ms - self.capture.start_ms

    def _begin_anew(self, at_ms: int) -> None:
        """The next turn: first of all, each diff stream is led back to its beginning."""
        self._turn, self._index = self._turn + 1, 0
        for name in self.capture.streams.values():
            symbol = self._symbols_of.get(name.subject.upper())
            if name.kind not in DIFFS or symbol is None:
                continue
            before, final_id = self._numbers.bridged(name, self._turn)
            bids, asks = symbol.restored(name.kind)
            self._passed.append(Bridge(name, symbol.instrument, before, final_id, bids, asks))
            if name.text == symbol.source:
                symbol.change(final_id, bids, asks)
                symbol.history.end_step(at_ms)

    def _believe(self, line: Line, at_ms: int) -> None:
        """Make what a line says part of the truth."""
        name = line.name
        symbol = self._symbols_of.get(name.subject.upper())
        if symbol is None or name.text not in (symbol.source, symbol.trades):
            return
        ids = self._numbers.ids(line, self._turn)
        payload = line.payload
        if name.text == symbol.source:
            if symbol.base is not None:
                bids, asks = levels_of(symbol.instrument, payload)
                if name.kind is Kind.PARTIAL_DEPTH:
                    bids, asks = symbol.difference(bids, asks)
                symbol.change(ids[1], bids, asks)
                symbol.history.end_step(at_ms)
            return
        i, trades = symbol.instrument, symbol.history.trades
        quantity = steps(i, payload["q"])
        if not quantity:
            return  # usdm, `X` is `NA`: "then `p` and `q` are 0" (wire B4)
        traded_ms = in_ms(payload["T"]) + self._shift_ms(self._turn) - self._opened_ms
        # Within what the truth has seen: a list of trades is in the order of time.
        traded_ms = max(trades[-1].at_ms if trades else 0, min(traded_ms, at_ms))
        price = ticks(i, payload["p"])
        trades.append(Trade(ids[0], ids[0], price, quantity, payload["m"], traded_ms))


def _top(book: Book) -> tuple[int, int, int, int]:
    bid = book.bids[0] if book.bids else (0, 0)
    ask = book.asks[0] if book.asks else (0, 0)
    return *bid, *ask
