from __future__ import annotations

from mockex.faults import Hold, Release, Stall
from mockex_conformance.case import Run, Unseen, case
from mockex_conformance.cases.closing import closed
from mockex_conformance.cases.holding import can_hold
from mockex_conformance.checks import ClosedByTestee, SocketsAtMost
from mockex_conformance.harness.times import Times

_ROUNDS = 3


def _patient(_: Times) -> dict[str, object]:
    """A link that holds pongs back, too, would have the exchange close the old socket before the
    testee has to."""
    return {"pong_deadline_s": None}


@case("connection/superseded-socket-is-closed", "CONN-04", settings=_patient, link="wanted")
async def superseded_socket_is_closed(run: Run) -> None:
    """A testee that replaces a connection it holds for dead closes the old socket.

    Three times the live connection falls silent for good, and is replaced; the next one falls
    silent only after the one before has been judged. A silent connection that is still open
    `takeover_ms` after its replacement was live, or more sockets at once than one above what the
    testee had before, fail the case. A testee that never replaces a silent connection is not
    judged here: HB-03 is about that. Where there is a link, it then holds all bytes in both
    directions, until the testee has attempted to replace each connection that it has, and lets
    everything through: the old socket must go there too, whatever arrives on it by then.

    Evidence: slackapi/node-slack-sdk#2709 (sockets pile up until the account's limit blocks it),
    ably/ably-go#685, ccxt/node-binance-api#220, eclipse-mosquitto/mosquitto#304.
    Causes: The watch that finds the silence starts a new client and forgets the old one. Or it
    closes the old one in peace, and waits without a limit for a dead peer to answer the close
    frame.
    Look at: The `must-close` landmarks of the recording, and `stream_sockets` in its `sampled`
    entries. In your code, what becomes of the old socket where silence is found: abort it, its
    peer answers nothing.
    """
    run.judged_by(ClosedByTestee(), SocketsAtMost(more=1))
    silence_ms = run.limit_ms("stall_detect_ms")
    run.needs(_ROUNDS * silence_ms, "stall_detect_ms")
    await run.until_events(5)
    run.note("sockets-before")
    run.note("sockets-watched")
    for _ in range(_ROUNDS):
        await run.until_events(1)
        silent = run.exchange.connections.delivering(run.stream)[-1].number
        await run.cause(Stall(scope="total", connection=silent))
        await run.until_replaced(silence_ms + run.limit_ms("reconnect_cap_ms"))
        await closed(run, [silent], run.limit_ms("takeover_ms"), "its replacement was live")
    if not can_hold(run, "a silence on a link that holds all bytes", (_ROUNDS + 1) * silence_ms):
        return
    await run.until_events(1)
    silent = run.exchange.connections.delivering(run.stream)[-1].number
    await run.cause(Hold())
    replaced_ms = silence_ms + run.limit_ms("reconnect_cap_ms")
    # All are silent. One whose own watch has yet to find it may live on with what comes late.
    if not await run.until_attempts(len(run.exchange.connections.live()), replaced_ms):
        raise Unseen(f"the testee did not replace all that was silent within {replaced_ms:g} ms")
    await run.cause(Release())
    await run.until_replaced(run.limit_ms("reconnect_cap_ms"))
    await closed(run, [silent], run.limit_ms("takeover_ms"), "its replacement was live")
