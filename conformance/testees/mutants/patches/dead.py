"""The dead ones: they must pass nothing that asks for data."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from mockex_adapter import testee
from mockex_adapter.exchange import Stream
from mockex_adapter.feed import Feed
from patches import mutant


@mutant
def silent() -> None:
    """Connects to nothing."""

    async def nothing(self: testee.Testee, params: dict[str, Any]) -> dict[str, Any]:
        return {}

    testee.Testee._start = nothing


@mutant
def crashing() -> None:
    """Exits after the first event."""

    def crash(self: Feed, stream: Stream, payload: Any, **_: Any) -> None:
        os._exit(70)

    Feed.arrived = crash


@mutant
def liar() -> None:
    """Connects to nothing and tells of a connection, events and a book all the same."""

    async def lie(self: testee.Testee, params: dict[str, Any]) -> dict[str, Any]:
        self._notify("state", state="live", reason="")
        self._tasks.create_task(lies(self))
        return {}

    async def lies(self: testee.Testee) -> None:
        number = 1_000_000
        while True:
            number += 1
            for stream in self._wanted:
                self._notify("event", stream=stream, id=number)
            await asyncio.sleep(0.1)

    testee.Testee._start = lie
