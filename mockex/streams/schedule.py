"""Which stream has an event at which step of the market.

A periodic stream is due at the first step at or after each multiple of its period on the exchange's
clock. What it then sends is cut out of the truth between two due steps, so that its events tile the
ids wherever a subscription begins, and a stream that nobody subscribes to costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mockex.market.walk import Change, Market
from mockex.names import Kind, StreamName, parse
from mockex.profile import Profile
from mockex.streams import book_tickers, depth, futures, indexes, klines, rpi, spot, tickers, trades
from mockex.streams.envelope import Event
from mockex.streams.source import Feed, Recipe, Source

RECIPES: Mapping[Kind, Recipe] = {
    **book_tickers.RECIPES,
    **depth.RECIPES,
    **futures.RECIPES,
    **indexes.RECIPES,
    **klines.RECIPES,
    **rpi.RECIPES,
    **spot.RECIPES,
    **tickers.RECIPES,
    **trades.RECIPES,
}


@dataclass(slots=True)
class _Active:
    """A stream that somebody wants."""

    source: Source
    period_ms: int
    by_clock: bool
    real_time: bool  # at each change, not at most once in a period


class Publisher:
    """Turns steps into events. Whoever counts subscribers says `add` and `remove`."""

    def __init__(self, profile: Profile, market: Market, epoch_ms: int) -> None:
        self._profile = profile
        self._feed = Feed(profile, market, epoch_ms)
        self._active: dict[str, _Active] = {}
        self._symbols: Collection[str] | None = None  # None: not gathered since the last change

    def serves(self, name: StreamName) -> bool:
        """Whether this exchange ever sends `name`: the profile has that kind with that option, and
        what it is about is traded."""
        recipe = RECIPES.get(name.kind)
        return (
            recipe is not None
            and name.option in self._profile.streams.get(name.kind, ())
            and name.offset in self._profile.kline_offsets
            and recipe.knows(self._feed, name)
        )

    def add(self, stream: str) -> None:
        """Somebody wants `stream`, which `serves` has accepted."""
        name = parse(stream)
        if name is None or not self.serves(name):
            raise ValueError(f"{stream!r} is not served")
        period_ms = self._profile.streams[name.kind][name.option]
        recipe = RECIPES[name.kind]
        source = recipe.make(self._feed, name, period_ms)
        self._active[stream] = _Active(
            source, 0 if recipe.every_step else period_ms, recipe.by_clock, not period_ms
        )
        self._symbols = None

    def remove(self, stream: str) -> None:
        """Nobody wants `stream` any more."""
        self._active.pop(stream, None)
        self._symbols = None

    @property
    def real_time(self) -> int:
        """How many streams somebody wants that are sent at each change."""
        return sum(active.real_time for active in self._active.values())

    @property
    def symbols(self) -> Collection[str]:
        """Symbols whose changes somebody wants, in the order in which they were added."""
        if self._symbols is None:
            self._symbols = {s: None for a in self._active.values() for s in a.source.symbols}
        return self._symbols

    def next_by_clock_ms(self, after_ms: int) -> int | None:
        """The first step after `after_ms` at which something is sent though the market stands
        still; None if nobody wants such a stream."""
        periods = [active.period_ms for active in self._active.values() if active.by_clock]
        return min((self._feed.next_due_ms(p, after_ms) for p in periods), default=None)

    def publish(self, now_ms: int, changes: Sequence[Change]) -> list[Event]:
        """The events of the step at `now_ms`, in the order in which streams were added."""
        feed = self._feed
        feed.at_ms = now_ms
        feed.shared.clear()
        changed = {change.symbol: change for change in changes}
        events: list[Event] = []
        for active in self._active.values():
            if not active.period_ms or feed.due(active.period_ms):
                events += active.source.publish(changed)
        return events
