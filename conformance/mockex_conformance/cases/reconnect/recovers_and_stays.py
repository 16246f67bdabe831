from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.losses import lose, shuffled
from mockex_conformance.checks import DeliveriesAtMost, Recovered, Stays

_QUIET_S = 2.0


@case("reconnect/recovers-and-stays", "RECON-01", takes_s=25)
async def recovers_and_stays(run: Run) -> None:
    """After any kind of loss data flow again in the declared time, and are then left alone.

    Every kind of loss once, the first after `stable_ms` of data and so within
    `reconnect_first_ms`, the others within `reconnect_cap_ms`. After each recovery an attempt, or
    a close by the testee, within two quiet seconds fails the case.

    Evidence: sammchardy/python-binance#1589, phoenixframework/phoenix#3161, lukeed/sockette#57; a
    first fix of the incident, which reconnected for ever after one loss.
    Causes: A close with 1000 or 1001 is taken for one of our own, and ends the loop. Or cleaning up
    after the loss is itself a reason to start again, so that each start makes the next.
    Look at: The fault before the finding. Behind it: no `attempted` at all, or `attempted` and
    `closed` by the testee in turn, within the two seconds after a landmark `recovered`.
    """
    run.judged_by(Recovered(), DeliveriesAtMost(k=run.k, streams=run.streams), Stays())
    await run.until_stable()
    for fault in shuffled(run):
        await lose(run, fault)
        await run.until_recovered()
        run.note("quiet", window_s=_QUIET_S)
        await run.sleep(_QUIET_S)
