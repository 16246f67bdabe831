"""A recording: the journal of one case, read back, with the few questions that all checks ask.

The file is the exchange's journal (`mockex.server.journal`): one entry a line. Two landmarks make
it a case's: `Noted("case")`, directly after `Opened`, says what was run and on what terms, and
`Noted("outcome")`, the last entry, holds the checks that judge it and how the body ended.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mockex.server.journal import AnyEntry, Entry, Faulted, Lagged, Launched, Noted, Sampled
from mockex_conformance.wish import Wish

E = TypeVar("E", bound=Entry)

_decoder = msgspec.json.Decoder(AnyEntry)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """On what terms a case was run: detail of `Noted("case")`."""

    case: str
    number: str
    testee: str
    version: str
    profile: str
    mode: str
    level: int
    k: int
    scale: float  # of the testee's time; 1 if it does not scale
    seed: int
    streams: list[str]
    limits: dict[str, float]  # unscaled ms and MiB, declared or default
    deadline_factor: float = 1.25
    quiet_factor: float = 1.0
    supports: list[str] = []
    ground: str = "real"
    link: str = ""  # between testee and exchange: by whom it was made, and its terms
    wish: Wish | None = None  # what asks for it again

    def patience_s(self, *limits: str) -> float:
        """Seconds that the testee waits for us: the shortest of these limits that it has."""
        held = (self.limits[name] for name in limits if name in self.limits)
        return min(held, default=math.inf) / 1000 * self.scale


class Queueing:
    """How long the testee was ready to run and got no processor, as far as it was sampled: told of
    each entry. Of threads that wait at the same time one counts."""

    _MOST = 3.0  # times what was awaited: one that keeps itself from running waits without end

    def __init__(self) -> None:
        self.total_s = 0.0
        self._last: dict[int, tuple[float, float]] = {}  # by run: when, and how long until then

    def apply(self, entry: AnyEntry) -> None:
        """The next entry."""
        match entry:
            case Launched(run=run, t=t):
                self._last[run] = t, 0.0
            case Sampled(run=run, t=t, queued_s=queued_s):
                before, was_s = self._last.get(run, (t, queued_s))
                self.total_s += min(max(0.0, queued_s - was_s), t - before)
                self._last[run] = t, queued_s
            case _:
                pass

    @classmethod
    def later_s(cls, within_s: float, queued_s: float) -> float:
        """By how much what must happen within `within_s` may be later."""
        return min(queued_s, cls._MOST * within_s)


class Standstills:
    """When our own loop stood still, and when the testee did: made once for a recording, asked at
    each of its entries."""

    def __init__(self, entries: Iterable[AnyEntry]) -> None:
        lags = list[Lagged]()
        self._sampled_at, self._queued = [0.0], [0.0]
        queueing = Queueing()
        for entry in entries:
            if isinstance(entry, Lagged):
                lags.append(entry)
            elif isinstance(entry, Launched | Sampled):
                queueing.apply(entry)
                self._sampled_at.append(entry.t)
                self._queued.append(queueing.total_s)
        self._begins = [lag.t for lag in lags]
        self._ends = [lag.t + lag.late_s for lag in lags]
        self._sums = [0.0, *accumulate(lag.late_s for lag in lags)]

    def between(self, start: float, end: float) -> float:
        """How long in the window, in all; one that began before it counts whole."""
        first, behind = bisect_left(self._ends, start), bisect_right(self._begins, end)
        return max(0.0, self._sums[behind] - self._sums[first])

    def excuse(self, at: float, patience_s: float) -> bool:
        """Whether somebody who waits `patience_s` for us may have broken off by `at` because we
        stood still: for half of it or longer, within that time."""
        return self.between(at - patience_s, at) >= patience_s / 2

    def longest(self, start: float, end: float) -> float:
        """The longest one in the window, one that began before it included."""
        first, behind = bisect_left(self._ends, start), bisect_right(self._begins, end)
        lags = zip(self._begins[first:behind], self._ends[first:behind], strict=True)
        return max((ended - began for began, ended in lags), default=0.0)

    def overdue(self, since: float, until: float, now: float) -> bool:
        """Whether what was due by `until`, awaited from `since` on, is late at `now`.

        Every deadline of what must happen is later by so much as our own loop stood still
        meanwhile, and as the testee got no processor: it starves at each step anew."""
        if now <= until:
            return False
        later_s = Queueing.later_s(until - since, self._queued_s(now) - self._queued_s(since))
        return now > until + self.between(since, now) + later_s

    def _queued_s(self, until: float) -> float:
        return self._queued[bisect_right(self._sampled_at, until) - 1]


@dataclass(frozen=True, slots=True)
class Recording:
    """Entries in order, and the terms. `outcome` is the detail of the last landmark."""

    entries: list[AnyEntry]
    terms: Terms
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def began(self) -> float:
        """Loop time of the first entry: findings count from here."""
        return self.entries[0].t if self.entries else 0.0

    def of(self, kind: type[E]) -> Iterator[E]:
        """The entries of one kind, in order."""
        return (entry for entry in self.entries if isinstance(entry, kind))

    def noted(self, name: str) -> list[Noted]:
        """The landmarks of that name, in order."""
        return [entry for entry in self.of(Noted) if entry.name == name]

    def lag_s(self, start: float, end: float) -> float:
        """The largest lag of our own loop recorded in the window: every tolerance of what must not
        happen is the stated one plus this (catalogue, section 3)."""
        return max((e.late_s for e in self.of(Lagged) if start <= e.t <= end + e.late_s), default=0)

    def fault_before(self, t: float) -> str:
        """The last fault that was seen at or before `t`, in words; empty if none. An end that a
        case has waited for (landmark `over`: `what`, `connections`) is one."""
        told, conns = "", list[int]()
        for entry in self.entries:
            if entry.t > t:
                continue
            match entry:
                case Faulted(phase="seen", kind=told, conns=conns):
                    pass
                case Noted(name="over", detail={"what": told, "connections": conns}):
                    pass
                case _:
                    pass
        names = [f"c{c}" for c in conns[:5]]
        if len(conns) > 5:
            names.append(f"{len(conns) - 5} more")
        return " on ".join(filter(None, [told, ", ".join(names)]))


def read_entries(path: Path) -> list[AnyEntry]:
    """The entries of a journal file; a last line that was cut by a kill is left out.

    Raises:
        ValueError: a line other than the last is no entry; names file and line.
    """
    entries: list[AnyEntry] = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            entries.append(_decoder.decode(line))
        except msgspec.DecodeError as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}:{number}: not an entry of a journal: {error}") from None
    return entries
