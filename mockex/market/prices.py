"""Prices that follow from the trades: mark, index, settlement, funding, reference, open interest.

Pure functions of the market and a moment (`at_ms` since the opening, until now), the same whoever
asks and in whatever order. Prices and rates are integers in units of 1e-8 (`E8`). The documents
give the members and their relations, not the formulas: those are ours (I), near to what the
exchange publishes in its guides, so that mark, index and book stay a few basis points apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from mockex.market.draws import between, smooth, subject
from mockex.market.instruments import Instrument
from mockex.market.walk import Market

E8 = 10**8
FUNDING_MS = 8 * 3600 * 1000
INTEREST_RATE = 10_000  # 0.01 % each 8 hours

_INDEX_SAMPLES_MS = range(0, 5_000, 1_000)
_SETTLE_SAMPLES_MS = range(0, 3_600_000, 600_000)  # usdm 5.2: "the last hour before settlement"
_AVERAGE_SAMPLES_MS = range(0, 30_000, 10_000)
_BASIS = 300_000  # of 1e-9: index and book differ by 3 basis points at most
_PREMIUM = 100_000  # of 1e-8
_FUNDING_DAMPER = 50_000
_REFERENCE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark, moving average, index and estimated settlement price, rate and time of the next
    funding (usdm 5.2). A contract that is delivered has no funding: rate and time are 0."""

    mark: int
    average: int
    index: int
    settle: int
    funding_rate: int
    next_funding_ms: int


def spelled(units: int) -> str:
    """A number in units of 1e-8, with its 8 decimals."""
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), E8)
    return f"{sign}{whole}.{part:08d}"


def mark(market: Market, symbol: str, epoch_ms: int, at_ms: int) -> Mark:
    """Mark price and what belongs to it, at a moment."""
    instrument = market.instruments[symbol]
    due_ms = next_funding_ms(instrument, epoch_ms + at_ms)
    rate = funding_rate(market, symbol, due_ms)
    value = _mark(market, instrument, epoch_ms, at_ms)
    average = value
    if instrument.contract == "TRADIFI_PERPETUAL":  # "equals `p` for most" (usdm 5.2, O)
        moments = [_mark(market, instrument, epoch_ms, at_ms - ms) for ms in _AVERAGE_SAMPLES_MS]
        average = sum(moments) // len(moments)
    return Mark(
        mark=value,
        average=average,
        index=index(market, symbol, at_ms),
        settle=_mean(market, instrument, at_ms, _SETTLE_SAMPLES_MS),
        funding_rate=rate,
        next_funding_ms=due_ms,
    )


def index(market: Market, symbol: str, at_ms: int) -> int:
    """Index price: the last price as other venues would have it, over five seconds."""
    return _mean(market, market.instruments[symbol], at_ms, _INDEX_SAMPLES_MS)


def funding_rate(market: Market, symbol: str, funding_ms: int) -> int:
    """The rate that is due at a funding time (unix ms, a multiple of `FUNDING_MS`); 0 at time 0:
    a contract without funding."""
    if not funding_ms:
        return 0
    key = subject(market.seed, "funding", symbol)
    premium = between(key, funding_ms // FUNDING_MS, -_PREMIUM, _PREMIUM)
    damped = min(max(INTEREST_RATE - premium, -_FUNDING_DAMPER), _FUNDING_DAMPER)
    return premium + damped


def next_funding_ms(instrument: Instrument, unix_ms: int) -> int:
    """The next multiple of 8 hours on the exchange's clock; 0 for a contract without funding."""
    if not instrument.perpetual:
        return 0
    return (unix_ms // FUNDING_MS + 1) * FUNDING_MS


def open_interest(market: Market, symbol: str, at_ms: int) -> int:
    """Open contracts, in steps of the symbol's quantity."""
    key = subject(market.seed, "open interest", symbol)
    base = between(key, -1, 60_000_000, 90_000_000)
    return base + _drift(market, key, at_ms, 300_000, base // 50)


def reference_price(market: Market, symbol: str, at_ms: int) -> int | None:
    """Price of the last ten seconds' trades, weighted by quantity, or of the last one before;
    None before the first (spot 5.10: "`null` when there is none")."""
    history = market.truth.history(symbol)
    count = history.trades_until(at_ms)
    if not count:
        return None
    recent = history.trades[history.trades_until(at_ms - _REFERENCE_MS) : count]
    recent = recent or history.trades[count - 1 : count]
    quote = sum(trade.price * trade.quantity for trade in recent)
    unit = market.instruments[symbol].price_e8
    return quote * unit // sum(trade.quantity for trade in recent)


def _mark(market: Market, instrument: Instrument, epoch_ms: int, at_ms: int) -> int:
    """The index plus what is left of the funding until it is due."""
    price = index(market, instrument.symbol, at_ms)
    unix_ms = epoch_ms + at_ms
    due_ms = next_funding_ms(instrument, unix_ms)
    rate = funding_rate(market, instrument.symbol, due_ms)
    return price + price * rate * max(0, due_ms - unix_ms) // (E8 * FUNDING_MS)


def _mean(market: Market, instrument: Instrument, at_ms: int, back: range) -> int:
    """Mean of the last prices at moments before `at_ms`, with the basis of the other venues."""
    ticks = sum(last_price(market, instrument.symbol, at_ms - ms) for ms in back)
    price = ticks * instrument.price_e8 // len(back)
    key = subject(market.seed, "basis", instrument.symbol)
    return price + price * _drift(market, key, at_ms, 60_000, _BASIS) // 10**9


def _drift(market: Market, key: int, at_ms: int, slot_ms: int, most: int) -> int:
    """Where a line through draws is at a moment; it stands still where the market does."""
    return smooth(key, 0 if market.kind == "frozen" else at_ms, slot_ms, most)


def last_price(market: Market, symbol: str, at_ms: int) -> int:
    """Ticks of the last trade at or before a moment; before the first, of the opening."""
    history = market.truth.history(symbol)
    count = history.trades_until(at_ms)
    return history.trades[count - 1].price if count else market.instruments[symbol].start_ticks
