"""Wrong about subscriptions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from mockex_adapter import pacing, supervisor
from mockex_adapter.exchange import read_stream
from mockex_adapter.feed import Feed
from mockex_adapter.link import Link
from mockex_adapter.pacing import Ledger, Pacer, Request
from mockex_adapter.supervisor import Supervisor
from patches import count_dials, mutant


@mutant
def drops_the_sixth() -> None:
    """Subscribes the first five streams."""
    next_request, complete = Ledger.next_request, Ledger.complete

    def first_five(self: Ledger, wanted: Any, suspects: Any, now: float) -> Request | None:
        return next_request(self, list(wanted)[:5], suspects, now)

    Ledger.next_request = first_five
    Ledger.complete = lambda self, wanted: complete(self, list(wanted)[:5])


@mutant
def forgets_streams() -> None:
    """Subscribes at start only: after a loss it asks for the first stream and no more."""
    count_dials()
    next_request = Link._next_request

    def at_start(self: Link) -> Request | None:
        wanted = self.owner.wanted
        if self.owner.dials > 1:
            self.owner.wanted = dict(list(wanted.items())[:1])
        try:
            return next_request(self)
        finally:
            self.owner.wanted = wanted

    Link._next_request = at_start


@mutant
def list_grows() -> None:
    """Appends the restored streams to the list of wanted ones."""
    count_dials()
    next_request = Link._next_request

    def grown(self: Link) -> Request | None:
        request = next_request(self)
        if request is None:
            return None
        return replace(request, names=request.names * self.owner.dials)

    Link._next_request = grown


@mutant
def one_frame_per_stream() -> None:
    """One `SUBSCRIBE` each, as fast as it can."""
    made = Link.__post_init__

    def hasty(self: Link) -> None:
        made(self)
        self._pacer = Pacer(1_000_000)

    Link.__post_init__ = hasty
    pacing.fit = lambda names: tuple(names[:1])


@mutant
def one_big_connection() -> None:
    """Puts every stream on one connection, in one frame."""
    supervisor.MAX_STREAMS = 1_000_000
    pacing.fit = tuple


@mutant
def fire_and_forget() -> None:
    """Never looks for the acknowledgement."""
    Ledger.overdue = lambda self, now, limit_s, heard: False


@mutant
def ack_is_live() -> None:
    """Counts a stream as live from the acknowledgement on, and never looks at the data."""
    Supervisor._look_for_silence = lambda self, link, now: None


@mutant
def replays_queue() -> None:
    """Keeps every request, and after a loss sends them all again, in order."""
    count_dials()
    subscribe, unsubscribe, next_request = Feed.subscribe, Feed.unsubscribe, Link._next_request

    def queue(self: Feed, method: str, names: tuple[str, ...]) -> None:
        self.queue = [*getattr(self, "queue", []), (method, names)]

    def subscribe_and_keep(self: Feed, *names: str) -> None:
        subscribe(self, *names)
        queue(self, "SUBSCRIBE", names)

    def unsubscribe_and_keep(self: Feed, *names: str) -> None:
        unsubscribe(self, *names)
        queue(self, "UNSUBSCRIBE", names)

    def replay(self: Link) -> Request | None:
        if self.owner.dials == 1:
            return next_request(self)
        if not hasattr(self, "queue"):
            self.queue = list(self.owner._consumer.queue)
        while self.queue:
            method, names = self.queue.pop(0)
            mine = tuple(name for name in names if _route(self, name) == self.owner.route)
            if mine:
                return _send(self._ledger, Request(next(self.ids), method, mine, self._loop.time()))
        return next_request(self)

    Feed.subscribe, Feed.unsubscribe = subscribe_and_keep, unsubscribe_and_keep
    Link._next_request = replay


def _route(link: Link, name: str) -> str:
    return read_stream(link.rules, name).route


def _send(ledger: Ledger, request: Request) -> Request:
    """Let the ledger know of a request that it has not made."""
    for name in request.names:
        if request.method == "SUBSCRIBE":
            ledger._asked[name] = None
        else:
            ledger._asked.pop(name, None)
    ledger._pending[request.id] = request
    return request


@mutant
def restores_url_only() -> None:
    """After a loss it asks for what its first connection was opened with, and for nothing that
    was added later; it takes that for live."""
    dial, next_request = Supervisor._dial, Link._next_request

    def remember(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        self.first = getattr(self, "first", None) or dict(self.wanted)
        self.later = hasattr(self, "dialled")
        self.dialled = True
        dial(self, tasks)

    def as_at_first(self: Link) -> Request | None:
        wanted = self.owner.wanted
        if self.owner.later:
            self.owner.wanted = self.owner.first
        try:
            return next_request(self)
        finally:
            self.owner.wanted = wanted

    Supervisor._dial, Link._next_request = remember, as_at_first
    Ledger.complete = lambda self, wanted: not self._pending
