from __future__ import annotations

from mockex.faults import Outage, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import Recovered
from mockex_conformance.verdict import Severity

_FAILED_ATTEMPTS = 5


@case("reconnect/backoff-forgets", "RECON-06", severity=Severity.SHOULD, least_scale=0.5)
async def backoff_forgets(run: Run) -> None:
    """After a connection has been good for `stable_ms` the next loss is treated as the first.

    In an outage five attempts fail; then the testee recovers, has `stable_ms` of data, and its
    connection is reset. A recovery later than `reconnect_first_ms` fails the case. Not scaled below
    one half: the second that every deadline has to spare would hide the longer wait.

    Evidence: cloudfoundry/noaa#37, NousResearch/hermes-agent#91320.
    Causes: The counter of attempts, or the delay, is never set back, or only when the process
    starts: every loss after a long outage is then waited out for the longest delay.
    Look at: The time between the last `faulted` and the `attempted` behind it, against the waits of
    the outage before. In the code: who sets the delay back, and on what condition.
    """
    run.judged_by(Recovered())
    outage = await run.cause(Outage(how="abort", attempts=_FAILED_ATTEMPTS))
    await run.until_ended(outage, _FAILED_ATTEMPTS * run.deadline_s(_cap_ms(run)))
    await run.until_recovered(_cap_ms(run))
    await run.until_stable()
    await run.cause(Reset(all=True))
    await run.until_recovered(run.limit_ms("reconnect_first_ms"))


def _cap_ms(run: Run) -> float:
    return run.limit_ms("reconnect_cap_ms")
