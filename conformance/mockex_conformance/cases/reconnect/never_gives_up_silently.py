from __future__ import annotations

from contextlib import suppress

from mockex.faults import Fault, HangUpgrade, Outage, RefuseUpgrade
from mockex.server.journal import Said
from mockex_conformance.case import Gone, Run, case
from mockex_conformance.checks import NoSilentEnd

_OF_EACH = 4  # twelve in all
_MANY = 1_000_000
_LATER_S = 0.5  # than the deadline, so that the recording shows that it was missed


@case("reconnect/never-gives-up-silently", "RECON-10", ends_dead=True)
async def never_gives_up_silently(run: Run) -> None:
    """A long outage ends in recovery, or the testee says that it has stopped.

    All connections are reset, and attempts fail in three ways: first each one is reset, then none
    is answered, then each gets a 503; each way until four have failed so, or for
    `reconnect_cap_ms`. Then the exchange is well. No recovery within `reconnect_cap_ms` fails the
    case, unless the testee has said `gave_up` or has ended with an exit code other than 0.

    Evidence: ccxt/node-binance-api#86 (one attempt only), sammchardy/python-binance#76, #834,
    binance/binance-connector-python#274, nats-io/nats.java#128.
    Causes: A limit of attempts after which the loop ends and nobody is told. Or an error that only
    one of the three ways brings about, and that is not caught.
    Look at: The last `attempted` of the recording, and what had happened to the attempts before it.
    In the code: where the loop of attempts can end, and who then hears of it.
    """
    run.judged_by(NoSilentEnd())
    cap_ms, hang_ms = run.limit_ms("reconnect_cap_ms"), run.limit_ms("handshake_timeout_ms")
    run.needs(4 * cap_ms + hang_ms, "reconnect_cap_ms")
    with suppress(Gone):  # an exit is judged by its code
        lost = set(run.exchange.connections.all)
        await _failing(run, Outage(how="abort", ms=round(cap_ms)), cap_ms)
        await _failing(run, HangUpgrade(attempts=_MANY), cap_ms)
        # The last attempt that hangs is given up meanwhile, whatever is declared.
        await _failing(run, RefuseUpgrade(status=503, attempts=_MANY), cap_ms + hang_ms)
        within_s = run.deadline_s(cap_ms)
        run.note("well-again", within_s=within_s)
        if not _gave_up(run):
            await run.until_moved(lost, within_s + _LATER_S)


async def _failing(run: Run, fault: Fault, within_ms: float) -> None:
    if not _gave_up(run):
        run.inject(fault)
        await run.until_attempts(_OF_EACH, within_ms)
        run.calm()


def _gave_up(run: Run) -> bool:
    return any(entry.method == "gave_up" for entry in run.journal.of(Said))
