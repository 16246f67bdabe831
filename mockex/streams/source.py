"""What a stream is made of: a *source* for each stream that somebody wants, told of every step at
which it is due, and what all sources share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mockex.market.instruments import Instrument
from mockex.market.truth import Truth
from mockex.market.walk import Change, Market
from mockex.names import StreamName
from mockex.profile import Profile
from mockex.streams.envelope import Event

Changes = Mapping[str, Change]  # of one step, by symbol


@dataclass(slots=True)
class Feed:
    """What all sources of one exchange read. `at_ms` is the step that is being published, in ms
    since the opening; `last_due_ms` the last step, until now, of a stream with that period."""

    profile: Profile
    market: Market
    epoch_ms: int
    at_ms: int = 0
    shared: dict[object, object] = field(default_factory=dict)  # made once a step for several
    kept: dict[object, object] = field(default_factory=dict)  # made once a run for several

    @property
    def truth(self) -> Truth:
        """Everything that happened."""
        return self.market.truth

    @property
    def unix_ms(self) -> int:
        """The time that the exchange shows at this step."""
        return self.epoch_ms + self.at_ms

    def instrument(self, name: StreamName) -> Instrument:
        """The instrument whose stream `name` is."""
        return self.market.instruments[name.subject.upper()]

    def due(self, period_ms: int) -> bool:
        """Whether a stream of this period is due at this step: the first one at or after a full
        period of the clock that the exchange shows (wire B9)."""
        step = self.market.step_ms
        if period_ms <= step:
            return True
        now = self.unix_ms
        return now // period_ms > (now - step) // period_ms

    def next_due_ms(self, period_ms: int, after_ms: int) -> int:
        """The first step after `after_ms` at which a stream of this period is due."""
        step = self.market.step_ms
        if period_ms > step:
            now = self.epoch_ms + after_ms
            after_ms = now - now % period_ms + period_ms - self.epoch_ms - 1
        return (after_ms // step + 1) * step

    def last_due_ms(self, period_ms: int) -> int:
        """The last step until now at which a stream of this period was due; before the opening, if
        none was since."""
        step = self.market.step_ms
        if period_ms <= step:
            return self.at_ms
        full = self.unix_ms // period_ms * period_ms - self.epoch_ms
        due = -(-full // step) * step
        return due if due <= self.at_ms else -(-(full - period_ms) // step) * step


class Source(Protocol):
    """One stream that somebody wants, and how far it has been sent."""

    @property
    def symbols(self) -> Collection[str]:
        """Symbols whose changes it must hear of, in upper case."""
        ...

    def publish(self, changes: Changes) -> Iterable[Event]:
        """The events of the step at `Feed.at_ms`, at which the stream is due. `changes` are those
        of this step alone: what a longer period needs of earlier ones is read from the truth."""
        ...


def trades_symbol(feed: Feed, name: StreamName) -> bool:
    """Whether the subject of `name` is traded here. COIN-M rows are in streams of all symbols and
    nowhere else (usdm 5)."""
    instrument = feed.market.instruments.get(name.subject.upper())
    return instrument is not None and instrument.universe == 1


def _traded(feed: Feed, name: StreamName) -> bool:
    """Streams of all symbols name none."""
    return not name.subject or trades_symbol(feed, name)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How streams of one kind are made. `make` is told the period in ms; `knows` says whether
    the exchange has what stands before the `@`; the default: it trades that symbol, or the stream
    is of all symbols. A source of `every_step` is told of all steps and keeps to its period itself.
    Streams `by_clock` are sent at each period also on a market that never moves."""

    make: Callable[[Feed, StreamName, int], Source]
    knows: Callable[[Feed, StreamName], bool] = _traded
    every_step: bool = False
    by_clock: bool = False
