"""Eight processes of one testee, and an outage that meets them all in the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mockex.faults import Outage
from mockex_conformance.case import Run, Unsupported

PROCESSES = 8
LONGEST_MS = 60_000


async def gather(run: Run) -> None:
    """Start the other seven; return when all are live, each on one connection.

    Raises:
        Unsupported: it holds several, whose waits cannot be told apart.
    """
    if run.k > 1:
        raise Unsupported("needs `deliveries_per_stream = 1`: waits of one connection are measured")
    await run.start_others(PROCESSES - 1)
    await run.until_live()
    held = Counter(c.port for c in run.exchange.connections.live())
    if max(held.values()) > 1:
        raise Unsupported("needs one connection for one stream: the waits of one are measured")


@asynccontextmanager
async def outage(run: Run) -> AsyncIterator[None]:
    """All connections are reset at once, and every attempt within the block, for at most
    `LONGEST_MS`; then all recover."""
    run.note("waits-counted")
    run.inject(Outage(how="abort", ms=LONGEST_MS))
    yield
    run.note("waits-counted-end")
    run.calm()
    await run.until_recovered(run.limit_ms("reconnect_cap_ms"))
