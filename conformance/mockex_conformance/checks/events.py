"""Events on their way to the consumer: each once, in order, and no hole without a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mockex.names import Kind, parse
from mockex.server.journal import (
    AnyEntry,
    Asked,
    Batch,
    Delivered,
    Launched,
    Noted,
    Requested,
    Said,
)
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding

_NUMBERED = (Kind.AGG_TRADE, Kind.TRADE)  # ids without holes, spot 5.1 and usdm 5.1
_NEVER = 2**63  # no id is as large


class OnceInOrder(Check, frozen=True, tag="once_in_order"):
    """An event was presented twice or backwards; or, on a stream whose ids have no holes (trades),
    events were skipped and no `gap` before the next one said so, or one was presented that the
    exchange has not sent.

    A `gap` speaks of the ids between its `after` and its `before`, neither included; where one is
    unknown, of all on that side. A stream that was asked for anew begins anew: what came in between
    is nobody's hole. Who fetches trades over REST may have them before they were sent.

    `holes`: the recording cannot be judged unless trades were missed on the wire.
    """

    holes: bool = False

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first of each stream."""
        streams: dict[str, _Stream] = {}
        fetched = False
        found: dict[str, Finding] = {}
        for entry in recording.entries:
            for name, batch in _sent(entry):
                _of(name, streams).sent(batch)
            match entry:
                case Asked(method="subscribe" | "unsubscribe", params={"streams": names}):
                    for name in names:
                        _of(name, streams).anew = True
                case Asked(method="start" | "close") | Launched():
                    for stream in streams.values():
                        stream.anew = True
                case Requested(status=200, target=target):
                    fetched |= "trades" in target.partition("?")[0].lower()
                case Said(method="gap", params={"stream": name, "after": after, "before": before}):
                    _of(name, streams).gaps.append(_Gap(after, before))
                case Said(method="event", params={"stream": name, "id": number}):
                    stream = _of(name, streams)
                    wrong = stream.wrong(number, fetched=fetched)
                    if wrong and name not in found:
                        message = f"{name}: {wrong}"
                        found[name] = finding(self, recording, message, entry.t, stream=name)
                    stream.presented(number)
                case _:
                    pass
        return list(found.values())

    def unmet(self, recording: Recording) -> str:
        """No trade was missed."""
        if not self.holes or any(_missed(recording)):
            return ""
        return "no trade was missed by all connections of a stream: there was nothing to tell"


class Presented(Check, frozen=True, tag="presented"):
    """Within `within_s` of a landmark `must-present` nothing as new as what had been sent until
    then was presented. `sent` has the id by stream."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for the first landmark that was not met in time."""
        waiting: Noted | None = None
        newest: dict[str, int] = {}
        standstills = Standstills(recording.entries)
        for entry in recording.entries:
            if waiting is not None:
                until = waiting.t + waiting.detail["within_s"]
                if standstills.overdue(waiting.t, until, entry.t):
                    return [self._late(recording, waiting, newest)]
            if isinstance(entry, Noted) and entry.name == "must-present":
                waiting = entry
            elif isinstance(entry, Said) and entry.method == "event":
                newest[entry.params["stream"]] = entry.params["id"]
            if waiting is not None and not _behind(waiting, newest):
                waiting = None
        return []

    def _late(self, recording: Recording, waiting: Noted, newest: dict[str, int]) -> Finding:
        name, *others = _behind(waiting, newest)
        within_s = waiting.detail["within_s"]
        last = f"the last one was {newest[name]}" if name in newest else "there was none"
        message = (
            f"{name}: {waiting.detail['sent'][name]} was sent, and within {within_s:.1f} s neither "
            f"it nor a later one was presented; {last}"
        )
        return finding(self, recording, message, waiting.t + within_s, streams=[name, *others])


def _behind(waiting: Noted, newest: dict[str, int]) -> list[str]:
    sent: dict[str, int] = waiting.detail["sent"]
    return [name for name, number in sent.items() if newest.get(name, -1) < number]


class _Gap:
    """What a `gap` says: ids from `first` until before `behind` are missing."""

    def __init__(self, after: int | None, before: int | None) -> None:
        self.first = 0 if after is None else after + 1
        self.behind = _NEVER if before is None else before

    def over(self, number: int) -> bool:
        """Whether it says nothing of events behind `number`. A reader may tell of a hole while
        events from before it still wait for the consumer; who does not know where the hole ends
        means the next event."""
        return self.behind <= number or self.behind == _NEVER


@dataclass(slots=True)
class _Stream:
    """What was sent, said and presented of one stream."""

    numbered: bool
    oldest: int | None = None  # sent
    newest: int = -1
    last: int | None = None  # presented
    anew: bool = False
    gaps: list[_Gap] = field(default_factory=list)

    def sent(self, batch: Batch) -> None:
        if self.oldest is None:
            self.oldest = batch.first_id
        self.newest = max(self.newest, batch.last_id)

    def presented(self, number: int) -> None:
        if number or self.numbered:
            self.last, self.anew = number, False
            self.gaps = [gap for gap in self.gaps if not gap.over(number)]

    def wrong(self, number: int, *, fetched: bool) -> str:
        """What is wrong with presenting `number` next, in words."""
        if not number and not self.numbered:
            return ""  # these events have no ids
        if self.numbered and not fetched and not self._was_sent(number):
            if self.oldest is None:
                return f"event {number} was presented before any was sent"
            return f"event {number} was presented; {_span(self.oldest, self.newest)} was sent"
        if self.last is None:
            return ""
        if number == self.last:
            return f"event {number} was presented twice"
        if number < self.last:
            return f"event {number} was presented after {self.last}"
        untold = self._untold(self.last + 1, number)
        if self.numbered and untold and not self.anew:
            return f"{untold} skipped without a word before {number}"
        return ""

    def _was_sent(self, number: int) -> bool:
        return self.oldest is not None and self.oldest <= number <= self.newest

    def _untold(self, first: int, number: int) -> str:
        """The first ids from `first` until before `number` that no gap speaks of."""
        behind = number
        for gap in sorted(self.gaps, key=lambda gap: gap.first):
            if gap.first > first:
                behind = min(gap.first, number)
                break
            first = max(first, gap.behind)
        return _span(first, behind - 1) if first < number else ""


def _of(name: str, streams: dict[str, _Stream]) -> _Stream:
    if name not in streams:
        streams[name] = _Stream(numbered(name))
    return streams[name]


def numbered(name: str) -> bool:
    """Whether the events of a stream have ids without holes: a flush holds all between its two."""
    parsed = parse(name)
    return parsed is not None and parsed.kind in _NUMBERED


def _span(first: int, final: int) -> str:
    return f"{first} to {final}" if final > first else str(first)


def _sent(entry: AnyEntry) -> Iterator[tuple[str, Batch]]:
    if isinstance(entry, Delivered):
        yield from entry.streams.items()


def _missed(recording: Recording) -> Iterator[str]:
    """Streams of trades, each time that some were sent to nobody."""
    newest: dict[str, int] = {}
    for entry in recording.entries:
        for name, batch in _sent(entry):
            if numbered(name) and batch.first_id > newest.get(name, batch.first_id) + 1:
                yield name
            newest[name] = max(newest.get(name, -1), batch.last_id)
