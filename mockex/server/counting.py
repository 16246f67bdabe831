"""What happens once enough was seen: events that were written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mockex.server.journal import AnyEntry, Delivered

if TYPE_CHECKING:
    from mockex.server.exchange import Exchange


def count_events(
    exchange: Exchange, events: int, stream: str | None, then: Callable[[], None]
) -> Callable[[], None]:
    """Call `then` once so many events were written from now on to one live delivery of `stream`
    (None: to one connection); returns what stops that, which is harmless afterwards."""
    counts: dict[int, int] = {}
    counting = True

    def stop() -> None:
        nonlocal counting
        if counting:
            counting = False
            exchange.journal.unlisten(look)

    def look(entry: AnyEntry) -> None:
        if not isinstance(entry, Delivered):
            return
        new = sum(b.events for name, b in entry.streams.items() if stream in (None, name))
        for connection in exchange.audience_members(entry.audience):
            counts[connection] = counts.get(connection, 0) + new
            if counts[connection] >= events and counting:
                stop()
                exchange.timers.after(0, then)  # not from inside the flush that is being journaled
                return

    exchange.journal.listen(look, replay=False)
    return stop
