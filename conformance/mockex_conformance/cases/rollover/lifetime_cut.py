from __future__ import annotations

from contextlib import suppress

from mockex.faults import LifetimeCut
from mockex_conformance.case import NotLive, Run, Unseen, case
from mockex_conformance.cases.losses import settled
from mockex_conformance.cases.rollover.moving import (
    at_most_one_more,
    holders,
    lifetime_s,
    overlap_s,
)
from mockex_conformance.checks import DeliveriesAtMost, Recovered, SubscriptionsEqual

_LIFETIMES = 3
_LATE_S = 2.0


@case(
    "rollover/lifetime-cut",
    "ROLL-01",
    starts=False,
    settings=lambda times: {"lifetime_s": lifetime_s(times)},
    takes_s=20,
)
async def lifetime_cut(run: Run) -> None:
    """Being cut at the connection's lifetime is survived again and again.

    The exchange closes each connection with 1001 and an empty reason when it is as old as its
    lifetime: 6 s, or one and a half times `stable_ms`. A testee that `renews` is told and may leave
    before. Three lifetimes pass; then a connection that has lasted `stable_ms` is cut early, and
    another by the end of TCP alone. Other streams than before, no recovery within
    `reconnect_first_ms`, or more live deliveries than declared (of a testee that renews: for longer
    than `overlap_ms`) fail the case.

    Evidence: binance/binance-connector-python#505, binance/binance-connector-python#528,
    binance/binance-connector-rust#96.
    Causes: A timer for the 24 hours and the handler of the close each open a connection; each
    renewal renews all that there are; the streams of the first URL are not asked for again.
    Look at: The live deliveries from lifetime to lifetime: one more each time, or twice as many.
    """
    lifetime = lifetime_s(run)
    once = DeliveriesAtMost(k=run.k, streams=run.streams)
    most = at_most_one_more(run) if run.testee.renews else [once]
    run.judged_by(*most, Recovered(), SubscriptionsEqual())
    stable_s = run.scaled_s(run.limit_ms("stable_ms"))
    total_s = _LIFETIMES * lifetime + 2 * stable_s
    run.needs(total_s / run.scale * 1000, "stable_ms")
    await run.start(lifetime_s=lifetime)
    await run.until_live()
    for _ in range(_LIFETIMES):
        if not await run.until_over(holders(run), lifetime + _LATE_S):
            raise Unseen(f"a connection was not cut at its lifetime of {lifetime:g} s")
        await _back(run, "the lifetime")
    for cut in (LifetimeCut(), LifetimeCut(bare=True)):
        await run.until_stable()
        await run.until_events(1)
        await run.cause(cut)
        await _back(run, "a bare drop" if cut.bare else "an early cut")


async def _back(run: Run, after: str) -> None:
    await run.until_recovered()
    await settled(run)
    with suppress(NotLive):  # it may be in the middle of a renewal of its own
        await run.until(
            lambda: not _overlaps(run), overlap_s(run), "one connection in place of two"
        )
    run.note("subscriptions", streams=run.streams, after=after)


def _overlaps(run: Run) -> bool:
    delivering = run.exchange.connections.delivering
    return run.testee.renews and any(len(delivering(s)) > run.k for s in run.streams)
