from __future__ import annotations

from mockex.faults import Reset
from mockex_conformance.case import Run, Unsupported, case
from mockex_conformance.cases.losses import settled
from mockex_conformance.cases.streams import on_two_connections
from mockex_conformance.checks import OthersUntouched, Recovered


@case("connection/only-the-lost-one-is-replaced", "CONN-07", starts=False)
async def only_the_lost_one_is_replaced(run: Run) -> None:
    """A loss on one connection does not touch the others.

    The testee holds two connections: on usdm one for each route, on spot only if it makes two for
    two streams. One is reset five times, then the other. A close by the testee, a subscription or
    an unsubscription on a connection that was not reset fails the case.

    Evidence: binance/binance-connector-python#505 (each loss rebuilt both sockets); the two routes
    of usdm, which nobody can serve with one connection.
    Causes: One client object owns all connections and restarts as a whole. Or the list of streams
    is kept for the client, not for the connection, and is asked for again everywhere.
    Look at: The first `closed`, `ended`, `subscribed` or `unsubscribed` entry of the connection in
    the finding, and the `faulted` before it. In your code, what the handler of a loss iterates
    over.
    """
    run.judged_by(OthersUntouched(), Recovered())
    await run.start(streams=on_two_connections(run))
    await run.until_live()
    for number, stream in _two(run):
        fault = Reset(connection=number)
        for _ in range(5):
            await run.until_events(2, stream)
            await run.cause(fault)
            await run.until_recovered()
            fault = Reset(stream=stream)  # the newest that delivers it: what came instead
    await settled(run)


def _two(run: Run) -> list[tuple[int, str]]:
    """Two connections, each with a stream of its own if there is one."""
    newest = run.exchange.connections.delivering(run.stream)[-1]
    others = [c for c in run.exchange.connections.delivering() if c is not newest]
    if not others:
        raise Unsupported(
            "it holds both streams on one connection, so there is no other to touch; this is "
            "judged where it needs two, as for the two routes of usdm"
        )
    apart = [(c.number, name) for c in others for name in c.streams if name not in newest.streams]
    return [(newest.number, run.stream), (apart or [(others[0].number, run.stream)])[0]]
