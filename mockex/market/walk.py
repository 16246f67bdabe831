"""The seeded market: one seed gives one market for ever, whatever stands beside a symbol.

Every symbol has a generator of its own, seeded by the run's seed and its name. A step of the market
is 100 ms unless told otherwise; in a step the book of a symbol gets a few updates, each with an id
of its own.

Three kinds: `walk` inserts, changes, removes and trades around a price that drifts; `steady`
changes the quantities of the best bid and ask at every step and keeps the length of every text, so
that bytes can be compared; `frozen` never moves.

A market can be hurried for a while: it takes the same steps, each sooner, so that an update id
stands for the same in every hurry.

A walk can be tuned: `rate` multiplies the updates and trades of a step, `volatility` how far the
price goes in a time. At 1 and 1 it is the market that it always was, to the byte.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from mockex.errors import ConfigError
from mockex.market.instruments import Instrument
from mockex.market.truth import History, Levels, Side, Trade, Truth
from mockex.profile import Profile

KINDS = ("walk", "steady", "frozen")
_DEPTH = 300  # levels a side at the opening
_LEAST = 50  # levels a side that a walk never goes below
_NEAR = 12  # a walk touches the best so many levels
_MOVES = 0.9  # moves of the price by a level in a step that double a walk's variance; measured
_QUANTITY = (100_000, 999_999)  # steps: six digits for ever
# Many digits, so that no id changes its width within a run.
_FIRST_SPOT_ID = 50_000_000_000
_FIRST_USDM_ID = 7_000_000_000_000
_FIRST_TRADE_ID = 3_000_000_000
_FIRST_ORDER_ID = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """What one step did to one symbol. Ids of updates: all those in between belong to it."""

    symbol: str
    at_ms: int
    first_update_id: int
    final_update_id: int
    trades: tuple[Trade, ...]


class _Symbol:
    """The book of one symbol and the draws that move it."""

    def __init__(
        self,
        instrument: Instrument,
        seed: int,
        *,
        shared_ids: bool,
        collects: bool,
        rate: float,
        volatility: float,
    ) -> None:
        self.instrument = instrument
        self._rate = rate
        self._volatility = volatility
        self._owed = 0.0  # parts of updates that steps before have left over
        self._owed_moves = 0.0
        self.at_ms = 0  # until when it has moved
        self._random = Random(f"mockex market {seed} {instrument.symbol}")
        self._shared_ids = shared_ids
        self._collects = collects
        mid = instrument.start_ticks
        self.levels: Levels = (
            {mid - 1 - n: self._quantity() for n in range(_DEPTH)},
            {mid + 1 + n: self._quantity() for n in range(_DEPTH)},
        )
        self._best = [mid - 1, mid + 1]
        first_id = _FIRST_USDM_ID if shared_ids else _FIRST_SPOT_ID
        self.history = History(first_id, [(dict(self.levels[0]), dict(self.levels[1]))])
        self._next_trade = _FIRST_TRADE_ID
        self._next_order = _FIRST_ORDER_ID

    def _draw(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`: `randint` takes five times as long, and most of
        what a step costs is draws."""
        return least + int(self._random.random() * (most - least + 1))

    def _quantity(self) -> int:
        return self._draw(*_QUANTITY)

    def _set(self, side: Side, price: int, quantity: int) -> None:
        """One update, with an id of its own."""
        # usdm 6.3: "Use id increments larger than 1 between events (for example 1 to 50)".
        step = self._draw(2, 50) if self._shared_ids else 1
        history = self.history
        history.record(history.last_id + step, side, price, quantity, self.levels)
        levels = self.levels[side]
        if quantity:
            levels[price] = quantity
            better = price > self._best[side] if side is Side.BID else price < self._best[side]
            if better:
                self._best[side] = price
        else:
            levels.pop(price, None)
            if price == self._best[side]:
                self._best[side] = max(levels) if side is Side.BID else min(levels)

    def _trade(self, side: Side, parts: int, at_ms: int, *, keep: bool) -> None:
        """A taker order meets the best level of `side`; with `keep` new quantity follows it."""
        price = self._best[side]
        resting = self.levels[side][price]
        order = self._order(side, price, at_ms)
        for _ in range(parts):
            quantity = min(self._draw(1_000, 9_999), resting)
            if not quantity:
                break
            resting -= quantity
            self.history.trades.append(
                Trade(self._next_trade, order, price, quantity, side is Side.BID, at_ms)
            )
            self._next_trade += 1
        if not resting and self._calm():
            resting = self._quantity()
        self._set(side, price, self._quantity() if keep else resting)

    def _order(self, side: Side, price: int, at_ms: int) -> int:
        """The id of its aggregate trade. On usdm fills of one taker side at one price are
        "collected over 100 ms" (usdm 5.1): of one step, whatever orders they are of."""
        if self._collects and self.history.trades:
            last = self.history.trades[-1]
            if (last.at_ms, last.price, last.buyer_is_maker) == (at_ms, price, side is Side.BID):
                return last.order_id
        self._next_order += 1
        return self._next_order - 1

    def steady(self, at_ms: int) -> None:
        """Both best levels change; one trade at the best ask."""
        self._set(Side.BID, self._best[Side.BID], self._quantity())
        self._trade(Side.ASK, 1, at_ms, keep=True)

    def walk(self, at_ms: int) -> None:
        """A few updates near the best prices, and now and then a trade."""
        self._owed += self._draw(1, 5) * self._rate
        for _ in range(int(self._owed)):
            self._update(at_ms)
        self._owed %= 1
        if self._volatility > 1:
            # Steps of a walk add up as squares: so many more of them, to go so much farther.
            self._owed_moves += (self._volatility**2 - 1) * self._rate * _MOVES
            for _ in range(int(self._owed_moves)):
                self._move(Side(self._draw(0, 1)))
            self._owed_moves %= 1

    def _update(self, at_ms: int) -> None:
        side = Side(self._draw(0, 1))
        draw = self._random.random()
        away = -1 if side is Side.BID else 1
        if draw < 0.2 and len(self.levels[side]) > _LEAST:
            self._trade(side, self._draw(1, 3), at_ms, keep=False)
        elif draw < 0.35 and len(self.levels[side]) > _LEAST:
            price = self._near(side)
            stays = price == self._best[side] and self._calm()
            self._set(side, price, self._quantity() if stays else 0)
        elif draw < 0.5:
            # A better price if there is room in the spread, else one that fills a hole.
            price = self._best[side] - away
            if self._best[Side.ASK] - self._best[Side.BID] <= 1 or self._calm():
                price = self._best[side] + away * self._draw(0, _NEAR - 1)
            self._set(side, price, self._quantity())
        else:
            self._set(side, self._near(side), self._quantity())

    def _calm(self) -> bool:
        """Whether a best price that would move stays: never at the usual volatility, which so
        takes no draw."""
        return self._volatility < 1 and self._random.random() >= self._volatility

    def _move(self, side: Side) -> None:
        """The price goes through the best level of `side`, and the other side follows. The far ends
        of the book are kept where they are from the best, or it would run out of levels."""
        other, away = Side(1 - side), -1 if side is Side.BID else 1
        if len(self.levels[side]) <= _LEAST:
            return
        self._set(side, self._best[side], 0)
        if len(self.levels[side]) < 2 * _LEAST:
            self._set(side, self._worst(side) + away, self._quantity())
        self._set(other, self._best[other] + away, self._quantity())
        if len(self.levels[other]) > 2 * _DEPTH:
            self._set(other, self._worst(other), 0)

    def _worst(self, side: Side) -> int:
        return min(self.levels[side]) if side is Side.BID else max(self.levels[side])

    def top(self) -> tuple[int, int, int, int]:
        """Best bid and ask: price and quantity of each."""
        bid, ask = self._best
        return bid, self.levels[Side.BID][bid], ask, self.levels[Side.ASK][ask]

    def from_best(self, side: Side, count: int) -> list[tuple[int, int]]:
        """The best `count` levels of one side, best first. They stand close together, so walking
        from the best is a few look-ups; the book has at least that many."""
        levels, price = self.levels[side], self._best[side]
        away = -1 if side is Side.BID else 1
        found: list[tuple[int, int]] = []
        count = min(count, len(levels))
        while len(found) < count:
            quantity = levels.get(price)
            if quantity is not None:
                found.append((price, quantity))
            price += away
        return found

    def _near(self, side: Side) -> int:
        """A price with a level, among the best few; the best one if the draw finds a hole."""
        away = -1 if side is Side.BID else 1
        price = self._best[side] + away * self._draw(0, _NEAR - 1)
        return price if price in self.levels[side] else self._best[side]


