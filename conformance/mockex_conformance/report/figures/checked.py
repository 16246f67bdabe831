"""The checks that judged a recording, as they stand in it: their limits are drawn."""

from __future__ import annotations

from typing import Any

from mockex_conformance.recording import Recording


def checked(recording: Recording, tag: str, **members: Any) -> dict[str, Any]:
    """The members of the first check with that tag and those members; empty if there is none."""
    for check in recording.outcome.get("checks", ()):
        if not isinstance(check, dict) or check.get("check") != tag:
            continue
        if all(check.get(name) == value for name, value in members.items()):
            return check
    return {}
