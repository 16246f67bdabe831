"""Events as values, and the forms in which they go out (spot 2): raw or in the wrapper of combined
mode, times in milliseconds or microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from mockex.names import Kind, parse


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one stream, spelled as the exchange spells it.

    `stream` is the name as the client asked for it, `text` the raw payload, with times in
    milliseconds. Ids are update ids for books, trade ids for trades, aggregate ids for aggregate
    trades.
    """

    stream: str
    text: str
    first_id: int
    last_id: int


class Form(NamedTuple):
    """How one connection gets its events. Connections of one form share their bytes.

    `micro`: every time is in microseconds (spot 2). `deflated`: messages are compressed, each by
    itself (RFC 7692).
    """

    combined: bool = False
    micro: bool = False
    deflated: bool = False


def combined(stream: str, payload: str) -> str:
    """The payload in the wrapper of combined mode. Replies and errors are never wrapped."""
    return f'{{"stream":"{stream}","data":{payload}}}'


# The members of each kind that hold a time; a kind that is not here has none (spot 5). The same
# letter is a time in one kind and an id in the next: `t` of a trade is its id.
TIMES: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType({
    Kind.AGG_TRADE: ("E", "T"),
    Kind.TRADE: ("E", "T"),
    Kind.BLOCK_TRADE: ("E", "T"),
    Kind.KLINE: ("E",),
    Kind.MINI_TICKER: ("E",),
    Kind.ALL_MINI_TICKERS: ("E",),
    Kind.TICKER: ("E", "O", "C"),
    Kind.WINDOW_TICKER: ("E", "O", "C"),
    Kind.ALL_WINDOW_TICKERS: ("E", "O", "C"),
    Kind.AVG_PRICE: ("E", "T"),
    Kind.REFERENCE_PRICE: ("t",),
    Kind.DIFF_DEPTH: ("E",),
})  # fmt: skip


def microseconds(kind: Kind, text: str) -> str:
    """The payload `text` of a stream of `kind` with its times in microseconds; "all" of them
    (spot 2). A kline ends one microsecond before the next begins, so in `...999999` (I)."""
    times = TIMES.get(kind)
    if times is None:
        return text
    payload = msgspec.json.decode(text)
    for item in payload if isinstance(payload, list) else (payload,):
        for member in times:
            if member in item:  # a captured event may be of another year
                item[member] *= 1000
        if kind is Kind.KLINE:
            _rescale_bar(item["k"])
    return msgspec.json.encode(payload).decode()


def _rescale_bar(bar: dict[str, Any]) -> None:
    bar["t"] *= 1000
    bar["T"] = (bar["T"] + 1) * 1000 - 1


def spell(event: Event, form: Form) -> str:
    """The text of `event` in `form`; whether it is deflated makes no difference here."""
    text = event.text
    if form.micro:
        name = parse(event.stream)
        if name is not None:
            text = microseconds(name.kind, text)
    return combined(event.stream, text) if form.combined else text


def shutdown_notice(unix_ms: int, form: Form) -> str:
    """The `serverShutdown` notice in `form` (spot 3.3)."""
    at = unix_ms * 1000 if form.micro else unix_ms
    notice = f'{{"e":"serverShutdown","E":{at}}}'
    return combined("!serverShutdown", notice) if form.combined else notice
