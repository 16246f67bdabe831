from __future__ import annotations

from mockex.faults import Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import Recovered, TrafficFlat

_STEPS = 20


@case("connection/traffic-stays-flat", "CONN-03")
async def traffic_stays_flat(run: Run) -> None:
    """Ten reconnects later the testee receives as many bytes per second as before.

    Over 20 steps of a steady market the events and bytes written to the testee are counted; after
    ten resets they are counted again. A step with more or fewer events than declared, or bytes off
    by more than 2 %, fail the case.

    Evidence: the incident, whose traffic grew from 166 to 828 KB/s;
    binance/binance-connector-rust#96.
    Causes: A connection that was replaced goes on delivering, or each loss subscribes the stream
    once more. The consumer drops the copies by their ids, so nobody sees them but the bill.
    Look at: The `delivered` entries between the landmarks `measure` and `measured`: events of one
    step, and the connections that got them. A network graph of your own adapter shows the same.
    """
    run.judged_by(TrafficFlat(streams=run.streams), Recovered())
    await _measure(run, "before the losses")
    for number in range(10):
        await run.cause(Reset(all=number % 2 == 1))
        await run.until_recovered()
    await _measure(run, "after the losses")


async def _measure(run: Run, when: str) -> None:
    run.note("measure", when=when)
    await run.until_steps(_STEPS)
    run.note("measured", when=when)
