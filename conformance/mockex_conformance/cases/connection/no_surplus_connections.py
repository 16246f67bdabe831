from __future__ import annotations

from contextlib import suppress

from mockex.faults import LifetimeCut, Reset, ServerShutdown
from mockex.server.journal import Sampled
from mockex_conformance.case import NotLive, Run, case
from mockex_conformance.checks import NoSurplus, Recovered

_ALONE_S = 1.0
_PATIENCE_S = 2.0  # after a recovery; after a notice the overlap that is declared


@case("connection/no-surplus-connections", "CONN-08", takes_s=15)
async def no_surplus_connections(run: Run) -> None:
    """Connections that carry no stream are counted too: after losses and renewals the testee holds
    as many connections of any kind as before.

    Six times a planned end (spot: the notice `serverShutdown` and the end a second later; usdm: the
    cut at the connection's lifetime) and six times a reset, in turn; after each the testee is left
    alone for a second. One connection or socket more than before the first, 2 s after a recovery
    (`overlap_ms` after a notice), fails the case.

    Evidence: an official SDK doubled its pool at each renewal, 2, 4, 8 and so on up to 100
    connections, while every stream was delivered exactly once and the traffic stayed flat
    (measured); ably/ably-go#685.
    Causes: A renewal renews every connection of a pool, or opens a new pool and forgets the old
    one. Streams are moved over, so nobody misses them, and the sockets stay.
    Look at: The `pool-counted` landmarks of the recording, and the `upgraded` entries that no
    `subscribed` follows. In your code, who closes what a renewal leaves behind.
    """
    run.judged_by(NoSurplus(), Recovered())
    await run.sleep(_ALONE_S)
    allowed = max(len(run.exchange.connections.live()), _sample(run).stream_sockets)
    announced = run.profile.name == "spot"
    for number in range(1, 7):
        if announced:
            await run.until_ended(await run.cause(ServerShutdown(lead_ms=1000)))
            await run.until_recovered()
            patience_s = run.deadline_s(run.limit_ms("overlap_ms"))
            await _count(run, allowed, f"notice {number}", patience_s)
        else:
            await run.cause(LifetimeCut())
            await run.until_recovered()
            await _count(run, allowed, f"cut {number}", _PATIENCE_S)
        await run.cause(Reset())
        await run.until_recovered()
        await _count(run, allowed, f"reset {number}", _PATIENCE_S)


async def _count(run: Run, allowed: int, after: str, patience_s: float) -> None:
    """Leave it alone, then wait until it holds no more than is allowed, or its time is over."""

    def no_more() -> bool:
        held = max(len(run.exchange.connections.live()), _sample(run).stream_sockets)
        return held <= allowed

    await run.sleep(_ALONE_S)
    with suppress(NotLive):  # the check finds it
        await run.until(no_more, patience_s - _ALONE_S, "surplus connections to be closed")
    run.note("pool-counted", allowed=allowed, after=after)


def _sample(run: Run) -> Sampled:
    return [*run.journal.of(Sampled)][-1]
