"""Make a Python adapter a testee of level 2: give an object with `start`, `subscribe`,
`unsubscribe`, `reconnect` and `close`, and call back when something is presented.

    def make(settings: Settings, report: Report) -> MyAdapter:
        return MyAdapter(settings.ws_url, settings.streams, on_event=report.event)

    sys.exit(run(make, name="my-adapter", version="1.2.0"))

`run` speaks the protocol over stdin and stdout. `entry` is the same on somebody else's event loop
and lines (adapter-protocol, section 10), and `run_entry` makes a process of that:

    main = entry(make, name="my-adapter", version="1.2.0")  # `entry = "testee:main"`

    if __name__ == "__main__":
        sys.exit(run_entry(main))

Only the standard library is used, so that this file can be copied into a project. The methods of
the object may be coroutines or plain functions. One it lacks is an unknown method to the suite,
apart from `status`: that is then what was last reported and asked for. What they raise becomes the
answer: `Refused` is -32000, `BadParams` -32602, anything else -32603, with the traceback on stderr.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 1
GAUGE_EVERY_S = 1.0
MAX_LINE_BYTES = 1 << 20

_UNKNOWN_METHOD, _BAD_PARAMS, _FAILED, _REFUSED = -32601, -32602, -32603, -32000

_PARAMS = {  # adapter-protocol, section 6; True: must be there
    "start": {},
    "subscribe": {"streams": True},
    "unsubscribe": {"streams": True},
    "reconnect": {},
    "close": {},
    "consume": {"delay_ms": False, "block_ms": False, "fail": False},
    "status": {},
    "book": {"symbol": True},
}


class Refused(Exception):
    """The adapter will not do what was asked; the message says why. Answered with -32000."""


class BadParams(ValueError):
    """The params cannot be, a stream name for example. Answered with -32602."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the suite asks of a testee (adapter-protocol, section 2)."""

    ws_url: str
    rest_url: str = ""
    profile: str = "spot"
    mode: str = "combined"
    streams: tuple[str, ...] = ()
    time_scale: float = 1.0
    lifetime_s: float | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Raises KeyError without `MOCKEX_WS_URL`."""
        lifetime = environ.get("MOCKEX_LIFETIME_S")
        return cls(
            ws_url=environ["MOCKEX_WS_URL"],
            rest_url=environ.get("MOCKEX_REST_URL", ""),
            profile=environ.get("MOCKEX_PROFILE", "spot"),
            mode=environ.get("MOCKEX_MODE", "combined"),
            streams=tuple(name for name in environ.get("MOCKEX_STREAMS", "").split(",") if name),
            time_scale=float(environ.get("MOCKEX_TIME_SCALE") or 1.0),
            lifetime_s=float(lifetime) if lifetime else None,
        )


@dataclass(slots=True)
class Report:
    """The callback: what the adapter says about itself (adapter-protocol, section 5).

    Every method may be called from any task of the loop; none waits for the suite.
    """

    put: Callable[[str], None]
    _state: tuple[str, dict[str, Any]] | None = field(default=None, init=False)

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification as it is; the methods below are spellings of this one."""
        self.put(_line(method=method, params=params))

    def event(self, stream: str, id: int, fields: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - the protocol's word
        """An event has been presented to the consumer. `fields`: its members as the consumer
        sees them."""
        self.notify("event", stream=stream, id=id, **({} if fields is None else {"fields": fields}))

    def state(self, state: str, **more: Any) -> None:
        """`connecting`, `live`, `waiting` (with `wait_ms`) or `closed`. Only a change is sent."""
        if (state, more) != self._state:
            self._state = (state, more)
            self.notify("state", state=state, **more)

    @property
    def last_state(self) -> str:
        """The state that was said last; `closed` before the first."""
        return "closed" if self._state is None else self._state[0]


Make = Callable[[Settings, Report], Any]


class _Ended(Exception):
    """`quit`, the end of the input or SIGTERM: ends every task of `serve`."""


async def serve(
    make: Make,
    environ: Mapping[str, str],
    stdin: AsyncIterator[str],
    stdout: Callable[[str], None],
    *,
    name: str,
    version: str = "",
    supports: Sequence[str] = ("state", "event", "gauge"),
    gauge: Callable[[], Mapping[str, int]] | None = None,
) -> int:
    """Be a testee until `quit` or the end of `stdin`, or until SIGTERM, which closes the adapter.

    `supports`: the notifications that the adapter will send. With "gauge" among them, what
    `gauge()` returns is sent once a second; by default `tasks`, all tasks of this event loop.
    Returns the exit code. Requests are begun in the order in which they arrive, and a slow one
    keeps no other from its answer.
    """
    report, settings = Report(stdout), Settings.read(environ)
    adapter = make(settings, report)
    served = _Served(adapter, report, dict.fromkeys(settings.streams))
    report.notify("hello", protocol=PROTOCOL, name=name, version=version, supports=list(supports))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_close_on_sigterm(adapter))
            if "gauge" in supports:
                tasks.create_task(_say_gauge(gauge or _all_tasks, report))
            async for line in stdin:
                request = _read(line)
                if request is None:
                    continue
                if request["method"] == "quit":
                    stdout(_line(id=request["id"], result={}))
                    break
                tasks.create_task(_answer(served, request, stdout))
            raise _Ended
    except* _Ended:
        pass
    return 0


