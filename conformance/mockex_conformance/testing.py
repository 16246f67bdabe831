"""What the suite looks for, as assertions for tests of one's own.

    from mockex_conformance.testing import assert_recovers, assert_single_delivery

    async def test_a_reset_leaves_one_connection(mockex):
        async with MyAdapter(mockex.ws_url):
            await assert_single_delivery(mockex)
            await mockex.inject(Reset()).seen(within_s=5)
            await assert_recovers(mockex)
            await assert_single_delivery(mockex)

Each reads the journal of an exchange, of the fixture or of `mockex.serve`, in real or virtual time,
and waits as long as it has to. They stand here and not in `mockex`, because they judge with the
suite's own checks, so that a test and `mockex conform` find the same in the same words.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from mockex.server.journal import (
    AnyEntry,
    Delivered,
    Faulted,
    Joined,
    Left,
    Noted,
    Subscribed,
    Unsubscribed,
)
from mockex.server.views import Connections, Deliveries
from mockex_conformance.checks import DeliveriesAtMost, Recovered
from mockex_conformance.checks.clues import clue
from mockex_conformance.checks.recovery import missing
from mockex_conformance.recording import Recording, Standstills, Terms
from mockex_conformance.verdict import Finding

if TYPE_CHECKING:
    from mockex.remote import RemoteExchange
    from mockex.server.exchange import Exchange

    AnyExchange: TypeAlias = Exchange | RemoteExchange

_A_MOMENT_S = 1e-6

__all__ = ["assert_flat_traffic", "assert_recovers", "assert_single_delivery"]


async def assert_single_delivery(
    exchange: AnyExchange,
    *,
    stream: str | None = None,
    within_s: float = 5.0,
    watch_s: float = 1.0,
    deliveries: int = 1,
    overlap_s: float = 0.0,
) -> None:
    """Each stream is delivered on exactly `deliveries` live connections.

    It has to come to that within `within_s` from now; a second delivery fails it at any moment
    since the exchange opened, unless it went away within `overlap_s`, and for `watch_s` more:
    a connection too many often comes late. `stream` None: every one that was ever subscribed.
    """
    __tracebackhide__ = True
    watch = _Watch(exchange)
    rule = (
        f"a stream is delivered on exactly {deliveries} live connection"
        f"{'s' if deliveries > 1 else ''}, whatever was lost"
    )

    def too_many() -> bool:
        counts = (len(watch.connections.delivering(name)) for name in watch.wanted(stream))
        return not overlap_s and any(count > deliveries for count in counts)

    def there() -> bool:
        wanted = watch.wanted(stream)
        return bool(wanted) and not watch.missing(wanted, deliveries, since=-1.0)

    since = watch.now
    come = await watch.until(lambda: too_many() or there(), within_s)
    if come and not too_many():
        await watch.until(too_many, watch_s)
    wanted = watch.wanted(stream)
    check = DeliveriesAtMost(k=deliveries, streams=wanted, overlap_ms=overlap_s * 1000)
    for found in check.judge(watch.recording(wanted, deliveries)):
        _fail(rule, found)
    if not come:
        _fail(rule, watch.late(wanted, deliveries, since, within_s))
    if lost := watch.missing(wanted, deliveries, since=-1.0):
        message = f"{', '.join(lost)}: not delivered any more after {watch_s:g} s"
        _fail(rule, watch.found("live_at_end", message))


async def assert_recovers(
    exchange: AnyExchange,
    *,
    stream: str | None = None,
    within_s: float = 5.0,
    deliveries: int = 1,
) -> None:
    """After the last fault that was seen, every stream flows again within `within_s` of it.

    `stream` None: every one that was subscribed before it. Where no fault was seen there is
    nothing to recover from, and that fails too: `await handle.seen()` first.
    """
    __tracebackhide__ = True
    watch = _Watch(exchange)
    rule = f"what was lost is back within {within_s:g} s"
    at = next((i for i, e in reversed([*enumerate(watch.entries)]) if _is_seen(e)), None)
    if at is None:
        _fail(rule, watch.found("recovered", "no fault was seen, so nothing could be recovered"))
    since = watch.entries[at].t
    wanted = [stream] if stream else watch.subscribed(until=at)
    if not wanted:
        _fail(rule, watch.found("recovered", "nothing was subscribed before the fault"))
    await watch.until(lambda: not watch.missing(wanted, deliveries, since), within_s, since)
    awaited = Noted(
        t=since, name="awaiting-recovery", detail={"since": since, "within_s": within_s}
    )
    for found in Recovered().judge(watch.recording(wanted, deliveries, (at + 1, awaited))):
        _fail(rule, found)


async def assert_flat_traffic(
    exchange: AnyExchange,
    *,
    stream: str | None = None,
    steps: int = 20,
    within_s: float = 10.0,
    deliveries: int = 1,
) -> None:
    """Each event of a stream is sent `deliveries` times: in the last `steps` steps of the market
    before the first fault that was seen, and in as many from now on.

    Counted by event, not by the clock: neither a slow machine nor a busy market changes it.
    `stream` None: every one that was ever subscribed.
    """
    __tracebackhide__ = True
    watch = _Watch(exchange)
    rule = f"as much is sent after losses as before: each event {deliveries} time" + (
        "s" if deliveries > 1 else ""
    )
    from_now = len(watch.entries)

    def measured() -> bool:
        wanted, sent = watch.wanted(stream), _steps_of(watch.entries[from_now:])
        return bool(wanted) and all(len(sent[name]) >= steps + 2 for name in wanted)

    await watch.until(measured, within_s)
    entries = watch.entries
    fault = next((i for i, e in enumerate(entries) if _is_seen(e)), from_now)
    if not watch.wanted(stream):
        _fail(rule, watch.found("traffic_flat", "no stream was ever subscribed"))
    for name in watch.wanted(stream):
        now = _sent(entries, from_now, len(entries))[name][:steps]
        before = _sent(entries, 0, fault)[name][-steps:]
        if len(now) < steps:
            message = f"stream {name}: {len(now)} steps with events within {within_s:g} s"
            _fail(rule, watch.found("traffic_flat", f"{message}; {steps} are needed"))
        for when, some in (("now", now), ("before the first fault", before)):
            wrong = [step for step in some if step.copies != deliveries]
            if wrong:
                worst = max(wrong, key=lambda step: abs(step.copies - deliveries))
                message = (
                    f"stream {name}: each event is sent {worst.copies:g} times instead of"
                    f" {deliveries}, in {len(wrong)} of {len(some)} steps {when}"
                    + _rates(before, now)
                )
                _fail(rule, watch.found("traffic_flat", message))


# --- what the journal says ---


class _Watch:
    """The journal of an exchange as it grows, and what follows from it. `now` and all moments are
    those of the journal."""

    def __init__(self, exchange: AnyExchange) -> None:
        self._exchange = exchange
        self.connections, self.deliveries = Connections(), Deliveries()
        self._streams = _Streams()
        self._read = 0
        self.entries: list[AnyEntry] = []
        self.catch_up()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def catch_up(self) -> None:
        """Take in what is new."""
        self.entries = self._exchange.journal.entries
        for entry in self.entries[self._read :]:
            self.connections.apply(entry)
            self.deliveries.apply(entry)
            self._streams.apply(entry)
        self._read = len(self.entries)

    async def until(
        self, met: Callable[[], bool], within_s: float, since: float | None = None
    ) -> bool:
        """Look at each entry until `met`; whether it came to that within `within_s` of `since`
        (None: of now), or as much later as the exchange itself stood still meanwhile."""
        since = self.now if since is None else since
        while not met() and (left_s := self._due(since, within_s) - self.now) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    while not met():
                        await self._exchange.journal.wait(lambda _: True, since=self._read)
                        self.catch_up()
            self.catch_up()
        return met()

    def _due(self, since: float, within_s: float) -> float:
        return since + within_s + Standstills(self.entries).between(since, self.now)

    def wanted(self, stream: str | None) -> list[str]:
        """The streams that are asked about."""
        return [stream] if stream is not None else [*self._streams.names]

    def missing(self, wanted: Sequence[str], k: int, since: float) -> list[str]:
        """Streams that do not flow on `k` live connections since then."""
        return list(missing([*wanted], k, since, self.connections, self.deliveries, [0]))

    def subscribed(self, until: int) -> list[str]:
        """Streams that were subscribed before the entry `until`."""
        before = _Streams()
        for entry in self.entries[:until]:
            before.apply(entry)
        return [*before.names]

    def recording(
        self, wanted: Sequence[str], k: int, noted: tuple[int, Noted] | None = None
    ) -> Recording:
        """The journal so far as the suite's checks read one, with a landmark before an entry."""
        # A moment later: in virtual time a deadline that was missed is now, to the last digit.
        entries = [*self.entries, Noted(t=self.now + _A_MOMENT_S, name="asserted")]
        if noted is not None:
            entries.insert(*noted)
        terms = Terms(
            case="", number="", testee="the client", version="", profile="", mode="", level=0, k=k,
            scale=1.0, seed=self._exchange.seed, streams=[*wanted], limits={},
        )  # fmt: skip
        return Recording(entries, terms)

    def late(self, wanted: Sequence[str], k: int, since: float, within_s: float) -> Finding:
        """What did not come, and what the exchange saw meanwhile."""
        behind = self.missing(wanted, k, -1.0)
        names = ", ".join(behind[:3]) + (f" and {len(behind) - 3} more" if len(behind) > 3 else "")
        why = clue(self.recording(wanted, k), {*behind}, since, self.now)
        message = f"no events of {names or 'any stream'} within {within_s:g} s"
        return self.found("recovered", message + (f"; {why}" if why else ""))

    def found(self, check: str, message: str) -> Finding:
        """A finding of this moment."""
        recording = self.recording([], 1)
        return Finding(
            check=check,
            message=message,
            at_s=round(self.now - recording.began, 3),
            fault=recording.fault_before(self.now),
        )


