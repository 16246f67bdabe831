"""Profiles: the exchange's paths, limits, intervals and texts as dated data.

Each value names its page and section of the specification; **I** marks a choice of ours where the
documents are silent, so that nobody mistakes it for the exchange's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from mockex.errors import ConfigError
from mockex.names import Kind

_METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@dataclass(frozen=True, slots=True)
class Texts:
    """Error texts of the control requests, verbatim (spot 4.3, corrected by wire A4, A12, B12)."""

    unknown_property: str = "Unknown property"
    expected_boolean: str = "Invalid value type: expected Boolean"
    property_name: str = "Invalid request: property name must be a string"
    request_id: str = "Invalid request: request ID must be an unsigned integer"
    # wire A4: no ` at line 1 column N` behind it since 2026, and the socket stays open
    unknown_method: str = (
        f"Invalid request: unknown variant `{{method}}`, expected one of {_METHODS}"
    )
    too_many_parameters: str = "Invalid request: too many parameters"
    missing_method: str = "Invalid request: missing field `method` at line 1 column {column}"
    invalid_stream: str = "Invalid request: invalid stream"
    params_not_array: str = "Invalid request: streams must be an array"
    too_many_streams: str = "Too many subscriptions"
    invalid_json: str = "Invalid JSON: expected value at line {line} column {column}"
    cut_request: str = "Invalid JSON: EOF while parsing a string at line 1 column {column}"


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix and the kinds of stream that it delivers; others are acknowledged, silent."""

    prefix: str
    carries: frozenset[Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything in which one product of the exchange differs from another.

    Times in exchange seconds. `None` switches a rule off.
    """

    name: Literal["spot", "usdm"]
    dated: str
    # --- WebSocket (spot 1, usdm 1) ---
    ping_interval_s: float | None
    pong_deadline_s: float | None
    lifetime_s: float | None = 24 * 3600.0
    incoming_per_s: int | None
    incoming_grace: int = 0  # more than the limit before the close; servers are lax (usdm 3.2)
    count_pongs: bool = True  # pongs that answer a ping count as messages (spot 3.1.8)
    max_streams: int = 1024
    max_request_bytes: int | None = 4096  # wire A12
    max_target_chars: int = 8004  # spot 2, O 2019; I: HTTP 414 beyond
    id_rule: Literal["any", "unsigned"]  # spot 4.1, usdm 4.1
    unsolicited_pong_keeps_alive: bool  # spot 3.1.5, usdm 3.1.3
    # wire A5: spot closes 1008 without an error object, the futures testnet answers and stays open
    invalid_json: Literal["close", "answer"]
    routes: tuple[Route, ...]
    # which kinds are sent, with which option of the name, and how often; 0: as it happens
    streams: Mapping[Kind, Mapping[str, int]]
    kline_offsets: frozenset[str]  # spot 5.4: "No other offset is documented"
    agg_trade_lag_ms: int  # wire B8
    texts: Texts = field(default_factory=Texts)
    # --- REST (rest A3, A4, B1, B2) ---
    rest_prefix: str
    weight_limit: int
    weight_window_s: float = 60.0
    depth_weights: tuple[tuple[int, int], ...]  # (limit up to, weight), ascending
    depth_limits: frozenset[int] | None  # None: any number up to depth_limit_max
    depth_limit_default: int
    depth_limit_max: int
    weight_exceeded: str
    # --- market ---
    eight_decimals: bool  # spot 5: "pads prices and quantities to 8 decimals"
    shared_ids: bool  # usdm 6.3: ids are shared, so a symbol's own ids have holes

    def with_(self, **changes: object) -> Profile:
        """The same profile with settings changed.

        Raises:
            ConfigError: a name that is no setting of a profile.
        """
        known = {name for name in self.__dataclass_fields__ if name not in ("name", "dated")}
        for name in changes:
            if name not in known:
                raise ConfigError("profile setting", name, "one of " + ", ".join(sorted(known)))
        return replace(self, **changes)  # type: ignore[arg-type]


_INTERVALS = (
    "1m",
    "3m",
    "5m",
    "15m",
    "30m",
    "1h",
    "2h",
    "4h",
    "6h",
    "8h",
    "12h",
    "1d",
    "3d",
    "1w",
    "1M",
)
_NOW = {"": 0}
_SECOND = {"": 1000}
_WINDOWS = dict.fromkeys(("1h", "4h", "1d"), 1000)


def _table(streams: dict[Kind, dict[str, int]]) -> Mapping[Kind, Mapping[str, int]]:
    return MappingProxyType({kind: MappingProxyType(speeds) for kind, speeds in streams.items()})


# spot 5. `!ticker@arr` was retired 2026-03-26, `!bookTicker` 2022-12-07 (spot 7): not here, silent.
# wire B5: `@depth@0ms` is acknowledged and silent.
_SPOT_STREAMS = _table({
    Kind.AGG_TRADE: _NOW,
    Kind.TRADE: _NOW,
    Kind.BLOCK_TRADE: _NOW,
    Kind.KLINE: {"1s": 1000} | dict.fromkeys(_INTERVALS, 2000),
    Kind.MINI_TICKER: _SECOND,
    Kind.ALL_MINI_TICKERS: _SECOND,
    Kind.TICKER: _SECOND,
    Kind.WINDOW_TICKER: _WINDOWS,
    Kind.ALL_WINDOW_TICKERS: _WINDOWS,
    Kind.BOOK_TICKER: _NOW,
    Kind.AVG_PRICE: _SECOND,
    Kind.REFERENCE_PRICE: _SECOND,
    Kind.PARTIAL_DEPTH: {"": 1000, "1000ms": 1000, "100ms": 100},
    Kind.DIFF_DEPTH: {"": 1000, "1000ms": 1000, "100ms": 100},
})  # fmt: skip
# usdm 5.0. 250 ms is the name without suffix: `@depth@250ms` is acknowledged and silent (usdm 4.3);
# `@depth@0ms` delivers (wire B5).
_USDM_STREAMS = _table({
    Kind.AGG_TRADE: {"": 0},
    Kind.TRADE: _NOW,
    Kind.KLINE: dict.fromkeys(_INTERVALS, 250),
    Kind.CONTINUOUS_KLINE: dict.fromkeys(("1s", *_INTERVALS), 250),
    Kind.MINI_TICKER: {"": 2000},
    Kind.ALL_MINI_TICKERS: _SECOND,
    Kind.TICKER: {"": 2000},
    Kind.ALL_TICKERS: _SECOND,
    Kind.BOOK_TICKER: _NOW,
    Kind.ALL_BOOK_TICKERS: _NOW,
    Kind.PARTIAL_DEPTH: {"": 250, "500ms": 500, "100ms": 100},
    Kind.DIFF_DEPTH: {"": 250, "500ms": 500, "100ms": 100, "0ms": 0},
    Kind.RPI_DEPTH: {"500ms": 500},
    Kind.MARK_PRICE: {"": 3000, "1s": 1000},
    Kind.ALL_MARK_PRICES: {"": 3000, "1s": 1000},
    Kind.FORCE_ORDER: _SECOND,
    Kind.ALL_FORCE_ORDERS: _SECOND,
    Kind.COMPOSITE_INDEX: _SECOND,
    Kind.CONTRACT_INFO: _NOW,
    Kind.ASSET_INDEX: _SECOND,
    Kind.ALL_ASSET_INDEXES: _SECOND,
    Kind.TRADING_SESSION: _SECOND,
})  # fmt: skip
# usdm 2.2: "every `bookTicker` and `depth` variant, `rpiDepth`"; wire B4: `@trade` is there too
_PUBLIC = frozenset({
    Kind.BOOK_TICKER, Kind.ALL_BOOK_TICKERS, Kind.DIFF_DEPTH, Kind.PARTIAL_DEPTH, Kind.RPI_DEPTH,
    Kind.TRADE,
})  # fmt: skip

SPOT = Profile(
    name="spot",
    dated="spot-2026-11",
    ping_interval_s=20.0,
    pong_deadline_s=60.0,
    incoming_per_s=5,
    id_rule="any",
    unsolicited_pong_keeps_alive=False,
    invalid_json="close",
    routes=(Route("", frozenset(_SPOT_STREAMS)),),
    streams=_SPOT_STREAMS,
    kline_offsets=frozenset({"", "+08:00"}),
    agg_trade_lag_ms=1,
    rest_prefix="/api/v3",
    weight_limit=6000,
    depth_weights=((100, 5), (500, 25), (1000, 50), (5000, 250)),
    depth_limits=None,
    depth_limit_default=100,
    depth_limit_max=5000,
    weight_exceeded=(
        "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    ),
    eight_decimals=True,
    shared_ids=False,
)

USDM = Profile(
    name="usdm",
    dated="usdm-2026-11",
    ping_interval_s=180.0,
    pong_deadline_s=600.0,
    incoming_per_s=10,
    id_rule="unsigned",
    unsolicited_pong_keeps_alive=True,
    invalid_json="answer",
    # usdm 2.2, 2.3: an unrouted connection is treated like `/public`. Wire B4: `@trade` is on
    # `/public`; wire C: the unrouted path carries depth, bookTicker and trade only.
    routes=(
        Route("/public", _PUBLIC),
        Route("/market", frozenset(_USDM_STREAMS) - _PUBLIC),
        Route("/private", frozenset()),
        Route("", _PUBLIC),
    ),
    streams=_USDM_STREAMS,
    kline_offsets=frozenset({""}),
    agg_trade_lag_ms=150,
    rest_prefix="/fapi/v1",
    weight_limit=2400,
    depth_weights=((50, 2), (100, 5), (500, 10), (1000, 20)),
    depth_limits=frozenset({5, 10, 20, 50, 100, 500, 1000}),
    depth_limit_default=500,
    depth_limit_max=1000,
    weight_exceeded=(
        "Too many requests; current limit is {limit} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API."
    ),
    eight_decimals=False,
    shared_ids=True,
)

PROFILES: Mapping[str, Profile] = MappingProxyType({"spot": SPOT, "usdm": USDM})


def profile_named(name: str) -> Profile:
    """The profile called `name`.

    Raises:
        ConfigError: there is none of that name.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigError("profile", name, "one of " + ", ".join(PROFILES)) from None
