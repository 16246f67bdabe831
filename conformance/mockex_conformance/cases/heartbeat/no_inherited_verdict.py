from __future__ import annotations

from contextlib import suppress

from mockex.faults import QuietStart, Stall
from mockex.server.journal import AnyEntry, Upgraded
from mockex_conformance.case import NotLive, Run, Unseen, case
from mockex_conformance.checks import Kept, Recovered

_PAYLOAD = b"at once"


@case("heartbeat/no-inherited-verdict", "HB-07")
async def no_inherited_verdict(run: Run) -> None:
    """A new connection starts with a clean record: the silence of the old one is not held against
    it.

    The connection falls silent until it is replaced. The new one is pinged at once and answered,
    and gets its first event only after 0.8 times the smaller of `stall_detect_ms` and
    `data_silence_ms`. A new connection that the testee ends or replaces within twice
    `stall_detect_ms` fails the case. A testee that never replaces a silent connection is not judged
    here: HB-03 is about that.

    Evidence: ghostdogpr/sage#100, PsycherosAI/Psycheros#42, oxidezap/whatsapp-rust#1376,
    robtaussig/react-use-websocket#269.
    Causes: The time of the last message belongs to the client and not to the connection, so the
    watch finds the new one as silent as the old one was: a loop of kills.
    Look at: How old the connection of the finding was when the testee ended it, and the `pinged`
    entries before. In your code, where the time of the last frame is set back.
    """
    run.judged_by(Kept(), Recovered())
    limits = run.testee.limits
    stall_ms = run.limit_ms("stall_detect_ms")
    quiet_s = run.quiet_s(0.8 * min(stall_ms, limits.data_silence_ms or stall_ms))
    window_s = run.quiet_s(2 * stall_ms)
    run.needs(3 * stall_ms, "stall_detect_ms")
    await run.until_events(5)
    quiet = run.inject(QuietStart())
    new = await _replaced(run, run.deadline_s(stall_ms + run.limit_ms("reconnect_cap_ms")))
    began = run.exchange.loop_time()
    run.note("keep", conn=new, window_s=window_s, why="it was pinged, and new")
    run.exchange.ping(new, _PAYLOAD)
    await run.until_seen(quiet)
    await run.sleep(quiet_s)
    run.calm()
    await run.until_recovered()
    await run.sleep(max(0.0, began + window_s - run.exchange.loop_time()))


async def _replaced(run: Run, within_s: float) -> int:
    """Let the newest delivery fall silent; the number of the connection that replaces it."""
    upgraded: list[int] = []

    def look(entry: AnyEntry) -> None:
        if isinstance(entry, Upgraded):
            upgraded.append(entry.conn)

    await run.cause(Stall(scope="total"))
    run.journal.listen(look, replay=False)
    with suppress(NotLive):
        await run.until(lambda: bool(upgraded), within_s, "a new connection")
    run.journal.unlisten(look)
    if not upgraded:
        raise Unseen(f"the testee did not replace the silent connection within {within_s:.1f} s")
    return upgraded[0]
