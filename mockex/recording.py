"""Recording: what an exchange sends, written as a capture that `--market replay:FILE` takes.

One line for each event, in the order of arrival, its time that of the loop since the start. Whole
lines reach the file at least every `FLUSH_S`; in a compressed file each flush is a gzip member of
its own, so that what is left of a killed run can be read to the last flush. A connection that ends
is not replaced: a capture that goes on behind a hole would be the capture of nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from mockex.clock import wall_clock_ms
from mockex.errors import ConfigError, RecordingError
from mockex.names import Kind, parse

FLUSH_S = 0.5
CONNECT_WITHIN_S = 15.0
_LEVELS = 1000  # of a snapshot
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where to connect. `stream` is that of a raw connection, whose events do not say it; None:
    a combined one, whose events do."""

    url: str
    stream: str | None


def source_of(url: str, *, streams: Sequence[str] = (), stream: str | None = None) -> Source:
    """Read a URL: of a combined connection (`…/stream?streams=a/b`), or of a raw one (`…/ws/a`).
    `streams` are added to a combined one, or to the base of an exchange; `stream` is what a raw one
    is of whose path does not say it.

    Raises:
        ConfigError: it is no ws:// or wss:// URL, or it does not say what its events are of.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError("URL", url, "a ws:// or wss:// URL")
    if stream is not None:
        if streams:
            raise ConfigError("--stream", stream, "not both --stream and --streams")
        return Source(url, stream)
    path, query = parts.path.rstrip("/"), parse_qsl(parts.query, keep_blank_values=True)
    if streams:
        named = "/".join([*filter(None, [dict(query).get("streams")]), *streams])
        kept = [pair for pair in parts.query.split("&") if pair and pair[:8] != "streams="]
        path = path if path.endswith("/stream") else f"{path}/stream"
        query_text = "&".join([*kept, f"streams={named}"])
        return Source(urlunsplit(parts._replace(path=path, query=query_text)), None)
    if path.endswith("/stream") or "streams" in dict(query):
        return Source(url, None)
    names = [unquote(name) for name in path.partition("/ws/")[2].split("/") if name]
    if len(names) == 1:
        return Source(url, names[0])
    expected = "a path that tells what each event is of: …/stream?streams=a/b, or …/ws/a alone"
    raise ConfigError("URL", url, f"{expected}; or else --stream NAME or --streams LIST")


class _Wrapped(msgspec.Struct, frozen=True):
    """An event of a combined connection."""

    stream: str
    data: msgspec.Raw


_decoder = msgspec.json.Decoder(_Wrapped)


def line_of(message: str, t_ms: int, stream: str | None) -> bytes | None:
    """The line of one message; None if it is no event but an answer to a request.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        if stream is None:
            wrapped = _decoder.decode(message)
            return _line(wrapped.stream, bytes(wrapped.data), t_ms)
        payload = msgspec.json.decode(message)
    except msgspec.ValidationError:
        return None
    if isinstance(payload, dict) and ("result" in payload or "error" in payload):
        return None
    return _line(stream, message.encode(), t_ms)


def _line(stream: str, payload: bytes, t_ms: int) -> bytes:
    return b'{"t":%d,"stream":%s,"data":%s}\n' % (t_ms, json.dumps(stream).encode(), payload)


class CaptureFile:
    """Lines on their way to a new file, compressed if its name ends in `.gz`.

    Raises:
        FileExistsError: there is such a file.
    """

    def __init__(self, path: Path) -> None:
        self._compressed = path.suffix == ".gz"
        self._file = path.open("xb")
        self._lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        """Add one line, which `flush` will bring to the file."""
        self._lines.append(line)

    def flush(self) -> None:
        """Hand all lines to the operating system, whole."""
        if self._lines:
            block = b"".join(self._lines)
            self._lines.clear()
            self._file.write(gzip.compress(block, mtime=0) if self._compressed else block)
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.flush()
        self._file.close()


@dataclass(slots=True)
class Recorded:
    """How a recording went. `cut` says how the connection ended, if it ended by itself; `warnings`
    what could not be written."""

    events: int
    seconds: float
    cut: str | None
    warnings: list[str]


