"""The adapter as a level-2 testee: JSON-RPC lines in, responses and notifications out.

`main` is the whole program without a process around it: environment, lines in, lines out. One
task is the *session* (a `Feed` and its consumer); it exists between `start` and `close`, and both
only create it or cancel and await it, so a storm of either is harmless. Requests are handled one
after the other; none of them waits for the network, except `close`, which is bounded.

The consumer is the session's own loop: being told to be slow, to block or to fail concerns it and
nothing else. In a process of its own, output goes to a pipe that is never waited for by anything
but this consumer: a reader that stalls is a slow consumer, and is told about holes like one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any
from zlib import crc32

from mockex_adapter.errors import AdapterError, BadStreamName
from mockex_adapter.exchange import RULES, Settings, Timers, read_stream
from mockex_adapter.feed import Feed
from mockex_adapter.outbox import (
    BookChanged,
    Gap,
    Item,
    Refused,
    Resync,
    Stale,
    StateChanged,
    StreamEvent,
    Trouble,
)
from mockex_adapter.pacing import Pacer

_METHODS: dict[type[Item], str] = {
    StateChanged: "state",
    StreamEvent: "event",
    BookChanged: "book",
    Gap: "gap",
    Resync: "resync",
    Stale: "stale",
    Refused: "refused",
    Trouble: "error",
}
_BOOKS_PER_S = 10
_PIPE_ROOM = 4 * 2**20


class ConsumerFailed(Exception):
    """The consumer was told to fail on an event."""


class RequestError(Exception):
    """Answered on stdout: a code of JSON-RPC and a text."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


async def never_full() -> None:
    """For outputs that take everything at once."""


