from __future__ import annotations

from mockex.faults import BadUpgrade, HangUpgrade, Outage, RefuseUpgrade
from mockex.server.journal import Attempted
from mockex_conformance.case import Run, Unseen, case
from mockex_conformance.cases.resources.losses_run import take_baseline
from mockex_conformance.checks import Flat, Recovered

_OF_EACH_KIND = 3
_FAILURES = 4 * _OF_EACH_KIND
_AT_LEAST = 6
_HANGS_MS = 500
_LAST_LOOK_S = 2.5


@case("resources/failed-attempts", "RES-05")
async def failed_attempts(run: Run) -> None:
    """Attempts that fail leave nothing behind.

    The connections are reset, and the next twelve attempts fail: three are reset when they are
    accepted, three get 503, three hang and are then reset, three get a 101 that is none of theirs.
    It ends after them, or after five times `reconnect_cap_ms`; fewer than six are no answer. More
    sockets, threads, file descriptors or `tasks` than before, or a socket in CLOSE_WAIT for more
    than 2 s, fail the case.

    Evidence: eclipse-paho/paho.mqtt.c#135, eclipse-mosquitto/mosquitto#20.
    Causes: What is made before the handshake (socket, timer of the time-out, buffers) is released
    by the handler of the close, which an attempt that never opened does not have.
    Look at: The `sampled` entries between the first failed attempt and the end: what grows by one
    with each attempt, and after which kind.
    """
    what = "failed attempts"
    run.judged_by(
        Flat(metric="sockets", n=_FAILURES, what=what),
        Flat(metric="threads", n=_FAILURES, what=what),
        Flat(metric="descriptors", n=_FAILURES, what=what),
        Flat(metric="tasks", n=_FAILURES, what=what),
        Flat(metric="listeners", n=_FAILURES, what=what),
        Flat(metric="simulated tasks", n=_FAILURES, what=what),
        Flat(metric="simulated timers", n=_FAILURES, what=what),
        Recovered(),
    )
    most_ms = 5 * run.limit_ms("reconnect_cap_ms")
    run.needs(4 * run.limit_ms("reconnect_cap_ms"), "reconnect_cap_ms")  # a quarter more is added
    await take_baseline(run)
    # All at once, so that no attempt comes between two of them.
    run.inject(RefuseUpgrade(status=503, attempts=_OF_EACH_KIND))
    run.inject(HangUpgrade(reset_ms=_HANGS_MS, attempts=_OF_EACH_KIND))
    run.inject(BadUpgrade(kind="wrong-accept", attempts=_OF_EACH_KIND))
    before = sum(1 for _ in run.journal.of(Attempted))
    run.inject(Outage(how="abort", attempts=_OF_EACH_KIND))
    await run.until_attempts(_FAILURES, most_ms)
    run.calm()
    failed = sum(1 for _ in run.journal.of(Attempted)) - before
    await run.until_recovered(run.limit_ms("reconnect_cap_ms"))
    await run.sleep(_LAST_LOOK_S)
    if failed < _AT_LEAST:
        raise Unseen(
            f"{failed} attempts in five times `reconnect_cap_ms`; at least {_AT_LEAST} are needed"
        )
