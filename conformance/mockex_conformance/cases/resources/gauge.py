"""The testee's own count of what it runs, which only some testees can give."""

from __future__ import annotations

from mockex.server.journal import Noted
from mockex_conformance.case import Run, Unseen, Unsupported
from mockex_conformance.checks.resources import value_of


def needs_gauge(run: Run) -> None:
    """Raises Unsupported: the testee does not say how many tasks it has."""
    if "gauge" not in run.supports:
        raise Unsupported(
            "needs `gauge`: list it in `supports` of `hello`, and send `tasks` once a second"
        )


def was_said(run: Run) -> None:
    """Raises Unseen: it said that it would tell, and did not, before the baseline or after it."""
    said = {"before": False, "after": False}
    when = "before"
    for entry in run.journal.entries:
        if isinstance(entry, Noted) and entry.name == "baseline-taken":
            when = "after"
        elif value_of("tasks", entry) is not None:
            said[when] = True
    missing = [when for when, seen in said.items() if not seen]
    if missing:
        raise Unseen(
            "it lists `gauge` in `supports` and sent none with `tasks` "
            f"{' and '.join(missing)} the first thirty losses"
        )
