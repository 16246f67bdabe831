"""Whether every event that was written was presented to the consumer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from mockex.server.journal import AnyEntry, Delivered, Noted, Said
from mockex_conformance.checks.base import Check, finding
from mockex_conformance.checks.events import numbered
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding


class Presenting:
    """What was written of some streams and presented of them, from the landmark `present-all`
    (`streams`) on.

    Trades are told apart by their ids. Other events are counted: on several connections the events
    of one step are the same ones. Not every event has an id that it could be presented with, so a
    stream without ids of which a testee has never presented anything is left out."""

    def __init__(self) -> None:
        self._told_of: set[str] = set()
        self._begin(())

    def _begin(self, streams: Iterable[str]) -> None:
        self._streams = frozenset(streams)
        self._written: defaultdict[str, set[int]] = defaultdict(set)  # ids
        self._steps: defaultdict[str, dict[int, int]] = defaultdict(dict)  # events of each step
        self._presented: defaultdict[str, Counter[int]] = defaultdict(Counter)  # by id

    def apply(self, entry: AnyEntry) -> None:
        """Take in one entry."""
        match entry:
            case Noted(name="present-all", detail={"streams": streams}):
                self._begin(streams)
            case Noted(name="present-all-over"):
                self._streams = frozenset()
            case Delivered(step=step, streams=batches):
                for name in self._streams & batches.keys():
                    batch = batches[name]
                    if numbered(name):
                        self._written[name].update(range(batch.first_id, batch.last_id + 1))
                    else:
                        steps = self._steps[name]
                        steps[step] = max(steps.get(step, 0), batch.events)
            case Said(method="event", params={"stream": name, "id": number}):
                self._presented[name][number] += 1
                self._told_of.add(name)
            case _:
                pass

    def missing(self) -> dict[str, str]:
        """What was not presented, in words, by stream."""
        found: dict[str, str] = {}
        for name, ids in self._written.items():
            lost = sorted(ids - self._presented[name].keys())
            if lost:
                many = f"{len(lost)} of {len(ids)} events, the first of them {lost[0]},"
                found[name] = f"{many} were written and not presented"
        for name, steps in self._steps.items():
            written, presented = sum(steps.values()), self._presented[name].total()
            if name in self._told_of and presented < written:
                found[name] = f"{written} events were written and {presented} presented"
        return found


class AllPresented(Check, frozen=True, tag="all_presented"):
    """Of what was written between the landmarks `present-all` (`streams`) and `present-all-over`
    (`within_s`) something was not presented in time, counted from the second of them."""

    def judge(self, recording: Recording) -> list[Finding]:
        """One finding for each stream, at the first landmark that was not met in time."""
        view = Presenting()
        over: Noted | None = None
        standstills = Standstills(recording.entries)
        for entry in recording.entries:
            if over is not None:
                until = over.t + over.detail["within_s"]
                if standstills.overdue(over.t, until, entry.t):
                    return self._found(recording, view, over, until)
            view.apply(entry)
            if isinstance(entry, Noted) and entry.name in ("present-all", "present-all-over"):
                over = entry if entry.name == "present-all-over" else None
            if over is not None and not view.missing():
                over = None
        return []

    def _found(
        self, recording: Recording, view: Presenting, over: Noted, until: float
    ) -> list[Finding]:
        if not _presents(recording):
            return []
        within_s = over.detail["within_s"]
        return [
            finding(self, recording, f"{name}: {what} within {within_s:.1f} s", until, stream=name)
            for name, what in view.missing().items()
        ]

    def unmet(self, recording: Recording) -> str:
        """It says that it presents events, and has presented none."""
        if not recording.noted("present-all") or _presents(recording):
            return ""
        return "it lists `event` under `supports`, and presented none"


def _presents(recording: Recording) -> bool:
    return any(said.method == "event" for said in recording.of(Said))
