"""Which jobs there are: what narrows them down, and where a shard begins and ends."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from mockex.errors import ConfigError
from mockex_conformance.case import Case, Run
from mockex_conformance.description import Description
from mockex_conformance.harness.plan import Plan, Shard
from mockex_conformance.verdict import Level, Severity


async def _body(_run: Run) -> None:
    return


def case(number: int) -> Case:
    return Case(
        f"connection/case-{number}", f"CONN-{number:02}", Severity.MUST, Level.L0, _body, "A rule."
    )


CASES = [case(n) for n in range(1, 49)]
TESTEES = [Description(name=name, command=["x"]) for name in ("alpha", "bravo")]


def plan(**more: object) -> Plan:
    facts: dict[str, object] = {"testees": TESTEES, "cases": CASES, "out": Path("out")}
    return Plan(**(facts | more))  # type: ignore[arg-type]


def cells(what: Plan) -> list[tuple[str, str, str]]:
    return [
        (testee.name, profile, job.case.id)
        for testee in what.testees
        for profile in what.profiles_of(testee)
        for job in what.jobs_of(testee, profile)
    ]


def test_every_case_is_run_on_every_profile_as_often_as_asked() -> None:
    what = plan(repeat=2)
    assert what.expected == 2 * 2 * 48 * 2
    jobs = what.jobs_of(TESTEES[0], "spot")
    assert [(j.case.number, j.turn) for j in jobs[:3]] == [
        ("CONN-01", 1), ("CONN-01", 2), ("CONN-02", 1),
    ]  # fmt: skip


def test_the_shards_are_the_whole_and_have_nothing_in_common() -> None:
    of = 5
    parts = [cells(plan(shard=Shard(n, of))) for n in range(1, of + 1)]
    assert Counter(cell for part in parts for cell in part) == Counter(cells(plan()))
    assert all(25 <= len(part) <= 52 for part in parts), "about equal"


def test_where_a_cell_belongs_does_not_depend_on_what_else_is_selected() -> None:
    shard = Shard(2, 3)
    alone = cells(plan(shard=shard, testees=TESTEES[1:], cases=CASES[10:20], profiles=["spot"]))
    assert alone == [
        cell
        for cell in cells(plan(shard=shard))
        if cell[0] == "bravo" and cell[1] == "spot" and cell[2] in {c.id for c in CASES[10:20]}
    ]


def test_a_cell_stays_in_its_shard_for_ever() -> None:
    """If this fails, runs whose parts are of different versions lose cells."""
    assert [Shard(n, 3).has(("orderly", "usdm", "heartbeat/x")) for n in (1, 2, 3)] == [
        False, True, False,
    ]  # fmt: skip


def test_repetitions_stay_together() -> None:
    jobs = plan(shard=Shard(1, 2), repeat=3).jobs_of(TESTEES[0], "usdm")
    assert set(Counter(job.case.id for job in jobs).values()) == {3}


def test_what_is_done_is_not_done_again() -> None:
    done = {("alpha", "spot", CASES[0].id, 1)}
    jobs = plan(done=done, repeat=2).jobs_of(TESTEES[0], "spot")
    assert [(j.case.number, j.turn) for j in jobs[:2]] == [("CONN-01", 2), ("CONN-02", 1)]


def test_cells_may_be_named_one_by_one() -> None:
    only = {("bravo", "usdm", CASES[3].id)}
    assert cells(plan(only=only)) == list(only)


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="like 2/8"):
        Shard.parse(text)


def test_a_shard_is_read_as_it_is_written() -> None:
    assert str(Shard.parse("2/8")) == "2/8"


def test_the_number_side_by_side_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    assert (plan().side_by_side, plan().at_least) == (32, 96)
    assert plan(jobs=50).side_by_side == 50
