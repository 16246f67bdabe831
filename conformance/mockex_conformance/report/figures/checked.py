"""The checks that judged a recording, as they stand in it: their limits are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from mockex_conformance.checks import AnyCheck
from mockex_conformance.checks.base import Check
from mockex_conformance.recording import Recording

C = TypeVar("C", bound=Check)


def checked(recording: Recording, kind: type[C], **members: Any) -> C | None:
    """The first check of that kind with those members; None if there is none."""
    for check in _checks(recording):
        if isinstance(check, kind) and all(getattr(check, n) == v for n, v in members.items()):
            return check
    return None


def _checks(recording: Recording) -> Iterator[Check]:
    for made in recording.outcome.get("checks", ()):
        try:
            yield msgspec.convert(made, AnyCheck)
        except msgspec.ValidationError:  # of another version: its limit is not drawn
            continue
