"""Profiles: the exchange's paths, limits, intervals and texts as dated data.

The values stand in `mockex/profiles/*.toml`, each with the rule that says so, its label and date;
this module says what a value means, its unit and its range. To add a setting: a field below (a
type with its range, no default), and a line in both files

    name = { value = 3, from = "spot-3.1.4", label = "D", date = "2026-07-21" }

where `from` is the id of a rule in `tests/rules.toml` (or a list of them), `label` D documented,
O observed, I our choice, and `date` the day (or month) since when it is so or, unknown, when it was
read. A text of several lines, or a long one, is a table of its own: `[name]`, then `value = …`.
A setting of type `Mapping` or dataclass is a table `[name]` whose entries are such values.
`"off"` is None. `docs/profiles.md` is for people who derive a profile of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta

from mockex.errors import ConfigError
from mockex.names import Kind
from mockex.profiles import reading

Seconds = Annotated[float, Meta(gt=0, le=1_000_000_000)]
Milliseconds = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
CountOrNone = Annotated[int, Meta(ge=0)]
Share = Annotated[int, Meta(ge=0, le=1_000_000)]  # in a million

FOLDER = Path(__file__).with_name("profiles")
CURRENT = {"spot": "spot-2026-11", "usdm": "usdm-2026-11"}
NAMES = (*CURRENT, *CURRENT.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Error texts of the control requests, verbatim."""

    unknown_property: str
    expected_boolean: str
    property_name: str
    request_id: str
    unknown_method: str  # {method}
    too_many_parameters: str
    missing_method: str  # {column}
    invalid_stream: str
    params_not_array: str
    too_many_streams: str
    invalid_json: str  # {line}, {column}
    cut_request: str  # {column}
    invalid_request: str  # reasons of a close frame
    too_many_requests: str
    pong_timeout: str
    # answers to a handshake
    target_too_long: str
    no_path: str
    bad_time_unit: str
    too_many_attempts: str  # {limit}, {minutes}
    firewall: str  # with 403


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix and the kinds of stream that it delivers; others are acknowledged, silent."""

    prefix: str
    carries: frozenset[Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything in which one product of the exchange differs from another.

    Times in exchange seconds or, where the name says so, milliseconds. `None` switches a rule off.
    """

    name: Literal["spot", "usdm"]
    dated: str  # which file it was read from; `spot-2026-11+mine` is one laid over another
    # --- WebSocket ---
    ping_interval_s: Seconds | None
    pong_deadline_s: Seconds | None
    lifetime_s: Seconds | None
    incoming_per_s: CountOrNone | None
    incoming_window_s: Seconds  # any such stretch of time, which `incoming_per_s` is the limit of
    incoming_grace: CountOrNone  # more than the limit before the close
    count_pongs: bool  # pongs that answer a ping count as messages
    max_streams: Count
    max_request_bytes: Count | None  # a request is cut there
    max_target_chars: Count  # HTTP 414 beyond
    raw_path: Literal["many", "one"]  # `/ws/<a>/<b>` names two streams, or none that is a name
    # `timeUnit` in the URL is obeyed, and other values are refused or taken for the default; or the
    # whole parameter is ignored
    time_unit: Literal["strict", "lax", "ignored"]
    malformed_in_url: Literal["error", "refuse"]  # after the upgrade, or instead of it
    compression: bool  # permessage-deflate is accepted when offered
    attempts_limit: CountOrNone | None  # handshakes of one address in the window
    attempts_window_s: Seconds
    attempts_refusal: Literal[429, 403, 418]  # what one too many is answered with
    count_failed_attempts: bool
    stream_grammar: re.Pattern[str]  # what is a stream name at all
    id_rule: Literal["any", "unsigned"]
    id_hyphens: bool  # a text as id may hold them
    missing_id: Literal["error", "accept"]
    list_url_streams: bool  # LIST_SUBSCRIPTIONS has the streams of the URL too
    # a stream that was subscribed twice is gone after one UNSUBSCRIBE, or after as many
    subscribing_twice: Literal["once", "counted"]
    pong: Literal["strict", "any"]  # only a copy of its payload settles a ping, or anything does
    pong_settles: Literal["all_before", "itself"]
    unsolicited_pong_keeps_alive: bool
    error_envelope: Literal["nested", "flat"]
    # the connection ends after errors without `id`, or after those of the codes 2, 3 and 4
    close_after_error: Literal["without_id", "codes_2_3_4"]
    invalid_json: Literal["close", "answer", "answer_and_close"]
    close_shape: Literal["close", "drop"]  # of the end of the lifetime: 1001, or TCP alone
    server_shutdown: bool  # a planned shutdown is announced
    # what paths without a prefix of `carried_by` deliver: every stream, those of `/public`, or
    # nothing, not even a connection
    unrouted: Literal["all", "public", "refuse"]
    carried_by: Mapping[str, frozenset[Kind]]  # prefix of the path to the kinds delivered there
    # which kinds are sent, with which option of the name, and how often; 0: as it happens
    streams: Mapping[Kind, Mapping[str, Milliseconds]]
    kline_offsets: frozenset[str]  # time zones that the name of a kline may end with; empty: none
    agg_trade_lag_ms: Milliseconds
    ticker_lag_ms: Milliseconds  # `E` of mini, full and window tickers, after the full second
    kline_lag_ms: Milliseconds
    kline_closings: CountOrNone  # events with `x` for each bar that ends
    silent_when_unchanged: bool  # klines and tickers of one symbol are sent only when they changed
    texts: Texts
    # --- REST ---
    rest_prefix: str
    snapshots_within_events: Share  # of depth answers: at an id inside of an event
    weight_limit: CountOrNone
    weight_window_s: Seconds
    depth_weights: tuple[tuple[Count, Count], ...]  # (limit up to, weight), ascending
    depth_limits: frozenset[Count] | None  # None: any number up to depth_limit_max
    depth_limit_default: Count
    depth_limit_max: Count
    weight_exceeded: str  # {limit}
    raw_limit: Count | None  # requests of any weight in the window
    raw_window_s: Seconds
    raw_exceeded: str  # {limit}
    funding_limit: Count | None  # requests for funding rates and their rules, in the same window
    throttled_weight: CountOrNone  # what a request costs that is answered with 429
    ban_after: Count  # so many answers with 429 in one window, and then 418
    first_ban_s: Seconds  # the next ones are twice as long each
    longest_ban_s: Seconds
    banned: str  # {until_ms}
    retry_after: bool  # 429 and 418 say how long to wait
    charge_refused: bool  # a request that is answered with 400 costs its weight
    measured_weights: bool  # what requests were seen to cost, not what the documents say
    order_limits: tuple[tuple[Count, Count], ...]  # seconds, orders: as exchangeInfo tells them
    any_case_symbols: bool  # symbols may be sent in lower case
    surplus_parameters: Literal["refuse", "ignore"]  # that an endpoint does not know
    limit_above_most: Literal["refuse", "cut"]  # of lists; depth has rules of its own
    microsecond_digits: Count  # a time with so many digits is in microseconds
    retired_status: Literal[404, 410]  # of the listen keys that are gone from spot
    without_reference_price: frozenset[str]  # symbols that do not have the feature
    # --- market ---
    eight_decimals: bool  # prices and quantities are padded to 8 decimals
    collect_trades: bool  # an aggregate trade is of 100 ms, not of one taker order
    shared_ids: bool  # update ids are shared, so a symbol's own ids have holes
    # what usdm lists beside the symbols that it was told: a COIN-M row for each base, in the
    # streams of all symbols, and ordinary symbols whose base is TradFi
    coin_margined_rows: bool
    tradifi_symbols: tuple[str, ...]
    rpi_trades: Share
    excluded_trades: Share  # of the insurance fund and of auto-deleveraging
    liquidations: Share  # of taker orders
    liquidation_choice: Literal["largest", "latest"]  # of those of one second
    bracket_change_s: Count | None  # one symbol's brackets change so often
    contract_info_pair: bool  # `ps` in `contractInfo`
    composites: Mapping[str, Literal["baseAsset", "quoteAsset"]]  # indexes of all bases
    block_trade_s: Count | None  # a symbol has one block trade in such a stretch of time

    def __post_init__(self) -> None:
        for field in self.__dataclass_fields__:
            value = getattr(self, field)
            if isinstance(value, dict):
                object.__setattr__(self, field, MappingProxyType(value))

    def well_formed(self, name: str) -> bool:
        """Whether `name` is a stream name at all; says nothing about what it delivers."""
        return self.stream_grammar.fullmatch(name) is not None

    @property
    def routes(self) -> tuple[Route, ...]:
        """The prefixes of paths with what they deliver; the empty one, if there is one, last."""
        routes = [Route(prefix, kinds) for prefix, kinds in self.carried_by.items()]
        if self.unrouted == "all":
            routes.append(Route("", frozenset(self.streams)))
        elif self.unrouted == "public":
            routes.append(Route("", self.carried_by.get("/public", frozenset())))
        return tuple(routes)

    def with_(self, **changes: object) -> Profile:
        """The same profile with settings changed.

        Raises:
            ConfigError: a name that is no setting of a profile, or a value that cannot be.
        """
        hints = _hints()
        for name, value in changes.items():
            if name not in hints or name in ("name", "dated"):
                known = hints.keys() - {"name", "dated"}
                raise ConfigError("profile setting", name, reading.nearest(name, known))
            reading.check_value(hints[name], value, (name,), _wrong_setting)
            changes[name] = reading.convert(value, hints[name])
        return replace(self, **changes)  # type: ignore[arg-type]


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Profile, include_extras=True)


