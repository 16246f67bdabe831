"""Which stream has an event at which step of the market.

A periodic stream is due at the first step at or after each multiple of its period on the exchange's
clock. What it then sends is cut out of the truth between two due steps, so that its events tile the
ids wherever a subscription begins, and a stream that nobody subscribes to costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mockex.market.instruments import Instrument
from mockex.market.truth import Trade
from mockex.market.walk import Change, Market
from mockex.names import Kind, StreamName, parse
from mockex.profile import Profile
from mockex.streams import depth, tickers, trades
from mockex.streams.envelope import Event

# wire B8: a depth event is sent 1 to 118 ms, a book ticker 0 to 32 ms after it happened.
_USDM_LAG_MS = 2


@dataclass(slots=True)
class _Active:
    """A stream that somebody wants, and how far it has been sent."""

    name: StreamName
    instrument: Instrument
    period_ms: int
    last_id: int
    top: tickers.Top
    waiting: list[tuple[int, list[Trade]]] = field(default_factory=list)  # due ms, one order


class Publisher:
    """Turns steps into events. Whoever counts subscribers says `add` and `remove`."""

    def __init__(self, profile: Profile, market: Market, epoch_ms: int) -> None:
        self._profile = profile
        self._market = market
        self._truth = market.truth
        self._epoch_ms = epoch_ms
        self._now_ms = 0
        self._active: dict[str, _Active] = {}
        self._spellers = {i.symbol: depth.Speller(i) for i in market.instruments.values()}
        self._levels: dict[tuple[str, int], tuple[str, str]] = {}  # of the present step

    def serves(self, name: StreamName) -> bool:
        """Whether this exchange ever sends `name`: the symbol is there, the profile has the
        speed."""
        if name.symbol.upper() not in self._market.instruments:
            return False
        if name.kind is Kind.DIFF_DEPTH:
            return name.speed_ms in self._profile.diff_speeds_ms
        if name.kind is Kind.PARTIAL_DEPTH:
            return name.speed_ms in self._profile.partial_speeds_ms
        return True

    def add(self, stream: str) -> None:
        """Somebody wants `stream`, which `serves` has accepted."""
        name = parse(stream)
        if name is None or not self.serves(name):
            raise ValueError(f"{stream!r} is not served")
        instrument = self._market.instruments[name.symbol.upper()]
        period_ms = 0
        if name.kind is Kind.DIFF_DEPTH:
            period_ms = self._profile.diff_speeds_ms[name.speed_ms]
        elif name.kind is Kind.PARTIAL_DEPTH:
            period_ms = self._profile.partial_speeds_ms[name.speed_ms]
        # usdm 6.3: "`pu` of the first event after a subscription is the `u` of the last event that
        # would have been sent on that stream".
        last_id = self._truth.id_at(instrument.symbol, self._last_due_ms(period_ms))
        top = self._market.top(instrument.symbol)
        self._active[stream] = _Active(name, instrument, period_ms, last_id, top)

    def remove(self, stream: str) -> None:
        """Nobody wants `stream` any more."""
        self._active.pop(stream, None)

    @property
    def symbols(self) -> dict[str, None]:
        """Symbols of which somebody wants a stream, in the order in which they were added."""
        return {active.instrument.symbol: None for active in self._active.values()}

    def publish(self, now_ms: int, changes: Sequence[Change]) -> list[Event]:
        """The events of the step at `now_ms`, in the order in which streams were added."""
        self._now_ms = now_ms
        self._levels.clear()
        changed = {change.symbol: change for change in changes}
        events: list[Event] = []
        for active in self._active.values():
            change = changed.get(active.instrument.symbol)
            match active.name.kind:
                case Kind.PARTIAL_DEPTH | Kind.DIFF_DEPTH:
                    if self._due(active.period_ms):
                        events += self._depth(active)
                case Kind.BOOK_TICKER:
                    if change is not None:
                        events += self._book_ticker(active, change)
                case Kind.TRADE:
                    if change is not None:
                        events += self._trades(active, change)
                case Kind.AGG_TRADE:
                    events += self._agg_trades(active, change)
        return events

    # --- when ---

    def _due(self, period_ms: int) -> bool:
        step = self._market.step_ms
        return period_ms <= step or self._now_ms // period_ms > (self._now_ms - step) // period_ms

    def _last_due_ms(self, period_ms: int) -> int:
        """The last step until now at which a stream of this period was due."""
        step = self._market.step_ms
        if period_ms <= step:
            return self._now_ms
        period = self._now_ms // period_ms
        due = -(-period * period_ms // step) * step
        return due if due <= self._now_ms else -(-(period - 1) * period_ms // step) * step

    # --- what ---

    def _depth(self, active: _Active) -> list[Event]:
        symbol = active.instrument.symbol
        before, final = active.last_id, self._truth.last_update_id(symbol)
        if final == before:
            return []  # nothing changed: nothing is sent
        active.last_id = final
        first = self._truth.first_id_after(symbol, before)
        assert first is not None
        if active.name.levels is not None:
            bids, asks = self._top_levels(symbol, active.name.levels)
        else:
            changed = self._truth.changes(symbol, before, final)
            speller = self._spellers[symbol]
            bids, asks = map(speller.levels, depth.in_order(self._profile, *changed))
        at = self._epoch_ms + self._now_ms
        if self._profile.name == "usdm":
            text = depth.usdm_depth(
                symbol, at + _USDM_LAG_MS, at, (first, final, before), bids, asks
            )
        elif active.name.levels is not None:
            text = depth.spot_partial(final, bids, asks)
        else:
            text = depth.spot_diff(symbol, at, first, final, bids, asks)
        return [Event(active.name.text, text, first, final)]

    def _top_levels(self, symbol: str, count: int) -> tuple[str, str]:
        known = self._levels.get((symbol, count))
        if known is None:
            speller = self._spellers[symbol]
            bids, asks = self._market.best(symbol, count)
            known = self._levels[symbol, count] = (speller.levels(bids), speller.levels(asks))
        return known

    def _book_ticker(self, active: _Active, change: Change) -> list[Event]:
        top = self._market.top(change.symbol)
        if top == active.top:
            return []
        active.top = top
        at = self._epoch_ms + change.at_ms
        update_id = change.final_update_id
        if self._profile.name == "usdm":
            text = tickers.usdm_book_ticker(
                active.instrument, update_id, top, at + _USDM_LAG_MS, at
            )
        else:
            text = tickers.spot_book_ticker(active.instrument, update_id, top)
        return [Event(active.name.text, text, update_id, update_id)]

    def _trades(self, active: _Active, change: Change) -> list[Event]:
        spell = trades.usdm_trade if self._profile.name == "usdm" else trades.spot_trade
        return [
            Event(
                active.name.text,
                spell(active.instrument, trade, self._epoch_ms),
                trade.trade_id,
                trade.trade_id,
            )
            for trade in change.trades
        ]

    def _agg_trades(self, active: _Active, change: Change | None) -> list[Event]:
        """On usdm they are collected and leave some 150 ms late (wire B8)."""
        lag = self._profile.agg_trade_lag_ms
        delay = lag if lag > self._market.step_ms else 0
        if change is not None:
            active.waiting += [
                (change.at_ms + delay, order) for order in trades.orders(change.trades)
            ]
        spell = trades.usdm_agg_trade if self._profile.name == "usdm" else trades.spot_agg_trade
        events: list[Event] = []
        while active.waiting and active.waiting[0][0] <= self._now_ms:
            order = active.waiting.pop(0)[1]
            text = spell(active.instrument, order, self._epoch_ms, lag)
            events.append(Event(active.name.text, text, order[0].order_id, order[0].order_id))
        return events
