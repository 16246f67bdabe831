from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.cases.streams import MARKET, choose
from mockex_conformance.checks import OwnPings, Recovered, Stays
from mockex_conformance.verdict import Severity

_AT_LEAST_S = 10.0


@case(
    "heartbeat/quiet-is-not-dead", "HB-05", severity=Severity.SHOULD, market="frozen", starts=False
)
async def quiet_is_not_dead(run: Run) -> None:
    """A stream on which nothing happens is not a fault while pings arrive.

    One stream of trades on a market where nobody trades: nothing but pings arrives for three times
    `data_silence_ms`, at least 10 s. Then trade begins. An attempt, or a close by the testee, fails
    the case, and so does more than one ping of its own a second of its own time.

    Evidence: tardis-dev/tardis-node#48, marketcalls/openalgo#1419, ccxt/go-binance#693,
    knowm/XChange#3813.
    Causes: A time-out on data alone, shorter than the pauses of a market. Or a library that pings
    for itself and gives up sooner than the exchange answers.
    Look at: That `pinged` and `ponged` entries go on until the testee ends the connection. In your
    code, the watch that only events set back: pings are a sign of life as well.
    """
    run.judged_by(Stays(), OwnPings(), Recovered())
    silence_ms = 3 * (run.testee.limits.data_silence_ms or 0)
    run.needs(silence_ms, "data_silence_ms")
    await run.start(streams=choose(run, [MARKET]))
    await run.until_live()
    window_s = max(_AT_LEAST_S, run.quiet_s(silence_ms))
    run.note("quiet", window_s=window_s)
    await run.sleep(window_s)
    run.exchange.thaw()
    await run.until_events(2)
