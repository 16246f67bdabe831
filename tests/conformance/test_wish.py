"""What was asked for, as a command line that asks for it again."""

from __future__ import annotations

import shlex

import pytest

from mockex.cli import cli
from mockex_conformance.wish import Wish


def test_what_is_as_usual_is_left_out_but_not_the_seed() -> None:
    assert Wish(testees=["reference"]).command_line() == "mockex conform reference --seed 7"


def test_a_command_stands_at_the_end_and_is_quoted() -> None:
    wish = Wish(command=["node", "my adapter.js", "--case"], cases=["HB-*"], seed=3)
    assert (
        wish.command_line()
        == "mockex conform --case 'HB-*' --seed 3 -- node 'my adapter.js' --case"
    )


@pytest.mark.parametrize(
    "wish",
    [
        Wish(
            testees=["a", "b"], cases=["CONN-01"], exclude=["CONN-02"], level=1,
            severities=["MUST"], shard="2/8", profiles=["spot"], repeat=3, strict=True, seed=9,
            ground="virtual", time_scale=0.5, case_limit=90.0, deadline_factor=2.0,
            quiet_factor=1.5,
        ),
        Wish(testees=["a"], smoke=True, level=0),
    ],
)  # fmt: skip
def test_every_option_is_one_of_conform(wish: Wish) -> None:
    words = shlex.split(wish.command_line())[2:]
    conform = cli.get_command(None, "conform")  # type: ignore[arg-type]
    assert conform is not None
    given = conform.make_context("conform", words).params
    assert given["testees"] == tuple(wish.testees)
    assert given["cases"] == tuple(wish.cases)
    for name in (
        "level", "shard", "repeat", "ground", "time_scale", "case_limit", "deadline_factor",
        "quiet_factor", "smoke", "strict", "seed",
    ):  # fmt: skip
        assert given[name] == getattr(wish, name), name
    assert list(given["severities"]) == wish.severities
    assert list(given["exclude"]) == wish.exclude
    assert list(given["profiles"]) == wish.profiles
