from __future__ import annotations

from mockex.faults import HangUpgrade, Reset
from mockex_conformance.case import Run, case
from mockex_conformance.cases.closing import closed
from mockex_conformance.checks import ClosedByTestee, Recovered


@case("reconnect/handshake-hangs", "RECON-08")
async def handshake_hangs(run: Run) -> None:
    """An attempt that is accepted and never answered is given up and repeated.

    After a reset the next attempt is accepted and gets no byte, and the one after that half of the
    headers of its answer. Each must be closed by the testee within `handshake_timeout_ms`, and the
    third one, which is answered, comes within `reconnect_cap_ms`; anything later fails the case.

    Evidence: zachowj/node-red-contrib-home-assistant-websocket#2027 (15 h without data),
    oven-sh/bun#35167, TakahikoKawasaki/nv-websocket-client#64, vitorbaptista/shellshare#178.
    Causes: A time limit for the TCP connection and none for the answer to the handshake; or a limit
    that is set back by each byte.
    Look at: The `attempted` that no `upgraded` and no `ended` follows. In the code: which limit
    covers the time between the end of `connect` and the end of the handshake.
    """
    run.judged_by(ClosedByTestee(), Recovered())
    hang_ms, cap_ms = run.limit_ms("handshake_timeout_ms"), run.limit_ms("reconnect_cap_ms")
    run.needs(hang_ms, "handshake_timeout_ms")
    hangs = [run.inject(HangUpgrade()), run.inject(HangUpgrade(half=True))]
    await run.cause(Reset())
    for hang, what in zip(hangs, ("no answer at all", "half an answer"), strict=True):
        await run.until_seen(hang)
        await closed(run, (await hang.seen()).conns, hang_ms, f"its handshake had got {what}")
    run.calm()
    await run.until_recovered(cap_ms)
