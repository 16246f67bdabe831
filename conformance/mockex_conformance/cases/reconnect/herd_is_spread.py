from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.reconnect.herd import LONGEST_MS, gather, outage
from mockex_conformance.checks import HerdIsSpread, Recovered
from mockex_conformance.checks.attempts import waits_of
from mockex_conformance.verdict import Severity

_ATTEMPTS = 4
_MOST_ATTEMPTS = 6


@case("reconnect/herd-is-spread", "RECON-05", severity=Severity.SHOULD, alone=True, least_scale=1.0)
async def herd_is_spread(run: Run) -> None:
    """Processes that lose their connections together do not come back together.

    Eight processes of the testee at eight ports of one exchange lose their connections at once, and
    each attempt is reset until every one has made four; or more, at most six, for as long as our
    own loop was too late to tell. If the waits before attempts 2, 3 and 4, or before three later
    ones in a row, each differ by less than 5 % of their median from process to process, the case
    fails. Waits are compared, not instants: the wake-ups of eight processes on a busy machine are
    spread by themselves. Delays are not scaled: what such a machine adds to a wait would be more
    than 5 % of it.

    Evidence: django/channels#568, rails/rails#40229, phoenixframework/phoenix#4045,
    nats-io/nats.ts#90.
    Causes: A delay without a random part, or one whose random part is drawn from the same seed in
    every process.
    Look at: `waits_ms` in the evidence of the finding, the first four waits of each process. In the
    code: how the delay is drawn, and where its generator is seeded.
    """
    check = HerdIsSpread()
    run.judged_by(check, Recovered())
    await gather(run)
    async with outage(run):
        going = await run.until_attempts(_ATTEMPTS, LONGEST_MS)
        for _ in range(_ATTEMPTS, _MOST_ATTEMPTS):
            if going and not check.settled(waits_of(run.journal.entries)[-1]):
                going = await run.until_attempts(1, LONGEST_MS)
