"""What a trade was: of the market, of an RPI order, or none of the market's; of which orders it was
a liquidation; and the block trades of spot, which are apart from the book.

All of it is drawn from the run's seed and the ids of the trades (`draws`), after the fact: the
trades themselves are the walk's. How often each happens is a setting of the profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from mockex.market.draws import between, draw, hits, subject
from mockex.market.prices import last_price
from mockex.market.truth import Trade
from mockex.market.walk import Market

LIQUIDATION_MS = 1000


class Execution(StrEnum):
    """Member `X` of `<symbol>@trade` on usdm (wire B4)."""

    MARKET = "MARKET"
    RPI = "RPI"
    EXCLUDED = "NA"  # of the insurance fund or of an ADL: no market trade (usdm 5.1)


@dataclass(frozen=True, slots=True)
class Liquidation:
    """A taker order that closed somebody's position. Prices in ticks: `limit` is worse than what
    it got; `last_quantity` is that of its last fill (wire A2)."""

    symbol: str
    order_id: int
    side: str
    limit: int
    average: int
    quantity: int
    last_quantity: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class BlockTrade:
    """A trade made beside the book, with ids of its own from 1 (spot 5.3)."""

    block_id: int
    price: int
    quantity: int
    buyer_is_maker: bool
    at_ms: int


def executions(market: Market, symbol: str, trades: Sequence[Trade]) -> list[Execution]:
    """What kind each of these trades was, where they are whole taker orders.

    Only the first of several trades of an order is ever excluded: "a jump in `f`/`l` is not proof
    of loss, a jump in `a` is" (usdm 5.1), so no aggregate trade may be left without a trade.
    """
    if market.kind != "walk":  # texts of `steady` keep their length, a replay is as it was
        return [Execution.MARKET] * len(trades)
    rpi, excluded = market.profile.rpi_trades, market.profile.excluded_trades
    key = subject(market.seed, "rpi trade", symbol)
    found = [
        Execution.RPI if hits(key, trade.trade_id, rpi) else Execution.MARKET for trade in trades
    ]
    key = subject(market.seed, "excluded trade", symbol)
    before = None  # the order of the trade before
    for at, trade in enumerate(trades[:-1]):
        order = trade.order_id
        first_of_several = before != order and trades[at + 1].order_id == order
        before = order
        if (
            first_of_several
            and found[at] is Execution.MARKET
            and hits(key, trade.trade_id, excluded)
        ):
            found[at] = Execution.EXCLUDED
    return found


def execution(market: Market, symbol: str, trade: Trade) -> Execution:
    """What kind of trade it was, wherever it stands in its order."""
    if market.kind != "walk":
        return Execution.MARKET
    trades = market.truth.history(symbol).trades
    at = trade.trade_id - trades[0].trade_id
    first = not at or trades[at - 1].order_id != trade.order_id
    return executions(market, symbol, trades[at : at + 2] if first else [trade])[0]


def counted(market: Market, symbol: str, trades: Sequence[Trade]) -> list[Trade]:
    """Without the trades that are none of the market's."""
    share = market.profile.excluded_trades
    if not share:
        return list(trades)
    key = subject(market.seed, "excluded trade", symbol)
    return [
        t
        for t in trades
        if not hits(key, t.trade_id, share)  # the draw first: nearly always it says all
        or execution(market, symbol, t) is not Execution.EXCLUDED
    ]


