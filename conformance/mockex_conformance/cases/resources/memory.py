from __future__ import annotations

from mockex.server.journal import Requested
from mockex_conformance.case import NotLive, Run, case
from mockex_conformance.cases.resources.losses_run import LOSSES, nothing, thirty_five_losses
from mockex_conformance.checks import Flat, Recovered, Slope
from mockex_conformance.verdict import Severity

_DIFF = "ethusdc@depth@100ms"
_PER_RECONNECT_KIB = 64


@case(
    "resources/memory",
    "RES-04",
    severity=Severity.SHOULD,
    starts=False,
    real_only="memory",
    takes_s=40,
)
async def memory(run: Run) -> None:
    """Memory does not grow with the number of reconnects.

    Thirty-five losses of every kind, every second one a reset of all connections that deliver the
    stream; the first five are to warm up. A testee that keeps books holds one and builds it anew
    each time. Resident memory of the process tree is read after each recovery: a slope (Theil-Sen)
    that is above 64 KiB for each reconnect with its whole 95 % interval, or more than 32 MiB above
    the baseline, fails the case. Small leaks hide in the noise of a garbage collector: RES-01 to
    RES-03 are the sharp cases.

    Evidence: freqtrade/freqtrade#13082, ccxt/ccxt#26753, ccxt/ccxt#9799.
    Causes: What belonged to a connection (its book, its buffers, its closures) stays in a list, a
    map or a listener that outlives it.
    Look at: The `sampled` entries: `rss_bytes` over the losses. A heap snapshot after ten and after
    thirty losses, compared by type, names what is kept.
    """
    run.judged_by(
        Slope(per_cycle_kib=_PER_RECONNECT_KIB), Flat(metric="memory", n=LOSSES), Recovered()
    )
    books = run.testee.keeps_books and not run.testee.streams
    await run.start(streams=[_DIFF] if books else None)
    await run.until_live()
    await thirty_five_losses(run, _rebuilt if books else nothing)


async def _rebuilt(run: Run) -> None:
    """Until the book can have been joined again: a snapshot was answered, and two events came.
    Whether that happens in time is no question of this case."""
    before = _snapshots(run)
    ready_s = run.deadline_s(run.limit_ms("book_ready_ms"))
    try:
        await run.until(lambda: _snapshots(run) > before, ready_s, "a snapshot")
    except NotLive:
        return
    await run.until_events(2)


def _snapshots(run: Run) -> int:
    return sum(entry.last_update_id is not None for entry in run.journal.of(Requested))
