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
        """Whether a stream of this period is due at this step."""
        step = self.market.step_ms
        return period_ms <= step or self.at_ms // period_ms > (self.at_ms - step) // period_ms

    def last_due_ms(self, period_ms: int) -> int:
        """The last step until now at which a stream of this period was due."""
        step = self.market.step_ms
        if period_ms <= step:
            return self.at_ms
        period = self.at_ms // period_ms
        due = -(-period * period_ms // step) * step
        return due if due <= self.at_ms else -(-(period - 1) * period_ms // step) * step


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


@dataclass(frozen=True, slots=True)
class Recipe:
    """How streams of one kind are made. `make` is told the period in ms; `knows` says whether
    the exchange has what stands before the `@`; the default: it trades that symbol."""

    make: Callable[[Feed, StreamName, int], Source]
    knows: Callable[[Feed, StreamName], bool] = lambda feed, name: (
        name.subject.upper() in feed.market.instruments
    )