def _check(setting: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        raise ConfigError(setting, value, f"a number from 0 to {most:g}")


class Market:
    """All symbols. `truth` answers for everything that happened."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        seed: int,
        profile: Profile,
        kind: str = "walk",
        step_ms: int = 100,
        rate: float = 1.0,
        volatility: float = 1.0,
    ) -> None:
        if kind not in KINDS:
            raise ConfigError("market", kind, f"one of {', '.join(KINDS)}, replay:FILE")
        if not 1 <= step_ms <= 1000 or (100 % step_ms and step_ms % 100):
            raise ConfigError(
                "step_ms", step_ms, "a divisor of 100, or a multiple up to 1000, in ms"
            )
        _check("rate", rate, 100.0)
        _check("volatility", volatility, 10.0)
        self.step_ms = step_ms  # of the newest step; that of a hurry is shorter
        self.kind = kind
        self.usual_ms = step_ms
        self._hurries: list[tuple[int, int, int]] = []  # from, until, ms of a step in between
        self._began_ms = 0  # until then it stood still
        self._rate = rate
        self._volatility = volatility
        self.instruments = {i.symbol: i for i in instruments}
        self.seed = seed
        self.profile = profile
        self._shared_ids = profile.shared_ids
        self._collects = profile.collect_trades
        self._symbols: dict[str, _Symbol] = {}  # those that somebody has asked for
        self._now_ms = 0
        self.truth = Truth(lambda name: self._symbol(name).history, tuple(self.instruments))

    def advance(self, now_ms: int, wanted: Collection[str] | None = None) -> list[Change]:
        """Every step that is due at or before `now_ms` (since the opening), in order.

        `wanted` are the symbols whose changes somebody wants, None: all. The others are caught up
        when they are next asked for, so a symbol that nobody looks at costs nothing.
        """
        changes: list[Change] = []
        if self.kind == "frozen":  # a day of it is no work
            self._now_ms = max(self._now_ms, now_ms - now_ms % self.step_ms)
        while self.next_step_ms() <= now_ms:
            # Until the last step, and then this one: a change is what this one did.
            names = self.instruments if wanted is None else wanted
            symbols = [self._symbol(name) for name in names]
            self.step_ms = self._pace_ms(self._now_ms)
            self._now_ms += self.step_ms
            changes += [change for symbol in symbols if (change := self._step(symbol))]
        return changes

    def thaw(self, now_ms: int) -> None:
        """Let one that has stood still until now move from the next step on, as a steady one.

        Raises:
            ConfigError: it moves already.
        """
        if self.kind != "frozen":
            raise ConfigError("market", self.kind, "one that stands still: frozen")
        self.kind = "steady"
        self._now_ms = self._began_ms = now_ms - now_ms % self.usual_ms
        for symbol in self._symbols.values():
            symbol.at_ms = self._began_ms

    def next_step_ms(self) -> int:
        """When the next step is due, in ms since the opening."""
        return self._now_ms + self._pace_ms(self._now_ms)

    def _pace_ms(self, at_ms: int) -> int:
        """The step that begins at `at_ms`."""
        for begin_ms, end_ms, step_ms in reversed(self._hurries):
            if begin_ms <= at_ms < end_ms:
                return step_ms
        return self.usual_ms

    def hurry(self, ms: int, step_ms: int) -> tuple[int, int]:
        """Take a step every `step_ms`, a divisor of the usual ones, from the next usual one on for
        `ms`, made full to usual ones; from when until when, in ms since the opening.

        Raises:
            ConfigError: the market does not move by itself, hurries already, or has no such step.
        """
        if self.kind not in KINDS[:2]:
            raise ConfigError("market", self.kind, "one that moves by itself: walk, steady")
        if step_ms < 1 or self.usual_ms % step_ms:
            raise ConfigError("step_ms", step_ms, f"a divisor of {self.usual_ms}")
        begin_ms = self.next_step_ms()
        if self._hurries and begin_ms < self._hurries[-1][1]:
            raise ConfigError("step_ms", step_ms, "one hurry at a time")
        end_ms = begin_ms + max(1, -(-ms // self.usual_ms)) * self.usual_ms
        self._hurries.append((begin_ms, end_ms, step_ms))
        return begin_ms, end_ms

    def calm_down(self) -> int:
        """End a hurry with the next usual step; when that is, in ms since the opening."""
        soon_ms = (self._now_ms // self.usual_ms + 1) * self.usual_ms
        if self._hurries:
            begin_ms, end_ms, step_ms = self._hurries.pop()
            self._hurries.append((begin_ms, min(end_ms, max(soon_ms, begin_ms)), step_ms))
        return soon_ms

    def _symbol(self, name: str) -> _Symbol:
        """A symbol as it is now."""
        symbol = self._symbols.get(name)
        if symbol is None:
            instrument = self.instruments[name]
            symbol = _Symbol(
                instrument,
                self.seed,
                shared_ids=self._shared_ids,
                collects=self._collects,
                rate=self._rate,
                volatility=self._volatility,
            )
            symbol.at_ms = self._began_ms
            self._symbols[name] = symbol
        while symbol.at_ms < self._now_ms and self.kind != "frozen":
            self._step(symbol)
        return symbol

    def top(self, symbol: str) -> tuple[int, int, int, int]:
        """Best bid and ask now: price and quantity of each."""
        return self._symbol(symbol).top()

    def best(self, symbol: str, count: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best `count` levels of each side now, best first."""
        found = self._symbol(symbol)
        return found.from_best(Side.BID, count), found.from_best(Side.ASK, count)

    def _step(self, symbol: _Symbol) -> Change | None:
        """Move a symbol by one step; None if it got no update, which a low rate makes possible."""
        history = symbol.history
        updates, trades = len(history.ids), len(history.trades)
        symbol.at_ms += self._pace_ms(symbol.at_ms)
        if self.kind == "steady":
            symbol.steady(symbol.at_ms)
        else:
            symbol.walk(symbol.at_ms)
        history.end_step(symbol.at_ms)
        if len(history.ids) == updates:
            return None
        return Change(
            symbol=symbol.instrument.symbol,
            at_ms=symbol.at_ms,
            first_update_id=history.ids[updates],
            final_update_id=history.last_id,
            trades=tuple(history.trades[trades:]),
        )
