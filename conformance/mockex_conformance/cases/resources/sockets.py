from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.resources.losses_run import LOSSES, thirty_five_losses
from mockex_conformance.checks import Flat, Recovered


@case("resources/sockets", "RES-01", takes_s=35)
async def sockets(run: Run) -> None:
    """After 30 reconnects the testee holds the sockets it held before.

    Thirty-five losses of every kind, every second one a reset of all connections that deliver the
    stream; the first five are to warm up. More sockets of the process tree to our ports
    than before them, or one in CLOSE_WAIT for more than 2 s, fail the case.

    Evidence: mattn/go-mastodon#215, marketcalls/openalgo#2075,
    smartcontractkit/data-streams-sdk#41.
    Causes: The old socket is dropped and not closed when a connection is replaced. A socket in
    CLOSE_WAIT is one whose peer has closed and whose owner never did.
    Look at: The `sampled` entries: sockets by state, over the losses. On your machine: `ss -tnp`
    while the case runs.
    """
    run.judged_by(Flat(metric="sockets", n=LOSSES), Recovered())
    await thirty_five_losses(run)
