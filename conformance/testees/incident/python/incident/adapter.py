"""The flag that guards the start. What the variants change is all in this file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from incident.ws_real import WsReal

VARIANTS = ("bug", "fix1-socket", "fix1-client", "fix1-context", "fix2", "fix3")
FIX2_PAUSE_S = 5.0

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]  # ends with the program


class Adapter:
    """`on_message` and `on_state` are passed on to the program."""

    def __init__(
        self,
        variant: str,
        target: str,
        spawn: Spawn,
        on_message: Callable[[str | bytes], None],
        on_state: Callable[[str], None],
    ) -> None:
        self._variant = variant
        self._target = target
        self._spawn = spawn
        self.on_message = on_message
        self.on_state = on_state
        self._started = False
        self._ws = WsReal(target)  # one, shared by all starts; fix1-client alone replaces it
        self._cancelled = asyncio.Event()  # fix1-socket: set, and watched by nobody
        self._running: asyncio.Task[None] | None = None

    def start_if_ready(self) -> None:
        """Start a task that keeps a connection, unless the flag says that there is one."""
        if self._started:
            return
        if self._variant == "fix1-socket":  # cancel before start, as written
            self._ws.close_newest()
            self._cancelled.set()
            self._cancelled = asyncio.Event()
        elif self._variant == "fix1-client":  # a client for each start
            self._ws.close()
            self._ws = WsReal(self._target)
        elif self._variant == "fix1-context" and self._running:  # the cancel reaches `run`
            self._running.cancel()
        self._started = True
        self._running = self._spawn(self._keep_running(self._ws))

    async def _keep_running(self, ws: WsReal) -> None:
        if self._variant == "fix2":  # one task for ever; nothing here clears the flag
            while True:
                await ws.run(self)
                await asyncio.sleep(FIX2_PAUSE_S)
        try:
            await ws.run(self)
        except Exception as error:
            print(error, file=sys.stderr)
            self._started = False

    def reconnect_streams(self) -> None:
        """What the runner calls when data are late."""
        self.start_if_ready()

    def close(self) -> None:
        """Close the client and nothing else."""
        self._ws.close()

    def on_disconnect(self) -> None:
        """Clear the flag although `run` goes on: the second owner's way in."""
        if self._variant != "fix3":  # fix3: reconnecting is left to the inner loop
            self._started = False