class Testee:
    """One testee. `say` writes a line at once; `drained` waits until there is room for more."""

    def __init__(
        self,
        environ: Mapping[str, str],
        say: Callable[[str], None],
        drained: Callable[[], Awaitable[None]] = never_full,
    ) -> None:
        self._say = say
        self._drained = drained
        ws_url = environ["MOCKEX_WS_URL"]
        self._rules = RULES[environ.get("MOCKEX_PROFILE", "spot")]
        self._timers = Timers().scaled(float(environ.get("MOCKEX_TIME_SCALE", "1")))
        self._settings = Settings(
            ws_url=ws_url,
            rest_url=environ.get("MOCKEX_REST_URL", ""),
            rules=self._rules,
            mode=environ.get("MOCKEX_MODE", "combined"),
            timers=self._timers,
            lifetime_s=float(environ.get("MOCKEX_LIFETIME_S", 24 * 3600.0)),
            # Seeded by the address: processes differ, a repetition does not.
            random=Random(crc32(ws_url.encode())),
        )
        names = [name for name in environ.get("MOCKEX_STREAMS", "").split(",") if name]
        self._wanted = dict.fromkeys(read_stream(self._rules, name).name for name in names)
        self._feed: Feed | None = None
        self._session: asyncio.Task[None] | None = None
        self._books: dict[str, tuple[Pacer, bool]] = {}
        self._delay_s = self._block_s = 0.0
        self._failures = 0

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Serve requests until `quit` or the end of `lines`."""
        self._notify(
            "hello",
            protocol=1,
            name="reference",
            version="0.1.0",
            supports=[*_METHODS.values(), "gauge"],
        )
        async with asyncio.TaskGroup() as self._tasks:
            gauge = self._tasks.create_task(self._gauge())
            async for line in lines:
                if line.strip() and not await self._request(line):
                    break
            await self._close({})
            gauge.cancel()

    # Requests.

    async def _request(self, line: str) -> bool:
        """Answer one line; False after `quit`."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": None}
        method = ""
        try:
            request = self._read(line)
            answer["id"], method = request.get("id"), request["method"]
            handler = getattr(self, f"_{method}", None) if method in self._methods else None
            if handler is None and method != "quit":
                raise RequestError(-32601, f"unknown method {method!r}")
            answer["result"] = {} if handler is None else await handler(request.get("params", {}))
        except RequestError as error:
            answer["error"] = {"code": error.code, "message": str(error)}
        except BadStreamName as error:
            answer["error"] = {"code": -32602, "message": str(error)}
        except AdapterError as error:
            answer["error"] = {"code": -32000, "message": str(error)}
        self._say(json.dumps(answer))
        return method != "quit"

    _methods = frozenset(
        ["start", "subscribe", "unsubscribe", "reconnect", "close", "consume", "status", "book"]
    )

    @staticmethod
    def _read(line: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(-32700, f"no JSON: {error}") from None
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            raise RequestError(-32600, "expected an object with a method")
        if not isinstance(request.get("params", {}), dict):
            raise RequestError(-32602, "params must be an object")
        return request

    async def _start(self, _: dict[str, Any]) -> dict[str, Any]:
        if self._session is None:
            self._session = self._tasks.create_task(self._hold())
        return {}

    async def _close(self, _: dict[str, Any]) -> dict[str, Any]:
        if self._session is not None:
            self._session.cancel()
            await asyncio.wait([self._session])
            self._session = None
            self._notify("state", state="closed", reason="told to")
        return {}

    async def _subscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        names = self._names(params)
        self._wanted.update(dict.fromkeys(names))
        if self._feed is not None:
            self._feed.subscribe(*names)
        return {}

    async def _unsubscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        names = self._names(params)
        for name in names:
            self._wanted.pop(name, None)
        if self._feed is not None:
            self._feed.unsubscribe(*names)
        return {}

    def _names(self, params: dict[str, Any]) -> list[str]:
        names = params.get("streams")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RequestError(-32602, "streams must be a list of names")
        return [read_stream(self._rules, name).name for name in names]

    async def _reconnect(self, _: dict[str, Any]) -> dict[str, Any]:
        if self._feed is None:
            raise RequestError(-32000, "nothing is started")
        if not self._feed.reconnect():
            raise RequestError(-32000, "each connection is new, or being replaced already")
        return {}

    async def _consume(self, params: dict[str, Any]) -> dict[str, Any]:
        values = [params.get(key, 0) for key in ("delay_ms", "block_ms", "fail")]
        if not all(isinstance(value, int | float) and value >= 0 for value in values):
            raise RequestError(-32602, "delay_ms, block_ms and fail must be numbers from 0 on")
        self._delay_s, self._block_s = values[0] / 1000, values[1] / 1000
        self._failures = int(values[2])
        return {}

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        state = "closed" if self._session is None else "connecting"
        if self._feed is not None:
            state = self._feed.state
        return {"state": state, "wanted": list(self._wanted)}

    async def _book(self, params: dict[str, Any]) -> dict[str, Any]:
        symbol = params.get("symbol")
        if not isinstance(symbol, str):
            raise RequestError(-32602, "symbol must be a string")
        return self._book_now(symbol.upper())

    # The session.

    async def _hold(self) -> None:
        async with Feed(self._settings, self._wanted) as feed:
            self._feed = feed
            try:
                async for item in feed:
                    await self._drained()
                    await self._take(item)
            finally:
                self._feed = None

    async def _take(self, item: Item) -> None:
        try:
            await self._present(item)
        except ConsumerFailed as error:
            self._notify("error", message=str(error))

    async def _present(self, item: Item) -> None:
        if isinstance(item, BookChanged):
            return self._show_book(item.symbol)
        params = {name: getattr(item, name) for name in item.__slots__}
        if isinstance(item, Trouble) and item.stream is None:
            del params["stream"]
        if isinstance(item, StreamEvent) and not isinstance(item.fields, dict):
            del params["fields"]  # an array has no members, and may be longer than a line
        self._notify(_METHODS[type(item)], **params)
        if isinstance(item, StreamEvent):
            await self._be_a_consumer()
        return None

    async def _be_a_consumer(self) -> None:
        if self._block_s:
            block_s, self._block_s = self._block_s, 0.0
            await asyncio.sleep(block_s)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        if self._failures:
            self._failures -= 1
            raise ConsumerFailed("the consumer failed on an event, as it was told to")

    def _show_book(self, symbol: str) -> None:
        """At most ten times a second, and always when the validity has changed."""
        book = self._book_now(symbol)
        pacer, valid = self._books.get(symbol, (Pacer(_BOOKS_PER_S), not book["valid"]))
        now = asyncio.get_running_loop().time()
        if book["valid"] == valid and pacer.delay_s(now) > 0:
            return
        pacer.count(now)
        self._books[symbol] = (pacer, book["valid"])
        self._notify("book", **book)

    def _book_now(self, symbol: str) -> dict[str, Any]:
        book = self._feed.book(symbol) if self._feed is not None else None
        return {
            "symbol": symbol,
            "last_update_id": 0 if book is None else book.last_update_id,
            "valid": book is not None,
            "bids": [] if book is None else book.bids(),
            "asks": [] if book is None else book.asks(),
        }

    async def _gauge(self) -> None:
        while True:
            queued = 0 if self._feed is None else self._feed.queued
            self._notify("gauge", tasks=len(asyncio.all_tasks()), queued=queued)
            await asyncio.sleep(1.0)

    def _notify(self, method: str, **params: Any) -> None:
        self._say(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))


async def main(
    environ: Mapping[str, str],
    stdin: AsyncIterator[str],
    stdout: Callable[[str], None],
    *,
    drained: Callable[[], Awaitable[None]] = never_full,
) -> int:
    """Run a testee until `quit`, the end of `stdin` or SIGTERM; the exit status."""
    work = asyncio.create_task(Testee(environ, stdout, drained).run(stdin))
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        await asyncio.wait([work])
    finally:
        work.cancel()
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
    if not work.cancelled():
        work.result()
    return 0


async def _process() -> int:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**21)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sys.stdout
    )
    transport.set_write_buffer_limits(high=_PIPE_ROOM)
    output = asyncio.StreamWriter(transport, protocol, None, loop)

    def say(line: str) -> None:
        output.write(line.encode() + b"\n")

    async def drained() -> None:
        with suppress(ConnectionError):  # nobody reads any more: there is nothing to wait for
            await output.drain()

    try:
        texts = (line.decode("utf-8", "replace") async for line in lines)
        return await main(os.environ, texts, say, drained=drained)
    finally:
        output.close()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(1.0):  # for what is still in the pipe
                await output.wait_closed()


if __name__ == "__main__":
    sys.exit(asyncio.run(_process()))
