from __future__ import annotations

from mockex.faults import CloseWith, CutFrame, Fault, Fin, Reset, SlowUpgrade
from mockex_conformance.case import Run, case
from mockex_conformance.cases.losses import describe, lose, settled
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import Recovered, SubscriptionsEqual

_LOSSES: tuple[Fault, ...] = (
    Reset(),
    Fin(),
    CloseWith(code=1001),
    CutFrame(then="reset"),
    CloseWith(code=1012),
)
_SLOW_MS = 3000


@case("subscription/restored-after-loss", "SUB-02", starts=False)
async def restored_after_loss(run: Run) -> None:
    """After a loss the set of streams is what it was before.

    With 12 streams the testee loses five connections in five ways, the third time with a slow
    handshake to follow. Any difference between the streams before and half a second after a
    recovery fails the case.

    Evidence: enisdenjo/graphql-ws#85, enisdenjo/graphql-ws#99, bennycode/coinbase-pro-node#421,
    eclipse-paho/paho.mqtt.c#221, oliver-zehentleitner/unicorn-binance-websocket-api#216,
    oliver-zehentleitner/unicorn-binance-websocket-api#120.
    Causes: Subscribing is part of the start and not of each open. Or what is restored is sent
    before a slow handshake is over, and is lost.
    Look at: The `subscribed` entries behind each landmark `recovered`. In your code, what runs at
    each open, and from which list.
    """
    run.judged_by(Recovered(), SubscriptionsEqual())
    wanted = choose(run, books(12))
    await run.start(streams=wanted)
    await run.until_live()
    for number, fault in enumerate(_LOSSES):
        slow = run.inject(SlowUpgrade(ms=_SLOW_MS)) if number == 2 else None
        await lose(run, fault)
        limit_ms = run.recovery_ms()
        if slow is not None:
            await run.until_seen(slow)
            limit_ms += _SLOW_MS
        await run.until_recovered(limit_ms)
        await settled(run)
        run.note("subscriptions", streams=wanted, after=describe(fault))
