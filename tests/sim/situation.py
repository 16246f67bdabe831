"""What programs get into on a TCP connection: the table that simulated sockets are held against.

Each situation is written once (`on_transports.py`, `on_sockets.py`), and run by
`test_differential.py` over sockets of the machine and over simulated ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.sim.ends import Ends

Seen = tuple[tuple[str, ...], tuple[str, ...]]  # by the client, and by the server
Act = Callable[[Ends], Awaitable[None]]


@dataclass(frozen=True)
class Situation:
    """`either` is what may be seen where chance decides, and `why` it does."""

    title: str
    act: Act
    either: frozenset[Seen] = frozenset()
    why: str = ""

    async def seen(self) -> Seen:
        """Let it happen, on the running loop."""
        ends = Ends()
        try:
            await self.act(ends)
            return tuple(ends.client.saw), tuple(ends.server.saw)
        finally:
            await ends.clear_up()


TABLE: list[Situation] = []


def situation(act: Act) -> Act:
    """Put it into the table; its docstring is the title."""
    TABLE.append(Situation(_title(act), act))
    return act


def by_chance(why: str, *either: Seen) -> Callable[[Act], Act]:
    """The same, where the outcome is one of several."""

    def put(act: Act) -> Act:
        TABLE.append(Situation(_title(act), act, frozenset(either), why))
        return act

    return put


def _title(act: Act) -> str:
    return " ".join((act.__doc__ or "").split()).rstrip(".")
