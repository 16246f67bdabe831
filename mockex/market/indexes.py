"""Indexes over several symbols: of an asset in dollars, and composites of the traded bases."""

from __future__ import annotations

from dataclasses import dataclass

from mockex.market.draws import between, subject
from mockex.market.instruments import COIN_MARGINED, Instrument
from mockex.market.prices import E8, index
from mockex.market.walk import Market

BUFFER = 10_000_000  # 10 % on each side, usdm 5.14's example
EXCHANGE_BUFFER = 5_000_000  # for the automatic exchange
_COMPOSITE_BEGINS = 1000 * E8


@dataclass(frozen=True, slots=True)
class AssetIndex:
    """Index of an asset in dollars, and its rates less and more the buffers (usdm 5.14), in units
    of 1e-8."""

    symbol: str
    index: int
    bid_buffer: int
    ask_buffer: int
    bid_rate: int
    ask_rate: int
    exchange_bid_buffer: int
    exchange_ask_buffer: int
    exchange_bid_rate: int
    exchange_ask_rate: int


@dataclass(frozen=True, slots=True)
class Component:
    """Part of a composite. `weight` in quantity, `share` in parts of one, `index` its price; all
    in units of 1e-8."""

    base: str
    quote: str
    weight: int
    share: int
    index: int


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite index. `kind` is what tells its components apart: `baseAsset` or, as in
    BTCDOMUSDT, `quoteAsset` (wire A11). Shares sum to one."""

    symbol: str
    kind: str
    price: int
    components: tuple[Component, ...]


def bases(market: Market) -> dict[str, Instrument]:
    """Base assets of what is traded, each with the first symbol that has it."""
    first: dict[str, Instrument] = {}
    for instrument in market.instruments.values():
        if instrument.universe != COIN_MARGINED:
            first.setdefault(instrument.base, instrument)
    return first


def asset_indexes(market: Market) -> list[str]:
    """Symbols of the asset indexes."""
    return [f"{base}USD" for base in bases(market)]


def asset_index(market: Market, symbol: str, at_ms: int) -> AssetIndex:
    """The index of an asset, such as `ETHUSD`.

    Raises:
        KeyError: no traded symbol has that base.
    """
    source = bases(market)[symbol.removesuffix("USD")]
    price = index(market, source.symbol, at_ms)

    def rate(buffer: int) -> int:
        return price * (E8 + buffer) // E8

    return AssetIndex(
        symbol=symbol,
        index=price,
        bid_buffer=BUFFER,
        ask_buffer=BUFFER,
        bid_rate=rate(-BUFFER),
        ask_rate=rate(BUFFER),
        exchange_bid_buffer=EXCHANGE_BUFFER,
        exchange_ask_buffer=EXCHANGE_BUFFER,
        exchange_bid_rate=rate(-EXCHANGE_BUFFER),
        exchange_ask_rate=rate(EXCHANGE_BUFFER),
    )


def composites(market: Market) -> list[str]:
    """Symbols of the composite indexes that this market can make: one of pairs of bases needs two
    of them."""
    count = len(bases(market))
    return [
        name for name, kind in market.profile.composites.items() if count > (kind == "quoteAsset")
    ]


def composite(market: Market, symbol: str, at_ms: int) -> Composite:
    """A composite index. It stood at 1000 at the opening and holds fixed quantities since.

    Raises:
        KeyError: none of that name.
    """
    kind = market.profile.composites[symbol]
    now, opening = _components(market, kind, at_ms), _components(market, kind, 0)
    key = subject(market.seed, "composite", symbol)
    parts = [between(key, number, 50, 150) for number in range(len(now))]
    weights = [
        _COMPOSITE_BEGINS * part // sum(parts) * E8 // price
        for part, (_, _, price) in zip(parts, opening, strict=True)
    ]
    values = [weight * price // E8 for weight, (_, _, price) in zip(weights, now, strict=True)]
    total = sum(values)
    shares = [value * E8 // total for value in values]
    shares[-1] += E8 - sum(shares)
    return Composite(
        symbol,
        kind,
        total,
        tuple(
            Component(base, quote, weight, share, price)
            for weight, share, (base, quote, price) in zip(weights, shares, now, strict=True)
        ),
    )


def _components(market: Market, kind: str, at_ms: int) -> list[tuple[str, str, int]]:
    """Base, quote and price of each: every base; or BTC, else the first, in each of the others."""
    known = bases(market)
    prices = {base: index(market, i.symbol, at_ms) for base, i in known.items()}
    if kind == "baseAsset":
        return [(base, known[base].quote, price) for base, price in prices.items()]
    first = "BTC" if "BTC" in known else next(iter(known))
    price = prices.pop(first)
    return [(first, other, price * E8 // its_own) for other, its_own in prices.items()]
