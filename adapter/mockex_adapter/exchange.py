"""What the adapter knows about the exchange: rules of each product, stream names, own timers.

Two products, `spot` and `usdm`, differ in five things that break adapters: routes (on usdm a
stream asked for on the wrong route is acknowledged and silent for ever), the message limit, the
path and weight of snapshots, the rule that joins snapshot and events (`sync`), and whether a
partial picture can be told from a diff by its payload (it cannot: the stream's name must tell).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from random import Random
from typing import Literal

from mockex_adapter.errors import BadStreamName

MAX_STREAMS = 1024  # per connection, on both products
MAX_REQUEST_BYTES = 4000  # longer requests are cut at 4,096 bytes and subscribe nothing
MAX_MESSAGE_BYTES = 16 * 2**20
ATTEMPTS = (280, 300.0)  # documented: 300 attempts per 300 s and address; some are kept back

_GRAMMAR = re.compile(r"!?[\w\-.]+(?:@[A-Za-z0-9_+:]+)*")
_PARTIAL = re.compile(r"depth(5|10|20)")

Kind = Literal["aggTrade", "trade", "bookTicker", "diff", "partial", "other"]


@dataclass(frozen=True, slots=True)
class Rules:
    """One product of the exchange."""

    name: Literal["spot", "usdm"]
    messages_per_s: int
    snapshot_path: str
    snapshot_weight: int  # of one snapshot with 1,000 levels
    weight_per_min: int
    routed: bool


SPOT = Rules("spot", 5, "/api/v3/depth", 50, 6000, routed=False)
USDM = Rules("usdm", 10, "/fapi/v1/depth", 20, 2400, routed=True)
RULES = {"spot": SPOT, "usdm": USDM}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream name, read. `id_key` is the member that numbers its events, if one does."""

    name: str
    symbol: str
    kind: Kind
    route: str  # path prefix of the connections that carry it
    id_key: str | None

    @property
    def face(self) -> tuple[str, str]:
        """What a raw payload shows of the stream: two of one face need two raw connections."""
        if self.kind == "partial" and self.id_key == "lastUpdateId":
            return "partial", ""  # on spot a partial picture names neither event nor symbol
        if self.kind in ("partial", "diff"):
            return "depthUpdate", self.symbol
        return self.kind, self.name if self.kind == "other" else self.symbol


def read_stream(rules: Rules, name: str) -> Stream:
    """Read `name`.

    Raises:
        BadStreamName: it breaks the grammar, so the exchange would close the connection over it.
    """
    if not _GRAMMAR.fullmatch(name):
        raise BadStreamName(name)
    symbol, _, rest = name.partition("@")
    what = rest.partition("@")[0]
    kind: Kind = "other"
    id_key: str | None = None
    if what == "depth":
        kind, id_key = "diff", "u"
    elif _PARTIAL.fullmatch(what):
        kind, id_key = "partial", "u" if rules.routed else "lastUpdateId"
    elif what == "bookTicker":
        kind, id_key = "bookTicker", "u"
    elif what == "aggTrade":
        kind, id_key = "aggTrade", "a"
    elif what == "trade":
        kind, id_key = "trade", "t"
    public = kind not in ("other", "aggTrade") or what == "rpiDepth" or name == "!bookTicker"
    route = "" if not rules.routed else "/public" if public else "/market"
    return Stream(name, symbol, kind, route, id_key)


def face_of(payload: dict[str, object]) -> tuple[str, str]:
    """The face (see `Stream.face`) of a raw payload."""
    event = payload.get("e")
    if event is None and "lastUpdateId" in payload:
        return "partial", ""
    return str(event or "bookTicker"), str(payload.get("s", "")).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """All timers of the adapter, in seconds; the exchange's own times are not among them.

    Total silence is found by asking, not by waiting: a connection on which nothing at all arrived
    for `probe_after_s` is sent a ping, and is dead if nothing arrives for `probe_wait_s` more. So a
    half-open connection is found in 25 s on both products although usdm pings every 3 minutes only,
    and a quiet stream on a healthy connection is never cut.
    """

    backoff_base_s: float = 0.5
    backoff_cap_s: float = 10.0
    stable_s: float = 10.0  # a connection that lasted this long clears the back-off
    handshake_s: float = 10.0
    ack_s: float = 4.0
    probe_after_s: float = 15.0
    probe_wait_s: float = 10.0
    data_silence_s: float = 10.0
    settle_s: float = 5.0  # a handover is completed after this long even if a stream stays quiet
    close_s: float = 0.5  # given to the peer to answer a close frame
    rest_s: float = 10.0
    tick_s: float = 0.5

    def scaled(self, factor: float) -> Timers:
        """The same timers, each multiplied by `factor`."""
        return Timers(**{f.name: getattr(self, f.name) * factor for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a feed is told once. `mode` is `combined` or `raw`; `queue` is how many items may wait
    for the consumer."""

    ws_url: str  # without a path
    rest_url: str = ""  # only needed for books
    rules: Rules = SPOT
    mode: str = "combined"
    timers: Timers = field(default_factory=Timers)
    lifetime_s: float = 24 * 3600.0  # of a connection, as the exchange has it
    queue: int = 1000
    random: Random = field(default_factory=Random)
