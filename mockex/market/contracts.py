"""Terms of futures contracts that change while they are traded: brackets (usdm 5.13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mockex.market.draws import between, draw, subject
from mockex.market.instruments import Instrument
from mockex.market.walk import Market

NEVER_DELIVERED_MS = 4_133_404_800_000  # delivery time of a perpetual contract (usdm 5.13)
_FIRST_ONBOARD_MS = 1_577_836_800_000  # 2020-01-01
_ONBOARD_DAYS = 2_190
_LEVERAGES = (75, 50, 25, 10, 5)
_RATIOS = (65, 100, 200, 500, 1000)  # of 1e-4, below one part of the leverage
_CAPS = (1, 5, 20, 50, 200)


@dataclass(frozen=True, slots=True)
class Bracket:
    """A range of notional values with its largest leverage. `ratio` is in units of 1e-4; `factor`
    makes the maintenance margin continuous from bracket to bracket."""

    number: int
    floor: int
    cap: int
    ratio: int
    factor: int
    least_leverage: int
    most_leverage: int


@dataclass(frozen=True, slots=True)
class BracketChange:
    """At this moment since the opening a symbol got these brackets."""

    at_ms: int
    symbol: str
    brackets: tuple[Bracket, ...]


def bracket_changes(market: Market, after_ms: int, upto_ms: int) -> list[BracketChange]:
    """The changes in (after_ms, upto_ms]: one symbol at each multiple of the profile's period."""
    period_ms = (market.profile.bracket_change_s or 0) * 1000
    if not period_ms or market.kind in ("frozen", "replay"):
        return []
    symbols = list(market.instruments)
    key = subject(market.seed, "bracket change")
    return [
        BracketChange(turn * period_ms, symbol, brackets(market, symbol, turn))
        for turn in range(max(0, after_ms) // period_ms + 1, upto_ms // period_ms + 1)
        for symbol in (symbols[draw(key, turn) % len(symbols)],)
    ]


def brackets(market: Market, symbol: str, turn: int) -> tuple[Bracket, ...]:
    """The brackets of a symbol as of a change."""
    unit = 50_000 * between(subject(market.seed, "brackets", symbol), turn, 1, 8)
    made: list[Bracket] = []
    floor = factor = ratio_before = 0
    for number, (most, ratio, cap) in enumerate(zip(_LEVERAGES, _RATIOS, _CAPS, strict=True), 1):
        factor += floor * (ratio - ratio_before) // 10_000
        least = _LEVERAGES[number] + 1 if number < len(_LEVERAGES) else 1
        made.append(Bracket(number, floor, cap * unit, ratio, factor, least, most))
        floor, ratio_before = cap * unit, ratio
    return tuple(made)


def settlements(
    market: Market, epoch_ms: int, after_ms: int, upto_ms: int
) -> list[tuple[int, str]]:
    """When which contracts were delivered in (after_ms, upto_ms]. They are traded all the same: the
    symbols of a run are the same from its beginning to its end."""
    due = [(delivery_ms(i) - epoch_ms, i.symbol) for i in market.instruments.values()]
    return sorted((at_ms, symbol) for at_ms, symbol in due if after_ms < at_ms <= upto_ms)


def status(instrument: Instrument, unix_ms: int) -> str:
    """What the exchange says of a contract at a time."""
    return "TRADING" if unix_ms < delivery_ms(instrument) else "SETTLING"


def delivery_ms(instrument: Instrument) -> int:
    """When it is delivered: 08:00 UTC of the day that its name ends with; a perpetual never."""
    if instrument.perpetual:
        return NEVER_DELIVERED_MS
    day = datetime.strptime(instrument.symbol[-6:], "%y%m%d").replace(hour=8, tzinfo=UTC)
    return int(day.timestamp() * 1000)


def onboard_ms(instrument: Instrument) -> int:
    """When it was listed: some midnight of 2020 to 2025, always the same for a name."""
    day = between(subject(0, "onboard", instrument.symbol), 0, 0, _ONBOARD_DAYS)
    return _FIRST_ONBOARD_MS + day * 24 * 3600 * 1000
