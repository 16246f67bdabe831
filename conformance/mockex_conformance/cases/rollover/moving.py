"""What the cases about rollover share: the lifetime, and how many connections a move may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockex.faults import LifetimeCut
from mockex_conformance.case import Run, Unseen
from mockex_conformance.checks import DeliveriesAtMost
from mockex_conformance.checks.base import Check

if TYPE_CHECKING:
    from mockex_conformance.harness.times import Times

_LEAST_S = 6.0
_ROOM_S = 1.0  # for a handshake and the first event, which no scale makes shorter


def lifetime_s(times: Times | Run) -> float:
    """The compressed lifetime of a connection, in which it becomes a good one (catalogue, 3)."""
    return max(_LEAST_S, 1.5 * times.scaled_s(times.limit_ms("stable_ms")))


def roomy_lifetime_s(times: Times | Run) -> float:
    """A lifetime with room for a renewal: whoever renews at nine tenths of it has the last one to
    open a connection, which may take `reconnect_first_ms`."""
    opens_s = times.scaled_s(times.limit_ms("reconnect_first_ms")) + _ROOM_S
    return max(lifetime_s(times), 10 * opens_s)


def holders(run: Run) -> list[int]:
    """The connections that deliver a wanted stream now."""
    delivering = {c.number for s in run.streams for c in run.exchange.connections.delivering(s)}
    return sorted(delivering)


def overlap_s(run: Run) -> float:
    """How long the old connection of a planned handover may be open beside the new one."""
    return run.deadline_s(run.limit_ms("overlap_ms"))


def at_most_one_more(run: Run) -> list[Check]:
    """K live deliveries of each stream; twice as many while they move, for `overlap_ms`. (Each of
    the K connections may have its successor beside it: a notice reaches all of them at once.)"""
    streams = run.streams
    return [
        DeliveriesAtMost(k=run.k, streams=streams, overlap_ms=overlap_s(run) * 1000),
        DeliveriesAtMost(k=2 * run.k, streams=streams, moving=True),
    ]


async def cut(run: Run, old: list[int]) -> None:
    """The exchange's end of what is left of `old`: close 1001, empty reason."""
    for number in old:
        if run.exchange.connections.all[number].live:
            await run.cause(LifetimeCut(connection=number))


async def until_left(run: Run, old: list[int], after: str) -> None:
    """The streams have moved: let the testee close what it has moved away from, or fail."""
    left = [number for number in old if run.exchange.connections.all[number].live]
    if not left:
        run.notes.append(f"no overlap after {after}: the old connection ended first")
        return
    within_s = overlap_s(run)
    run.note("must-close", connections=left, within_s=within_s, why=f"the move after {after}")
    await run.until_over(left, within_s + 0.5)


async def until_renewed(run: Run, old: list[int], told_s: float) -> None:
    """Wait for the testee's own renewal of the connections `old`.

    Raises:
        Unseen: it was told a lifetime and let it pass.
    """
    within_s = told_s * 1.25 + run.deadline_s(run.limit_ms("reconnect_first_ms"))
    if not await run.until_moved(old, within_s):
        raise Unseen(
            f"it declares `renews`, was told a lifetime of {told_s:g} s and had not renewed "
            f"after {within_s:.1f} s"
        )
