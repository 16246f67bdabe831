"""Lines of values in a source, held against layouts that nobody should write."""

from __future__ import annotations

import json
import tomllib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockex.faults.positions import Path, in_json, in_toml

ODD = '''# [[fault]] is a comment
seed = 7 # = 8
text = """a
[[fault]]
b = 1 \\""" c"""""

[[fault]]   # the first
after = "5s"
"fault" = 'Re"set#'
[fault.sub]
many = [ 1, # ]
  {a = 2, "b.c" . d = '}'},
  [
  ]]
[ [ fault ] ]
'''.replace("[ [ fault ] ]", "[[ fault ]]")
LATER = """after = { events = 50, stream = "e" }
  dotted.events = 3
  dotted.stream = ''''
quoted'''''
at = 1979-05-27 07:32:00
[other."quoted key"]
x = 1
"""


def paths_of(data: Any, path: Path = ()) -> list[Path]:
    """Every place in `data`, in order."""
    inner: list[Path] = []
    if isinstance(data, dict):
        for key, value in data.items():
            inner += [(*path, key), *paths_of(value, (*path, key))]
    elif isinstance(data, list):
        for index, value in enumerate(data):
            inner += [(*path, index), *paths_of(value, (*path, index))]
    return inner


def test_odd_toml_has_the_lines_that_one_sees() -> None:
    source = ODD + LATER
    found = in_toml(source)
    data = tomllib.loads(source)
    assert [path for path in paths_of(data) if path not in found.lines] == []
    assert found.line(("seed",)) == 2
    assert found.line(("text",)) == 3
    assert found.line(("fault", 0)) == 7
    assert found.line(("fault", 0, "fault")) == 9
    assert found.line(("fault", 0, "sub", "many")) == 11
    assert found.line(("fault", 0, "sub", "many", 1, "b.c", "d")) == 12
    assert found.line(("fault", 0, "sub", "many", 2)) == 13
    assert found.line(("fault", 1)) == 15
    assert found.line(("fault", 1, "after", "stream")) == 16
    assert found.line(("fault", 1, "dotted", "events")) == 17
    assert found.line(("fault", 1, "dotted", "stream")) == 18
    assert found.line(("fault", 1, "at")) == 20
    assert found.line(("other", "quoted key", "x")) == 22


def test_what_has_no_line_has_that_of_what_is_around_it() -> None:
    found = in_toml("a = 1\n[b]\nc = 2\n")
    assert found.line(("b", "missing")) == 2
    assert found.line(("missing",)) == 0


def test_keys_that_stand_twice_in_json_are_found_with_their_lines() -> None:
    found = in_json('{"a": 1,\n"b": {"c": 2,\n"c": 3}, "a": 4}')
    assert found.again == [(("b", "c"), 3), (("a",), 3)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.sampled_from([None, 0, 1, 4]), st.booleans())
def test_every_value_of_json_has_a_line_and_they_follow_each_other(
    data: Any, indent: int | None, ascii_only: bool
) -> None:
    source = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    found = in_json(source)
    lines = [found.lines[path] for path in paths_of(data)]
    assert found.again == []
    assert all(before <= after for before, after in pairwise(lines))
    for path in paths_of(data):
        if isinstance(path[-1], str) and indent is not None:
            key = json.dumps(path[-1], ensure_ascii=ascii_only)
            assert source.split("\n")[found.lines[path] - 1].lstrip().startswith(f"{key}:")


@pytest.mark.parametrize("source", ["", "\n", "# only\n", "[[a]]\n[[a]]", "a.b.c = [[[]]]"])
def test_small_toml_is_gone_through_to_its_end(source: str) -> None:
    data = tomllib.loads(source)
    assert [path for path in paths_of(data) if path not in in_toml(source).lines] == []
