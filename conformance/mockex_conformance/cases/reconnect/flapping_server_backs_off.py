from __future__ import annotations

from mockex.faults import AcceptThenClose, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.checks import AttemptRate, Recovered

_PHASE_MS = 6_000


@case("reconnect/flapping-server-backs-off", "RECON-03", least_scale=0.5, takes_s=30)
async def flapping_server_backs_off(run: Run) -> None:
    """A handshake that succeeds is not yet a good connection: the delay starts over only later.

    Three phases of 6 s, with `stable_ms` of good data between them, in which every handshake
    succeeds and the connection is closed: 20 ms later; after its first event; after its
    acknowledgement and one event. Too many attempts in any window of a phase, or a recovery later
    than `reconnect_cap_ms`, fail the case. Not scaled below one half: an event comes 100 ms after
    a subscription whatever the scale, and that wait alone would then look like a back-off.

    Evidence: ghostdogpr/sage#140, firezone/firezone#11589, matrix-org/synapse#4749,
    turborg/turborg#43, openshift/dynamic-plugin-sdk#330.
    Causes: The delay is set back when the handshake succeeds, or with the first message, so a
    server that accepts and closes is never backed off from.
    Look at: The times of the `attempted` entries in the phase that the finding names. In your code,
    where the delay is set back: it should be after a connection has lasted.
    """
    run.judged_by(AttemptRate(), Recovered())
    opened, served = "closed soon after its handshake", "closed after its first event"
    for events, phase in ((0, opened), (1, served), (1, served)):
        await run.until_stable()
        flapping = run.inject(AcceptThenClose(ms=_PHASE_MS, events=events))
        held = len(run.exchange.connections.live())
        run.note("attempts-counted", connections=held, phase=phase)
        await run.cause(Reset(all=True))
        await run.until_seen(flapping)
        await run.until_ended(flapping)
        run.note("attempts-counted-end")
        await run.until_recovered(run.limit_ms("reconnect_cap_ms"))
