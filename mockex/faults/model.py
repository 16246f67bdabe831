"""Faults of the exchange as values: what happens, to whom, when. Knows nothing of sockets; what
happens to bytes on a link is `link`.

Section numbers are of the catalogue (`docs/cases`): section 4 defines what each fault does and
when it counts as *seen*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from mockex.faults.trigger import Now, Trigger

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def at_least(name: str, value: float, least: float) -> None:
    """Raise ValueError for a field that is below what it can be."""
    if value < least:
        raise ValueError(f"{name} must be at least {least:g}, got {value:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Base of all faults.

    `stream` aims at the connections that deliver that stream (None: any connection that delivers
    something); of these the newest is meant, unless the fault says `all` or `connection` names one.
    """

    stream: str | None = None
    connection: int | None = None
    when: Trigger = field(default_factory=Now)


# --- on connections that exist ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Fault):
    """The socket is closed with linger 0: the client sees a RST. Seen when that close is done."""

    all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fin(Fault):
    """TCP FIN without a close frame; we read on until the client ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseWith(Fault):
    """A close frame, then TCP close. `code` None: a close frame with an empty body. `reason`: at
    most 123 bytes of UTF-8, which is all that the frame has room for (RFC 6455, 5.5)."""

    code: int | None = 1000
    reason: str = ""

    def __post_init__(self) -> None:
        if self.code is not None and not 0 <= self.code <= 0xFFFF:
            raise ValueError(f"code must be from 0 to 65535, got {self.code}")
        if self.code is None and self.reason:
            raise ValueError("a close frame without a code has no room for a reason")
        if len(self.reason.encode()) > 123:
            raise ValueError(f"reason must be at most 123 bytes, got {len(self.reason.encode())}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFrame(Fault):
    """Half of the next event's frame is written, then the connection ends."""

    then: Literal["fin", "reset"] = "fin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment(Fault):
    """The next `events` events of the connection are cut into frames of `bytes` bytes, with up to
    `pings` pings between the frames of each, and each event goes out in one write. All of it is
    legal (RFC 6455, 5.4). Seen when the first is written."""

    bytes: int = 1
    events: int = 1
    pings: int = 1

    def __post_init__(self) -> None:
        at_least("bytes", self.bytes, 1)
        at_least("events", self.events, 1)
        at_least("pings", self.pings, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather(Fault):
    """The next `events` events of the connection wait for each other and go out in one write. Seen
    when they do; `Resume` ends the wait."""

    events: int

    def __post_init__(self) -> None:
        at_least("events", self.events, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlarge(Fault):
    """The next event of `stream`, which is an array, has its rows again and again, as often as fits
    into `bytes` bytes. Seen when it is written."""

    bytes: int

    def __post_init__(self) -> None:
        at_least("bytes", self.bytes, 1)
        if self.stream is None:
            raise ValueError("Enlarge needs the name of a stream whose events are arrays")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(Fault):
    """Writes are withheld while reading goes on.

    `total`: everything, pongs, replies and close frames too, and pong deadline and lifetime are
    suspended. `data`: events only. `stream`: the events of `stream` only. Seen once something was
    due and withheld. Ended by `Resume` or by the connection's end.
    """

    scope: Literal["total", "data", "stream"] = "total"

    def __post_init__(self) -> None:
        if self.scope == "stream" and self.stream is None:
            raise ValueError("Stall('stream') needs the name of a stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Fault):
    """Ends every stall: the backlog is sent (`deliver`) or gone (`lose`). One ping follows and
    the deadlines start anew. Seen at the first event after it."""

    backlog: Literal["deliver", "lose"] = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeCut(Fault):
    """The cut at the connection's lifetime, now: close 1001 with an empty reason, or a bare drop
    of the TCP connection (spot 3.2). With `reset_ms`, a RST follows so long after the close frame,
    whatever is answered; it is then seen when that is done."""

    bare: bool = False
    reset_ms: int | None = None

    def __post_init__(self) -> None:
        if self.reset_ms is not None:
            at_least("reset_ms", self.reset_ms, 0)
            if self.bare:
                raise ValueError("a bare cut has no close frame for a RST to follow")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerShutdown(Fault):
    """The `serverShutdown` notice on every connection, then close 1001 after `lead_ms`
    (spot 3.3). With `reset_ms`, a RST follows so long after the close frame, whatever is answered.
    Seen when the notice is written, ended when all of it is done."""

    lead_ms: int = 10_000
    reset_ms: int | None = None

    def __post_init__(self) -> None:
        at_least("lead_ms", self.lead_ms, 0)
        if self.reset_ms is not None:
            at_least("reset_ms", self.reset_ms, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst(Fault):
    """For `ms` the market takes so many more steps that the streams which are sent at each change
    (`bookTicker`, `trade` …) have at least `rate_per_s` events a second between them, where each
    step changes each of them (`steady`). The others keep to their periods. It begins and ends with
    a usual step. Seen once the rate was reached."""

    rate_per_s: int
    ms: int

    def __post_init__(self) -> None:
        at_least("rate_per_s", self.rate_per_s, 1)
        at_least("ms", self.ms, 1)


# --- on attempts to come ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage(Fault):
    """All connections are reset; until the end none is to be had.

    `abort`: each attempt is accepted, journaled and closed with linger 0. `refuse`: nothing
    listens, the port stays ours. Ends after `ms`, or (`abort` only) after `attempts` attempts.
    """

    how: Literal["abort", "refuse"] = "abort"
    ms: int | None = None
    attempts: int | None = None

    def __post_init__(self) -> None:
        if (self.ms is None) == (self.attempts is None):
            raise ValueError("an Outage ends after ms or after attempts: give exactly one")
        if self.how == "refuse" and self.ms is None:
            raise ValueError("refused attempts cannot be counted: an Outage('refuse') needs ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowUpgrade(Fault):
    """The 101 comes `ms` late, for the next `attempts` attempts. Seen when one waits."""

    ms: int
    attempts: int = 1

    def __post_init__(self) -> None:
        at_least("ms", self.ms, 0)
        at_least("attempts", self.attempts, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpgrade(Fault):
    """The 101 never comes, for the next `attempts` attempts; `half`: half of its headers do. With
    `reset_ms`, who has waited so long gets a RST."""

    attempts: int = 1
    half: bool = False
    reset_ms: int | None = None

    def __post_init__(self) -> None:
        at_least("attempts", self.attempts, 1)
        if self.reset_ms is not None:
            at_least("reset_ms", self.reset_ms, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseUpgrade(Fault):
    """The next `attempts` attempts get this answer instead of a 101. Seen when it is written."""

    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    attempts: int = 1

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, got {self.status}")
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not _HEADER.fullmatch(value):
                raise ValueError(f"headers: {name!r}: {value!r} is no header of HTTP")
        at_least("attempts", self.attempts, 1)


BadUpgradeKind = Literal["wrong-accept", "no-upgrade", "garbage", "cut", "tls-alert"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadUpgrade(Fault):
    """The next `attempts` attempts get an answer that no client may use. Seen when it is written.

    `wrong-accept`: a 101 whose `Sec-WebSocket-Accept` is of another key; `no-upgrade`: a 101
    without `Upgrade`; after these two we read on, so that it shows who goes on using it.
    `garbage`: a first line that is no HTTP; `cut`: half of the headers of a 101; `tls-alert`: what
    a TLS server says to a client it cannot speak with; after these three we end it with a FIN.
    """

    kind: BadUpgradeKind
    attempts: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(BadUpgradeKind):
            known = ", ".join(get_args(BadUpgradeKind))
            raise ValueError(f"kind must be one of {known}, got {self.kind}")
        at_least("attempts", self.attempts, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptThenClose(Fault):
    """Attempts upgrade, get exactly `events` events and are then closed with 1001, until `ms` have
    passed. With 0 events the close comes `after_ms` after the upgrade. Seen each time."""

    ms: int
    after_ms: int = 20
    events: int = 0

    def __post_init__(self) -> None:
        at_least("ms", self.ms, 1)
        at_least("after_ms", self.after_ms, 0)
        at_least("events", self.events, 0)


# --- on subscriptions to come ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WithholdAck(Fault):
    """The next `requests` SUBSCRIBE requests are never answered. With `served` they are carried out
    all the same, else nothing is subscribed. `stream`: requests that name it; `connection`: those
    on it. Seen when one is received."""

    served: bool = True
    requests: int = 1

    def __post_init__(self) -> None:
        at_least("requests", self.requests, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AckError(Fault):
    """The next `requests` SUBSCRIBE requests are refused: an error with their `id`, after which the
    connection stays open (spot 4.3, wire A4). `envelope`: the error in an object of its own, or
    its members beside the `id`. Aimed and seen as `WithholdAck` is."""

    code: int = 2
    msg: str = "Invalid request: invalid stream"
    envelope: Literal["nested", "flat"] = "nested"
    requests: int = 1

    def __post_init__(self) -> None:
        at_least("requests", self.requests, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentStream(Fault):
    """From now on, whoever subscribes `stream` gets the acknowledgement, finds it listed, and is
    never sent it. Lasts until `calm`; who has it already, keeps it. Seen each time that it is
    subscribed."""

    def __post_init__(self) -> None:
        if self.stream is None:
            raise ValueError("SilentStream needs the name of a stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietStart(Fault):
    """The next `attempts` attempts are upgraded and get no event until `Resume`; pings, pongs and
    replies go on. Seen once an event was due and withheld."""

    attempts: int = 1

    def __post_init__(self) -> None:
        at_least("attempts", self.attempts, 1)
