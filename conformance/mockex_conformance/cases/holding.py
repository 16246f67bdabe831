"""A link that holds all bytes, for the cases that have a part on it."""

from __future__ import annotations

from mockex_conformance.case import Run, Unsupported


def can_hold(run: Run, what: str, ms: float) -> bool:
    """Whether the part `what`, which needs a link, is run: there is one, and the case then takes no
    longer than a case may, of which `ms` are the testee's. If not, notes why."""
    if not run.has_link(what):
        return False
    try:
        run.needs(ms, "stall_detect_ms")
    except Unsupported as too_long:
        run.notes.append(f"not run: {what}: {too_long}")
        return False
    return True
