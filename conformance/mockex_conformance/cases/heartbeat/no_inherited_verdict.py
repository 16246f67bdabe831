from __future__ import annotations

from contextlib import suppress

from mockex.faults import QuietStart, Stall
from mockex.server.journal import AnyEntry, Attempted, Closed, Ended, HalfClosed, Upgraded
from mockex_conformance.case import NotLive, Run, Unseen, case
from mockex_conformance.checks import Kept, Recovered

_PAYLOAD = b"at once"
_PART = 0.8  # of what the testee bears


@case("heartbeat/no-inherited-verdict", "HB-07")
async def no_inherited_verdict(run: Run) -> None:
    """A new connection starts with a clean record: the silence of the old one is not held against
    it.

    The connection falls silent until it is replaced. The new one is pinged at once and answered,
    and gets its first event only after 0.8 times what a silence may last: the smallest of
    `stall_detect_ms`, `data_silence_ms` and the time after which the old one was given up. A new
    connection that the testee ends or replaces within twice `stall_detect_ms` fails the case. A
    testee that never replaces a silent connection is not judged here: HB-03 is about that.

    Evidence: ghostdogpr/sage#100, PsycherosAI/Psycheros#42, oxidezap/whatsapp-rust#1376,
    robtaussig/react-use-websocket#269.
    Causes: The time of the last message belongs to the client and not to the connection, so the
    watch finds the new one as silent as the old one was: a loop of kills.
    Look at: How old the connection of the finding was when the testee ended it, and the `pinged`
    entries before. In your code, where the time of the last frame is set back.
    """
    run.judged_by(Kept(), Recovered())
    stall_ms = run.limit_ms("stall_detect_ms")
    data_ms = run.testee.limits.data_silence_ms or stall_ms
    window_s = run.quiet_s(2 * stall_ms)
    run.needs(3 * stall_ms, "stall_detect_ms")
    await run.until_events(5)
    quiet = run.inject(QuietStart())
    within_s = run.deadline_s(stall_ms + run.limit_ms("reconnect_cap_ms"))
    new, given_up_s = await _replaced(run, within_s)
    began = run.exchange.loop_time()
    run.note("keep", conn=new, window_s=window_s, why="it was pinged, and new")
    run.exchange.ping(new, _PAYLOAD)
    await run.until_seen(quiet)
    await run.sleep(_PART * min(run.quiet_s(min(stall_ms, data_ms)), given_up_s))
    run.calm()
    await run.until_recovered()
    await run.sleep(max(0.0, began + window_s - run.exchange.loop_time()))


async def _replaced(run: Run, within_s: float) -> tuple[int, float]:
    """Let the newest delivery fall silent: the number of the connection that replaces it, and after
    how many seconds the testee first did something about it. What it declares is what it takes at
    most; a shorter watch is right as well, and may be as impatient with the new connection."""
    upgraded: list[int] = []
    reactions: list[float] = []

    def look(entry: AnyEntry) -> None:
        match entry:
            case Upgraded(conn=conn):
                upgraded.append(conn)
            case Attempted(t=t):
                reactions.append(t)
            case Closed(t=t, by="client") | HalfClosed(t=t, by="client") | Ended(t=t, by="client"):
                reactions.append(t)
            case _:
                pass

    await run.cause(Stall(scope="total"))
    began = run.exchange.loop_time()
    run.journal.listen(look, replay=False)
    with suppress(NotLive):
        await run.until(lambda: bool(upgraded), within_s, "a new connection")
    run.journal.unlisten(look)
    if not upgraded:
        raise Unseen(f"the testee did not replace the silent connection within {within_s:.1f} s")
    return upgraded[0], reactions[0] - began
