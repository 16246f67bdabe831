from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.losses import lose, settled, shuffled
from mockex_conformance.checks import DeliveriesAtMost, OneUpgradePerLoss, Recovered


@case("connection/one-delivery-after-every-kind-of-loss", "CONN-02")
async def one_delivery_after_every_kind_of_loss(run: Run) -> None:
    """Whatever ends a connection, one new connection replaces it.

    In seeded order, once each: a reset, a FIN, close frames with 1000, 1001, an empty body, 1008,
    1011, 1012 and 1013, a frame cut in the middle, a second of a refusing port. More live
    deliveries than declared, or more connections upgraded than were lost, fail the case.

    Evidence: Synphonyte/leptos-use#184, binance/binance-connector-python#505,
    Deseteral/lebkuchen-fm#316.
    Causes: The handlers of an error and of a close each schedule a reconnect, and a loss calls
    both. Or one kind of end takes another way through the code than the rest.
    Look at: The fault that the finding names, and the `upgraded` entries between it and the next
    one. In your code, which handlers run for that kind of end, and in which order.
    """
    run.judged_by(DeliveriesAtMost(k=run.k, streams=run.streams), OneUpgradePerLoss(), Recovered())
    for fault in shuffled(run):
        await run.until_events(2)
        await lose(run, fault)
        await run.until_recovered()
    await settled(run)
