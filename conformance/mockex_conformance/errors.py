"""Errors of the suite. What a testee does wrong is a finding, never one of these.

MockexError
├── DescriptionError   a testee.toml cannot be used: names file, line and the nearest valid spelling
├── ProtocolBroken     a testee's line is no message of the protocol: the verdict is ERROR
│   └── Flooded        it said more than is read: ERROR, unless there is a finding that explains it
└── CannotRun          a testee cannot run here (exit 127, a build that failed): UNSUPPORTED
    └── EntryBroken    what `entry` names cannot be called: ERROR
"""

from __future__ import annotations

from mockex.errors import ConfigError, MockexError


class DescriptionError(ConfigError):
    """Something in a testee.toml cannot be."""

    def __init__(self, where: str, setting: str, value: object, expected: str) -> None:
        super().__init__(f"{where}: {setting}", value, expected)


class ProtocolBroken(MockexError):
    """A testee broke the protocol (adapter-protocol, sections 3 to 7)."""

    def __init__(self, problem: str, line: str = "", expected: str = "") -> None:
        self.problem = problem
        shown = line if len(line) <= 300 else line[:300] + f"… ({len(line)} characters)"
        text = f"testee protocol: {problem}"
        if shown:
            text += f"\n  line: {shown}"
        if expected:
            text += f"\n  expected: {expected}"
        text += "\n  messages: docs/writing-a-shim.md, or `mockex schema testee-says`"
        super().__init__(text)


class Flooded(ProtocolBroken):
    """A testee said more than is read. Deliveries that multiply make it do so."""


class CannotRun(MockexError):
    """A testee cannot run on this machine; says why and what would help."""


class EntryBroken(CannotRun):
    """The `entry` of a testee is none that can be called in virtual time: its author's to mend."""

    def __init__(self, entry: str, problem: str) -> None:
        self.entry = entry
        self.problem = problem
        super().__init__(f"entry {entry!r}: {problem}")
