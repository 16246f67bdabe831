from __future__ import annotations

from contextlib import suppress

from mockex.faults import Burst
from mockex.server.views import Heartbeats
from mockex_conformance.case import NotLive, Run, case
from mockex_conformance.cases.streams import choose, quotes
from mockex_conformance.checks import NoPongTimeout, Recovered, Stays
from mockex_conformance.checks.heartbeat import slowest_pong_s

_BURST = Burst(rate_per_s=2000, ms=4000)
_LATE_S = 1.0
_MORE_S = 2.0  # than the pong deadline: for the close that follows it


@case("heartbeat/pong-under-load", "HB-02", alone=True, starts=False, least_bytes_per_s=600_000)
async def pong_under_load(run: Run) -> None:
    """Pings are answered in time while events pour in.

    The testee holds twelve streams, and for 4 s they bring 2,000 events a second; the exchange
    pings every second and closes a connection whose pong is 3 s late, as in every case. The burst
    is not scaled, for pings and deadline are the exchange's; every ping of it must be answered. A
    connection that is closed for want of a pong, or ended by the testee, fails the case. A pong
    that took longer than a second is told.

    Evidence: massive-com/client-python#844, massive-com/client-python#837,
    python-websockets/websockets#1128.
    Causes: Pongs wait their turn behind events: the handler runs in the task that reads, or
    incoming frames of every kind share one queue.
    Look at: How far apart the `pinged` and `ponged` entries of one payload are, behind the
    `faulted` of kind `Burst`. In your code, what the read loop waits for before it reads on.
    """
    run.judged_by(NoPongTimeout(), Stays(), Recovered())
    beats = Heartbeats()
    run.journal.listen(beats.apply)
    await run.start(streams=choose(run, quotes(12)))
    await run.until_live()
    assert run.profile.pong_deadline_s is not None
    deadline_s = run.profile.pong_deadline_s + _MORE_S
    run.note("quiet", window_s=_BURST.ms / 1000 + deadline_s)
    await run.until_ended(await run.cause(_BURST))
    of_the_burst = {conn: set(beat.open) for conn, beat in beats.of.items()}

    def answered() -> bool:
        return not any(
            of_the_burst[c.number] & set(beats.of[c.number].open)
            for c in run.exchange.connections.live()
            if c.number in of_the_burst
        )

    with suppress(NotLive):  # whoever is not closed all the same answered in time for the exchange
        await run.until(answered, deadline_s, "the answers to the pings of the burst")
    slowest_s = slowest_pong_s(run.journal.entries)
    if slowest_s > _LATE_S:
        run.notes.append(f"the slowest pong came after {slowest_s:.1f} s")
    await run.until_events(2)
