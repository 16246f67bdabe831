from __future__ import annotations

from mockex.faults import CloseWith, Fault, Fin, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.cases.losses import lose
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import FewConnections, MessageRate, Recovered

_STREAMS = 60
_LOSSES: tuple[Fault, ...] = (Reset(all=True), Fin(), CloseWith(code=1001))


@case("subscription/within-message-budget", "SUB-04", starts=False)
async def within_message_budget(run: Run) -> None:
    """The testee stays inside the message limit, also right after a reconnect, and comes live
    while the limit is enforced.

    With 60 streams the testee loses its connection three times, while the exchange closes with
    1008 `Too many requests` who sends more than 5 (spot) or 10 (usdm) messages a second. More than
    that in any window of 1 to 5 s, or more than three connections until it is back, fail the case.
    Who sends one request for each stream gets the time that this takes at the limit.

    Evidence: binance/binance-connector-go#90, binance/binance-connector-js#530,
    hummingbot/hummingbot#7044.
    Causes: One `SUBSCRIBE` for each stream, sent in a loop. Or a limiter that guards what the user
    asks for, and not what is restored after a loss.
    Look at: The `received` entries behind each `upgraded` one, and a close with 1008 after them.
    Put all names into few requests, and count pings of your own as well.
    """
    limit = run.profile.incoming_per_s or 0
    run.judged_by(MessageRate(limit=limit), FewConnections(), Recovered())
    await run.start(streams=choose(run, books(_STREAMS)))
    await run.until_live()
    for fault in _LOSSES:
        await run.until_events(2)
        await lose(run, fault)
        # The limit is the exchange's, so the time that it takes is not scaled.
        pace_ms = _STREAMS / limit * 1000 / run.scale
        await run.until_recovered(run.recovery_ms() + pace_ms)
