"""Books that reach the consumer are true."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from heapq import nlargest, nsmallest

from mockex.market.instruments import Instrument, instruments
from mockex.market.truth import Truth
from mockex.market.walk import Market
from mockex.profile import profile_named
from mockex.server.journal import Said
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding

_LEVELS = 20


class BookEqualsTruth(Check, frozen=True, tag="book_equals_truth"):
    """A book that was presented as valid differs from the exchange's at its own `last_update_id`,
    levels compared as numbers.

    The truth is made again from the seed: `market` and `step_ms` are those of the run.
    """

    market: str
    step_ms: int

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first wrong book of each symbol."""
        oracle = _Oracle(recording, self.market, self.step_ms)
        found: dict[str, Finding] = {}
        for entry in recording.entries:
            if not isinstance(entry, Said) or entry.method != "book" or not entry.params["valid"]:
                continue
            symbol = entry.params["symbol"]
            if symbol in found:
                continue
            differs = oracle.differs(symbol, entry.params)
            if differs:
                number = entry.params["last_update_id"]
                message = f"the book of {symbol} at {number} is not the exchange's: {differs}"
                found[symbol] = finding(self, recording, message, entry.t, symbol=symbol)
        return list(found.values())


class _Oracle:
    """The exchange's books at ids that mostly grow."""

    def __init__(self, recording: Recording, market: str, step_ms: int) -> None:
        self._profile = recording.terms.profile
        self._seed = recording.terms.seed
        self._kind = market
        self._step_ms = step_ms
        self._until_ms = round((recording.entries[-1].t - recording.began) * 1000) + step_ms
        self._books: dict[str, _Growing] = {}

    def differs(self, symbol: str, book: dict[str, object]) -> str:
        """What is wrong with a presented book; nothing if it is right."""
        if symbol not in self._books:
            self._books[symbol] = self._grow(symbol)
        truths = self._books[symbol].at(_id(book))
        for side, truth in zip(("bids", "asks"), truths, strict=True):
            shown = [(Decimal(p), Decimal(q)) for p, q in book[side]]  # type: ignore[attr-defined]
            if shown[:_LEVELS] != truth[: len(shown)] or len(shown) < len(truth):
                at = next(
                    (n for n, pair in enumerate(zip(shown, truth, strict=False))
                     if pair[0] != pair[1]),
                    min(len(shown), len(truth)),
                )  # fmt: skip
                return f"{side} level {at + 1} is {_level(shown, at)}, {_level(truth, at)} is right"
        return ""

    def _grow(self, symbol: str) -> _Growing:
        market = _market(self._profile, self._seed, self._kind, self._step_ms, symbol)
        market.advance(self._until_ms)
        return _Growing(market.truth, market.instruments[symbol])


@lru_cache(maxsize=8)
def _market(profile: str, seed: int, kind: str, step_ms: int, symbol: str) -> Market:
    """The market of one symbol. One seed gives one for ever, so it is kept, and only grows."""
    known = profile_named(profile)
    return Market(
        instruments(known, [symbol]), seed=seed, profile=known, kind=kind, step_ms=step_ms
    )


class _Growing:
    """The book of one symbol, moved forward from id to id."""

    def __init__(self, truth: Truth, instrument: Instrument) -> None:
        self._truth = truth
        self._symbol = instrument.symbol
        self._price = Decimal(instrument.price(1))
        self._quantity = Decimal(instrument.quantity(1))
        self._id = -1
        self._levels: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def at(self, update_id: int) -> list[list[tuple[Decimal, Decimal]]]:
        """Bids and asks, best first, at most 20."""
        if update_id < self._id or self._id < 0:
            book = self._truth.book(self._symbol, update_id)
            self._levels = (dict(book.bids), dict(book.asks))
        else:
            for side, changes in enumerate(self._truth.changes(self._symbol, self._id, update_id)):
                for price, quantity in changes.items():
                    if quantity:
                        self._levels[side][price] = quantity
                    else:
                        self._levels[side].pop(price, None)
        self._id = update_id
        best = (nlargest(_LEVELS, self._levels[0]), nsmallest(_LEVELS, self._levels[1]))
        return [
            [(price * self._price, levels[price] * self._quantity) for price in prices]
            for prices, levels in zip(best, self._levels, strict=True)
        ]


def _id(book: dict[str, object]) -> int:
    number = book["last_update_id"]
    assert isinstance(number, int)
    return number


def _level(levels: list[tuple[Decimal, Decimal]], at: int) -> str:
    if at >= len(levels):
        return "missing"
    price, quantity = levels[at]
    return f"{price:f} x {quantity:f}"
