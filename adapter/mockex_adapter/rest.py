"""Snapshots of order books over REST: one worker, one request at a time, never against the rules.

Whoever needs a book says so by `want`; the worker takes the one that is due first, and hands in
what it got. So thirty books that break together are a queue and not a storm, a 429 meets one
request and not thirty, and the time in `Retry-After` (seconds; given or not) is a rest for all of
them. Ahead of a refusal the weight is paced below the documented limit per minute. A symbol whose
snapshots are of no use is asked for again after full jitter, and never more often than three
times and then once a second. These rates are the exchange's and not scaled with the adapter's own
timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from mockex_adapter.backoff import Backoff
from mockex_adapter.book import Book
from mockex_adapter.errors import AdapterError, ConnectionLost
from mockex_adapter.exchange import MAX_MESSAGE_BYTES, Settings
from mockex_adapter.outbox import Trouble
from mockex_adapter.pacing import Pacer
from mockex_adapter.sync import read_snapshot

if TYPE_CHECKING:
    import httpx2

_LEVELS = 1000  # legal on both products, and a fifth of the weight of spot's 5,000
_REST_WITHOUT_TIME_S = 10.0  # after 429 or 418 without `Retry-After`


class _Symbol:
    """One symbol that needs a snapshot."""

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self._full_at = 0.0
        self.needed = False
        self.due: float | None = None

    def count(self, now: float) -> None:
        """A request was made: three may follow on each other, then one each second."""
        self._full_at = max(self._full_at, now) + 1.0

    def delay_s(self, now: float) -> float:
        return max(0.0, self._full_at - 2.0 - now)


class Snapshots:
    """Fetches snapshots. `deliver` gets each of them, `complain` what went wrong."""

    def __init__(
        self,
        settings: Settings,
        deliver: Callable[[str, Book], None],
        complain: Callable[[Trouble], None],
    ) -> None:
        rules = settings.rules
        self._url = settings.rest_url.rstrip("/") + rules.snapshot_path
        self._settings = settings
        self._deliver = deliver
        self._complain = complain
        self._symbols: dict[str, _Symbol] = {}
        self._weight = Pacer(int(0.8 * rules.weight_per_min / rules.snapshot_weight), 60.0)
        self._rest_until = 0.0
        self._changed = asyncio.Event()

    def want(self, symbol: str) -> None:
        """A snapshot of `symbol` is needed, now or as soon as the rules allow."""
        if symbol not in self._symbols:
            self._symbols[symbol] = _Symbol(Backoff.by(self._settings))
        entry = self._symbols[symbol]
        entry.needed = True
        now = asyncio.get_running_loop().time()
        entry.due = now + max(entry.delay_s(now), entry.backoff.next_delay_s())
        self._changed.set()

    def settled(self, symbol: str) -> None:
        """The book of `symbol` is valid, or not wanted: nothing needs to be fetched."""
        if symbol in self._symbols:
            self._symbols[symbol].due = None
            self._symbols[symbol].needed = False
            self._symbols[symbol].backoff.forget()

    async def run(self) -> None:
        """Work until cancelled."""
        import httpx2  # late: half of the start-up time of an adapter that keeps no books

        loop = asyncio.get_running_loop()
        # Loading the authorities takes longer than the first snapshot; plain http needs none.
        async with httpx2.AsyncClient(
            trust_env=False,
            timeout=self._settings.timers.rest_s,
            verify=self._url.startswith("https:"),
        ) as client:
            while True:
                self._changed.clear()
                due = [(e.due, symbol) for symbol, e in self._symbols.items() if e.due is not None]
                now = loop.time()
                at, symbol = min(due, default=(now + 3600.0, ""))
                at = max(at, self._rest_until, now + self._weight.delay_s(now))
                if at <= now:
                    await self._fetch(client, symbol)
                    continue
                try:
                    async with asyncio.timeout_at(at):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _fetch(self, client: httpx2.AsyncClient, symbol: str) -> None:
        import httpx2

        entry = self._symbols[symbol]
        entry.due = None
        now = asyncio.get_running_loop().time()
        self._weight.count(now)
        entry.count(now)
        try:
            async with asyncio.timeout(self._settings.timers.rest_s):
                book = read_snapshot(await self._get(client, symbol))
        except (httpx2.HTTPError, OSError, AdapterError, msgspec.MsgspecError) as error:
            self._complain(Trouble(f"no snapshot of {symbol}: {error or type(error).__name__}"))
            if entry.needed and entry.due is None:
                self.want(symbol)
        else:
            self._deliver(symbol, book)

    async def _get(self, client: httpx2.AsyncClient, symbol: str) -> object:
        params: dict[str, str | int] = {"symbol": symbol.upper(), "limit": _LEVELS}
        # No content coding: a body must not become larger than what is counted here.
        headers = {"Accept-Encoding": "identity"}
        async with client.stream("GET", self._url, params=params, headers=headers) as response:
            if response.status_code != 200:
                self._refused(response.status_code, response.headers.get("retry-after"))
                raise ConnectionLost(f"status {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_MESSAGE_BYTES:
                    raise ConnectionLost("the answer is too large")
        return msgspec.json.decode(body)

    def _refused(self, status: int, retry_after: str | None) -> None:
        """429, 418 and 403 are for the whole address: everything rests."""
        if status not in (403, 418, 429):
            return
        seconds = retry_after_s(retry_after)
        rest_s = _REST_WITHOUT_TIME_S if seconds is None else seconds
        self._rest_until = asyncio.get_running_loop().time() + rest_s


def retry_after_s(text: str | None) -> float | None:
    """The seconds in a `Retry-After` header, None if it holds none."""
    return float(text) if text is not None and text.strip().isdecimal() else None