class _Recorder:
    def __init__(
        self,
        source: Source,
        file: CaptureFile,
        rest: str | None,
        trust: ssl.SSLContext | None,
    ) -> None:
        self._source = source
        self._file = file
        self._rest = rest
        self._trust = trust
        self._loop = asyncio.get_running_loop()
        self._began_s, self._began_ms = self._loop.time(), wall_clock_ms()
        self._asked: set[str] = set()  # symbols of which there is or will be a snapshot
        self._snapshots: set[asyncio.Task[None]] = set()
        self.recorded = Recorded(0, 0.0, None, [])

    def _now_ms(self) -> int:
        return self._began_ms + int((self._loop.time() - self._began_s) * 1000)

    async def read(self, connection: ClientConnection) -> None:
        """Until the connection ends."""
        try:
            async for message in connection:
                self._take(message)
            said = f"{connection.close_code} {connection.close_reason or ''}".strip()
        except ConnectionClosed as error:
            said = str(error)
        self.recorded.cut = f"the connection was ended ({said})"

    def _take(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                raise ValueError("a binary message")
            line = line_of(message, self._now_ms(), self._source.stream)
        except ValueError as error:
            self.recorded.warnings.append(f"not written: {error}: {message!r:.120}")
            return
        if line is None:
            self.recorded.warnings.append(f"no event: {message!r:.200}")
            return
        self._file.write(line)
        self.recorded.events += 1
        if self._rest is not None:
            self._ask_for_snapshot(line)

    def _ask_for_snapshot(self, line: bytes) -> None:
        """Once the diffs of a symbol flow, its snapshot joins them."""
        stream = self._source.stream or _decoder.decode(line).stream
        name = parse(stream)
        if name is None or name.kind is not Kind.DIFF_DEPTH or name.subject in self._asked:
            return
        self._asked.add(name.subject)
        task = self._loop.create_task(self._write_snapshot(name.subject))
        self._snapshots.add(task)
        task.add_done_callback(self._snapshots.discard)

    async def _write_snapshot(self, symbol: str) -> None:
        import httpx2

        url = f"{(self._rest or '').rstrip('/')}/depth?symbol={symbol.upper()}&limit={_LEVELS}"
        try:
            async with httpx2.AsyncClient(
                timeout=CONNECT_WITHIN_S, verify=self._trust or True
            ) as client:
                answer = await client.get(url)
            answer.raise_for_status()
            msgspec.json.decode(answer.content)
        except (httpx2.HTTPError, OSError, msgspec.DecodeError) as error:
            self.recorded.warnings.append(f"no snapshot of {symbol}: {url}: {error}")
            return
        self._file.write(_line(f"{symbol}@depth", answer.content, self._now_ms()))

    async def flush_for_ever(self) -> None:
        """Bring what was read to the file, again and again."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self._file.flush()

    async def finish(self) -> None:
        """Wait for snapshots that are under way."""
        if self._snapshots:
            await asyncio.wait(self._snapshots, timeout=CONNECT_WITHIN_S)
        for task in tuple(self._snapshots):
            task.cancel()
        self.recorded.seconds = self._loop.time() - self._began_s


async def record(
    source: Source,
    out: Path,
    *,
    for_s: float | None = None,
    stop: asyncio.Event | None = None,
    rest: str | None = None,
    trust: ssl.SSLContext | None = None,
) -> Recorded:
    """Write what `source` sends to the new file `out`: for `for_s` seconds, until `stop`, or until
    the other side ends it. With `rest`, the base of REST (`https://…/api/v3`), a snapshot of each
    symbol whose diffs are recorded is written between them. `trust` is for wss://
    and https://.

    Raises:
        RecordingError: no connection came about.
        FileExistsError: there is such a file.
    """
    if rest is not None:
        import httpx2  # noqa: F401 - it takes a second, in which events would get a wrong time
    parts = urlsplit(source.url)
    context = (trust or ssl.create_default_context()) if parts.scheme == "wss" else None
    try:
        connection = await connect(
            source.url,
            ssl=context,
            max_size=None,
            ping_interval=None,  # the exchange pings
            open_timeout=CONNECT_WITHIN_S,
            close_timeout=2.0,
            proxy=None if parts.hostname in _LOOPBACK else True,
        )
    except (OSError, WebSocketException, TimeoutError) as error:
        raise RecordingError(source.url, str(error) or type(error).__name__) from None
    stop = stop or asyncio.Event()
    with CaptureFile(out) as file:
        recorder = _Recorder(source, file, rest, trust)
        reading = asyncio.create_task(recorder.read(connection))
        flushing = asyncio.create_task(recorder.flush_for_ever())
        stopping = asyncio.create_task(stop.wait())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(for_s):
                    await asyncio.wait(
                        {reading, flushing, stopping}, return_when=asyncio.FIRST_COMPLETED
                    )
            for ended in (reading, flushing):  # a disk that is full ends it here
                if ended.done():
                    ended.result()
            await recorder.finish()
        finally:
            for task in (reading, flushing, stopping):
                task.cancel()
            await asyncio.gather(reading, flushing, stopping, return_exceptions=True)
            await connection.close()
    return recorder.recorded
