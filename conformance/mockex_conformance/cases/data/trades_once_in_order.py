from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import ceil
from random import Random
from typing import Literal

from mockex.faults import (
    CloseWith,
    CutFrame,
    Fault,
    Fin,
    FinLink,
    Hold,
    LimitData,
    Outage,
    Release,
    Reset,
    ResetLink,
    Resume,
    Stall,
)
from mockex.server.injector import Handle
from mockex.server.journal import AnyEntry, Delivered, Said
from mockex_conformance.case import NotLive, Run, Unseen, Unsupported, case
from mockex_conformance.cases import losses
from mockex_conformance.cases.streams import choose, trades
from mockex_conformance.checks import OnceInOrder, Presented, Recovered
from mockex_conformance.verdict import Level

_HOLE_S = 0.5  # of the market's time: five trades, whatever the scale of the testee's
_PART_OF_A_FRAME = 60  # bytes; a trade has more
_TO_END_S = 5.0  # a link needs a trade to end a connection


@case(
    "data/trades-once-in-order",
    "DATA-10",
    level=Level.L1,
    starts=False,
    takes_s=12,
    link="wanted",
)
async def trades_once_in_order(run: Run) -> None:
    """Trades reach the consumer in order, once, and every hole is announced or filled.

    Streams of trades, `@aggTrade` and on spot `@trade` too, go through ten losses in seeded order:
    a reset, a FIN, two close frames, a frame cut in the middle, half a second of a refusing port,
    half a second of trades that are never sent although the connection stays, and, by the link to
    the exchange, a cut after so many bytes, a FIN, and half a second in which bytes are late and
    complete. Where there is no link the exchange does the like. After each loss trades must be
    presented again within `book_ready_ms`. One that is presented twice or after a later one, one
    that was never sent, or ids that are skipped without a `gap` that covers them before the next
    event, fails the case.

    Evidence: Polymarket/ts-sdk#285 (holes that nobody sees), binance/binance-connector-rust#57.
    Causes: Nothing compares the id of a trade with the one before it, because the connection was
    restored and events flow. Or a `gap` is told of each loss and of nothing else. Or trades that
    were fetched over REST are not compared with those that came meanwhile.
    Look at: The last ids of the `delivered` entries before the fault and the first ones after it,
    and the `said` entries of kind `gap` and `event` between them. In your code, who knows the id
    of the last trade after a reconnect.
    """
    run.judged_by(OnceInOrder(holes=True), Presented(), Recovered())
    # A testee that can hold one stream only is judged on one.
    streams = choose(run, trades(run.profile.name)[: run.testee.max_streams])
    ids = _Ids(streams)
    run.journal.listen(ids.look, replay=False)
    await run.start(streams=streams)
    if "event" not in run.supports:
        raise Unsupported("needs `event` in `supports` of its `hello`")
    await run.until_live()
    await _until_it_presents(run, ids)
    linked = run.has_link("LimitData, FinLink and Hold (the exchange does the like)")
    kinds = [*_BY_EXCHANGE, *(_BY_LINK if linked else _INSTEAD)]
    Random(f"trades {run.seed}").shuffle(kinds)
    for lose in kinds:
        await run.until_events(2)
        await lose(run)
        await run.until_recovered()
        await _until_presented(run, ids)


# --- losses ---------------------------------------------------------------------------------------

_Lose = Callable[[Run], Awaitable[None]]


def _by(fault: Fault) -> _Lose:
    async def lose(run: Run) -> None:
        await losses.lose(run, fault)

    return lose


async def _refused(run: Run) -> None:
    """An outage for all connections, long enough for a hole whatever the testee's time is."""
    await losses.lose(run, Outage(how="refuse", ms=ceil(1000 * _HOLE_S / run.scale)))


