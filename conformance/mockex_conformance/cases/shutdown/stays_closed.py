from __future__ import annotations

from mockex_conformance.case import Run, case
from mockex_conformance.checks import ClosedByTestee, NoAttempt, SilentAfterClose
from mockex_conformance.verdict import Level

_AT_LEAST_S = 6.0


@case("shutdown/stays-closed", "CLOSE-02", level=Level.L2, ends_dead=True)
async def stays_closed(run: Run) -> None:
    """After `close` nothing is connected, nothing connects again, and no event is presented.

    The testee is told to close while live and is then watched for twice `reconnect_first_ms`, at
    least 6 s. A connection that stays open, an attempt, or an event after the answer fails the
    case.

    Evidence: lukeed/sockette#49, SignalR/SignalR#823, socketio/socket.io-client#167,
    sammchardy/python-binance#45; a second fix of the incident, which ran again 5 s later.
    Causes: A timer that was set for a reconnect survives the close. Or the close handler takes the
    end that was asked for as one more loss.
    Look at: What comes after the landmark `closed`: `attempted`, or `said` with `event`. In your
    code, who can still start a connection then, and what cancels it.
    """
    closed_s = run.deadline_s(run.limit_ms("close_ms"))
    run.judged_by(ClosedByTestee(), NoAttempt(), SilentAfterClose())
    live = [connection.number for connection in run.exchange.connections.live()]
    run.note("must-close", connections=live, within_s=closed_s, why="`close`")
    await run.request("close", within_s=closed_s)
    run.note("closed")
    await run.sleep(max(_AT_LEAST_S, run.quiet_s(2 * run.limit_ms("reconnect_first_ms"))))
