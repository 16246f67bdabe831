from __future__ import annotations

from mockex.faults import Fault, Fin, Reset, SlowUpgrade
from mockex_conformance.case import Run, case
from mockex_conformance.checks import DeliveriesAtMost, Recovered

_LOSSES: tuple[Fault, ...] = (Reset(), Reset(), Reset(), Fin())


@case("connection/one-handshake-at-a-time", "CONN-06")
async def one_handshake_at_a_time(run: Run) -> None:
    """While a handshake is pending nobody else in the testee dials.

    Four times the connection is lost (three resets, one FIN) and the next handshake is answered
    only after a third of the declared time-out. A second dial during the first fails the case.

    Evidence: apollographql/subscriptions-transport-ws#732, automerge/automerge-repo#200,
    tutao/tutanota#1294.
    Causes: A watchdog or a second caller finds nothing connected while a dial is under way, and
    dials too. Or a flag is checked, something is awaited, and only then the flag is set.
    Look at: Two `attempted` entries without an `upgraded` or `ended` of the first between them. In
    your code, what says *connecting*, and whether it is said before the first await.
    """
    run.judged_by(DeliveriesAtMost(k=run.k, streams=run.streams, pending=True), Recovered())
    slow_ms = round(run.limit_ms("handshake_timeout_ms") / 3)
    for loss in _LOSSES:
        await run.until_events(2)
        slow = run.inject(SlowUpgrade(ms=slow_ms))
        await run.cause(loss)
        limit_ms = run.recovery_ms() + slow_ms
        await run.until_seen(slow)
        await run.until_recovered(limit_ms)
