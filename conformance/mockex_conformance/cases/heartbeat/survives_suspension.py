from __future__ import annotations

from typing import TYPE_CHECKING

from mockex_conformance.case import Run, Unseen, case
from mockex_conformance.checks import DeliveriesAtMost, FewAttemptsAfterPause, Recovered
from mockex_conformance.verdict import Severity

if TYPE_CHECKING:
    from mockex_conformance.harness.times import Times

_PAUSE_S = 5.0
_CALM = FewAttemptsAfterPause(most=3, window_s=2.0)


def _strict(times: Times) -> dict[str, object]:
    """On usdm pongs that nobody asked for put the deadline off; nobody is to be spared the cut."""
    return {"unsolicited_pong_keeps_alive": False}


@case("heartbeat/survives-suspension", "HB-08", severity=Severity.SHOULD, settings=_strict)
async def survives_suspension(run: Run) -> None:
    """A process that slept past the pong deadline comes back calmly.

    The testee's processes are stopped for 5 s, in which the exchange closes the connection, for no
    pong comes for 3 s. The pause is not scaled, for the deadline is the exchange's. No recovery
    within `reconnect_first_ms` after they go on, more than three attempts for each lost connection
    in the first 2 s, or more than K deliveries fail the case.

    Evidence: wireapp/wire-webapp#21663, playcanvas/vscode-extension#322,
    manaflow-ai/cmux#10917.
    Causes: Timers that all came due in the pause fire at once, each with an attempt of its own. Or
    the watch and the closed socket each find the loss, and both reconnect.
    Look at: The `attempted` entries behind the landmark `going-on`. In your code, timers that count
    ticks instead of looking at the clock, and what they start.
    """
    run.judged_by(_CALM, DeliveriesAtMost(k=run.k, streams=run.streams), Recovered())
    await run.until_stable()
    slept = list(run.exchange.connections.live())
    await run.suspend(_PAUSE_S)
    began = run.exchange.loop_time()
    if any(connection.live for connection in slept):
        raise Unseen(f"the exchange did not close the connection within {_PAUSE_S:g} s")
    await run.until_recovered(run.limit_ms("reconnect_first_ms"))
    await run.sleep(max(0.0, began + _CALM.window_s - run.exchange.loop_time()))
