from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.resources.gauge import needs_gauge, was_said
from mockex_conformance.cases.resources.losses_run import LOSSES, thirty_five_losses
from mockex_conformance.checks import Flat, Recovered
from mockex_conformance.verdict import Level


@case("resources/tasks", "RES-03", level=Level.L1, takes_s=35)
async def tasks(run: Run) -> None:
    """Goroutines, tasks, timers and listeners stay flat.

    Thirty-five losses of every kind, every second one a reset of all connections that deliver the
    stream; the first five are to warm up. More `tasks` in the testee's `gauge` than before them,
    or more `listeners` if it tells of them, fail the case; on the virtual ground, where they can
    be counted, more tasks or timers of the loop too.

    Evidence: the incident (84 to 296 goroutines); philippseith/signalr#151, coder/websocket#231,
    ccxt/go-binance#697, socketio/socket.io#758 (handlers registered again).
    Causes: A heartbeat, a watchdog or a queue reader for each connection that only a clean end
    cancels; event handlers that are registered again with each connection.
    Look at: The `said` entries with `gauge`, over the losses. A dump of what runs (goroutines,
    tasks, `setInterval` handles) after ten losses names the one that is there ten times.
    """
    needs_gauge(run)
    run.judged_by(
        Flat(metric="tasks", n=LOSSES),
        Flat(metric="listeners", n=LOSSES),
        Flat(metric="simulated tasks", n=LOSSES),
        Flat(metric="simulated timers", n=LOSSES),
        Recovered(),
    )
    await thirty_five_losses(run)
    was_said(run)
