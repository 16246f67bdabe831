from __future__ import annotations

from mockex.faults import Hold, Release, Stall
from mockex_conformance.case import Run, case
from mockex_conformance.cases.holding import can_hold
from mockex_conformance.checks import Recovered


@case("heartbeat/silence-is-detected", "HB-03", link="wanted")
async def silence_is_detected(run: Run) -> None:
    """A connection on which nothing arrives any more is replaced within `stall_detect_ms`.

    The server goes on reading and writes nothing more, for good: no event, no ping, no pong. The
    exchange pings more often than the limit, so silence proves a dead link. No recovery within the
    limit fails the case. Where there is a link, it happens again on that: all bytes are held in
    both directions, also the answers to what the testee itself may ask. No attempt to connect
    within the limit fails the case; with the attempt the link lets everything through, late but
    complete, for the new connection leads over it too.

    Evidence: ccxt/ccxt#22662, snapview/tungstenite-rs#225, privkeyio/wisp#131,
    marketcalls/openalgo#2075.
    Causes: A read without a limit: a peer that is gone without a word ends no read, and TCP alone
    notices after minutes or hours. The exchange's own pings make silence a proof, if somebody
    looks.
    Look at: That nothing comes after the `faulted` of kind `Stall`. In your code, the limit of the
    read, or the clock that the last frame of any kind, pings included, sets back.
    """
    run.judged_by(Recovered())
    limit_ms = run.limit_ms("stall_detect_ms")
    run.needs(limit_ms, "stall_detect_ms")
    await run.until_events(5)
    await run.cause(Stall(scope="total"))
    await run.until_recovered(limit_ms)
    if can_hold(run, "silence on a link that holds all bytes", 2 * limit_ms):
        await run.until_events(5)
        await run.cause(Hold())
        await run.until_attempt(limit_ms)
        await run.cause(Release())
        await run.until_recovered()