class _Counted:
    """The trades of one symbol that are the market's, as far as they have been asked for."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.looked_at = 0


def market_trades(market: Market, symbol: str) -> list[Trade]:
    """All trades until now that count: what bars and tickers are made of. To be read, never to be
    written."""
    trades = market.truth.history(symbol).trades
    if not market.profile.excluded_trades:
        return trades
    kept = market.truth.derived.setdefault((_Counted, symbol), _Counted())
    assert isinstance(kept, _Counted)
    if kept.looked_at < len(trades):
        kept.trades += counted(market, symbol, trades[kept.looked_at :])
        kept.looked_at = len(trades)
    return kept.trades


def without_rpi(market: Market, symbol: str, trades: Sequence[Trade]) -> int:
    """Quantity of `counted` trades that was no RPI order's: `nq` of an aggregate trade (usdm
    5.1)."""
    share = market.profile.rpi_trades if market.kind == "walk" else 0
    key = subject(market.seed, "rpi trade", symbol)
    return sum(t.quantity for t in trades if not hits(key, t.trade_id, share))


def liquidations(market: Market, symbol: str, after_ms: int, upto_ms: int) -> list[Liquidation]:
    """Every liquidation in (after_ms, upto_ms], in order. What is published of them is
    `LiquidationBuffer`."""
    history = market.truth.history(symbol)
    start, end = history.trades_until(after_ms), history.trades_until(upto_ms)
    return liquidations_of(market, symbol, history.trades[start:end])


def liquidations_of(market: Market, symbol: str, trades: Sequence[Trade]) -> list[Liquidation]:
    """Those among the taker orders of these trades."""
    key = subject(market.seed, "liquidation", symbol)
    found: list[Liquidation] = []
    for order_id, group in groupby(trades, key=lambda t: t.order_id):
        if not hits(key, order_id, market.profile.liquidations):
            continue
        fills = counted(market, symbol, list(group))
        price, sells = fills[0].price, fills[0].buyer_is_maker
        worse = max(1, price * between(key, -order_id, 2, 9) // 1000)
        found.append(
            Liquidation(
                symbol=symbol,
                order_id=order_id,
                side="SELL" if sells else "BUY",
                limit=price - worse if sells else price + worse,
                average=price,
                quantity=sum(fill.quantity for fill in fills),
                last_quantity=fills[-1].quantity,
                at_ms=fills[0].at_ms,
            )
        )
    return found


class LiquidationBuffer:
    """What is published of one symbol's liquidations: one a second, some second after the first of
    it (wire A2), the largest or the latest (usdm 5.7). The seconds follow from all liquidations
    since the opening, so it is the same whenever one begins to look."""

    def __init__(self, market: Market, symbol: str, at_ms: int) -> None:
        self._held: Liquidation | None = None
        self._due_ms = 0
        self._market = market
        self._symbol = symbol
        for liquidation in liquidations(market, symbol, self._begin(at_ms), at_ms):
            self.release(liquidation.at_ms)
            self._hold(liquidation)
        self.release(at_ms)

    def _begin(self, at_ms: int) -> int:
        """A moment before which nothing is held back any more: a second without liquidations."""
        while at_ms > 0:
            before = liquidations(self._market, self._symbol, at_ms - LIQUIDATION_MS, at_ms)
            if not before:
                return at_ms
            at_ms = before[0].at_ms - 1
        return -1

    def add(self, trades: Sequence[Trade]) -> None:
        """Trades of one step, after what was due before them was released."""
        for liquidation in liquidations_of(self._market, self._symbol, trades):
            self._hold(liquidation)

    def release(self, now_ms: int) -> Liquidation | None:
        """What is published at `now_ms`."""
        if self._held is None or now_ms < self._due_ms:
            return None
        released, self._held = self._held, None
        return released

    def _hold(self, new: Liquidation) -> None:
        if self._held is None:
            self._held, self._due_ms = new, new.at_ms + LIQUIDATION_MS
        elif (
            self._market.profile.liquidation_choice == "latest"
            or new.quantity > self._held.quantity
        ):
            self._held = new


def block_trades(market: Market, symbol: str, after_ms: int, upto_ms: int) -> list[BlockTrade]:
    """Block trades in (after_ms, upto_ms], in order: one in each slot of time."""
    slot_ms = (market.profile.block_trade_s or 0) * 1000
    if not slot_ms or market.kind in ("frozen", "replay"):
        return []
    ids = range(max(0, after_ms) // slot_ms + 1, upto_ms // slot_ms + 2)
    return [
        block_trade(market, symbol, block_id)
        for block_id in ids
        if after_ms < block_moment(market, symbol, block_id) <= upto_ms
    ]


def block_trade(market: Market, symbol: str, block_id: int) -> BlockTrade:
    """The block trade with an id. Its moment must not be in the future."""
    key = subject(market.seed, "block trade", symbol)
    at_ms = block_moment(market, symbol, block_id)
    return BlockTrade(
        block_id=block_id,
        price=max(1, last_price(market, symbol, at_ms) + between(key, 4 * block_id + 1, -50, 50)),
        quantity=between(key, 4 * block_id + 2, 10_000, 100_000) * 1000,
        buyer_is_maker=draw(key, 4 * block_id + 3) % 2 == 0,
        at_ms=at_ms,
    )


def block_moment(market: Market, symbol: str, block_id: int) -> int:
    """When the block trade with an id is made, also one in the future."""
    slot_ms = (market.profile.block_trade_s or 0) * 1000
    key = subject(market.seed, "block trade", symbol)
    return (block_id - 1) * slot_ms + between(key, 4 * block_id, 1, slot_ms - 1)
