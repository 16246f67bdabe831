from __future__ import annotations

from math import ceil

from mockex.faults import ServerShutdown
from mockex_conformance.case import Run, Unsupported, case
from mockex_conformance.cases.rollover.moving import (
    at_most_one_more,
    holders,
    lifetime_s,
    overlap_s,
    until_left,
    until_renewed,
)
from mockex_conformance.checks import ClosedByTestee, OnceInOrder, Recovered

_LEAD_MS = 30_000


@case("rollover/handover-leaves-one", "ROLL-03", starts=False)
async def handover_leaves_one(run: Run) -> None:
    """After a planned handover the old connection is closed and each event reaches the consumer
    once.

    On spot a notice comes 30 s ahead, so that the exchange would keep the old connection for long;
    a testee that `renews` is then started anew and told a lifetime, which the exchange does not
    enforce. An old connection still open `overlap_ms` after the streams have moved, more than twice
    the declared deliveries, or an event that is presented twice fails the case. Who breaks before
    it makes has no overlap, and passes with a note.

    Evidence: binance/binance-connector-rust#96, binance/binance-connector-rust#57,
    oliver-zehentleitner/unicorn-binance-websocket-api#15.
    Causes: The new connection replaces a variable and nobody closes what was in it; both
    connections feed the consumer while they overlap, and nothing compares ids.
    Look at: Who ended the old connection, and when; the ids of events around the move.
    """
    announced = run.profile.name == "spot"
    if not announced and not run.testee.renews:
        raise Unsupported(
            f"no planned handover: {run.profile.name} announces no shutdown, and it does not "
            "declare `renews = true`"
        )
    run.judged_by(ClosedByTestee(), *at_most_one_more(run), OnceInOrder(), Recovered())
    moves_ms = run.limit_ms("reconnect_first_ms") + run.limit_ms("overlap_ms")
    renews_ms = lifetime_s(run) / run.scale * 1000 + moves_ms if run.testee.renews else 0.0
    run.needs(run.limit_ms("stable_ms") + moves_ms + renews_ms, "overlap_ms")
    moved = announced and await _notice(run)
    if run.testee.renews:
        await run.stop()
        await _renewal(run)
    elif not moved:
        raise Unsupported(
            "no planned handover: it does not react to `serverShutdown` (ROLL-02 judges that) and "
            "does not declare `renews = true`"
        )


async def _notice(run: Run) -> bool:
    """Whether the testee moved when it was told."""
    await run.start()
    await run.until_live()
    await run.until_stable()
    old = holders(run)
    moves_s = run.deadline_s(run.limit_ms("reconnect_first_ms"))
    # Longer than a testee may take that uses all its limits: the exchange must not help it.
    lead_ms = ceil((moves_s + overlap_s(run) + 1.0) / run.scale * 1000)
    await run.cause(ServerShutdown(lead_ms=max(_LEAD_MS, lead_ms)))
    if not await run.until_moved(old, moves_s):
        run.notes.append("it does not react to the notice; ROLL-02 judges that")
        return False
    await until_left(run, old, "the notice")
    await run.until_events(5)
    return True


async def _renewal(run: Run) -> None:
    lifetime = lifetime_s(run)
    await run.start(lifetime_s=lifetime)
    await run.until_live()
    old = holders(run)
    await until_renewed(run, old, lifetime)
    await until_left(run, old, "its renewal")
    await run.until_events(5)
