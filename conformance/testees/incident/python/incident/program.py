"""The program around the adapter: it owns the runner, and tells the suite what they do."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from incident.adapter import VARIANTS, Adapter
from incident.runner import Runner
from incident.ws_real import INNER_DELAY_S
from mockex_conformance.shim import Refused, Report, Settings, serve

_FIXED = "the streams are fixed at start (MOCKEX_STREAMS)"


class Program:
    """What the suite may ask for. It is a testee of level 2, made so by the shim."""

    def __init__(self, variant: str, settings: Settings, report: Report) -> None:
        self._streams = settings.streams
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: Runner | None = None
        self._state = "closed"
        target = target_for(settings)
        self._adapter = Adapter(variant, target, self._spawn, self._present, self._say_state)

    def start(self) -> None:
        if not self._streams:
            raise Refused(f"{_FIXED}, and there are none")
        if self._runner is None:
            self._runner = Runner(self._adapter)
            self._spawn(self._runner.run())
        self._adapter.start_if_ready()

    def reconnect(self) -> None:
        if self._runner is None:
            raise Refused("not started")
        self._adapter.reconnect_streams()

    def subscribe(self, streams: list[str]) -> None:
        raise Refused(_FIXED)

    unsubscribe = subscribe

    async def close(self) -> None:
        """The adapter's close alone; the runner goes on."""
        self._adapter.close()
        await asyncio.sleep(0)  # the loop closes an aborted socket in its next turn
        self._say_state("closed")

    def status(self) -> dict[str, Any]:
        return {"state": self._state, "wanted": list(self._streams)}

    async def end(self) -> None:
        """End every task, the runner's too."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _present(self, message: str | bytes) -> None:
        """Hand a message to the consumer, which here is the suite."""
        assert self._runner is not None
        self._runner.message_arrived()
        event = read_event(message, self._streams)
        if event is not None:
            self._report.event(*event)

    def _say_state(self, state: str) -> None:
        """The last state that any of the loops was in."""
        self._state = state
        waits = {"wait_ms": round(INNER_DELAY_S * 1000)} if state == "waiting" else {}
        self._report.state(state, **waits)


class CannotRun(Exception):
    """The streams do not fit into this program."""


def target_for(settings: Settings) -> str:
    """The URL of the one connection that carries all the streams. Raises CannotRun."""
    route = ""
    if settings.profile == "usdm":  # books on one route, everything else on the other (usdm 2.2)
        books = {"@depth" in name or name.endswith("@bookTicker") for name in settings.streams}
        if len(books) > 1:
            raise CannotRun("streams of /public and of /market: this program has one connection")
        route = "/market" if books == {False} else "/public"
    names = "/".join(settings.streams)
    path = f"/ws/{names}" if settings.mode == "raw" else f"/stream?streams={names}"
    return settings.ws_url + route + path


def read_event(message: str | bytes, streams: tuple[str, ...]) -> tuple[str, int] | None:
    """Stream and id of a message. None if it is no event, or a raw event that cannot be told
    apart: several streams of its symbol, or no symbol in it."""
    try:
        event = json.loads(message)
    except ValueError:
        return None
    stream = None
    if isinstance(event, dict) and "data" in event:
        stream, event = event.get("stream"), event["data"]
    elif len(streams) == 1:
        stream = streams[0]
    if not isinstance(event, dict):
        return None
    if stream is None:
        symbol = str(event.get("s", "")).lower() + "@"
        found = [name for name in streams if name.startswith(symbol)]
        stream = found[0] if len(found) == 1 else None
    key = {"trade": "t", "aggTrade": "a"}.get(str(event.get("e")), "u")
    number = event.get(key, event.get("lastUpdateId"))
    return (stream, number) if isinstance(stream, str) and isinstance(number, int) else None


async def main(
    environ: Mapping[str, str], stdin: AsyncIterator[str], stdout: Callable[[str], None]
) -> int:
    """The program as `testee.toml` names it: `INCIDENT_VARIANT` is one of VARIANTS."""
    variant = environ.get("INCIDENT_VARIANT", "bug")
    if variant not in VARIANTS:
        print(f"unknown variant {variant!r}: one of {', '.join(VARIANTS)}", file=sys.stderr)
        return 2
    program: Program | None = None

    def make(settings: Settings, report: Report) -> Program:
        nonlocal program
        program = Program(variant, settings, report)
        return program

    name = f"incident-python-{variant}"
    try:
        return await serve(make, environ, stdin, stdout, name=name, version="2025.12.3")
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 127
    finally:
        if program is not None:
            await program.end()
