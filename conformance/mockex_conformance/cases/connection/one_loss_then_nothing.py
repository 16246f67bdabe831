from __future__ import annotations

from mockex.faults import Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import (
    DeliveriesAtMost,
    PongRepeats,
    Recovered,
    SocketsAtMost,
    Stays,
)

_AT_LEAST_S = 60.0
_TIMERS = (
    "reconnect_first_ms", "reconnect_cap_ms", "handshake_timeout_ms", "stall_detect_ms",
    "data_silence_ms", "ack_timeout_ms", "takeover_ms", "overlap_ms", "stable_ms", "close_ms",
    "book_ready_ms",
)  # fmt: skip


@case("connection/one-loss-then-nothing", "CONN-09", takes_s=65)
async def one_loss_then_nothing(run: Run) -> None:
    """One loss, one reconnect, and then nothing for a minute.

    The connection is reset once. When data flow again there is nothing but market, pings and pongs
    for 60 s of real time, or for twice the longest limit that the testee declares, if that is
    longer. An attempt, a close by the testee, a second delivery, a socket more than before, or a
    ping without its pong, on any connection, fails the case.

    Evidence: a published client with the settings of its own example goes from 1 to 20 live
    connections in the 72 s after a single reset, while its program sees 20 messages a second
    throughout; it passes the first 12 s (measured). recws-org/recws#20 and #39: the keep-alive task
    of the dead connection acts on the new one.
    Causes: Something of the old connection outlives it (a keep-alive task, a timer, a read loop)
    and acts on whatever connection is the current one.
    Look at: The time between the reset and the first unrest: it is the period of the task that did
    not end. In your code, whether all that belongs to a connection ends with it.
    """
    run.judged_by(
        DeliveriesAtMost(k=run.k, streams=run.streams),
        Stays(),
        PongRepeats(within_ms=2000),
        SocketsAtMost(),
        Recovered(),
    )
    longest_ms, what = _longest(run)
    run.needs(2 * longest_ms, what)
    window_s = max(_AT_LEAST_S, run.quiet_s(2 * longest_ms))
    await run.until_events(5)
    run.note("sockets-before")
    await run.cause(Reset())
    await run.until_recovered()
    run.note("sockets-watched")
    run.note("quiet", window_s=window_s)
    await run.sleep(window_s)


def _longest(run: Run) -> tuple[float, str]:
    """The longest limit that is declared. Silence that nobody declared to notice is not waited
    for: on usdm that would be twenty minutes."""
    declared = {name: getattr(run.testee.limits, name) for name in _TIMERS}
    return max((ms, name) for name, ms in declared.items() if ms is not None)
