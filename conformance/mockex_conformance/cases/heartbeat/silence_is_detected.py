from __future__ import annotations

from mockex.faults import Stall
from mockex_conformance.case import Run, case
from mockex_conformance.checks import Recovered


@case("heartbeat/silence-is-detected", "HB-03")
async def silence_is_detected(run: Run) -> None:
    """A connection on which nothing arrives any more is replaced within `stall_detect_ms`.

    The server goes on reading and writes nothing more, for good: no event, no ping, no pong. The
    exchange pings more often than the limit, so silence proves a dead link. No recovery within the
    limit fails the case.
    """
    run.judged_by(Recovered())
    limit_ms = run.limit_ms("stall_detect_ms")
    run.needs(limit_ms, "stall_detect_ms")
    await run.until_events(5)
    await run.cause(Stall(scope="total"))
    await run.until_recovered(limit_ms)
