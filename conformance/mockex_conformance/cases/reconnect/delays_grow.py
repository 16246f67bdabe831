from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.reconnect.herd import LONGEST_MS, gather, outage
from mockex_conformance.checks import DelaysGrow, Recovered
from mockex_conformance.checks.attempts import waits_of
from mockex_conformance.verdict import Severity


@case("reconnect/delays-grow", "RECON-04", severity=Severity.SHOULD, alone=True, least_scale=0.5)
async def delays_grow(run: Run) -> None:
    """Attempts get rarer as an outage lasts.

    Eight processes of the testee at eight ports of one exchange lose their connections at once, and
    each attempt is reset until every one has made six. Of the six waits before them (an immediate
    first retry is left out) the last two of all are compared with the first two of all: 1.5 times
    as long passes. Else there is, after `stable_ms` of good data, a second outage; less growth than
    that in both fails the case. Single waits are not judged: with full jitter a long ceiling may
    draw a short wait. Where the first wait is longer than a fifth of `reconnect_cap_ms` nothing has
    room to grow, and the case is inconclusive.

    Evidence: 5stackgg/5stack-panel#387, BasedHardware/omi#5617.
    Causes: A constant between two attempts, however long the outage. Or a delay that grows and is
    reset by something that happens in each attempt, such as the TCP connection that was accepted.
    Look at: `waits_ms` in the evidence of the finding: the waits of each process, in order. In the
    code: what sets the delay back.
    """
    check = DelaysGrow()
    run.judged_by(check, Recovered())
    await gather(run)
    for turn in range(2):
        if turn:
            await run.until_stable()
        async with outage(run):
            await run.until_attempts(check.attempts, LONGEST_MS)
        growth = check.growth(waits_of(run.journal.entries)[-1])
        if growth is None or growth >= check.least:
            return
