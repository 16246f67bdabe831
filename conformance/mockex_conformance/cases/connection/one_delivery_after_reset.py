from __future__ import annotations

from mockex.faults import Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import DeliveriesAtMost, Recovered


@case("connection/one-delivery-after-reset", "CONN-01")
async def one_delivery_after_reset(run: Run) -> None:
    """A connection that the peer resets is replaced by exactly one new connection.

    Ten times: five events are delivered, the connection is reset, data flow again. Every second
    round resets all connections that deliver the stream, so that growth by one and doubling both
    show. A live delivery more than declared fails the case, even if it goes away: the exchange has
    already forgotten a connection that it has reset.

    Evidence: the incident that `mockex demo` tells; recws-org/recws#20, mattn/go-mastodon#215,
    oliver-zehentleitner/unicorn-binance-websocket-api#104, socketio/socket.io#430.
    Causes: Two owners of one connection: a client that reconnects by itself, inside a runner that
    starts another client when data stop. Or a reconnect that does not end the read loop of the
    connection before.
    Look at: Who dials after a `faulted`: the `attempted` entries of the recording, and the chart of
    deliveries in report.html. In your code, every place that opens a connection: there should be
    one.
    """
    run.judged_by(DeliveriesAtMost(k=run.k, streams=run.streams), Recovered())
    for number in range(10):
        await run.until_events(5)
        await run.cause(Reset(all=number % 2 == 1))
        await run.until_recovered()