async def _never_sent(run: Run) -> None:
    """Trades that no connection is sent, and no end that could make anybody suspect it."""
    stalled = await _fall_silent(run, "data")
    await run.sleep(_HOLE_S)
    for number in stalled:
        if run.exchange.connections.all[number].live:  # else it was replaced, which is a loss
            run.inject(Resume(connection=number, backlog="lose"))


async def _fall_silent(run: Run, scope: Literal["total", "data"]) -> list[int]:
    numbers = [c.number for c in run.exchange.connections.delivering()]
    handles = [run.inject(Stall(scope=scope, connection=number)) for number in numbers]
    for handle in handles:
        await run.until_seen(handle)
    return numbers


async def _cut_by_link(run: Run) -> None:
    """After a few bytes of all connections."""
    old = [c.number for c in run.exchange.connections.delivering()]
    fin = LimitData(bytes=_PART_OF_A_FRAME)
    _either(run, fin, replace(fin, then="reset"))
    if not await run.until_over(old, _TO_END_S):
        raise Unseen(f"LimitData did not end the connections within {_TO_END_S:g} s")
    run.calm()  # it would cut each handshake as well


async def _ended_by_link(run: Run) -> None:
    """All connections at once."""
    await run.until_seen(_either(run, FinLink(), ResetLink()))


def _either(run: Run, fin: Fault, reset: Fault) -> Handle:
    """What this link can do: it ends connections with FIN or with RST."""
    try:
        return run.inject(fin)
    except Unseen:
        return run.inject(reset)


async def _late_by_link(run: Run) -> None:
    """Nothing is lost, unless the testee gives the connection up."""
    await run.cause(Hold())
    await run.sleep(_HOLE_S)
    run.inject(Release())


async def _late(run: Run) -> None:
    """The same by the exchange."""
    await _fall_silent(run, "total")
    await run.sleep(_HOLE_S)
    run.calm()


_BY_EXCHANGE: tuple[_Lose, ...] = (
    _by(Reset()),
    _by(Fin()),
    _by(CloseWith(code=1001)),
    _by(CloseWith(code=None)),
    _by(CutFrame(then="reset")),
    _refused,
    _never_sent,
)
_BY_LINK: tuple[_Lose, ...] = (_cut_by_link, _ended_by_link, _late_by_link)
_INSTEAD: tuple[_Lose, ...] = (_by(CutFrame(then="fin")), _by(CloseWith(code=1008)), _late)


# --- what was presented ---------------------------------------------------------------------------


class _Ids:
    """The newest ids of each stream: sent, and presented."""

    def __init__(self, streams: list[str]) -> None:
        self.streams = streams
        self.sent: dict[str, int] = {}
        self.presented: dict[str, int] = {}

    def look(self, entry: AnyEntry) -> None:
        """Take in one entry of the journal."""
        match entry:
            case Delivered(streams=batches):
                for name, batch in batches.items():
                    self.sent[name] = max(self.sent.get(name, -1), batch.last_id)
            case Said(method="event", params={"stream": name, "id": number}):
                self.presented[name] = number
            case _:
                pass


async def _until_it_presents(run: Run, ids: _Ids) -> None:
    """Raises Unseen: it says that it presents events, and presents none at all."""
    within_s = run.deadline_s(run.limit_ms("book_ready_ms"))
    try:
        await run.until(lambda: bool(ids.presented), within_s, "an event")
    except NotLive:
        raise Unseen("it lists `event` in `supports` and presented none") from None
    await _until_presented(run, ids)


async def _until_presented(run: Run, ids: _Ids) -> None:
    within_s = run.deadline_s(run.limit_ms("book_ready_ms"))
    sent = {name: ids.sent[name] for name in ids.streams}
    run.note("must-present", sent=sent, within_s=within_s)
    # A little longer than the deadline, which is judged by the recording.
    await run.until(
        lambda: all(ids.presented.get(name, -1) >= number for name, number in sent.items()),
        within_s + 0.5,
        "an event that is presented",
    )
