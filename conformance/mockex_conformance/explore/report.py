"""What `mockex explore` and `mockex replay` print."""

from __future__ import annotations

import sys
from pathlib import Path

from mockex.cli import say
from mockex_conformance.explore.schedule import Schedule
from mockex_conformance.explore.search import Search, Tally


class Live:
    """One line of progress on stderr: rewritten on a terminal, else now and then a new one."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._every_s = 0.0 if self._terminal else 10.0
        self._next_s = self._every_s

    def __call__(self, tally: Tally) -> None:
        if tally.real_s >= self._next_s:
            self._next_s = tally.real_s + self._every_s
            self._write(progress(tally), "\r\033[K" if self._terminal else "\n")

    def done(self) -> None:
        """Clear the line."""
        if self._terminal:
            self._write("", "\r\033[K")

    def _write(self, text: str, end: str) -> None:
        try:
            sys.stderr.write(end + text if self._terminal else text + end)
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads it
            return


def progress(tally: Tally) -> str:
    """How far a search has come."""
    real_s = max(tally.real_s, 0.001)
    return (
        f"{tally.schedules} schedules in {tally.real_s:.1f} s ({tally.schedules / real_s:.0f} a "
        f"second), {tally.simulated_s / 3600:.2f} simulated hours "
        f"({tally.simulated_s / 3600 / real_s:.3f} a second), {len(tally.states)} states"
    )


def show(what: Search, tally: Tally, kept: list[tuple[Path, Schedule]]) -> None:
    """The result on stdout."""
    say(f"{what.testee.name} {what.profile}, seed {what.seed}: {progress(tally)}")
    if not kept:
        say("Nothing was found.")
    for path, schedule in kept:
        show_failure(path, schedule)


def show_failure(path: Path, schedule: Schedule) -> None:
    """One schedule that fails: what happened, how to see it again, and as a test."""
    say("")
    for message in schedule.findings:
        say(f"FAIL  {message}")
    many = len(schedule.steps)
    say(f"  after {many} step{'s' if many != 1 else ''}; kept in {path}")
    say(f"  again: mockex replay {path}")
    say("")
    say(schedule.to_program())
