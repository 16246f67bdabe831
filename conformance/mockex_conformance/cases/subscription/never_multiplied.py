from __future__ import annotations

from mockex.faults import CloseWith, Fault, Fin, Outage, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.cases.losses import describe, lose, settled
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import NeverMultiplied, Recovered, SubscriptionsEqual

_LOSSES: tuple[Fault, ...] = (
    Reset(all=True),
    Fin(),
    CloseWith(code=1001),
    Reset(),
    Outage(how="refuse", ms=5000),
    Reset(),
    CloseWith(code=1000),
    Fin(),
    CloseWith(code=1012),
    Reset(all=True),
)


@case("subscription/never-multiplied", "SUB-03", starts=False)
async def never_multiplied(run: Run) -> None:
    """The tenth reconnect asks for no more than the first.

    With 12 streams the testee loses ten connections, the fifth time to a port that refuses for
    5 s. More names or more requests in total after the tenth loss than after the first, or a name
    on two connections, fail the case.

    Evidence: askmike/deribit-v2-ws#19, mqttjs/MQTT.js#618, stomp-js/stompjs#213,
    oliver-zehentleitner/unicorn-binance-websocket-api#402.
    Causes: What was restored is appended to what is wanted, which is then restored twice. Or
    requests that were made while offline are queued and all of them are sent at the next open.
    Look at: The `received` requests behind the first and behind the tenth loss (landmarks
    `census`). In your code, whether what is wanted is a set, and who writes to it.
    """
    run.judged_by(Recovered(), NeverMultiplied(), SubscriptionsEqual())
    wanted = choose(run, books(12))
    await run.start(streams=wanted)
    await run.until_live()
    for fault in _LOSSES:
        await lose(run, fault)
        await run.until_recovered()
        await settled(run)
        # A testee may lose a connection of its own on a machine that stands still: count all of it.
        await run.until(lambda: _whole(run, wanted), run.deadline_s(run.recovery_ms()), "all live")
        run.note("census")
        run.note("subscriptions", streams=wanted, after=describe(fault))


def _whole(run: Run, wanted: list[str]) -> bool:
    return all(len(run.exchange.connections.delivering(name)) >= run.k for name in wanted)
