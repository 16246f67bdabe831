"""Instruments: how a symbol's integers are spelled.

Prices are counted in ticks and quantities in steps. Spot pads both to 8 decimals (spot 5, O); usdm
pads to the symbol's own precision (wire B1), which is not its tick size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from mockex.errors import ConfigError
from mockex.profile import Profile

# Longer ones first: `BTCFDUSD` is BTC in FDUSD.
_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "USD1", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY")
_SYMBOL = re.compile(r"[\w\-.]{2,40}")
# Bases whose contracts are TRADIFI_PERPETUAL (usdm 5.0): metals, energy, shares.
_TRADIFI = frozenset({
    "AMZN", "COIN", "COPPER", "CRCL", "GOOGL", "HOOD", "INTC", "META", "MSTR", "NATGAS", "NVDA",
    "PLTR", "TSLA", "XAG", "XAU", "XPD", "XPT",
})  # fmt: skip
COIN_MARGINED = 2


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol. `tick` and `step` are in units of the last decimal that is spelled.

    `universe` is 1 for USDⓈ-M and spot, 2 for COIN-M rows in the streams of all symbols of usdm
    (usdm 5, wire member `st`); nothing else is served of the latter.
    """

    symbol: str
    price_decimals: int
    quantity_decimals: int
    tick: int
    step: int
    start_ticks: int
    base: str = ""
    quote: str = ""
    pair: str = ""
    universe: int = 1
    contract: str = "PERPETUAL"  # futures alone: usdm 5.0, or CURRENT_QUARTER

    @property
    def price_e8(self) -> int:
        """One tick in units of 1e-8."""
        return int(self.tick * 10 ** (8 - self.price_decimals))

    @property
    def perpetual(self) -> bool:
        """Whether it has funding and is never delivered."""
        return self.contract.endswith("PERPETUAL")

    def price(self, ticks: int) -> str:
        """A price in ticks, spelled."""
        return spell(ticks * self.tick, self.price_decimals)

    def quantity(self, steps: int) -> str:
        """A quantity in steps, spelled."""
        return spell(steps * self.step, self.quantity_decimals)

    def amount(self, units: int, decimals: int) -> str:
        """Price times quantity, summed in ticks times steps, spelled with so many decimals."""
        excess = self.price_decimals + self.quantity_decimals - decimals
        return spell(rounded(units * self.tick * self.step, 10**excess), decimals)

    def average(self, amount: int, quantity: int) -> str:
        """The average price of an `amount` in ticks times steps and a quantity in steps."""
        return spell(rounded(amount * self.tick, quantity), self.price_decimals)


def rounded(dividend: int, divisor: int) -> int:
    """A quotient, rounded to the nearest whole number and half away from zero."""
    quotient = (2 * abs(dividend) + divisor) // (2 * divisor)
    return quotient if dividend >= 0 else -quotient


def spell(units: int, decimals: int) -> str:
    """A number in units of its last decimal."""
    if units < 0:
        return "-" + spell(-units, decimals)
    if not decimals:
        return str(units)
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def assets(symbol: str) -> tuple[str, str]:
    """Base and quote asset of a symbol: it ends in a quote asset that is known, or in its last
    three characters."""
    quote = next((q for q in _QUOTES if symbol.endswith(q) and symbol != q), symbol[-3:])
    return symbol.removesuffix(quote) or symbol, quote


def instruments(profile: Profile, symbols: Sequence[str]) -> tuple[Instrument, ...]:
    """The instruments of these symbols on this profile; names in any case.

    Raises:
        ConfigError: no symbol, one that cannot be, or one that is named twice.
    """
    if not symbols:
        raise ConfigError("symbols", list(symbols), "at least one symbol")
    made: dict[str, Instrument] = {}
    for name in symbols:
        symbol = name.upper()
        if not _SYMBOL.fullmatch(symbol):
            raise ConfigError("symbols", name, "2 to 40 letters, digits, '_', '-' or '.'")
        if symbol in made:
            raise ConfigError("symbols", name, "each symbol once")
        # Drawn from the name alone: a symbol is the same whatever stands beside it.
        start = Random(f"mockex instrument {symbol}").randrange(2_000_00, 8_000_00)
        delivered = _is_delivered(symbol)
        pair = symbol[:-7] if delivered else symbol
        base, quote = assets(pair)
        decimals = (8, 8) if profile.eight_decimals else (2, 3)
        made[symbol] = Instrument(
            symbol,
            price_decimals=decimals[0],
            quantity_decimals=decimals[1],
            tick=10 ** (decimals[0] - 2),
            step=10 ** (decimals[1] - 3),
            start_ticks=start,
            base=base,
            quote=quote,
            pair=pair,
            contract=_contract(base, delivered=delivered),
        )
    return tuple(made.values())


def _is_delivered(symbol: str) -> bool:
    """Whether the name ends with a day, as in BTCUSDT_261225."""
    pair, _, day = symbol.rpartition("_")
    try:
        return bool(pair and len(day) == 6 and datetime.strptime(f"{day}Z", "%y%m%d%z"))
    except ValueError:
        return False


def _contract(base: str, *, delivered: bool) -> str:
    if delivered:
        return "CURRENT_QUARTER"
    return "TRADIFI_PERPETUAL" if base in _TRADIFI else "PERPETUAL"


def listed_beside(profile: Profile, traded: Sequence[Instrument]) -> tuple[Instrument, ...]:
    """What usdm lists without being asked, in its streams of all symbols: a COIN-M perpetual for
    each base, counted in contracts, at the price of the first symbol with that base ("emit a few
    `st` 2 rows by default", usdm 5); and the TradFi symbols of the profile, which are ordinary
    symbols (usdm 5.2: they come in a frame of their own)."""
    symbols = {instrument.symbol for instrument in traded}
    made = [name for name in profile.tradifi_symbols if name not in symbols]
    tradifi = instruments(profile, made) if made else ()
    first: dict[str, Instrument] = {}
    for instrument in traded:
        first.setdefault(instrument.base, instrument)
    coins = [
        Instrument(
            f"{base}USD_PERP",
            price_decimals=source.price_decimals,
            quantity_decimals=0,
            tick=source.tick,
            step=1,
            start_ticks=source.start_ticks,
            base=base,
            quote="USD",
            pair=f"{base}USD",
            universe=COIN_MARGINED,
        )
        for base, source in first.items()
        if profile.coin_margined_rows
        and source.contract == "PERPETUAL"
        and f"{base}USD_PERP" not in symbols
    ]
    return (*tradifi, *coins)
