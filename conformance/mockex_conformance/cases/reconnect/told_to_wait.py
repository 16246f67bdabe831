from __future__ import annotations

from mockex.faults import RefuseUpgrade, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import AttemptRate, Recovered, WaitsAsTold
from mockex_conformance.verdict import Severity

_TOLD = ((429, 5), (418, 8))  # seconds of the exchange, which no testee scales
_BANNED_MS = 6_000
_PAGE = "<html><body><h1>403 Forbidden</h1></body></html>"


@case("reconnect/told-to-wait", "RECON-07", severity=Severity.SHOULD, takes_s=15)
async def told_to_wait(run: Run) -> None:
    """A handshake refused with 429 or 418 and `Retry-After` is not repeated before that time.

    After a reset the attempt is refused with 429 and `Retry-After: 5`; after another one with 418
    and `Retry-After: 8`; and after a third one each attempt with 403 and a page of HTML, for 6 s.
    An attempt more than 50 ms before its time, too many attempts in any window of the third phase,
    an exit, or a recovery later than `reconnect_cap_ms` after the time that was told fails the
    case. `Retry-After` is in seconds.

    Evidence: hummingbot/hummingbot#1291, oliver-zehentleitner/unicorn-binance-websocket-api#330,
    rotki/rotki#1860. The exchange documents the header for REST only.
    Causes: A refused handshake is an error like any other and is followed by the usual delay. Or
    the number of the header is taken for milliseconds.
    Look at: The entry `refused` before the finding and the `attempted` behind it. In the code: what
    of the answer reaches whoever decides about the delay; many libraries drop its headers.
    """
    run.judged_by(WaitsAsTold(), AttemptRate(), Recovered())
    cap_ms = run.limit_ms("reconnect_cap_ms")
    for status, seconds in _TOLD:
        refusal = run.inject(
            RefuseUpgrade(status=status, headers={"Retry-After": str(seconds)}, body=_PAGE)
        )
        await run.cause(Reset())
        await run.until_seen(refusal)
        (refused,) = (await refusal.seen()).conns
        run.note("told-to-wait", connection=refused, status=status, seconds=seconds)
        await run.sleep(seconds)
        run.calm()
        await run.until_recovered(cap_ms)
    refusal = run.inject(RefuseUpgrade(status=403, body=_PAGE, attempts=1_000_000))
    run.note("attempts-counted", connections=len(run.exchange.connections.live()))
    await run.cause(Reset())
    await run.until_seen(refusal)
    await run.sleep(run.scaled_s(_BANNED_MS))
    run.note("attempts-counted-end")
    run.calm()
    await run.until_recovered(cap_ms)
