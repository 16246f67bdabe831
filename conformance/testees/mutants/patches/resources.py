"""Wrong about what they hold."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mockex_adapter.link import Link, Socket
from mockex_adapter.supervisor import Supervisor
from patches import mutant

_KEPT: list[Any] = []


@mutant
def abandons_socket() -> None:
    """Replaces a connection without closing the old socket."""
    opened = Link.open

    @asynccontextmanager
    async def kept(self: Link) -> AsyncIterator[Socket]:
        async with opened(self) as connection:
            _abandon(connection)
            yield connection

    Link.open = kept


def _abandon(connection: Socket) -> None:
    """Whatever ends the connection, its socket stays as it is: open, and nobody reads it."""
    transport: Any = connection.transport
    told: list[bool] = []
    _KEPT.append(transport)

    def forget(*_: object) -> None:
        transport.pause_reading()
        if not told:
            told.append(True)
            connection.connection_lost(None)

    for name in ("close", "abort", "_force_close", "_fatal_error"):
        setattr(transport, name, forget)
    transport.can_write_eof = lambda: False  # no half-close may tell the peer


@mutant
def thread_per_reconnect() -> None:
    """A thread for each connection that waits for ever."""
    dial = Supervisor._dial

    def with_thread(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        dial(self, tasks)

    Supervisor._dial = with_thread
