from __future__ import annotations

from mockex.faults import BadUpgrade, Fault, RefuseUpgrade, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.cases.closing import closed
from mockex_conformance.checks import AttemptRate, ClosedByTestee, Recovered

_PAGE = "<html><body><h1>It will not be long</h1></body></html>"
# In pairs: a recovery that lasts between them keeps the delays of a right adapter short.
_ANSWERS: tuple[tuple[Fault, Fault], ...] = (
    (RefuseUpgrade(status=400), RefuseUpgrade(status=404)),
    (RefuseUpgrade(status=500), RefuseUpgrade(status=502, body=_PAGE)),
    (RefuseUpgrade(status=503, body=_PAGE), BadUpgrade(kind="wrong-accept")),
    (BadUpgrade(kind="no-upgrade"), BadUpgrade(kind="garbage")),
    (BadUpgrade(kind="cut"), BadUpgrade(kind="tls-alert")),
)
_NOT_TO_BE_USED = {
    "wrong-accept": "a 101 with a wrong Sec-WebSocket-Accept, which must not be used",
    "no-upgrade": "a 101 without Upgrade, which must not be used",
}


@case("reconnect/handshake-rejected", "RECON-09")
async def handshake_rejected(run: Run) -> None:
    """Strange answers to a handshake neither kill the testee nor stop it from trying.

    Five times its connection is reset and two attempts get such an answer, one each: 400, 404, 500,
    502 and 503 with HTML, a 101 with a wrong `Sec-WebSocket-Accept`, a 101 without `Upgrade`, a
    first line that is no HTTP, headers cut in the middle, a TLS alert on a plain port; then it
    recovers and has `stable_ms` of data. An exit, too many attempts in any window, a recovery later
    than `reconnect_cap_ms`, or a bad 101 whose connection is still open after
    `handshake_timeout_ms` fails the case.

    Evidence: elpheria/rpc-websockets#87, ccxt/binance-api-node#24; pages of deployments and of web
    application firewalls.
    Causes: Only errors of the connection are caught, and an unexpected status or a parser's error
    ends the task, or the process. Or the first answer of that kind counts as final.
    Look at: The last `refused`, or `faulted` of kind BadUpgrade, before the finding, and the
    testee's stderr. In the code: which exceptions of the library stand around the handshake.
    """
    run.judged_by(AttemptRate(), ClosedByTestee(), Recovered())
    for pair in _ANSWERS:
        answers = [run.inject(answer) for answer in pair]
        run.note("attempts-counted", connections=len(run.exchange.connections.live()))
        await run.cause(Reset())
        for answer in answers:
            await run.until_seen(answer)
            seen = await answer.seen()
            if seen.detail in _NOT_TO_BE_USED:
                within_ms = run.limit_ms("handshake_timeout_ms")
                await closed(run, seen.conns, within_ms, _NOT_TO_BE_USED[seen.detail])
        await run.until_recovered(run.limit_ms("reconnect_cap_ms"))
        run.note("attempts-counted-end")
        await run.until_stable()
