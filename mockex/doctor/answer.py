"""What a check answers with, and all answers together: values, with an order and nothing to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    LACKING = "lacking"  # it is not there, or there is too little of it
    BROKEN = "broken"  # it is there and does not do


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of one thing. `repair` is a line to type, or what to do; empty if it is ok.

    `required`: without it something cannot be judged that every run is about. The rest is for those
    who use it. `details` are more lines, for whoever wants to know how it was found.
    """

    name: str
    state: State
    what: str
    needed_for: str
    repair: str = ""
    required: bool = False
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All that was looked at, in order, and for which version of mockex on which system."""

    mockex: str
    system: str
    answers: tuple[Answer, ...]

    def unmet(self, also: Collection[str] = ()) -> tuple[Answer, ...]:
        """Those that are required, or named in `also`, and are not ok."""
        return tuple(
            answer
            for answer in self.answers
            if answer.state is not State.OK and (answer.required or answer.name in also)
        )
