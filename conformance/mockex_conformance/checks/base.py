"""Checks: pure functions over a recording, as values that can be written into it."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from mockex.server.journal import AnyEntry
from mockex.server.views import Connections
from mockex_conformance.recording import Recording, Standstills
from mockex_conformance.verdict import Finding


class Check(msgspec.Struct, frozen=True, kw_only=True, tag_field="check", omit_defaults=True):
    """Base of all checks. Subclasses are tagged with their name in the catalogue, section 5.

    `gives_up_after` names limits of the testee: for half of one without a sign of us, and whoever
    is right may do what the check is there to find.
    """

    gives_up_after: ClassVar[tuple[str, ...]] = ()

    def live(self, connections: Connections, entry: AnyEntry) -> bool:
        """Whether there is a finding at this moment, so that the case may end early. `entry` is
        the newest one. Only at-most checks can tell."""
        return False

    def judge(self, recording: Recording) -> list[Finding]:
        """The findings of this check, none if all is well. No I/O, no clock."""
        raise NotImplementedError

    def excused(self, recording: Recording, found: Finding, standstills: Standstills) -> float:
        """For how many seconds our own exchange had stood still, if that excuses what this check
        has found; else 0. Without another finding the case is then INCONCLUSIVE."""
        patience_s = recording.terms.patience_s(*self.gives_up_after)
        at = recording.began + found.at_s
        if not standstills.excuse(at, patience_s):
            return 0.0
        return standstills.between(at - patience_s, at)

    def unmet(self, recording: Recording) -> str:
        """Why the recording cannot be judged: what the check looks at never came about. Empty if it
        did. Without a finding the case is then INCONCLUSIVE."""
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
