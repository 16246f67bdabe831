from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.resources.losses_run import LOSSES, thirty_five_losses
from mockex_conformance.checks import Flat, Recovered


@case(
    "resources/threads-and-descriptors",
    "RES-02",
    real_only="threads and file descriptors",
    takes_s=35,
)
async def threads_and_descriptors(run: Run) -> None:
    """Threads and file descriptors stay flat.

    Thirty-five losses of every kind, every second one a reset of all connections that deliver the
    stream; the first five are to warm up. More threads or descriptors of the process tree than
    before them fail the case.

    Evidence: oliver-zehentleitner/unicorn-binance-websocket-api#75,
    oliver-zehentleitner/unicorn-binance-websocket-api#104, sammchardy/python-binance#1051,
    bybit-exchange/pybit#242.
    Causes: A thread per connection that waits for something that never comes: a queue, a timer, a
    keep-alive. Event loops, pools and log files that are made at each reconnect and kept.
    Look at: The `sampled` entries: threads and descriptors, over the losses. The names in
    `/proc/PID/task/*/comm` and the targets of `/proc/PID/fd/*` tell whose they are.
    """
    run.judged_by(
        Flat(metric="threads", n=LOSSES), Flat(metric="descriptors", n=LOSSES), Recovered()
    )
    await thirty_five_losses(run)
