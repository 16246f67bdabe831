"""The run of 35 losses that the cases about resources look at (catalogue, 7.8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mockex.faults import Fault, Reset
from mockex_conformance.case import Run
from mockex_conformance.cases.losses import KINDS, lose, settled

WARM_UP = 5
LOSSES = 30
_SETTLED_S = 1.0
_SAMPLES = 3
_ALL = Reset(all=True)


async def nothing(run: Run) -> None:
    """For testees that build nothing anew."""


async def take_baseline(run: Run) -> None:
    """Three samples of what the testee holds, a second after it has settled."""
    await run.sleep(_SETTLED_S)
    for _ in range(_SAMPLES):
        await run.sleep(0.25)
        run.note("baseline")
    run.note("baseline-taken")


async def thirty_five_losses(run: Run, rebuilt: Callable[[Run], Awaitable[None]] = nothing) -> None:
    """Five losses to warm up, a baseline of three samples, thirty more, and a last look. `rebuilt`
    waits, after each recovery, for what the testee builds anew."""
    for number in range(WARM_UP + LOSSES):
        if number == WARM_UP:
            await take_baseline(run)
        fault = _kind(number)
        if fault == _ALL:
            await settled(run)  # a reset of all that hits some is one of some
        await run.until_events(1)
        await lose(run, fault)
        await run.until_recovered()
        await rebuilt(run)
    # Longer than a socket may be in CLOSE_WAIT.
    await run.sleep(2.5)


def _kind(number: int) -> Fault:
    """Of every kind in turn, and between them a reset of all that deliver the stream: where one of
    several is lost data flow on, and whoever adds a connection for each pause adds none."""
    return _ALL if number % 2 else KINDS[number // 2 % len(KINDS)]
