from __future__ import annotations

from contextlib import suppress

from mockex_conformance.case import NotLive, Run, case
from mockex_conformance.cases.losses import settled
from mockex_conformance.cases.streams import choose, quotes, unheard_of
from mockex_conformance.checks import (
    MessageRate,
    Recovered,
    RequestSize,
    StreamsFit,
    SubscriptionsEqual,
)
from mockex_conformance.verdict import Severity

_LIVE, _SILENT = 12, 1_088
_WITHIN_S = 60.0


@case(
    "subscription/more-than-1024",
    "SUB-08",
    severity=Severity.SHOULD,
    starts=False,
    least_scale=1.0,
)
async def more_than_1024(run: Run) -> None:
    """More streams than a connection carries are spread, not refused and not lost.

    The testee is given 1,100 streams, of which the exchange acknowledges all and sends 12, while
    the message limit is enforced. A connection that asks for more than 1,024 (error code 4), a
    request longer than 4,096 bytes, which the exchange would cut, too many messages in a window,
    or a stream that is missing or doubled after 60 s, fail the case.

    Evidence: oliver-zehentleitner/unicorn-binance-websocket-api#17,
    oliver-zehentleitner/unicorn-binance-websocket-api#19, JKorf/Binance.Net#974.
    Causes: Every stream goes to the one connection there is. Or they are spread, and all names of a
    connection are put into one request.
    Look at: `size` of the `received` entries, and errors in the `replied` ones. In your code, what
    decides which connection takes the next stream, and what cuts the list of a request.
    """
    profile = run.profile
    run.judged_by(
        MessageRate(limit=profile.incoming_per_s or 0),
        StreamsFit(most=profile.max_streams),
        Recovered(),
        SubscriptionsEqual(),
    )
    if profile.max_request_bytes is not None:
        run.judged_by(RequestSize(most=profile.max_request_bytes))
    wanted = choose(run, [*quotes(_LIVE), *unheard_of(_SILENT)])
    await run.start(streams=wanted)
    run.streams = wanted[:_LIVE]
    await run.until_live(_WITHIN_S)

    def all_asked_for() -> bool:
        seen: set[str] = set()
        for connection in run.exchange.connections.live():
            seen.update(connection.streams)
        return seen.issuperset(wanted)

    with suppress(NotLive):  # what is missing then is found at the landmark
        await run.until(all_asked_for, _WITHIN_S, "all streams subscribed")
        await settled(run)
    run.note("subscriptions", streams=wanted, after=f"a start with {len(wanted):,}")
