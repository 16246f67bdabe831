"""What is broken in each mutant, a module for each group of cases.

A mutant is a function that patches classes of the reference adapter before it starts; its name is
the mutant's, its docstring says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mockex_adapter.exchange import Stream
from mockex_adapter.feed import Feed
from mockex_adapter.supervisor import Supervisor

Patch = Callable[[], None]

PATCHES: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    """Register a patch under its name; the ones that are right, but unusual, are no exception."""
    PATCHES[patch.__name__.replace("_", "-")] = patch
    return patch


def start_another_line(feed: Feed, streams: Iterable[Stream]) -> None:
    """A second owner for the same streams, of which nobody keeps track."""
    lost = list(streams)
    line = feed._make_line(lost[0].route)
    line.wanted.update({stream.name: stream for stream in lost})
    feed._own(line.run())
    line.changed()


def count_dials() -> None:
    """Let each supervisor know, as `dials`, how often it has dialled."""
    dial = Supervisor._dial

    def counted(self: Supervisor, tasks: asyncio.TaskGroup) -> None:
        self.dials = getattr(self, "dials", 0) + 1
        dial(self, tasks)

    Supervisor._dial = counted
