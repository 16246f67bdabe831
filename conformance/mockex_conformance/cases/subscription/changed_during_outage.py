from __future__ import annotations

from mockex.faults import Outage
from mockex.server.journal import Faulted
from mockex_conformance.case import Run, Unseen, case
from mockex_conformance.cases.losses import settled
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import AnsweredInTime, NamedOnce, Recovered, SubscriptionsEqual
from mockex_conformance.verdict import Level


@case(
    "subscription/changed-during-outage",
    "SUB-07",
    level=Level.L2,
    starts=False,
    least_scale=0.5,
)
async def changed_during_outage(run: Run) -> None:
    """What is wanted is what was last asked for, even if it was asked while no connection existed;
    old requests are not replayed.

    A and B are live. While the port refuses for 3 s, A is unsubscribed, C subscribed, unsubscribed
    and subscribed again, then D subscribed; each command must be answered within 1 s. Afterwards
    exactly B, C and D are subscribed. A that comes back, a stream that is missing or named twice,
    or a command that is not answered, fails the case. Not scaled below one half, so that all
    commands are given before the port is back.

    Evidence: enisdenjo/graphql-ws#163, RobotWebTools/rosbridge_suite#948,
    aws-devtools-labs/aws-blocks#497, apollographql/subscriptions-transport-ws#732.
    Causes: Requests that cannot be sent are put into a queue, and the queue is sent after the
    reconnect, behind what is restored. Or a command waits for the connection.
    Look at: The `received` and `subscribed` entries behind the landmark `asked-for`. In your code,
    keep the set that is wanted, and on each open ask for the difference.
    """
    run.judged_by(Recovered(), SubscriptionsEqual(), NamedOnce(), AnsweredInTime())
    a, b, c, d = choose(run, books(4))
    await run.start(streams=[a, b])
    await run.until_live()
    outage = await run.cause(Outage(how="refuse", ms=3_000))
    run.note("asked-for")
    for method, stream in (
        ("unsubscribe", a),
        ("subscribe", c),
        ("unsubscribe", c),
        ("subscribe", c),
        ("subscribe", d),
    ):
        await run.request(method, streams=[stream])
    if any(e.fault == outage.id and e.phase == "ended" for e in run.journal.of(Faulted)):
        raise Unseen("the port was back before everything had been asked for")
    run.streams = [b, c, d]
    await run.until_ended(outage)
    await run.until_recovered()
    await settled(run)
    run.note("subscriptions", streams=run.streams, after="the outage")
