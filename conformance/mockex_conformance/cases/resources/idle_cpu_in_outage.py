from __future__ import annotations

from math import ceil

from mockex.faults import HangUpgrade, Outage, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import CpuAtMost, Recovered
from mockex_conformance.verdict import Severity

_OUTAGE_MS = 8_000
_MEASURED_S = 5.0
_SAMPLED_S = 1.0  # so that samples lie within the phase
_MANY = 1_000


@case(
    "resources/idle-cpu-in-outage",
    "RES-06",
    severity=Severity.SHOULD,
    alone=True,
    real_only="processor time",
)
async def idle_cpu_in_outage(run: Run) -> None:
    """A testee that waits does not burn a core.

    First every attempt is accepted and reset, for 8 s of the testee's time and at least 6 s; then
    every handshake hangs. In each phase more than a fifth of a core over 5 s fails the case.

    Evidence: gorilla/websocket#476 (a library that panics after 1,000 reads of a dead connection),
    iowar/poloniex#4.
    Causes: A read loop that takes the error of a dead connection for an empty message and reads
    again; a flag that is polled without a pause.
    Look at: The `sampled` entries: `cpu_s` over each phase. A profile, or three stack dumps in a
    row, shows the loop.
    """
    run.judged_by(CpuAtMost(share=0.2), Recovered())
    cap_ms = run.limit_ms("reconnect_cap_ms")
    at_least_ms = ceil((_MEASURED_S + _SAMPLED_S) / run.scale * 1000)
    outage = await run.cause(Outage(how="abort", ms=max(_OUTAGE_MS, at_least_ms)))
    await _measure(run, "while every attempt was reset")
    await run.until_ended(outage)
    await run.until_recovered(cap_ms)
    hang = run.inject(HangUpgrade(attempts=_MANY))
    await run.cause(Reset(all=True))
    await run.until_seen(hang)
    await _measure(run, "while every handshake hung")
    run.calm()
    await run.until_recovered(cap_ms + run.limit_ms("handshake_timeout_ms"))


async def _measure(run: Run, during: str) -> None:
    run.note("cpu-measured", during=during)
    await run.sleep(_MEASURED_S)
    run.note("cpu-measured-end")
