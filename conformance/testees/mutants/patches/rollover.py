"""Wrong about moving to another connection."""

from __future__ import annotations

import asyncio
from typing import Any

from mockex_adapter.lifecycle import Action, Event
from mockex_adapter.link import Link
from mockex_adapter.supervisor import Supervisor
from patches import mutant, start_another_line


@mutant
def handover_keeps_both() -> None:
    """Opens the new connection and never closes the old one: it has an owner for either."""
    perform, hold = Supervisor._perform, Supervisor._hold

    def keep(self: Supervisor, tasks: asyncio.TaskGroup, action: Action) -> None:
        if action is Action.RETIRE and self._current is not None:
            self._current.kept = True
            return
        perform(self, tasks, action)

    async def held(self: Supervisor, link: Link) -> None:
        await hold(self, link)
        if getattr(link, "kept", False):
            start_another_line(self._consumer, self.wanted.values())

    Supervisor._perform = keep
    Supervisor._hold = held


@mutant
def ignores_notice() -> None:
    """Drops `serverShutdown` as an unknown event."""
    read = Supervisor._read

    def unknowing(self: Supervisor, message: Any) -> tuple[str, Any]:
        name, payload = read(self, message)
        if isinstance(payload, dict) and payload.get("e") == "serverShutdown":
            return "", {}
        return name, payload

    Supervisor._read = unknowing


@mutant
def renewed_is_orphan() -> None:
    """The close handler of a connection made by a renewal does nothing."""
    adopt, step = Supervisor._adopt, Supervisor._step

    def by_renewal(self: Supervisor) -> None:
        renewed = self._current is not None
        adopt(self)
        self._current.orphan = renewed

    def unheard(
        self: Supervisor, tasks: asyncio.TaskGroup, event: Event, link: Link | None
    ) -> None:
        if event is Event.FAILED and link is self._current and getattr(link, "orphan", False):
            return
        step(self, tasks, event, link)

    Supervisor._adopt = by_renewal
    Supervisor._step = unheard
