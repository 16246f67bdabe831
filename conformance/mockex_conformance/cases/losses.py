"""Whatever ends a connection: the kinds of loss that several cases go through."""

from __future__ import annotations

from random import Random

from mockex.faults import CloseWith, CutFrame, Fault, Fin, Outage, Reset
from mockex_conformance.case import Run

KINDS: tuple[Fault, ...] = (
    Reset(),
    Fin(),
    *(CloseWith(code=code) for code in (1000, 1001, None, 1008, 1011, 1012, 1013)),
    CutFrame(then="reset"),
    Outage(how="refuse", ms=1000),
)
_SECOND_ANSWER_S = 0.5


def shuffled(run: Run) -> list[Fault]:
    """Every kind once, in an order drawn from the seed."""
    kinds = list(KINDS)
    Random(f"losses {run.seed}").shuffle(kinds)
    return kinds


async def lose(run: Run, fault: Fault) -> None:
    """Cause a loss and return when it has happened; an outage, when it is over."""
    handle = await run.cause(fault)
    if isinstance(fault, Outage):
        await run.until_ended(handle)


async def settled(run: Run) -> None:
    """Whoever answers a loss twice may be late with the second answer: wait for it."""
    await run.sleep(_SECOND_ANSWER_S)


def describe(fault: Fault) -> str:
    """A loss in words, for findings."""
    if isinstance(fault, CloseWith):
        return f"close {fault.code or 'without a code'}"
    return type(fault).__name__
