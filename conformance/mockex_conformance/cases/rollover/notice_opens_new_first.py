from __future__ import annotations

from mockex.faults import ServerShutdown
from mockex_conformance.case import Run, case
from mockex_conformance.cases.rollover.moving import cut, holders
from mockex_conformance.checks import NoGapInDeliveries, Recovered
from mockex_conformance.verdict import Severity

_LEAD_MS = 5_000
_NEVER_MS = 86_400_000  # the case ends the connections itself


@case(
    "rollover/notice-opens-new-first",
    "ROLL-02",
    severity=Severity.SHOULD,
    profiles=("spot",),
    starts=False,
)
async def notice_opens_new_first(run: Run) -> None:
    """On `serverShutdown` the testee opens a new connection at once and moves over before the old
    one ends.

    In each mode that the testee has, the notice comes in the form of that mode, raw or in the
    envelope of combined streams; 5 s and `reconnect_first_ms` later the old connection is closed
    with 1001. A moment without a live delivery fails the case. The notice is documented for spot
    only.

    Evidence: the exchange documents it since 2026-05-08; c9s/bbgo#2552,
    pladaria/reconnecting-websocket#137.
    Causes: The notice is dropped as an unknown event; only the form of the other API is known
    (`event.e`); the old connection is closed before the new one is subscribed.
    Look at: Whether anything was attempted between the notice and the close with 1001.
    """
    run.judged_by(NoGapInDeliveries(), Recovered())
    lead_ms = _LEAD_MS + run.limit_ms("reconnect_first_ms")
    modes = run.testee.modes
    run.needs(len(modes) * (run.limit_ms("stable_ms") + lead_ms), "stable_ms")
    for mode in modes:
        await run.stop()
        await run.start(mode=mode)
        await run.until_live()
        await run.until_stable()
        old = holders(run)
        run.note("handover", after=f"the notice on a {mode} connection")
        await run.cause(ServerShutdown(lead_ms=_NEVER_MS))
        await _lead(run, old, run.deadline_s(lead_ms))
        await cut(run, old)
        await run.until_recovered()
        run.note("handover-over")


async def _lead(run: Run, old: list[int], lead_s: float) -> None:
    """The time between the notice and the close, which is the testee's deadline: it is as much
    longer as our own loop stood still."""
    began = run.exchange.loop_time()
    await run.until_moved(old, lead_s)
    left_s = began + lead_s - run.exchange.loop_time()
    await run.until_over(old, max(0.0, left_s))
