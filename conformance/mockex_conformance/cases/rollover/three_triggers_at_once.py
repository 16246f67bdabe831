from __future__ import annotations

from mockex.faults import LifetimeCut, ServerShutdown
from mockex_conformance.case import Run, case
from mockex_conformance.cases.losses import settled
from mockex_conformance.cases.rollover.moving import at_most_one_more
from mockex_conformance.checks import OneUpgradePerRound, Recovered

_APART_MS = (0, 0, 0, 0, 0, 50, 500)


@case("rollover/three-triggers-at-once", "ROLL-04")
async def three_triggers_at_once(run: Run) -> None:
    """Notice, close and loss in the same instant are one reason to reconnect, not three.

    Five times the notice, a close with 1001 and a reset of the socket come in one instant, then
    with 50 and with 500 ms between them; on usdm, which has no notice, the close of the lifetime
    and the reset. More than one new connection for each that was lost, or more live deliveries than
    declared, fails the case.

    Evidence: spot, section 11.4 (reconnecting on timer, on `serverShutdown` and on close
    independently); phoenixframework/phoenix#6600.
    Causes: The event, the handler of the close and the handler of the error each schedule a
    reconnect of their own.
    Look at: How many connections were upgraded in the round, and how far apart.
    """
    run.judged_by(OneUpgradePerRound(), *at_most_one_more(run), Recovered())
    for apart_ms in _APART_MS:
        await run.until_events(2)
        run.note("round", what=f"three triggers {apart_ms} ms apart")
        if run.profile.name == "spot":
            fault = run.inject(ServerShutdown(lead_ms=apart_ms, reset_ms=apart_ms))
            await run.until_ended(fault)
        else:
            await run.cause(LifetimeCut(reset_ms=apart_ms))
        await run.until_recovered()
        await settled(run)
        run.note("round-over")
