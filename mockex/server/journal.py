"""The journal: what happened at the exchange, in order, on one monotonic clock.

Append-only. Everything that judges reads it, live or years later from its file: one JSON object a
line, first the header. Times `t` are seconds of the event loop's clock. Connections are numbered
from 1 in the order in which they were accepted; `audience` numbers a group of connections that
get the same bytes, so one `Delivered` stands for all its members (`Joined`, `Left`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Base of all entries."""

    t: float


class Opened(Entry, frozen=True, tag="opened"):
    """The exchange opened: always the first entry."""

    version: str
    profile: str
    dated: str
    seed: int
    epoch_ms: int
    speed: float
    ws_port: int
    rest_port: int
    line: str = ""  # what clients come through: nothing, `simulated` or `toxiproxy`
    settings: dict[str, Any] = {}


class Attempted(Entry, frozen=True, tag="attempted"):
    """A TCP connection was accepted at a stream port. `port` 0: at the one that `Opened` names."""

    conn: int
    peer_port: int
    port: int = 0


class Upgraded(Entry, frozen=True, tag="upgraded"):
    """The 101 was written. Headers of the request, without secrets; `extensions` as agreed, empty
    if there is none; `micro`: times in microseconds."""

    conn: int
    target: str
    route: str
    mode: Literal["raw", "combined"]
    headers: dict[str, str] = {}
    extensions: str = ""
    micro: bool = False


class Refused(Entry, frozen=True, tag="refused"):
    """A handshake was answered with something other than a 101. `target` empty: no request was
    understood."""

    conn: int
    target: str
    status: int
    reason: str


class Subscribed(Entry, frozen=True, tag="subscribed"):
    """Streams were added. `silent` are those of `streams` that this connection will never be
    sent: unknown, or on another route."""

    conn: int
    streams: list[str]
    via: Literal["url", "request"]
    silent: list[str] = []
    again: list[str] = []  # named although already subscribed on this connection


class Unsubscribed(Entry, frozen=True, tag="unsubscribed"):
    """Streams were removed."""

    conn: int
    streams: list[str]


class Received(Entry, frozen=True, tag="received"):
    """A message of the client, other than a pong or a close frame. `size` in bytes, inflated;
    `text` is cut at 4,096 characters."""

    conn: int
    opcode: Literal["text", "binary", "ping", "invalid"]
    size: int
    text: str = ""


class Replied(Entry, frozen=True, tag="replied"):
    """A control request was answered."""

    conn: int
    text: str


class Joined(Entry, frozen=True, tag="joined"):
    """A connection became a member of an audience."""

    conn: int
    audience: int


class Left(Entry, frozen=True, tag="left"):
    """A connection left its audience."""

    conn: int
    audience: int


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Events of one stream in one flush: first and last id, count, bytes on the wire."""

    first_id: int
    last_id: int
    events: int
    bytes: int


class Delivered(Entry, frozen=True, tag="delivered"):
    """One flush: these events were written to each member of the audience."""

    audience: int
    step: int
    streams: dict[str, Batch]


class Pinged(Entry, frozen=True, tag="pinged"):
    """A ping frame was written. `payload` in hexadecimal."""

    conn: int
    payload: str


class Ponged(Entry, frozen=True, tag="ponged"):
    """A pong frame arrived. `payload` in hexadecimal."""

    conn: int
    payload: str


class Requested(Entry, frozen=True, tag="requested"):
    """A REST request was answered."""

    method: str
    target: str
    status: int
    weight: int
    used_weight: int
    last_update_id: int | None = None
    retry_after_s: int | None = None


class Faulted(Entry, frozen=True, tag="faulted"):
    """A step in the life of a fault. `fault` numbers the injection; `seen` may come several times
    where the fault happens several times; `conns` are those it hit."""

    fault: int
    kind: str
    phase: Literal["injected", "seen", "ended"]
    conns: list[int] = []
    detail: str = ""


class Closed(Entry, frozen=True, tag="closed"):
    """A close frame was written (`server`) or read (`client`). `code` None: an empty body."""

    conn: int
    by: Literal["client", "server"]
    code: int | None
    reason: str = ""


class HalfClosed(Entry, frozen=True, tag="half-closed"):
    """A FIN was sent (`server`) or received (`client`) while the other direction was open."""

    conn: int
    by: Literal["client", "server"]


class Ended(Entry, frozen=True, tag="ended"):
    """The TCP connection is over for us. `by` says whose FIN or RST came first."""

    conn: int
    by: Literal["client", "server"]
    how: Literal["fin", "rst"]


class Lagged(Entry, frozen=True, tag="lagged"):
    """Our own loop was late by so much when `t` was due."""

    late_s: float


class Behind(Entry, frozen=True, tag="behind"):
    """The market cannot keep up with the exchange's clock: the step that was due at `t` ran so much
    late. At most one each 100 ms for as long as it lasts."""

    late_s: float  # of the loop's time
    exchange_s: float  # by how much what is sent is older than the clock shows


class Retimed(Entry, frozen=True, tag="retimed"):
    """From `t` on the exchange's clock shows `exchange_s` (since the opening) and passes at
    `speed`, or stands still. While an advance is under way it is moved from one due time to the
    next, and only the beginning and the end are journaled."""

    exchange_s: float
    speed: float
    frozen: bool
    how: Literal["frozen", "resumed", "speed-set", "advancing", "advanced"]


class Slowed(Entry, frozen=True, tag="slowed"):
    """A connection's send buffer is full (`since`), or drained again."""

    conn: int
    full: bool


# --- written by the suite's observers -------------------------------------------------------------


