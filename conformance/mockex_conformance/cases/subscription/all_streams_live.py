from __future__ import annotations

from mockex_conformance.case import Run, Unsupported, case
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import Recovered, SubscriptionsEqual


@case(
    "subscription/all-streams-live",
    "SUB-01",
    starts=False,
    ends_dead=True,
    least_scale=1.0,
    settings=lambda _: {"incoming_per_s": None},
)
async def all_streams_live(run: Run) -> None:
    """Every stream asked for is delivered on exactly K connections, and nothing else is subscribed.

    The testee is started with 1, 12 and 60 streams, in each mode that it declares. A stream that
    is missing, surplus or doubled fails the case. How many messages it takes to ask for them is
    looked at in `subscription/within-message-budget`: here the exchange counts none.

    Evidence: binance/binance-connector-python#478, altangent/ccxws#161.
    Causes: A list that is cut or split wrongly, more requests at once than the exchange takes, a
    stream on a route that does not carry it: such a one is acknowledged, and silent.
    Look at: The `subscribed` entries (`via` says whether by URL or by request) and the `received`
    requests, against the names in the finding.
    """
    run.judged_by(Recovered(), SubscriptionsEqual())
    for mode in run.testee.modes:
        for wanted in _sizes(run):
            await run.start(streams=wanted, mode=mode)
            await run.until_live()
            run.note("subscriptions", streams=wanted, after=f"a start with {len(wanted)} ({mode})")
            await run.stop()


def _sizes(run: Run) -> list[list[str]]:
    """The sets to start with; those that the testee says it cannot hold are noted and left out."""
    if run.testee.streams:
        run.notes.append("only with its fixed streams")
        return [list(run.testee.streams)]
    sizes: list[list[str]] = []
    for count in (1, 12, 60):
        try:
            sizes.append(choose(run, books(count)))
        except Unsupported as cannot:
            run.notes.append(f"not with {count} streams: {cannot}")
    return sizes
