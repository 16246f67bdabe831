"""What `mockex try` looks for at the exchange: whether all flows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from mockex.server.views import Connections, Deliveries


class Flow:
    """Whether every wanted stream flows. Times are those of the journal."""

    def __init__(
        self, streams: Iterable[str], connections: Connections, deliveries: Deliveries
    ) -> None:
        self._connections = connections
        self._deliveries = deliveries
        self._reconnect_at = 0.0
        self._since: float | None = None
        self.wanted = set(streams)
        self.live = asyncio.Event()

    def granted(self, request: dict[str, Any], at: float) -> None:
        """The testee agreed to a request that was sent `at`."""
        match request:
            case {"method": "subscribe", "params": {"streams": [*streams]}}:
                self.wanted.update(map(str, streams))
            case {"method": "unsubscribe", "params": {"streams": [*streams]}}:
                self.wanted.difference_update(map(str, streams))
            case {"method": "reconnect"}:
                self._reconnect_at = at

    def await_anew(self, now: float) -> None:
        """`live` is to tell of what is delivered from `now` on."""
        self._since = now
        self.live.clear()
        self.look()

    def look(self) -> None:
        """Something happened at the exchange."""
        if self._since is not None and self.replaced and not self.missing():
            self.live.set()

    @property
    def replaced(self) -> bool:
        """Whether a connection is younger than the last `reconnect`: what that is to replace may
        flow for a while."""
        opened = (c.upgraded_at or 0.0 for c in self._connections.live())
        return any(at >= self._reconnect_at for at in opened)

    def missing(self) -> list[str]:
        """Streams that have not been delivered since the wait began."""
        return sorted(name for name in self.wanted if not self._flows(name, self._since or 0.0))

    def _flows(self, name: str, since: float) -> bool:
        last_at = self._deliveries.last_at
        return any(
            (last_at(connection.number, name) or 0.0) >= since
            for connection in self._connections.delivering(name)
        )
