from __future__ import annotations

from mockex.faults import Reset
from mockex_conformance.case import Run, case
from mockex_conformance.cases.streams import of_each_route
from mockex_conformance.checks import Recovered, SameEndpoint, SubscriptionsEqual


@case("connection/same-endpoint-again", "CONN-05", starts=False)
async def same_endpoint_again(run: Run) -> None:
    """A replacement goes to the same base URL, route and mode, and asks for the same streams.

    Three resets of each connection; on usdm there is one for a stream of `/public` and one for a
    stream of `/market`. A stream may move from the URL to a `SUBSCRIBE`, or back. A handshake with
    another host, route or mode, a stream asked for at an endpoint other than before, and a stream
    that is missing or surplus after the reset fail the case.

    Evidence: binance/binance-connector-python#528 (reconnects to a generic path: subscribed,
    acknowledged, silent); the routes of usdm, of which the paths without one push no market data
    since 2026-04-23.
    Causes: The reconnect builds its URL from the base instead of keeping the one of the first
    connect, or one default path is used for whatever was lost.
    Look at: `target` in the `upgraded` entries of the recording, before and after the reset, and
    `silent` in the `subscribed` ones. In your code, where the URL of a reconnect comes from.
    """
    run.judged_by(SameEndpoint(), Recovered(), SubscriptionsEqual())
    await run.start(streams=of_each_route(run))
    await run.until_live()
    for stream in _one_of_each_route(run):
        for _ in range(3):
            await run.until_events(2)
            await run.cause(Reset(stream=stream, all=True))
            await run.until_recovered()
            run.note("subscriptions", streams=run.streams, after=f"a reset of {stream}")


def _one_of_each_route(run: Run) -> list[str]:
    carried: dict[str, str] = {}
    for stream in run.streams:
        for connection in run.exchange.connections.delivering(stream):
            carried.setdefault(connection.route, stream)
    return list(carried.values())
