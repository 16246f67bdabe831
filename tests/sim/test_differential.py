"""Simulated sockets show what sockets of the machine show, call by call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mockex import sim
from tests.sim.page import document
from tests.sim.situation import TABLE, Seen, Situation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sockets.md"
SEEDS = range(3)  # each has other delays, and with them another order of what is simultaneous


def on_the_machine(situation: Situation) -> Seen:
    return asyncio.run(situation.seen())


def simulated(situation: Situation, seed: int) -> Seen:
    return sim.run(situation.seen(), seed=seed)


@pytest.mark.parametrize("situation", TABLE, ids=lambda one: one.act.__name__)
def test_both_ends_see_what_they_see_on_the_machine(situation: Situation) -> None:
    real = on_the_machine(situation)
    if situation.either:
        assert real in situation.either
    for seed in SEEDS:
        assert simulated(situation, seed) in (situation.either or {real})


def test_the_page_says_what_is_seen() -> None:
    seen = {situation.title: simulated(situation, seed=0) for situation in TABLE}
    assert document(seen) == PAGE.read_text(encoding="utf-8")


def test_titles_are_unique() -> None:
    assert len({situation.title for situation in TABLE}) == len(TABLE) >= 30
