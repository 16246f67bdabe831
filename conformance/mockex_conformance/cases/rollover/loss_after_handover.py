from __future__ import annotations

from collections.abc import Awaitable, Callable

from mockex.faults import LifetimeCut, Reset, ServerShutdown
from mockex_conformance.case import Run, case
from mockex_conformance.cases.rollover.moving import (
    at_most_one_more,
    holders,
    lifetime_s,
    until_renewed,
)
from mockex_conformance.checks import Recovered

_LEAD_MS = 2_000
_ROUNDS = 2


@case("rollover/loss-after-handover", "ROLL-06", starts=False)
async def loss_after_handover(run: Run) -> None:
    """A connection that came from a handover or a renewal is repaired after a loss like any other.

    Twice the streams move and the new connection is reset once it has lasted `stable_ms`. They move
    because of a notice 2 s ahead on spot, and because of the testee's own renewal if it `renews`,
    in turn; else because of the cut at the lifetime. No recovery within `reconnect_first_ms`, or
    more live deliveries than declared, fails the case.

    Evidence: two official SDKs skip the reconnect of a renewed socket, and the stream is dead until
    the next renewal (measured, and read in the source of a third).
    Causes: The handlers are attached where the first connection is made and not where a renewal
    makes its own; a flag that says *renewing* stays set.
    Look at: Whether any attempt follows the reset.
    """
    run.judged_by(*at_most_one_more(run), Recovered())
    ways: list[Callable[[Run], Awaitable[None]]] = []
    if run.profile.name == "spot":
        ways.append(_notice)
    if run.testee.renews:
        ways.append(_renewal)
    lifetime_ms = lifetime_s(run) / run.scale * 1000
    run.needs(_ROUNDS * (2 * run.limit_ms("stable_ms") + lifetime_ms), "stable_ms")
    await run.start(lifetime_s=lifetime_s(run))
    await run.until_live()
    for number in range(_ROUNDS):
        await run.until_stable()
        await (ways[number % len(ways)] if ways else _cut)(run)
        await run.until_stable()
        await run.until_events(1)
        await run.cause(Reset())
        await run.until_recovered()


async def _notice(run: Run) -> None:
    notice = await run.cause(ServerShutdown(lead_ms=_LEAD_MS))
    await run.until_ended(notice)
    await run.until_recovered()


async def _renewal(run: Run) -> None:
    await until_renewed(run, holders(run), lifetime_s(run))


async def _cut(run: Run) -> None:
    await run.cause(LifetimeCut())
    await run.until_recovered()