Entry = Callable[
    [Mapping[str, str], AsyncIterator[str], Callable[[str], None]], Coroutine[Any, Any, int]
]


def entry(make: Make, **options: Any) -> Entry:
    """`serve` as the coroutine function that `entry` in testee.toml names."""

    async def main(
        environ: Mapping[str, str], stdin: AsyncIterator[str], stdout: Callable[[str], None]
    ) -> int:
        return await serve(make, environ, stdin, stdout, **options)

    return main


def run(make: Make, *, environ: Mapping[str, str] = os.environ, **options: Any) -> int:
    """`serve` in an event loop of its own, over the pipes that are this process's stdin and
    stdout. What is said never blocks the loop, however slow the reader."""
    return run_entry(entry(make, **options), environ=environ)


def run_entry(main: Entry, *, environ: Mapping[str, str] = os.environ) -> int:
    """Run an `entry` as a process: what `run` is for `serve`."""

    async def process() -> int:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        _, output = await loop.connect_write_pipe(_Output, sys.stdout)
        lines = (line.decode("utf-8", "replace") async for line in reader)
        try:
            return int(await main(environ, lines, output.put))
        finally:
            await output.finish()

    return asyncio.run(process())


async def _close_on_sigterm(adapter: Any) -> None:
    loop = asyncio.get_running_loop()
    terminated = asyncio.Event()
    try:
        loop.add_signal_handler(signal.SIGTERM, terminated.set)
    except NotImplementedError:  # no signals on this platform: the process just ends
        return
    try:
        await terminated.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    await _call(adapter.close)
    raise _Ended


async def _say_gauge(gauge: Callable[[], Mapping[str, int]], report: Report) -> None:
    while True:
        report.notify("gauge", **gauge())
        await asyncio.sleep(GAUGE_EVERY_S)


def _all_tasks() -> dict[str, int]:
    return {"tasks": len(asyncio.all_tasks())}


def _read(line: str) -> dict[str, Any] | None:
    """One request, or None for what is none: that is said on stderr, for people."""
    if not line.strip():
        return None
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if not isinstance(request, dict) or "id" not in request or "method" not in request:
        sys.stderr.write(f"not a request, ignored: {line.strip()[:200]}\n")
        return None
    return request


@dataclass(frozen=True, slots=True)
class _Served:
    """An adapter, and what is known of it without asking it."""

    adapter: Any
    report: Report
    wanted: dict[str, None]

    def status(self) -> dict[str, Any]:
        return {"state": self.report.last_state, "wanted": list(self.wanted)}

    def asked(self, method: str, streams: Sequence[str]) -> None:
        if method == "subscribe":
            self.wanted.update(dict.fromkeys(streams))
        elif method == "unsubscribe":
            for name in streams:
                self.wanted.pop(name, None)


async def _answer(served: _Served, request: dict[str, Any], stdout: Callable[[str], None]) -> None:
    try:
        result = await _perform(served, request["method"], request.get("params", {}))
        stdout(_line(id=request["id"], result={} if result is None else result))
        return
    except _UnknownMethod as error:
        code, message = _UNKNOWN_METHOD, str(error)
    except BadParams as error:
        code, message = _BAD_PARAMS, str(error)
    except Refused as error:
        code, message = _REFUSED, str(error)
    except Exception as error:  # the suite is to see it, and the other requests to go on
        traceback.print_exc()
        code, message = _FAILED, f"{type(error).__name__}: {error}"
    stdout(_line(id=request["id"], error={"code": code, "message": message}))


class _UnknownMethod(Exception):
    pass


async def _perform(served: _Served, method: Any, params: Any) -> Any:
    """Raises _UnknownMethod, BadParams, and whatever the adapter raises."""
    accepted = _PARAMS.get(method) if isinstance(method, str) else None
    function = None if accepted is None else getattr(served.adapter, method, None)
    if method == "status" and function is None:
        function = served.status
    if accepted is None or function is None:
        raise _UnknownMethod(f"unknown method {method!r}")
    if not isinstance(params, dict):
        raise BadParams(f"params must be an object, got {params!r}")
    missing = [name for name, required in accepted.items() if required and name not in params]
    if missing:
        raise BadParams(f"{method} needs {', '.join(missing)}")
    if "streams" in accepted:
        _check_streams(params["streams"])
    result = await _call(function, **{name: params[name] for name in accepted if name in params})
    served.asked(method, params.get("streams", ()))
    return result


def _check_streams(streams: Any) -> None:
    if not isinstance(streams, list):
        raise BadParams(f"streams must be a list of names, got {streams!r}")
    for name in streams:
        # "@" apart from its place, "/" parts names in a URL; nothing else is sure of every market
        if not isinstance(name, str) or not name.strip("@") or set(name) & set(' /?&#"\\\r\n\t'):
            raise BadParams(f"no stream can be called {name!r}")


async def _call(function: Callable[..., Any], **arguments: Any) -> Any:
    result = function(**arguments)
    return await result if inspect.isawaitable(result) else result


def _line(**message: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":"))


class _Output(asyncio.Protocol):
    """Lines to a pipe; the transport keeps what the pipe does not take at once."""

    def __init__(self) -> None:
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    def put(self, line: str) -> None:
        if not self._transport.is_closing():
            self._transport.write(line.encode() + b"\n")

    async def finish(self, within_s: float = 1.0) -> None:
        """Write out what is left, if the reader takes it in time."""
        self._transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._lost.wait()
