"""Wrong about the end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

from mockex_adapter import testee
from patches import mutant


@mutant
def deaf_to_sigterm() -> None:
    """Waits for its threads to finish by themselves: SIGTERM changes nothing."""
    run = testee.Testee.run

    async def deaf_run(self: testee.Testee, lines: AsyncIterator[str]) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        await run(self, lines)

    testee.Testee.run = deaf_run


@mutant
def undead() -> None:
    """The reconnect timer survives `close`."""
    close = testee.Testee._close

    async def not_quite(self: testee.Testee, params: dict[str, Any]) -> dict[str, Any]:
        was_started = self._session is not None
        answer = await close(self, params)
        if was_started:
            loop = asyncio.get_running_loop()
            again = self._timers.backoff_base_s
            loop.call_later(again, lambda: loop.create_task(self._start({})))
        return answer

    testee.Testee._close = not_quite
