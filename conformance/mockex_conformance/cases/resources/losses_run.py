"""The run of 35 losses that the cases about resources look at (catalogue, 7.8)."""

from __future__ import annotations

from mockex_conformance.case import Run
from mockex_conformance.cases.losses import KINDS, lose

WARM_UP = 5
LOSSES = 30
_SETTLED_S = 1.0
_SAMPLES = 3


async def thirty_five_losses(run: Run) -> None:
    """Five losses to warm up, a baseline of three samples, thirty more, and a last look."""
    for number in range(WARM_UP + LOSSES):
        if number == WARM_UP:
            await run.sleep(_SETTLED_S)
            for _ in range(_SAMPLES):
                await run.sleep(0.25)
                run.note("baseline")
            run.note("baseline-taken")
        await run.until_events(1)
        await lose(run, KINDS[number % len(KINDS)])
        await run.until_recovered()
    # Longer than a socket may be in CLOSE_WAIT.
    await run.sleep(2.5)
