"""Checks: pure functions over a recording, as values that can be written into it."""

from __future__ import annotations

from typing import Any

import msgspec

from mockex.server.journal import AnyEntry
from mockex.server.views import Connections
from mockex_conformance.recording import Recording
from mockex_conformance.verdict import Finding


class Check(msgspec.Struct, frozen=True, kw_only=True, tag_field="check", omit_defaults=True):
    """Base of all checks. Subclasses are tagged with their name in the catalogue, section 5."""

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """Whether there is a finding at this moment, so that the case may end early. `entry` is
        the newest one. Only at-most checks can tell."""
        return False

    def judge(self, recording: Recording) -> list[Finding]:
        """The findings of this check, none if all is well. No I/O, no clock."""
        raise NotImplementedError

    def excused(self, recording: Recording) -> str:
        """What went wrong and is not held against the testee, because our own exchange stood still
        so long that whoever is right breaks off as well. Empty if nothing is. Without a finding
        the case is then INCONCLUSIVE."""
        return ""

    def unmet(self, recording: Recording) -> str:
        """Why the recording cannot be judged: what the check looks at never came about. Empty if it
        did. Without a finding the case is then INCONCLUSIVE."""
        return ""


class Excusing(Check, frozen=True):
    """A check of what our own standing still may cause."""

    def weigh(self, recording: Recording) -> list[tuple[Finding, float]]:
        """Each finding, and for how many seconds we had stood still if that excuses it, else 0."""
        raise NotImplementedError

    def judge(self, recording: Recording) -> list[Finding]:
        """Those without an excuse."""
        return [found for found, still_s in self.weigh(recording) if not still_s]

    def excused(self, recording: Recording) -> str:
        """The first that has one."""
        for found, still_s in self.weigh(recording):
            if still_s:
                return (
                    f"{found.message}; but our own exchange had stood still for {still_s:.1f} s: "
                    "run it again with fewer `--jobs`, or on a machine that has less to do"
                )
        return ""


def finding(
    check: Check, recording: Recording, message: str, at: float, **evidence: Any
) -> Finding:
    """A finding of `check` at loop time `at`, with the last fault before it."""
    return Finding(
        check=str(check.__struct_config__.tag),
        message=message,
        at_s=round(at - recording.began, 3),
        fault=recording.fault_before(at),
        evidence=evidence,
    )
