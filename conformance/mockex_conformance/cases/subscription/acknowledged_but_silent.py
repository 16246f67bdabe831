from __future__ import annotations

from mockex.faults import SilentStream
from mockex.server.journal import AnyEntry, Said
from mockex_conformance.case import Run, Unsupported, case
from mockex_conformance.cases.streams import books, choose
from mockex_conformance.checks import Recovered, SilenceTold, Undisturbed
from mockex_conformance.checks.said import NAMING_SILENCE
from mockex_conformance.verdict import Level, Severity

_SILENCE_MS = 30_000  # where `data_silence_ms` is not declared
_WATCHED = 1.5  # times that, afterwards: who reacts each time does so again


@case(
    "subscription/acknowledged-but-silent",
    "SUB-06",
    severity=Severity.SHOULD,
    level=Level.L1,
    starts=False,
)
async def acknowledged_but_silent(run: Run) -> None:
    """An acknowledgement is not taken for a live stream.

    Of three streams one is acknowledged, listed and never sent, although its market moves. The
    testee must say so within `data_silence_ms` (30 s if it declares none): by `stale`, `refused`
    or `error` naming that stream. No such word, or one of the other two streams disturbed more
    than once, fails the case.

    Evidence: QuantConnect/Lean.Brokerages.Tastytrade#31; the exchange acknowledges unknown names
    and wrong routes, and stays silent.
    Causes: The state of a stream is set by the answer to its request, and nothing looks whether
    data follow. Or the whole connection is replaced again and again because of one stream.
    Look at: The `said` entries behind the landmark `must-tell`, and the `silent` names of the
    `subscribed` ones. In your code, the time of the last event of each stream.
    """
    run.judged_by(Recovered(), SilenceTold(), Undisturbed())
    *others, silent = choose(run, books(3))
    silence_ms = run.testee.limits.data_silence_ms or _SILENCE_MS
    run.needs((1 + _WATCHED) * silence_ms, "data_silence_ms")
    fault = run.inject(SilentStream(stream=silent))
    told = _listen(run)
    await run.start(streams=[*others, silent])
    if not set(NAMING_SILENCE) & set(run.supports):
        raise Unsupported("needs `stale`, `refused` or `error` in `supports` of its `hello`")
    run.streams = others
    await run.until_live()
    await run.until_seen(fault)
    within_s = run.deadline_s(silence_ms)
    run.note("leave-alone", streams=others)
    run.note("must-tell", stream=silent, within_s=within_s)
    # A little longer than the deadline, which is judged by the recording.
    await run.until(lambda: silent in told, within_s + 0.5, f"a word about {silent}")
    await run.sleep(run.quiet_s(_WATCHED * silence_ms))


def _listen(run: Run) -> set[str]:
    """The streams that the testee will have said of, from now on, that something is wrong."""
    told: set[str] = set()

    def look(entry: AnyEntry) -> None:
        if isinstance(entry, Said) and entry.method in NAMING_SILENCE:
            told.add(entry.params.get("stream", ""))

    run.journal.listen(look, replay=False)
    return told
