"""docs/sockets.md from the table of situations: `python -m tests.sim.page` prints it, from sockets
of the machine."""

from __future__ import annotations

import asyncio
import sys

from tests.sim import on_sockets, on_transports
from tests.sim.situation import TABLE, Seen, Situation

__all__ = ["document", "on_sockets", "on_transports"]  # they fill the table

_HEAD = """\
# What simulated sockets show

Code in virtual time (`mockex.sim`) runs on simulated sockets, and must see there what it would see
on a Linux machine. This table is what both ends of a TCP connection saw in each of {count}
situations on sockets of the machine, in order; `tests/sim/test_differential.py` lets each of them
happen on both and demands the same, call by call. *read* and *eof* are what the protocol of a
transport is told, *lost* is `connection_lost`; `recv`, `send` and the like are calls on a socket
that does not block. Where chance decides, all that may be seen is named. Written by
`python -m tests.sim.page > docs/sockets.md`.

| situation | client saw | server saw |
|---|---|---|
"""


def _cell(saw: tuple[str, ...]) -> str:
    return " · ".join(f"`{one}`" for one in saw) or "nothing"


def row(situation: Situation, seen: Seen) -> str:
    """A row of the table, in Markdown."""
    either = sorted(situation.either) or [seen]
    cells = (" *or* ".join(dict.fromkeys(_cell(one[side]) for one in either)) for side in range(2))
    why = f" (chance: {situation.why})" if situation.why else ""
    return f"| {situation.title}{why} | {' | '.join(cells)} |"


def document(outcomes: dict[str, Seen]) -> str:
    """The page; `outcomes` is what was seen, by title."""
    rows = [row(situation, outcomes[situation.title]) for situation in TABLE]
    return _HEAD.format(count=len(TABLE)) + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document({one.title: asyncio.run(one.seen()) for one in TABLE}))
