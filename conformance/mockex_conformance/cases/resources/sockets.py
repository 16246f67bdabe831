from __future__ import annotations

from collections.abc import Sequence

from mockex_conformance.case import Run, case
from mockex_conformance.cases.resources.losses_run import LOSSES, thirty_five_losses
from mockex_conformance.checks import Flat, Recovered
from mockex_conformance.checks.base import Check


@case("resources/sockets", "RES-01")
async def sockets(run: Run) -> Sequence[Check]:
    """After 30 reconnects the testee holds the sockets it held before.

    Thirty-five losses of every kind, the first five to warm up. More sockets of the process tree
    to our ports than before them, or one in CLOSE_WAIT for more than 2 s, fail the case.
    """
    await thirty_five_losses(run)
    return [Flat(metric="sockets", n=LOSSES), Recovered()]
