from __future__ import annotations

from mockex.faults import HangUpgrade, Outage, Reset, Stall
from mockex_conformance.case import Run, Unsupported, case
from mockex_conformance.cases.streams import busy, choose
from mockex_conformance.checks import Alive, Terminates


@case("shutdown/terminates", "CLOSE-01", starts=False, ends_dead=True, step_ms=10)
async def terminates(run: Run) -> None:
    """SIGTERM ends the process and its sockets within `close_ms`, whatever it was doing.

    The signal comes while the testee is live, while it waits between two attempts, during a
    handshake that is never answered, on a connection that has gone silent, and under 2,000
    events a second. A process that is still there, an exit code other than 0, 143 or the signal
    itself, or anything of its group that is left fails the case.

    Evidence: sammchardy/python-binance#1083, sammchardy/python-binance#1473,
    oliver-zehentleitner/unicorn-binance-websocket-api#137, vitorbaptista/shellshare#178.
    Causes: A wait that nothing interrupts: a sleep between attempts, a handshake, a join of a
    thread that reads. Or a handler of the signal that only sets a flag which nobody looks at
    meanwhile.
    Look at: The situation that the finding names (landmark `situation`), and the `signalled` and
    `exited` entries. A stack of the testee in that moment shows the wait.
    """
    run.judged_by(Terminates(), Alive())
    one = list(run.streams)
    for what, prepare in (
        ("live", None),
        ("waiting between attempts", _waiting),
        ("dialling", _dialling),
        ("stalled", _stalled),
    ):
        await run.start(streams=one)
        await run.until_live()
        if prepare is not None:
            await prepare(run)
        await _end(run, what)
    try:
        many = choose(run, busy())
    except Unsupported as cannot:
        run.notes.append(f"not under load: {cannot}")
    else:
        await run.start(streams=many)
        await run.until_live()
        await run.until_events(10)
        await _end(run, "under 2,000 events a second")


async def _end(run: Run, what: str) -> None:
    run.note("situation", what=what)
    await run.terminate(run.limit_ms("close_ms"))


async def _waiting(run: Run) -> None:
    # Until the first attempt, however long a slow testee takes to make it; then it waits again.
    await run.cause(Outage(how="abort", attempts=1))


async def _dialling(run: Run) -> None:
    hang = run.inject(HangUpgrade())
    await run.cause(Reset())
    await run.until_seen(hang)


async def _stalled(run: Run) -> None:
    await run.cause(Stall(scope="total"))
