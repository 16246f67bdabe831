from __future__ import annotations

from mockex.faults import Stall
from mockex_conformance.case import Run, case
from mockex_conformance.checks import DeliveriesAtMost, OnceInOrder, Recovered
from mockex_conformance.checks.base import Check

_PARTS = (0.5, 0.95, 1.0, 1.05, 1.5)


@case("heartbeat/stall-then-resume", "HB-06", takes_s=25)
async def stall_then_resume(run: Run) -> None:
    """A stall that ends by itself leaves K deliveries, whoever was faster.

    Once it is measured how long the testee takes to replace a connection that has fallen silent;
    then five more fall silent, for 0.5, 0.95, 1.0, 1.05 and 1.5 times as long, and each then sends
    all that was withheld. More than K deliveries for longer than `takeover_ms`, or a stream that
    does not flow again, fails the case; at level 1 also an event that is presented twice or out of
    order. A testee that never replaces a silent connection is not judged here: HB-03 is about that.

    Evidence: knowm/XChange#3813: a long pause looks like death, and two owners meet without any
    loss.
    Causes: The watch starts a new connection and leaves the old one to end by itself, which it does
    not. Or the old one's events are taken again, after those of the new one.
    Look at: The `subscribed` entries around the `faulted` of kind `Stall`, and which of the two
    connections has an end by the testee. In your code, who closes the old socket, and when.
    """
    overlap_ms = 1000 * run.deadline_s(run.limit_ms("takeover_ms"))
    checks: list[Check] = [
        DeliveriesAtMost(k=run.k, streams=run.streams, overlap_ms=overlap_ms),
        Recovered(),
    ]
    run.judged_by(*checks, *([OnceInOrder()] if run.testee.level > 0 else []))
    limit_ms = run.limit_ms("stall_detect_ms")
    run.needs(limit_ms, "stall_detect_ms")
    await _fall_silent(run)
    took_s = await run.until_replaced(limit_ms + run.limit_ms("reconnect_cap_ms"))
    run.needs((1 + sum(_PARTS)) * took_s / run.scale * 1000, "stall_detect_ms")
    await _settle(run)
    for part in _PARTS:
        await _fall_silent(run)
        await run.sleep(part * took_s)
        await _settle(run)


async def _fall_silent(run: Run) -> None:
    await run.until_events(2)
    newest = run.exchange.connections.delivering(run.stream)[-1].number
    await run.cause(Stall(scope="total", connection=newest))


async def _settle(run: Run) -> None:
    """Whatever is silent goes on, if it is still there; then the time in which K must be left."""
    run.calm()
    await run.until_recovered()
    await run.sleep(run.deadline_s(run.limit_ms("takeover_ms")))
