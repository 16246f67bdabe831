"""A schedule: what is done to a testee, and when. A value that can be kept, shown and played again.

A step is a fault, under the name that it has in `mockex.faults`, a command of level 2, under the
name that it has in the protocol, or one of three that last: `stall` and `hold` end after `ms`, and
after `silence` nothing ever comes on the newest connection again: its peer is gone without a word.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import msgspec

from mockex import faults
from mockex.errors import ConfigError

VERSION = 1
# How often the market moves. What an event costs is most of what a schedule costs, so a slow market
# is the rule; a busy one makes backlogs, which a slow one never has.
SLOW_MS, BUSY_MS = 500, 100
COMMANDS = frozenset({"start", "close", "reconnect", "subscribe", "unsubscribe"})
LASTING = frozenset({"stall", "hold", "silence"})
FAULTS: dict[str, type[faults.Fault]] = {
    name: kind
    for name in faults.__all__
    if isinstance(kind := getattr(faults, name), type)
    and issubclass(kind, faults.Fault)
    and kind not in (faults.Fault, faults.LinkFault)
}


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`do` is done `after_ms` after the step before it; `args` are those of the fault, the command,
    or of `stall` (`scope`, `ms`, `backlog`) and `hold` (`direction`, `ms`, `backlog`)."""

    after_ms: int
    do: str
    args: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.after_ms < 0:
            raise ValueError(f"after_ms must not be negative, got {self.after_ms}")
        known = {*FAULTS, *COMMANDS, *LASTING}
        if self.do not in known:
            near = difflib.get_close_matches(self.do, known, n=1)
            hint = f"; nearest is {near[0]!r}" if near else ""
            raise ValueError(f"{self.do!r} is neither a fault nor a command{hint}")
        if self.do in FAULTS:
            self.fault()

    def fault(self) -> faults.Fault:
        """The fault of a step that is one; raises ValueError for args that it cannot have."""
        args = dict(self.args)
        if args.get("direction") is not None:
            args["direction"] = faults.Direction(args["direction"])
        try:
            return FAULTS[self.do](**args)
        except TypeError as error:
            raise ValueError(f"{self.do}: {error}") from None

    def to_python(self) -> str:
        """The step as a program makes it."""
        args = f", {_python(self.args)}" if self.args else ""
        return f"Step({self.after_ms}, {_python(self.do)}{args})"


class Schedule(
    msgspec.Struct, frozen=True, kw_only=True, tag="schedule", tag_field="type",
    forbid_unknown_fields=True,
):  # fmt: skip
    """Steps for one testee on one profile. `testee` is a name of ours or the path of a testee.toml;
    `findings` are what it led to when it was kept."""

    version: int = VERSION
    testee: str
    profile: str
    seed: int
    step_ms: int = SLOW_MS
    steps: list[Step]
    findings: list[str] = []

    def to_json(self) -> bytes:
        """As `read` takes it."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def to_program(self) -> str:
        """A test to paste."""
        name = "".join(c if c.isalnum() else "_" for c in Path(self.testee).stem)
        steps = "".join(f"            {step.to_python()},\n" for step in self.steps)
        return (
            "from mockex_conformance.explore import Step, play\n\n\n"
            f"def test_{name}_{self.profile}() -> None:\n"
            "    verdict = play(\n"
            f"        {_python(self.testee)},\n"
            f"        profile={_python(self.profile)},\n"
            f"        seed={self.seed},\n"
            f"        step_ms={self.step_ms},\n"
            f"        steps=[\n{steps}        ],\n"
            "    )\n"
            "    assert not verdict.findings, verdict.findings\n"
        )


def _python(value: object) -> str:
    """A value as a formatter leaves it: strings in double quotes."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "{" + ", ".join(f"{_python(k)}: {_python(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_python, value)) + "]"
        case _:
            return repr(value)


def read(path: Path) -> Schedule:
    """A schedule that was kept.

    Raises:
        ConfigError: it cannot be read, is no schedule, or is of another version.
    """
    try:
        data = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            "SCHEDULE", str(path), f"a schedule of `mockex explore` ({error})"
        ) from None
    if not isinstance(data, dict) or data.get("type") != "schedule":
        raise ConfigError("SCHEDULE", str(path), "a schedule of `mockex explore`")
    if data.get("version") != VERSION:
        expected = f"version {VERSION} of the format, which this mockex plays"
        raise ConfigError(f"{path}: version", data.get("version"), expected)
    try:
        return msgspec.convert(data, Schedule)
    except msgspec.ValidationError as error:
        raise ConfigError(
            "SCHEDULE", str(path), f"a schedule that can be played ({error})"
        ) from None
