from __future__ import annotations

from mockex.faults import Reset, WithholdAck
from mockex_conformance.case import Run, Unseen, Unsupported, case
from mockex_conformance.checks import AttemptRate, Recovered
from mockex_conformance.verdict import Severity


@case("subscription/lost-acknowledgement", "SUB-05", severity=Severity.SHOULD)
async def lost_acknowledgement(run: Run) -> None:
    """A `SUBSCRIBE` that is never answered and never served is noticed, and retried without
    tearing down in a loop.

    After a reset the first `SUBSCRIBE` of the new connection is neither answered nor served, the
    next one is. A stream that is not live within `ack_timeout_ms` of the first, or too many
    attempts to connect in any window, fail the case.

    Evidence: JKorf/Binance.Net#948, djienne/passivbot_lighter#3.
    Causes: The request is sent and forgotten: only its answer would have told, and nobody waits for
    it. Or the time-out of the wait is logged, and nothing follows.
    Look at: The first `received` entry after the reset, to which no `replied` belongs, and what
    comes after it. In your code, where an `id` is matched with its answer, and what runs if none
    comes.
    """
    run.judged_by(Recovered(), AttemptRate())
    ack_ms = run.limit_ms("ack_timeout_ms")
    run.needs(ack_ms, "ack_timeout_ms")
    run.note("attempts-counted", connections=len(run.exchange.connections.live()))
    withheld = run.inject(WithholdAck(served=False))
    await run.cause(Reset())
    back_ms = run.recovery_ms()
    try:
        await run.until_seen(withheld, run.deadline_s(back_ms))
    except Unseen:
        await run.until_recovered(back_ms)  # or it is not back at all
        raise Unsupported(
            "needs a testee that sends SUBSCRIBE requests: this one names its streams in the URL, "
            "where nothing is acknowledged"
        ) from None
    await run.until_recovered(ack_ms)
    run.note("attempts-counted-end")
