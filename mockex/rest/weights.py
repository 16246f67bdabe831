"""What a request costs: the weights of rest A4 and B2 as tables.

A weight is told from what was sent, before anything is checked: a refused request costs its weight
as well (rest A3). What cannot be read counts as not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mockex.profile import Profile

Bands = tuple[tuple[int, int], ...]  # (number up to, weight), ascending; beyond the last: the last


def _within(bands: Bands, number: int) -> int:
    return next((weight for upto, weight in bands if number <= upto), bands[-1][1])


class Weight(Protocol):
    """The cost of one endpoint."""

    def of(self, sent: Mapping[str, str]) -> int:
        """The cost of a request with these parameters."""
        ...


@dataclass(frozen=True, slots=True)
class Flat:
    """Always the same."""

    weight: int

    def of(self, sent: Mapping[str, str]) -> int:
        return self.weight


@dataclass(frozen=True, slots=True)
class ByLimit:
    """By `limit`; `unsent` if there is none."""

    bands: Bands
    unsent: int

    def of(self, sent: Mapping[str, str]) -> int:
        limit = sent.get("limit", "")
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 20):
            return self.unsent
        return _within(self.bands, int(limit))


@dataclass(frozen=True, slots=True)
class BySymbols:
    """For one symbol, a list of some length, or none: all of them."""

    one: int
    several: Bands
    all: int

    def of(self, sent: Mapping[str, str]) -> int:
        if sent.get("symbol"):
            return self.one
        if sent.get("symbols"):
            return _within(self.several, sent["symbols"].count('"') // 2)
        return self.all


@dataclass(frozen=True, slots=True)
class PerSymbol:
    """So much for each symbol, and never more than `most`, which is also the cost of all."""

    each: int
    most: int

    def of(self, sent: Mapping[str, str]) -> int:
        if sent.get("symbol"):
            return self.each
        count = sent.get("symbols", "").count('"') // 2
        return min(self.each * count, self.most) if count else self.most


def spot(profile: Profile) -> Mapping[str, Weight]:
    """rest A4."""
    one_or_all = BySymbols(2, ((1, 4),), 4)
    return {
        "ping": Flat(1),
        "time": Flat(1),
        "exchangeInfo": Flat(20),
        "depth": _depth(profile),
        "trades": Flat(25),
        "historicalTrades": Flat(25),
        "historicalBlockTrades": Flat(25),
        "aggTrades": Flat(4),
        "klines": Flat(2),
        "uiKlines": Flat(2),
        "avgPrice": Flat(2),
        "ticker/24hr": BySymbols(2, ((20, 2), (100, 40), (101, 80)), 80),
        "ticker/tradingDay": PerSymbol(4, 200),
        "ticker": PerSymbol(4, 200),
        "ticker/price": one_or_all,
        "ticker/bookTicker": one_or_all,
        "referencePrice": Flat(2),
        "referencePrice/calculation": Flat(2),
        "executionRules": PerSymbol(2, 40),
    }


def usdm(profile: Profile) -> Mapping[str, Weight]:
    """rest B2; with `measured_weights` what requests were seen to cost."""
    measured = profile.measured_weights
    # "The futures page's kline bands do not say where the edge belongs; the server includes the
    # upper edge" (rest C7).
    first: Bands = ((100, 1), (500, 2)) if measured else ((99, 1), (499, 2))
    klines = ByLimit((*first, (1000, 5), (1500, 10)), 5)
    return {
        "ping": Flat(1),
        "time": Flat(1),
        "exchangeInfo": Flat(1),
        "depth": _depth(profile, unsent=1 if measured else None),
        "rpiDepth": Flat(20),
        "trades": Flat(5),
        "historicalTrades": Flat(200),
        "aggTrades": Flat(20),
        "klines": klines,
        "continuousKlines": klines,
        "indexPriceKlines": klines,
        "markPriceKlines": klines,
        "premiumIndexKlines": klines,
        "premiumIndex": BySymbols(1, ((1, 10),), 10),
        "fundingRate": Flat(0),
        "fundingInfo": Flat(0),
        "ticker/24hr": BySymbols(1, ((1, 40),), 40),
        "ticker/price": BySymbols(1, ((1, 2),), 2),
        "/fapi/v2/ticker/price": BySymbols(1, ((1, 2),), 2),
        "ticker/bookTicker": BySymbols(2, ((1, 5),), 5),
        "openInterest": Flat(1),
        "assetIndex": BySymbols(1, ((1, 10),), 10),
        "indexInfo": Flat(1),
        "constituents": Flat(2),
        "tradingSchedule": Flat(5),
    }


def _depth(profile: Profile, unsent: int | None = None) -> ByLimit:
    bands = profile.depth_weights
    return ByLimit(bands, unsent or _within(bands, profile.depth_limit_default))
