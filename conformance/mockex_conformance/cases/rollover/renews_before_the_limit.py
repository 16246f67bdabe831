from __future__ import annotations

from mockex_conformance.case import Run, Unsupported, case
from mockex_conformance.cases.rollover.moving import (
    at_most_one_more,
    cut,
    holders,
    roomy_lifetime_s,
    until_left,
)
from mockex_conformance.checks import (
    ClosedByTestee,
    NoGapInDeliveries,
    OnceInOrder,
    Recovered,
    RenewedInTime,
)
from mockex_conformance.verdict import Severity


@case(
    "rollover/renews-before-the-limit",
    "ROLL-05",
    severity=Severity.MAY,
    starts=False,
)
async def renews_before_the_limit(run: Run) -> None:
    """The testee renews a connection before the exchange cuts it, without a gap.

    The exchange cuts each connection at its lifetime, of which the testee is told in
    MOCKEX_LIFETIME_S: at least 6 s, and so long that a tenth of it is enough to open a connection
    in (`reconnect_first_ms` and a second). A connection that is cut, a moment without a live
    delivery, an old connection still open `overlap_ms` after the move, or an event presented twice
    fails the case.

    Evidence: smartcontractkit/ea-framework-js#901,
    oliver-zehentleitner/unicorn-binance-websocket-api#15.
    Causes: Nothing looks at the age of a connection; the renewal closes before it opens, or never
    closes.
    Look at: The age of the connection when its successor was opened, and who ended it.
    """
    if not run.testee.renews:
        raise Unsupported("it does not renew: declare `renews = true` and honour MOCKEX_LIFETIME_S")
    lifetime = roomy_lifetime_s(run)
    run.judged_by(
        RenewedInTime(lifetime_s=lifetime),
        NoGapInDeliveries(),
        ClosedByTestee(),
        *at_most_one_more(run),
        OnceInOrder(),
        Recovered(),
    )
    run.needs(lifetime / run.scale * 1000, "reconnect_first_ms")
    await run.start(lifetime_s=lifetime)
    await run.until_live()
    old = holders(run)
    run.note("handover", after="it went live")
    # Cut by the case, so that it is as much later as our own loop stood still.
    if await run.until_moved(old, lifetime):
        await until_left(run, old, "its renewal")
    else:
        await cut(run, old)
        await run.until_recovered()
    run.note("handover-over")
    await run.until_events(5)
