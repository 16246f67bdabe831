"""Connections that the testee must close by itself: asked for by several groups of cases."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from mockex_conformance.case import NotLive, Run

_LATER_S = 0.5  # than the deadline, so that the recording shows that it was missed


async def closed(run: Run, connections: Collection[int], within_ms: float, why: str) -> None:
    """Set the landmark `must-close` that `ClosedByTestee` judges, and wait until the testee has
    closed these connections or the deadline of `within_ms` is over.

    `why` is what they must be closed after, in words for the finding: "its replacement was live".
    """
    within_s = run.deadline_s(within_ms)
    run.note("must-close", connections=sorted(connections), within_s=within_s, why=why)
    known = [run.exchange.connections.all[number] for number in connections]

    def done() -> bool:
        return all(c.ended_at is not None or c.ended_by == "client" for c in known)

    with suppress(NotLive):  # the check finds it, with the words of the case
        await run.until(done, within_s + _LATER_S, f"a close after {why}")
