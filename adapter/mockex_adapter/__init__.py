"""The reference adapter: market streams of one exchange, held as an adapter should hold them.

Start reading at `feed` (what a user sees), then `lifecycle` (what may happen to a connection),
`supervisor` (who makes it happen) and `sync` (what may be believed). The rest is one idea each.
"""

from mockex_adapter.book import Book
from mockex_adapter.errors import AdapterError, BadStreamName, FeedClosed
from mockex_adapter.exchange import RULES, SPOT, USDM, Rules, Settings, Timers
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

__all__ = [
    "RULES",
    "SPOT",
    "USDM",
    "AdapterError",
    "BadStreamName",
    "Book",
    "BookChanged",
    "Feed",
    "FeedClosed",
    "Gap",
    "Item",
    "Refused",
    "Resync",
    "Rules",
    "Settings",
    "Stale",
    "StateChanged",
    "StreamEvent",
    "Timers",
    "Trouble",
]