class Sampled(Entry, frozen=True, tag="sampled"):
    """What the operating system shows of the testee's process tree; on the virtual ground, what
    the simulated network and the loop do.

    `sockets` counts by TCP state those to the exchange's ports that the tree owns, `own_sockets`
    only those in states that the testee answers for, and `stream_sockets` is how many of these go
    to a port of the streams. `close_wait_s` is how long the oldest has been in CLOSE_WAIT,
    `queued_s` how long threads that were ready to run have waited for a processor. Threads,
    descriptors, memory and processor time are there on the real ground only, tasks and timers on
    the virtual.
    """

    run: int
    processes: int
    sockets: dict[str, int]
    threads: int = 0
    descriptors: int = 0
    rss_bytes: int = 0
    cpu_s: float = 0.0
    queued_s: float = 0.0
    close_wait_s: float = 0.0
    own_sockets: dict[str, int] = {}
    stream_sockets: int = 0
    tasks: int | None = None
    timers: int | None = None


class Launched(Entry, frozen=True, tag="launched"):
    """A testee process was started. `run` counts the starts within the case."""

    run: int
    pid: int
    command: list[str]
    streams: list[str]
    mode: str


class Signalled(Entry, frozen=True, tag="signalled"):
    """The suite sent a signal to the testee's process group."""

    run: int
    signal: str


class Exited(Entry, frozen=True, tag="exited"):
    """The testee's process is gone. `code` as of `subprocess`: negative is a signal.

    `expected`: the suite had asked for it. `left` lists what of its group was still alive,
    `last_words` is the last line of its stderr. `leaked` lists what it held when it ended by itself
    and where that was made, which only the virtual ground can say.
    """

    run: int
    code: int
    expected: bool
    left: list[str] = []
    last_words: str = ""
    leaked: list[str] = []


class Said(Entry, frozen=True, tag="said"):
    """A message of the testee (level 1 and 2), as it came."""

    run: int
    method: str
    params: dict[str, Any] = {}


class Asked(Entry, frozen=True, tag="asked"):
    """A request of the suite to the testee."""

    run: int
    id: int
    method: str
    params: dict[str, Any] = {}


class Answered(Entry, frozen=True, tag="answered"):
    """The testee's answer to a request; `error` is None if it succeeded."""

    run: int
    id: int
    error: dict[str, Any] | None = None
    result: Any = None


class Noted(Entry, frozen=True, tag="noted"):
    """A landmark set by a case, such as `recovered` or `quiet-begins`; checks refer to it."""

    name: str
    detail: dict[str, Any] = {}


AnyEntry = (
    Opened
    | Attempted
    | Upgraded
    | Refused
    | Subscribed
    | Unsubscribed
    | Received
    | Replied
    | Joined
    | Left
    | Delivered
    | Pinged
    | Ponged
    | Requested
    | Faulted
    | Closed
    | HalfClosed
    | Ended
    | Lagged
    | Behind
    | Retimed
    | Slowed
    | Sampled
    | Launched
    | Signalled
    | Exited
    | Said
    | Asked
    | Answered
    | Noted
)

E = TypeVar("E", bound=Entry)

_encoder = msgspec.json.Encoder()


class Journal:
    """All entries so far, who wants to hear of new ones, and the file they go to.

    The owner calls `flush()` at least every 100 ms and `close()` at the end: the shell has the
    timers, the journal has none. `failed` is why the file could not be written on; entries are
    kept in memory all the same.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[AnyEntry] = []
        self._listeners: list[Callable[[AnyEntry], None]] = []
        self.failed: OSError | None = None
        self._path = path
        self._file = path.open("ab", buffering=1 << 20) if path is not None else None

    def append(self, entry: AnyEntry) -> None:
        """Add one entry and tell every listener, in the order in which they came."""
        self.entries.append(entry)
        if self._file is not None:
            try:
                self._file.write(_encoder.encode(entry) + b"\n")
            except OSError as error:
                self._give_up(error)
        for listener in tuple(self._listeners):
            listener(entry)

    def listen(self, listener: Callable[[AnyEntry], None], *, replay: bool = True) -> None:
        """Call `listener` for each entry from now on, and first for those already there."""
        if replay:
            for entry in self.entries:
                listener(entry)
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[AnyEntry], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.remove(listener)

    def of(self, kind: type[E]) -> Iterator[E]:
        """The entries of one kind, in order."""
        return (entry for entry in self.entries if isinstance(entry, kind))

    async def wait(self, condition: Callable[[AnyEntry], bool], *, since: int = 0) -> AnyEntry:
        """The first entry from index `since` on that meets the condition, waiting for it if it
        has not come yet. Bound it with `asyncio.timeout`."""
        for entry in self.entries[since:]:
            if condition(entry):
                return entry
        found: asyncio.Future[AnyEntry] = asyncio.get_running_loop().create_future()

        def look(entry: AnyEntry) -> None:
            if not found.done() and condition(entry):
                found.set_result(entry)

        self.listen(look, replay=False)
        try:
            return await found
        finally:
            self.unlisten(look)

    def flush(self) -> None:
        """Hand what was written to the operating system: a killed run leaves it readable."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Flush and close the file; entries stay in memory.

        Raises:
            OSError: it is not whole, because it could not be written to; names it.
        """
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.failed is not None:
            raise self.failed

    def _give_up(self, error: OSError) -> None:
        error.filename = str(self._path)
        self.failed = error
        assert self._file is not None
        with suppress(OSError):  # what it had buffered cannot be written either
            self._file.close()
        self._file = None
