from __future__ import annotations

from collections.abc import Sequence

from mockex_conformance.case import Run, case
from mockex_conformance.cases.resources.losses_run import LOSSES, thirty_five_losses
from mockex_conformance.checks import Flat, Recovered
from mockex_conformance.checks.base import Check


@case("resources/threads-and-descriptors", "RES-02")
async def threads_and_descriptors(run: Run) -> Sequence[Check]:
    """Threads and file descriptors stay flat.

    Thirty-five losses of every kind, the first five to warm up. More threads or descriptors of the
    process tree than before them fail the case.
    """
    await thirty_five_losses(run)
    return [
        Flat(metric="threads", n=LOSSES),
        Flat(metric="descriptors", n=LOSSES),
        Recovered(),
    ]
