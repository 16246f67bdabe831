"""Slow, but right: every limit at nine tenths of what `slow-but-right/testee.toml` declares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mockex_adapter.backoff import Backoff
from mockex_adapter.exchange import Timers
from mockex_adapter.feed import Feed
from mockex_adapter.link import Link, Socket
from mockex_adapter.supervisor import Supervisor
from patches import mutant

_FIRST_S = 4.5  # of reconnect_first_ms
_LONGEST_S = 11.5  # and 9 s for a handshake: of reconnect_cap_ms
_TAKEOVER_S = _FIRST_S + 1.8  # from the loss on: its replacement is live after the first of them
_CLOSING_S = 2.7  # and 1.8 s for a close frame to be answered: of close_ms
_TIMERS = Timers(
    stable_s=9.0,
    handshake_s=9.0,
    ack_s=4.5,  # twice
    probe_after_s=27.0,
    probe_wait_s=27.0,
    data_silence_s=13.5,
    settle_s=8.5,  # seen with the next tick
    close_s=1.8,
)


@mutant
def slow_but_right() -> None:
    """Right, but unusual: as slow as it says it may be."""
    scaled, close = Timers.scaled, Feed.close
    Timers.scaled = lambda self, factor: scaled(_TIMERS, factor)
    Backoff.next_delay_s = _wait_long
    Supervisor._prove = lambda self, name: None  # a handover lasts until it is settled
    Link.open = _closed_late(Link.open)

    async def close_late(self: Feed) -> None:
        if self._open:
            await asyncio.sleep(_CLOSING_S * _scale(self._settings.timers))
        await close(self)

    Feed.close = close_late


def _scale(timers: Timers) -> float:
    return timers.backoff_cap_s / _TIMERS.backoff_cap_s


def _wait_long(self: Backoff) -> float:
    floor_s, self._floor_s = self._floor_s, 0.0
    attempts, self._attempts = self._attempts, self._attempts + 1
    ceiling_s = min(_LONGEST_S, _FIRST_S * 1.75 ** min(attempts, 60))
    # Jitter of a tenth: slow, not in step.
    wait_s = ceiling_s if attempts == 0 else ceiling_s * self._random.uniform(0.9, 1.0)
    return max(floor_s, wait_s * self._cap_s / _TIMERS.backoff_cap_s)


def _closed_late(opened: Any) -> Any:
    """Let a socket that was judged dead go only when its replacement has been live for a while."""

    @asynccontextmanager
    async def late(self: Link) -> AsyncIterator[Socket]:
        async with opened(self) as connection:
            transport: Any = connection.transport
            abort = transport.abort

            def let_go() -> None:
                if self.polite or transport.is_closing():
                    abort()
                else:
                    transport.pause_reading()
                    work = _abort_after(_TAKEOVER_S * _scale(self.timers), abort)
                    self.owner._consumer._own(work)

            transport.abort = let_go
            yield connection

    return late


async def _abort_after(seconds: float, abort: Any) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        abort()