def _wrong_setting(key: reading.Key, value: object, expected: str) -> ConfigError:
    return ConfigError("profile setting " + ".".join(map(str, key)), value, expected)


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[dict[str, Any], str]:
    """The values of a file over those of its bases, and what they are called together."""
    parsed = reading.parse(path)
    if path.parent == FOLDER:
        return parsed.values, path.stem
    if parsed.base is None:
        raise ConfigError(f"{path}: base", None, f'base = "{CURRENT["spot"]}" or another profile')
    for name in ("name", "dated"):
        if name in parsed.values:
            raise parsed.wrong((name,), name, parsed.values[name], "to be that of the base")
    if parsed.base in NAMES:
        base = FOLDER / f"{CURRENT.get(parsed.base, parsed.base)}.toml"
    else:
        base = path.parent / parsed.base
        if not _is_path(parsed.base):
            raise parsed.wrong(("base",), "base", parsed.base, reading.nearest(parsed.base, NAMES))
        if base.resolve() in [known.resolve() for known in (*above, path)]:
            around = " -> ".join(p.name for p in (*above, path, base))
            raise parsed.wrong(("base",), "base", parsed.base, f"no circle of bases ({around})")
        if not base.is_file():
            raise parsed.wrong(("base",), "base", parsed.base, "a file that is there")
    values, called = _read(base, (*above, path))
    settings = {name: hint for name, hint in _hints().items() if name not in ("name", "dated")}
    shipped = reading.parse(FOLDER / f"{called.partition('+')[0]}.toml").values
    reading.check(parsed, settings, shipped)
    return reading.laid_over(values, parsed.values), f"{called}+{path.stem}"


@cache
def _shipped(dated: str) -> Profile:
    return _made(FOLDER / f"{dated}.toml")


def _made(path: Path) -> Profile:
    values, called = _read(path)
    return reading.convert({**values, "dated": called}, Profile)


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or "/" in name or "\\" in name


def profile_named(name: str) -> Profile:
    """The profile called `name`: `spot`, `usdm` (as they are today), a dated name such as
    `spot-2026-11`, or the path of a TOML file that is laid over one of them.

    Raises:
        ConfigError: there is none of that name; a file cannot be read, or says what cannot be.
    """
    if name in NAMES:
        return _shipped(CURRENT.get(name, name))
    if not _is_path(name):
        raise ConfigError(
            "profile", name, f"one of {', '.join(NAMES)}, or the path of a .toml file"
        )
    return _made(Path(name))


SPOT = profile_named("spot")
USDM = profile_named("usdm")
PROFILES: Mapping[str, Profile] = MappingProxyType({"spot": SPOT, "usdm": USDM})
