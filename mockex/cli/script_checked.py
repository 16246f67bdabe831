"""What `mockex faults check --json` prints."""

from __future__ import annotations

from typing import Any, Self

import msgspec

from mockex.errors import ScriptError
from mockex.faults.catalogue import fields_of
from mockex.faults.script import After, AfterSeen, At, Each, Script, Step


class StepChecked(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of a script, with the fields that differ from their defaults, and when it happens:
    one of `at_s` (from the start), `every_s`, `after_s` (the step before) and `after_events` (of
    `stream`; null: of any), the others null. `line` is where it stands."""

    line: int
    fault: str
    fields: dict[str, Any]
    at_s: float | None = None
    every_s: float | None = None
    after_s: float | None = None
    after_events: int | None = None
    stream: str | None = None
    jitter_s: float = 0.0
    for_s: float | None = None
    until_s: float | None = None

    @classmethod
    def of(cls, step: Step) -> Self:
        """That step."""
        when: dict[str, Any]
        match step.when:
            case At(seconds):
                when = {"at_s": seconds}
            case Each(seconds, until_s):
                when = {"every_s": seconds, "until_s": until_s}
            case After(seconds):
                when = {"after_s": seconds}
            case AfterSeen(events, stream):
                when = {"after_events": events, "stream": stream}
        made = cls(
            line=step.line,
            fault=type(step.fault).__name__,
            fields=fields_of(step.fault),
            jitter_s=step.jitter_s,
            for_s=step.for_s,
            until_s=step.until_s,
        )
        return msgspec.structs.replace(made, **when)


class ScriptProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at a place of a script: its line (0: of the file as a whole), the key (empty:
    it is about none), and what would be right."""

    file: str
    line: int
    key: str
    message: str


class ScriptChecked(msgspec.Struct, frozen=True, kw_only=True):
    """A fault script that was checked: `problems`, or, if there is none, what it holds."""

    file: str
    problems: list[ScriptProblem] = []
    seed: int | None = None
    steps: list[StepChecked] = []

    @classmethod
    def right(cls, script: Script) -> Self:
        """One in which nothing is wrong."""
        steps = [StepChecked.of(step) for step in script.steps]
        return cls(file=script.file, seed=script.seed, steps=steps)

    @classmethod
    def wrong(cls, error: ScriptError) -> Self:
        """One that is none."""
        problems = [
            ScriptProblem(file=error.file, line=p.line, key=p.key, message=p.why)
            for p in error.problems
        ]
        return cls(file=error.file, problems=problems)
