"""Fault scripts as values: which fault happens when, and what is drawn.

    seed = 7
    [[fault]]
    after = "5s"
    jitter = "500ms"
    fault = "Reset"
    all = true

They are read by `script_reading` and played by `mockex.server.script_run`. Times are of the
exchange's clock; a fault's own fields (`delay_ms`) are of the machine's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from mockex.faults.catalogue import Wrong, shown
from mockex.faults.model import Fault
from mockex.faults.trigger import AfterEvents, Every, Trigger

LEAST_EVERY_S = 0.01
_LONGEST_S = 366 * 86_400.0
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
A_TIME = 'a time with its unit, like "5s", "500ms" or "1m30s"'
WHENS = ("at", "every", "after")
KEYS = (*WHENS, "jitter", "until", "for", "fault")
TOP = ("seed", "fault")


@dataclass(frozen=True, slots=True)
class At:
    """So long after the start of the script."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Each:
    """Every `seconds`, the first time after one of them, until `until_s` after the start."""

    seconds: float
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class After:
    """So long after the step before it was first done; of the first step, after the start."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AfterSeen:
    """Once `events` were written to one live delivery of `stream` (None: of any), counted from the
    moment in which the step before it was first done."""

    events: int
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a script, and when. It is drawn within `jitter_s` before or after that; one that
    lasts is ended after `for_s`, or `until_s` after the start. `line` is where it stands."""

    fault: Fault
    when: At | Each | After | AfterSeen
    jitter_s: float = 0.0
    for_s: float | None = None
    until_s: float | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """All steps, in the order in which they stand, and the seed of what is drawn."""

    steps: tuple[Step, ...]
    seed: int = 0
    file: str = "script"

    def drawn_s(self, step: int, turn: int) -> float:
        """What the time of one turn of a step is moved by."""
        jitter_s = self.steps[step].jitter_s
        return Random(f"jitter {self.seed} {step} {turn}").uniform(-jitter_s, jitter_s)


def seconds_of(value: object) -> float | None:
    """A time as it is written, in seconds; None if it is none."""
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return None
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(value))
    return seconds if seconds <= _LONGEST_S else None


def trigger_of(given: object) -> Trigger | list[Wrong]:
    """When a single fault happens: `{"after": 50}` events, or `{"every": "30s", "times": 3}`; or
    all that is wrong with it."""
    match given:
        case {"after": int(events), **others} if not others and is_whole(events) and events > 0:
            return AfterEvents(events)
        case {"every": every, "times": int(times), **others} if not others and is_whole(times):
            seconds = seconds_of(every)
            if seconds is not None and seconds >= LEAST_EVERY_S and times > 0:
                return Every(seconds, times)
    expected = '{"after": 50} for events, or {"every": "30s", "times": 3}'
    return [Wrong("when", f"{shown(given)} is not usable, expected {expected}")]


def is_whole(value: object) -> bool:
    """Whether it is a whole number that a script may have."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53
