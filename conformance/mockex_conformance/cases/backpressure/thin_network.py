from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mockex.faults import Bandwidth, ClearLink, Latency
from mockex.server.views import Heartbeats
from mockex_conformance.case import NotLive, Run, Unseen, case
from mockex_conformance.cases.streams import choose, sold
from mockex_conformance.checks import (
    DeliveriesAtMost,
    LagGone,
    OnePerChange,
    Recovered,
    SocketsAtMost,
)
from mockex_conformance.verdict import Severity

if TYPE_CHECKING:
    from mockex_conformance.harness.times import Times

_STREAMS = 4  # with fifty events a second each: some tens of thousands of bytes
_STEPS = 50  # in which their rate is measured
_DELAY_MS = 800
_THIN_MS = 8_000
_CLEAR_MS = 5_000
_LEAST_BYTES_PER_S = 1000  # and the unit, of a line


def _no_deadline(times: Times) -> dict[str, object]:
    """Pings wait behind the data: nobody is cut for want of a pong."""
    return {"pong_deadline_s": None}


@case(
    "backpressure/thin-network",
    "SLOW-04",
    severity=Severity.SHOULD,
    starts=False,
    settings=_no_deadline,
    least_scale=1.0,
    step_ms=20,
    link="needed",
    takes_s=18,
)
async def thin_network(run: Run) -> None:
    """A thin or slow line is not answered with more connections.

    The testee holds four streams of trades, of fifty events a second each. For 8 s, which are not
    scaled, the line to it carries half of what is sent on its busiest connection and delivers
    everything 800 ms late, so events are older and older; then the line is what it was. The
    exchange cuts nobody for a late pong. With Toxiproxy a line that becomes thin, or is so no more,
    ends the connections on it once, which is our doing; in the simulated network it does not. More
    new connections than one for each that there was at each of the two changes; more sockets at
    once than one above what the testee had before; more than K deliveries for longer than
    `takeover_ms`; no recovery, or no answer to a ping, within 5 s and what the testee declares
    after the line is clear, fail the case.

    Evidence: a watch that judges by the age of events takes a lag for a dead connection, and each
    new connection begins with the same lag: reconnects that feed themselves.
    Causes: The time in an event is compared with the clock, and an old event ends the connection.
    Or the limit of a handshake, an acknowledgement or a pong is below a slow line's round trip.
    Look at: The landmarks `line-changed` and the `upgraded` entries behind them, with who ended the
    connection before. In your code, what ends a connection on which data still arrive.
    """
    run.judged_by(
        OnePerChange(),
        SocketsAtMost(more=1),
        LagGone(),
        Recovered(),
        DeliveriesAtMost(
            k=run.k, streams=sold(_STREAMS), overlap_ms=1000 * run.deadline_s(_takeover_ms(run))
        ),
    )
    await run.start(streams=choose(run, sold(_STREAMS)))
    await run.until_live()
    half = int(await _busiest(run) / 2)
    thin = max(_LEAST_BYTES_PER_S, half // _LEAST_BYTES_PER_S * _LEAST_BYTES_PER_S)
    run.note("sockets-before")
    run.note("sockets-watched")
    run.note("line-changed", what=f"thin ({thin} bytes a second)")
    # In this order: the delay may be put under connections, the other one ends them.
    slow = run.inject(Latency(delay_ms=_DELAY_MS))
    thinned = run.inject(Bandwidth(bytes_per_s=thin))
    await run.sleep(run.scaled_s(_THIN_MS))
    run.note("line-changed", what="clear")
    cleared = run.inject(ClearLink())
    limit_ms = run.limit_ms("reconnect_cap_ms")
    # What waits on a simulated line still comes at its old rate: at most as long as it was thin.
    within_s = run.deadline_s(limit_ms) + _CLEAR_MS / 1000 + run.scaled_s(_THIN_MS)
    with suppress(Unseen):  # who does not come back sees to it that nothing is seen
        await run.until_seen(cleared, run.deadline_s(limit_ms + _CLEAR_MS))
    run.note("line-clear", streams=run.streams, within_s=within_s)
    await run.until_recovered(limit_ms + _CLEAR_MS)
    if not (slow.times_seen and thinned.times_seen and cleared.times_seen):
        raise Unseen("no event went over the line after it was changed")
    await _caught_up(run, within_s)
    run.note("sockets-over")


def _takeover_ms(run: Run) -> float:
    return run.limit_ms("takeover_ms")


async def _busiest(run: Run) -> float:
    """Bytes a second on the connection that gets most; a line is of one rate for each."""
    began, before = run.exchange.loop_time(), _sent(run)
    await run.until_steps(_STEPS)
    return max(n - before.get(c, 0) for c, n in _sent(run).items()) / (
        run.exchange.loop_time() - began
    )


def _sent(run: Run) -> dict[int, int]:
    """Bytes of events so far, by connection."""
    sent: dict[int, int] = {}
    for (conn, _), tally in run.exchange.deliveries.tallies.items():
        sent[conn] = sent.get(conn, 0) + tally.bytes
    return sent


async def _caught_up(run: Run, within_s: float) -> None:
    """Until each stream is delivered where a ping of now is answered; `LagGone` judges it."""
    beats = Heartbeats()
    run.journal.listen(beats.apply, replay=False)
    for connection in run.exchange.connections.live():
        run.exchange.ping(connection.number, b"are you there")

    def met() -> bool:
        quick = {number for number, beat in beats.of.items() if beat.copied}
        return all(
            sum(c.number in quick for c in run.exchange.connections.delivering(stream)) >= run.k
            for stream in run.streams
        )

    with suppress(NotLive):
        await run.until(met, within_s + 0.5, "the end of the lag")
    run.journal.unlisten(beats.apply)
