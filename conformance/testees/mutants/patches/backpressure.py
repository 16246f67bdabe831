"""Wrong about consumers and networks that cannot keep up."""

from __future__ import annotations

from typing import Any

from mockex_adapter.link import Link
from mockex_adapter.supervisor import Supervisor
from patches import mutant

_TOO_OLD_S = 0.5


@mutant
def watchdog_on_age() -> None:
    """Reconnects when events are older than 500 ms, counted from the freshest that ever came: the
    clock of the exchange is another one."""
    on_message = Supervisor.on_message
    freshest_s: list[float] = []  # what our clock showed beyond the time in an event, at least

    def judged(self: Supervisor, link: Link, message: Any) -> None:
        on_message(self, link, message)
        event = message.get("data", message) if isinstance(message, dict) else None
        sent_ms = event.get("E") if isinstance(event, dict) else None
        if not isinstance(sent_ms, int) or link is not self._current or link.polite:
            return
        late_s = self._loop.time() - sent_ms / 1000
        freshest_s[:] = [min([late_s, *freshest_s])]
        if late_s - freshest_s[0] > _TOO_OLD_S:
            self._end(link)

    Supervisor.on_message = judged
