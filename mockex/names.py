"""Stream names: what a name asks for.

Two questions are kept apart, as the exchange keeps them apart (spot 4.4): a *malformed* name is an
error on the wire (`Profile.well_formed`); a *well-formed* name that means nothing is acknowledged
and stays silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Kind(StrEnum):
    """Families of streams, each as its name is written in the documentation (spot 5, usdm 5.0)."""

    AGG_TRADE = "<symbol>@aggTrade"
    TRADE = "<symbol>@trade"
    BLOCK_TRADE = "<symbol>@blockTrade"
    KLINE = "<symbol>@kline_<interval>"
    CONTINUOUS_KLINE = "<pair>_<contractType>@continuousKline_<interval>"
    MINI_TICKER = "<symbol>@miniTicker"
    ALL_MINI_TICKERS = "!miniTicker@arr"
    TICKER = "<symbol>@ticker"
    ALL_TICKERS = "!ticker@arr"
    WINDOW_TICKER = "<symbol>@ticker_<window>"
    ALL_WINDOW_TICKERS = "!ticker_<window>@arr"
    BOOK_TICKER = "<symbol>@bookTicker"
    ALL_BOOK_TICKERS = "!bookTicker"
    AVG_PRICE = "<symbol>@avgPrice"
    REFERENCE_PRICE = "<symbol>@referencePrice"
    PARTIAL_DEPTH = "<symbol>@depth<levels>"
    DIFF_DEPTH = "<symbol>@depth"
    RPI_DEPTH = "<symbol>@rpiDepth"
    MARK_PRICE = "<symbol>@markPrice"
    ALL_MARK_PRICES = "!markPrice@arr"
    FORCE_ORDER = "<symbol>@forceOrder"
    ALL_FORCE_ORDERS = "!forceOrder@arr"
    COMPOSITE_INDEX = "<symbol>@compositeIndex"
    CONTRACT_INFO = "!contractInfo"
    ASSET_INDEX = "<assetSymbol>@assetIndex"
    ALL_ASSET_INDEXES = "!assetIndex@arr"
    TRADING_SESSION = "tradingSession"


@dataclass(frozen=True, slots=True)
class StreamName:
    """A name of a kind that exists. Whether an exchange serves it is `Publisher.serves`.

    `subject` is what stands before the `@`, in lower case: a symbol, a pair, an asset; empty for
    streams of all symbols. `option` is the interval, window or speed as the name spells it, empty
    where it spells none. `contract` is the contract type of a continuous kline, in lower case;
    `offset` the time zone of a kline, such as `+08:00`.
    """

    text: str
    kind: Kind
    subject: str = ""
    option: str = ""
    levels: int | None = None
    contract: str = ""
    offset: str = ""


# What stands for a placeholder of `Kind`, and what may follow the name: an option of its own.
_PARTS = {
    "<symbol>": r"(?P<subject>[^@!]+)",
    "<assetSymbol>": r"(?P<subject>[^@!]+)",
    "<pair>": r"(?P<subject>[^@!]+?)",
    "<contractType>": r"(?P<contract>[a-z]+(?:_quarter|_perpetual)?)",
    "<levels>": r"(?P<levels>5|10|20)",
    "<interval>": r"(?P<option>\d+[smhdwM])",
    "<window>": r"(?P<option>\d+[smhdwM])",
}
_SPEED = r"(?:@(?P<option>\d+m?s))?"
_BEHIND = {
    Kind.PARTIAL_DEPTH: _SPEED,
    Kind.DIFF_DEPTH: _SPEED,
    Kind.RPI_DEPTH: _SPEED,
    Kind.MARK_PRICE: _SPEED,
    Kind.ALL_MARK_PRICES: _SPEED,
    Kind.KLINE: r"(?:@(?P<offset>[+-]\d\d:\d\d))?",
}


def _pattern(kind: Kind) -> re.Pattern[str]:
    parts = re.split(r"(<\w+>)", kind.value)
    made = "".join(_PARTS.get(part) or re.escape(part) for part in parts)
    return re.compile(made + _BEHIND.get(kind, ""), re.UNICODE)


_PATTERNS = {kind: _pattern(kind) for kind in Kind}


@lru_cache(maxsize=4096)
def parse(name: str) -> StreamName | None:
    """Read a name; None if it is of no kind (it is then silent, not wrong)."""
    for kind, pattern in _PATTERNS.items():
        found = pattern.fullmatch(name)
        if found is None:
            continue
        parts = {key: value or "" for key, value in found.groupdict().items()}
        subject = parts.get("subject", "")
        if subject != subject.lower():
            return None  # "Uppercase symbol: acknowledged, silent" (spot 4.4)
        levels = parts.get("levels")
        return StreamName(
            name,
            kind,
            subject,
            parts.get("option", ""),
            int(levels) if levels else None,
            parts.get("contract", ""),
            parts.get("offset", ""),
        )
    return None