class _Streams:
    """Streams that were subscribed and not given up again, whatever became of their connection."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def apply(self, entry: AnyEntry) -> None:
        match entry:
            case Subscribed(streams=streams, silent=silent):
                self.names |= dict.fromkeys(name for name in streams if name not in silent)
            case Unsubscribed(streams=streams):
                for name in streams:
                    self.names.pop(name, None)
            case _:
                pass


def _is_seen(entry: AnyEntry) -> bool:
    return isinstance(entry, Faulted) and entry.phase == "seen"


def _steps_of(entries: Sequence[AnyEntry]) -> defaultdict[str, set[int]]:
    """By stream, the steps of the market with events of it."""
    steps: defaultdict[str, set[int]] = defaultdict(set)
    for entry in entries:
        if isinstance(entry, Delivered):
            for name in entry.streams:
                steps[name].add(entry.step)
    return steps


@dataclass(slots=True)
class _Step:
    """What was sent of one stream in one step of the market, to all connections together."""

    at: float
    events: int = 0  # that there were
    sent: int = 0
    bytes: int = 0

    @property
    def copies(self) -> float:
        return self.sent / self.events


def _sent(entries: Sequence[AnyEntry], start: int, end: int) -> defaultdict[str, list[_Step]]:
    """By stream, the steps with events among `entries[start:end]`, but for those at both ends,
    which may be cut."""
    members: defaultdict[int, set[int]] = defaultdict(set)
    steps: defaultdict[str, dict[int, _Step]] = defaultdict(dict)
    for index, entry in enumerate(entries[:end]):
        match entry:
            case Joined(conn=conn, audience=audience):
                members[audience].add(conn)
            case Left(conn=conn, audience=audience):
                members[audience].discard(conn)
            case Delivered(audience=audience, step=number, streams=streams) if index >= start:
                size = len(members[audience])
                for name, batch in streams.items():
                    step = steps[name].setdefault(number, _Step(entry.t))
                    step.events = max(step.events, batch.events)
                    step.sent += size * batch.events
                    step.bytes += size * batch.bytes
            case _:
                pass
    whole: defaultdict[str, list[_Step]] = defaultdict(list)
    for name, found in steps.items():
        whole[name] = [*found.values()][1:-1]
    return whole


def _rates(before: Sequence[_Step], now: Sequence[_Step]) -> str:
    """Both rates, if they can be told."""
    if len(before) < 2 or len(now) < 2:
        return ""
    kb = [sum(s.bytes for s in some) / 1000 / (some[-1].at - some[0].at) for some in (before, now)]
    return f"; {kb[1]:.1f} KB/s now, {kb[0]:.1f} KB/s before: x {kb[1] / kb[0]:.2f}"


def _fail(rule: str, found: Finding) -> NoReturn:
    __tracebackhide__ = True
    after = f"after {found.fault}" if found.fault else "no fault before it"
    raise AssertionError(f"{found.message}. Rule: {rule}. Seen at {found.at_s:.3f} s, {after}.")
