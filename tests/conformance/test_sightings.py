"""What `mockex try` tells of the exchange, from entries made by hand."""

from __future__ import annotations

from mockex.server.journal import (
    AnyEntry,
    Attempted,
    Batch,
    Delivered,
    Ended,
    Joined,
    Subscribed,
    Upgraded,
)
from mockex.server.views import Connections, Deliveries
from mockex_conformance.sightings import Flow

BOOK, TRADES = "ethusdc@depth5@100ms", "ethusdc@aggTrade"


class Exchange:
    """The two views, and a flow that looks at them after each entry."""

    def __init__(self, *streams: str) -> None:
        self.connections, self.deliveries = Connections(), Deliveries()
        self.flow = Flow(streams, self.connections, self.deliveries)

    def append(self, *entries: AnyEntry) -> bool:
        for entry in entries:
            self.connections.apply(entry)
            self.deliveries.apply(entry)
            self.flow.look()
        return self.flow.live.is_set()

    def opened(self, conn: int, *streams: str, at: float) -> None:
        self.append(
            Attempted(t=at, conn=conn, peer_port=conn),
            Upgraded(t=at, conn=conn, target="/", route="", mode="combined"),
            Subscribed(t=at, conn=conn, streams=list(streams), via="url"),
            Joined(t=at, conn=conn, audience=conn),
        )

    def delivered(self, conn: int, *streams: str, at: float) -> bool:
        batch = Batch(first_id=1, last_id=1, events=1, bytes=9)
        entry = Delivered(t=at, audience=conn, step=1, streams=dict.fromkeys(streams, batch))
        return self.append(entry)


def test_all_flows_once_each_stream_was_delivered_since_the_wait_began() -> None:
    exchange = Exchange(BOOK, TRADES)
    exchange.opened(1, BOOK, TRADES, at=1)
    assert not exchange.delivered(1, BOOK, TRADES, at=2), "nobody waits"
    exchange.flow.await_anew(3)
    assert not exchange.delivered(1, BOOK, at=4)
    assert exchange.flow.missing() == [TRADES]
    assert exchange.delivered(1, TRADES, at=5)
    exchange.flow.await_anew(6)
    assert not exchange.flow.live.is_set()
    assert exchange.delivered(1, BOOK, TRADES, at=6)


def test_what_was_delivered_on_a_connection_that_is_over_does_not_count() -> None:
    exchange = Exchange(BOOK, TRADES)
    exchange.opened(1, BOOK, at=1)
    exchange.opened(2, TRADES, at=1)
    exchange.flow.await_anew(2)
    exchange.delivered(1, BOOK, at=3)
    exchange.append(Ended(t=4, conn=1, by="client", how="fin"))
    assert not exchange.delivered(2, TRADES, at=5)


def test_after_a_reconnect_something_must_have_been_opened() -> None:
    exchange = Exchange(BOOK)
    exchange.opened(1, BOOK, at=1)
    exchange.flow.granted({"method": "reconnect"}, 2)
    exchange.flow.await_anew(3)
    assert not exchange.delivered(1, BOOK, at=4)
    assert not exchange.flow.replaced
    exchange.opened(2, BOOK, at=5)
    assert exchange.delivered(2, BOOK, at=6)


def test_what_was_subscribed_is_waited_for_and_what_was_unsubscribed_is_not() -> None:
    exchange = Exchange(BOOK)
    flow = exchange.flow
    flow.granted({"method": "subscribe", "params": {"streams": [TRADES]}}, 1)
    assert flow.wanted == {BOOK, TRADES}
    flow.granted({"method": "unsubscribe", "params": {"streams": [BOOK]}}, 1)
    flow.granted({"method": "subscribe", "params": [1]}, 1)
    flow.granted({"method": "close"}, 1)
    assert flow.wanted == {TRADES}
