"""What to ask the exchange for, and when: below its message limit, one small frame at a time.

`Pacer` is a sliding window: it says how long to wait so that no window holds more than the limit.
The exchange counts pings, pongs and texts alike, so the connection counts its own pings and the
library's pongs in, and leaves some room for those still to come.

`Ledger` holds what was asked for on one connection and what the exchange said to it. It is driven
by the difference between what is *wanted now* and what was *asked for*: a change while no
connection exists, or ten changes within one slot, cost nothing, and nothing old is ever played
back. After a loss a new connection has an empty ledger, so restoring is the same thing as
subscribing. Names of a request that was refused become *suspects* and are asked for one by one,
so that the one bad name becomes known and the good ones live.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mockex_adapter.exchange import MAX_REQUEST_BYTES


class Pacer:
    """At most `limit` things in any window of `window_s`."""

    def __init__(self, limit: int, window_s: float = 1.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._times: deque[float] = deque(maxlen=limit)

    def count(self, now: float) -> None:
        """One thing was done at `now`."""
        self._times.append(now)

    def delay_s(self, now: float) -> float:
        """How long to wait until the next one is allowed."""
        if len(self._times) < self._limit:
            return 0.0
        return max(0.0, self._times[0] + self._window_s - now)


@dataclass(frozen=True, slots=True)
class Request:
    """One control request. Ids are integers: usdm refuses everything else."""

    id: int
    method: str
    names: tuple[str, ...]
    sent_at: float

    def to_json(self) -> str:
        """The text frame."""
        request = {"method": self.method, "params": self.names, "id": self.id}
        return json.dumps(request, ensure_ascii=False, separators=(",", ":"))


def fit(names: Sequence[str], limit: int = MAX_REQUEST_BYTES) -> tuple[str, ...]:
    """As many of the first `names` as one request may carry."""
    room = limit - 64  # method, id and punctuation
    sizes = (len(json.dumps(name, ensure_ascii=False).encode()) + 1 for name in names)
    count = sum(total <= room for total in itertools.accumulate(sizes))
    return tuple(names[: max(1, count)])


class Ledger:
    """The requests of one connection."""

    def __init__(self, ids: itertools.count[int]) -> None:
        self._ids = ids
        self._asked: dict[str, None] = {}
        self._pending: dict[int, Request] = {}
        self._asked_again: set[str] = set()

    def next_request(
        self, wanted: Collection[str], suspects: Collection[str], now: float
    ) -> Request | None:
        """What to send next, taken as sent at `now`; None if there is nothing to ask for."""
        surplus = [name for name in self._asked if name not in wanted]
        missing = [name for name in wanted if name not in self._asked]
        good = [name for name in missing if name not in suspects]
        if surplus:
            request = Request(next(self._ids), "UNSUBSCRIBE", fit(surplus), now)
            for name in request.names:
                del self._asked[name]
        elif good or (missing and not self._pending):
            names = fit(good) if good else (missing[0],)
            request = Request(next(self._ids), "SUBSCRIBE", names, now)
            self._asked.update(dict.fromkeys(names))
        else:
            return None
        self._pending[request.id] = request
        return request

    def again(self, name: str, now: float) -> Request:
        """Unsubscribe `name`; as it is still wanted, `next_request` subscribes it anew."""
        request = Request(next(self._ids), "UNSUBSCRIBE", (name,), now)
        self._asked.pop(name, None)
        self._pending[request.id] = request
        return request

    def answered(self, request_id: object) -> Request | None:
        """A result came; None for an id that is not ours to know."""
        return self._pending.pop(request_id, None) if isinstance(request_id, int) else None

    def refused(self, request_id: object) -> Request | None:
        """An error came. Without a readable id it belongs to the oldest request: the exchange
        answers in order."""
        if request_id is None and self._pending:
            request_id = next(iter(self._pending))
        request = self.answered(request_id)
        if request is not None and request.method == "SUBSCRIBE":
            for name in request.names:
                self._asked.pop(name, None)
        return request

    def overdue(self, now: float, limit_s: float, heard: Collection[str]) -> bool:
        """Settle requests older than `limit_s`: True if one went unanswered for the second time.

        Names whose events arrive (`heard`) need no answer; the others are asked for once more.
        """
        for request in [r for r in self._pending.values() if now - r.sent_at >= limit_s]:
            del self._pending[request.id]
            silent = [n for n in request.names if n not in heard and n in self._asked]
            if request.method != "SUBSCRIBE" or not silent:
                continue
            if not self._asked_again.isdisjoint(silent):
                return True
            self._asked_again.update(silent)
            for name in silent:
                del self._asked[name]
        return False

    def complete(self, wanted: Collection[str]) -> bool:
        """Whether everything wanted was asked for and answered."""
        return not self._pending and self._asked.keys() == set(wanted)
