"""The second owner: it sees the data stop and asks for a reconnect."""

from __future__ import annotations

import asyncio

from incident.adapter import Adapter

GAP_S = 0.25  # the data are late after this; never scaled
POLL_S = 0.05


class Runner:
    """Belongs to the program, so a closed adapter does not end it."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._loop = asyncio.get_running_loop()
        self._last_message = self._loop.time()

    def message_arrived(self) -> None:
        self._last_message = self._loop.time()

    async def run(self) -> None:
        """Look every POLL_S until the program ends."""
        while True:
            await asyncio.sleep(POLL_S)
            if self._loop.time() - self._last_message > GAP_S:
                self._adapter.reconnect_streams()
