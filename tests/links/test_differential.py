"""A real Toxiproxy and the simulated network do the same to a connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mockex.faults import LinkFault, NeverAccept
from mockex.faults.proxy_server import toxiproxy
from tests.links.differences import RULES, disagreements
from tests.links.grounds import Proxied
from tests.links.page import document, simulated
from tests.links.program import Saw, happen
from tests.links.situation import GROUPS, TABLE, Situation, group_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "links.md"
SEEDS = range(3)
_AT_ONCE = 12  # connections side by side through one server
_STALL_S = 0.1  # of this process; the buckets of time are three times as wide
_TRIES = 4


class Stall:
    """How long the loop was kept from running, at most."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(0.01)
            self.longest_s = max(self.longest_s, loop.time() - before - 0.01)
            before = loop.time()


async def on_a_proxy(some: list[Situation], stall: Stall) -> list[Saw]:
    """What is seen through a real one, side by side."""
    async with toxiproxy("auto") as faults, stall.watched():
        ground = Proxied(faults)
        saw: list[Saw] = []
        for first in range(0, len(some), _AT_ONCE):
            batch = some[first : first + _AT_ONCE]
            saw += await asyncio.gather(*(happen(one, ground) for one in batch))
        return saw


def differing(some: list[Situation]) -> tuple[dict[Situation, list[str]], Stall]:
    """Where the two do not agree as the rules say, and how the machine did meanwhile."""
    stall = Stall()
    found = {}
    for one, real in zip(some, asyncio.run(on_a_proxy(some, stall)), strict=True):
        all_seeds = (disagreements(one, simulated(one, seed), real) for seed in SEEDS)
        if said := list(dict.fromkeys(itertools.chain(*all_seeds))):
            found[one] = said
    return found, stall


@pytest.mark.toxiproxy
@pytest.mark.parametrize("group", GROUPS)
def test_both_ends_see_what_they_see_through_a_proxy(group: str) -> None:
    some = [one for one in TABLE if group_of(one) == group]
    for _ in range(_TRIES):
        found, stall = differing(some)
        if not found or stall.longest_s < _STALL_S:
            break  # a machine that stood still says nothing about times
        some = list(found)
    assert not found, "\n".join(f"{o.title}: {'; '.join(said)}" for o, said in found.items())


def test_the_page_says_what_is_seen() -> None:
    seen = {one: simulated(one) for one in TABLE}
    assert document(seen) == PAGE.read_text(encoding="utf-8"), "python -m tests.links.page"


def test_every_fault_of_a_link_is_in_the_table() -> None:
    tried = {type(fault).__name__ for one in TABLE for fault in (one.fault, one.over)}
    known = {kind.__name__ for kind in LinkFault.__subclasses__()}
    assert tried - {"NoneType"} == known - {NeverAccept.__name__}


def test_titles_are_unique_and_each_rule_is_about_something() -> None:
    assert len({one.title for one in TABLE}) == len(TABLE) >= 100
    assert all(any(map(rule.applies, TABLE)) for rule in RULES)


def test_a_difference_that_no_rule_allows_is_told() -> None:
    one = TABLE[0]
    saw = simulated(one)
    assert disagreements(one, saw, saw) == []
    other = Saw(client="open", server=saw.server, down=saw.down, up=saw.up, next=saw.next)
    assert disagreements(one, saw, other) == [f"client: simulated {saw.client!r}, Toxiproxy 'open'"]


def test_a_difference_that_has_gone_away_is_told() -> None:
    one = next(one for one in TABLE if RULES[0].applies(one))
    saw = simulated(one)
    same = Saw(**{**{name: getattr(saw, name) for name in ("meanwhile", "next", "also")},
                  "client": "FIN after the fault", "server": "FIN after the fault",
                  "down": "–", "up": "–"})  # fmt: skip
    assert any("no difference any more" in said for said in disagreements(one, same, same))
