from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mockex.faults import Enlarge, Fault, Fragment, Gather, Slice
from mockex.server.views import Heartbeats
from mockex_conformance.case import NotLive, Run, case
from mockex_conformance.cases.streams import MARKET, choose
from mockex_conformance.checks import AllPresented, PongRepeats, Recovered, Stays
from mockex_conformance.checks.presenting import Presenting

if TYPE_CHECKING:
    from mockex_conformance.harness.times import Times

_ARRAY = "!miniTicker@arr"  # on the route of the trades
# By product, what comes once a second: a link of a piece a millisecond keeps up with it.
_SLOW = {"spot": "ethusdc@miniTicker", "usdm": "ethusdc@markPrice@1s"}
_LARGE_MIB = 8
_PIECE = 3  # bytes of a slice: a header is cut as well
_WRAPPER = 1024  # bytes, of combined mode and more
_EVENTS = 3  # in fragments, and seen behind each fault
_AT_ONCE = 10  # events
_PONG_S = 3.0  # as long as the exchange of the suite waits
_PRESENTED_S = 5.0
_LEFT_ALONE_S = 600.0  # longer than all of it


def _our_pings_alone(times: Times) -> dict[str, object]:
    """No ping but those of the case: the answer to a later one would settle them."""
    return {"ping_interval_s": None}


@case(
    "malformed/fragments-and-slices",
    "FUZZ-06",
    starts=False,
    settings=_our_pings_alone,
    link="wanted",
    step_ms=20,
    least_scale=1.0,
    least_bytes_per_s=4_000_000,  # for the large event
    takes_s=15,
)
async def fragments_and_slices(run: Run) -> None:
    """Legal but unusual framing changes nothing.

    The testee holds a stream of trades and the array of all mini tickers. Three events are cut into
    frames of one byte with a ping in the middle of each; ten events go out in one write; an array
    is made 8 MiB long by its own rows, or as long as `max_message_mib` allows. Then, where there is
    a link, the testee is started anew with one quiet stream, of which all bytes arrive in pieces of
    three, the handshake included; not of one, for a client may hold a handshake of more than 64
    pieces for an attack. A close by the testee, a new connection, a ping without an answer for 3 s,
    or, at level 1, an event that was written and not presented within 5 s, fails the case.

    Evidence: TCP is a stream of bytes, and RFC 6455 (5.4) lets a message have any number of frames
    and pings between them; readers are about that take one read for one message.
    Causes: A reader of one's own that expects a whole frame in each read, and nothing behind it. A
    message that is handed on without looking at FIN. A limit on messages below what is declared.
    Look at: The fault of the finding, and whether the pings of that time were answered: if not, the
    testee has lost its place in the stream of bytes. In your code, what becomes of the bytes of a
    read that do not make a whole frame, and of those behind one.
    """
    run.judged_by(Stays(), PongRepeats(within_ms=1000 * _PONG_S), AllPresented(), Recovered())
    await run.start(streams=choose(run, [MARKET, _ARRAY]))
    await run.until_live()
    run.note("quiet", window_s=_LEFT_ALONE_S)
    both = [MARKET, _ARRAY]
    cut = [Fragment(connection=c, events=_EVENTS) for c in _carrying(run, MARKET)]
    await _part(run, cut, both)
    await _part(run, [Gather(connection=c, events=_AT_ONCE) for c in _carrying(run, MARKET)], both)
    size = _large(run)
    arrays = [Enlarge(stream=_ARRAY, connection=c, bytes=size) for c in _carrying(run, _ARRAY)]
    # While it drains the exchange sends nothing else: which trades come is another case's matter.
    await _part(run, arrays, [_ARRAY])
    run.note("quiet", window_s=0.0)  # what is done now is asked for
    await _in_slices(run)


def _carrying(run: Run, stream: str) -> list[int]:
    return [c.number for c in run.exchange.connections.delivering(stream)]


def _large(run: Run) -> int:
    """Bytes of the array."""
    most_mib = run.limit_ms("max_message_mib")
    if most_mib < _LARGE_MIB:
        run.notes.append(
            f"the array had {most_mib:g} MiB instead of {_LARGE_MIB}: `max_message_mib`"
        )
    return int(min(most_mib, _LARGE_MIB) * 2**20) - _WRAPPER


async def _part(run: Run, faults: Sequence[Fault], streams: Sequence[str]) -> None:
    """Let the faults happen. Then every ping is answered and every event of `streams` presented, or
    their time is up; and one more ping shows that the testee still knows where a frame begins."""
    beats, presenting = Heartbeats(), Presenting()
    run.journal.listen(beats.apply, replay=False)
    run.journal.listen(presenting.apply, replay=False)
    judged = "event" in run.supports
    if judged:
        run.note("present-all", streams=list(streams))
    for handle in [run.inject(fault) for fault in faults]:
        await run.until_seen(handle)
    await run.until_recovered()
    await run.until_events(_EVENTS)
    if judged:
        run.note("present-all-over", within_s=_PRESENTED_S)
        await _in_time(run, lambda: not presenting.missing(), _PRESENTED_S, "the events presented")
    await _in_time(run, lambda: _all_answered(run, beats), _PONG_S, "the pings answered")
    for connection in run.exchange.connections.live():
        run.exchange.ping(connection.number, b"in step")
    await _in_time(run, lambda: _all_answered(run, beats), _PONG_S, "a last ping answered")
    run.journal.unlisten(beats.apply)
    run.journal.unlisten(presenting.apply)


def _all_answered(run: Run, beats: Heartbeats) -> bool:
    return not any(
        beats.of[c.number].open for c in run.exchange.connections.live() if c.number in beats.of
    )


async def _in_time(run: Run, met: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait for what the recording is judged by; a little longer than its time."""
    with suppress(NotLive):
        await run.until(met, within_s + 0.5, what)


async def _in_slices(run: Run) -> None:
    """All the testee reads comes in small pieces. The link is changed while nobody is connected."""
    if not run.has_link(f"slices of {_PIECE} bytes"):
        return
    await run.stop()
    sliced = run.inject(Slice(bytes=_PIECE, gap_ms=0.1))
    stream = _SLOW[run.profile.name]
    await run.start(streams=[stream])
    await run.until_live()
    await run.until_seen(sliced)
    await run.until_recovered()
    run.note("quiet", window_s=_LEFT_ALONE_S)
    await _part(run, [], [stream])
