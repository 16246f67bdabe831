"""Events as values, and the two forms in which they go out (spot 2, combined wrapper)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one stream, spelled as the exchange spells it.

    `stream` is the name as the client asked for it, `text` the raw payload. Ids are update ids for
    books, trade ids for trades, aggregate ids for aggregate trades.
    """

    stream: str
    text: str
    first_id: int
    last_id: int


def combined(stream: str, payload: str) -> str:
    """The payload in the wrapper of combined mode. Replies and errors are never wrapped."""
    return f'{{"stream":"{stream}","data":{payload}}}'
