"""A market and its publisher, stepped by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mockex.market.instruments import instruments, listed_beside
from mockex.market.truth import Trade
from mockex.market.walk import Market
from mockex.profile import Profile
from mockex.streams.envelope import Event
from mockex.streams.schedule import Publisher

# A full minute, and the first of a month: 2026-06-01T00:00:00Z.
EPOCH_MS = 1_780_272_000_000
SYMBOL = "ETHUSDC"


class Sent(NamedTuple):
    """One event: when it was sent in ms since the epoch, on which stream, and what it says."""

    at_ms: int
    stream: str
    payload: Any
    event: Event


class Stepped:
    """Two symbols; on usdm also what is listed beside them."""

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int = 7,
        kind: str = "walk",
        step_ms: int = 100,
        epoch_ms: int = EPOCH_MS,
        symbols: Sequence[str] = (SYMBOL, "BTCUSDC"),
    ) -> None:
        self.profile = profile
        self.epoch_ms = epoch_ms
        traded = instruments(profile, symbols)
        self.market = Market(
            (*traded, *listed_beside(profile, traded)),
            seed=seed,
            profile=profile,
            kind=kind,
            step_ms=step_ms,
        )
        self.publisher = Publisher(profile, self.market, epoch_ms)
        self.now_ms = 0

    @property
    def unix_ms(self) -> int:
        return self.epoch_ms + self.now_ms

    def skip(self, ms: int) -> None:
        """Let time go by while nobody listens."""
        self.now_ms += ms
        self.market.advance(self.now_ms, ())
        self.publisher.publish(self.now_ms, [])

    def run(self, ms: int, *streams: str) -> Iterator[Sent]:
        """Add `streams`, and all events of the next so many ms."""
        for stream in streams:
            self.publisher.add(stream)
        for _ in range(ms // self.market.step_ms):
            self.now_ms += self.market.step_ms
            changes = self.market.advance(self.now_ms, self.publisher.symbols)
            for event in self.publisher.publish(self.now_ms, changes):
                yield Sent(self.unix_ms, event.stream, json.loads(event.text), event)

    def payloads(self, ms: int, stream: str) -> list[Any]:
        """What one stream says in the next so many ms."""
        return [sent.payload for sent in self.run(ms, stream) if sent.stream == stream]

    def trades(self, symbol: str = SYMBOL) -> list[Trade]:
        return self.market.truth.history(symbol).trades
