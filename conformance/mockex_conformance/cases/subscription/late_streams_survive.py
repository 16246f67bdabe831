from __future__ import annotations

from contextlib import suppress

from mockex.faults import CloseWith, Fault, Fin, Reset
from mockex_conformance.case import NotLive, Run, case
from mockex_conformance.cases.losses import describe, lose, settled
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import LiveIsTrue, Recovered, SubscriptionsEqual
from mockex_conformance.verdict import Level

_LOSSES: tuple[Fault, ...] = (Reset(), Fin(), CloseWith(code=1001))


@case("subscription/late-streams-survive", "SUB-09", level=Level.L2, starts=False)
async def late_streams_survive(run: Run) -> None:
    """Streams that were added after the first connect are restored like the ones that were there
    from the start.

    The testee starts with A; when it is live, B and C are subscribed and A is unsubscribed; then
    it loses its connection in three ways. After each exactly B and C must be subscribed and flow.
    A stream that is missing, A that is back, or a state `live` while one of them is delivered
    nowhere, fails the case.

    Evidence: two published clients restore only what stands in the connect URL; the later streams
    are silent for the rest of the run (measured).
    Causes: The URL of the first connect is kept and used again, and what was subscribed later by
    request is remembered nowhere.
    Look at: The `subscribed` entries before and after a fault: the names of the later ones stand
    there once, with `via` `request`, and never again. In your code, which list a reconnect reads,
    and what adds to it.
    """
    run.judged_by(Recovered(), SubscriptionsEqual(), LiveIsTrue())
    a, b, c = choose(run, books(3))
    await run.start(streams=[a])
    await run.until_live()
    await run.request("subscribe", streams=[b, c])
    await run.request("unsubscribe", streams=[a])
    run.streams = [b, c]
    await run.until_live()
    # It may wait its turn: the exchange counts messages.
    asked_s = run.deadline_s(run.limit_ms("ack_timeout_ms"))
    with suppress(NotLive):  # the check finds it
        await run.until(lambda: not _delivered(run, a), asked_s, f"{a} to be unsubscribed")
    for fault in _LOSSES:
        await lose(run, fault)
        await run.until_recovered()
        await settled(run)
        run.note("subscriptions", streams=run.streams, after=describe(fault))


def _delivered(run: Run, stream: str) -> bool:
    return bool(run.exchange.connections.delivering(stream))
