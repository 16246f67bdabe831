from __future__ import annotations

from mockex.faults import Outage
from mockex_conformance.case import Run, case
from mockex_conformance.checks import AttemptRate, Recovered


@case("reconnect/refused-port-backs-off", "RECON-02")
async def refused_port_backs_off(run: Run) -> None:
    """While the port is closed the testee tries at a bearable rate, and is soon back after it.

    For 20 s every attempt is accepted and reset; then, after a recovery, the port refuses for 5 s,
    which is judged by the recovery alone. Too many attempts in any window, or a recovery later
    than `reconnect_cap_ms` after the end, fail the case.

    Evidence: nautechsystems/nautilus_trader#1989, nautechsystems/nautilus_trader#2019,
    alpacahq/alpaca-py#740; the exchange bans an address that makes more than 300 attempts in 5
    minutes.
    Causes: A loop that tries again at once when connecting fails, because only the loss of a
    connection that was open waits. Or a delay that is counted in milliseconds and given in seconds.
    Look at: The times of the `attempted` entries between the landmarks `attempts-counted` and
    `attempts-counted-end`: they should get rarer.
    """
    run.judged_by(AttemptRate(), Recovered())
    cap_ms = run.limit_ms("reconnect_cap_ms")
    run.note("attempts-counted", connections=len(run.exchange.connections.live()))
    outage = await run.cause(Outage(how="abort", ms=20_000))
    await run.until_ended(outage)
    run.note("attempts-counted-end")
    await run.until_recovered(cap_ms)
    outage = await run.cause(Outage(how="refuse", ms=5_000))
    await run.until_ended(outage)
    await run.until_recovered(cap_ms)
