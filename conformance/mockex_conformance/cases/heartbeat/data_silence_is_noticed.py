from __future__ import annotations

from collections.abc import Collection

from mockex.faults import Stall
from mockex.server.journal import AnyEntry
from mockex_conformance.case import Run, case
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import NoticedSilence, Recovered
from mockex_conformance.checks.silence import silence_noticed
from mockex_conformance.verdict import Level, Severity

_BUSY = 20  # events, before a stream is known to be busy
_PACED_S = 2.0  # three streams given up and asked for anew are two windows of the message limit


@case(
    "heartbeat/data-silence-is-noticed",
    "HB-04",
    severity=Severity.SHOULD,
    level=Level.L1,
    starts=False,
)
async def data_silence_is_noticed(run: Run) -> None:
    """A busy stream that falls silent on an otherwise healthy connection is noticed and named.

    Of three streams at 100 ms one falls silent, while the others and the pings go on; later all
    three do, while the pings go on. Each silence lasts until it is noticed: the testee says
    `stale`, asks for the stream anew, or replaces the connection that carries it. A stream of which
    nothing of that happened within `data_silence_ms` fails the case.

    Evidence: websocket-client/websocket-client#674, alpacahq/alpaca-py#740, ccxt/ccxt#25092,
    oliver-zehentleitner/unicorn-binance-websocket-api#45.
    Causes: A watch over the connection alone: any frame, a ping or another stream's event, sets it
    back. Or none, because the library answers pings by itself.
    Look at: What the testee said and asked for behind the landmark `silence`. In your code, the
    time of the last event of each stream, and who looks at it.
    """
    run.judged_by(NoticedSilence(), Recovered())
    silence_ms = run.limit_ms("data_silence_ms")
    run.needs(2 * silence_ms, "data_silence_ms")
    streams = choose(run, books(3))
    await run.start(streams=streams)
    await run.until_live()
    await run.until_events(_BUSY)
    silent = streams[-1]
    await _silence(
        run,
        [silent],
        [
            Stall(scope="stream", stream=silent, connection=c.number)
            for c in run.exchange.connections.delivering(silent)
        ],
        run.deadline_s(silence_ms),
    )
    await run.until_events(_BUSY, silent)
    await _silence(
        run,
        streams,
        [
            Stall(scope="data", connection=c.number)
            for c in run.exchange.connections.live()
            if not set(streams).isdisjoint(c.streams)
        ],
        run.deadline_s(silence_ms),
    )


async def _silence(
    run: Run, streams: Collection[str], stalls: Collection[Stall], within_s: float
) -> None:
    """Let the streams fall silent, on all their connections, until that is noticed."""
    handles = [run.inject(stall) for stall in stalls]
    for handle in handles:
        await run.until_seen(handle)
    left = set(streams)

    def look(entry: AnyEntry) -> None:
        left.difference_update(silence_noticed(entry, run.exchange.connections))

    run.journal.listen(look, replay=False)
    since = run.exchange.loop_time()
    run.note("silence", streams=list(streams), since=since, within_s=within_s)
    # A little longer than the deadline, which is judged by the recording.
    await run.until(lambda: not left, within_s + 0.5, f"a reaction to the silence of {streams}")
    run.journal.unlisten(look)
    run.calm()
    # The exchange's limit knows no scale.
    await run.until_recovered(run.recovery_ms() + 1000 * _PACED_S / run.scale)
