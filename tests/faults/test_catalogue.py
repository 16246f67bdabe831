"""Faults as they are named outside Python."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mockex import faults
from mockex.faults import catalogue
from mockex.faults.catalogue import (
    NoSuchFault,
    class_named,
    fields_of,
    hints,
    kinds,
    make,
    value_of_text,
)


def test_every_fault_that_can_be_made_is_there_under_both_its_names() -> None:
    for name in faults.__all__:
        kind = getattr(faults, name)
        if not isinstance(kind, type) or not issubclass(kind, faults.Fault):
            continue
        if kind in (faults.Fault, faults.LinkFault):
            assert name not in catalogue.classes()
            continue
        assert class_named(name) is kind
        assert class_named(catalogue.kebab(name)) is kind
    assert class_named("reset-link") is faults.ResetLink
    assert {kind.name for kind in kinds()} == set(catalogue.classes())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Latncy", "nearest is 'Latency'"),
        ("latncy", "nearest is 'latency'"),
        ("reset_link", "nearest is 'reset-link'"),
        ("RESET", "nearest is 'Reset'"),
        ("Fault", "is no fault"),
        ("LinkFault", "is no fault"),
        ("xyzzy", "`mockex faults types` lists them"),
    ],
)
def test_an_unknown_fault_is_refused_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(NoSuchFault, match=said):
        class_named(name)


def test_fields_are_told_with_type_unit_and_default() -> None:
    (kind,) = (kind for kind in kinds() if kind.name == "Latency")
    assert kind.on_link
    assert kind.lasts
    told = {f.name: (f.type, f.unit, f.required, f.default) for f in kind.fields}
    assert told["delay_ms"] == ("a whole number", "ms", True, None)
    assert told["jitter_ms"] == ("a whole number", "ms", False, 0)
    assert told["direction"] == ("'downstream' or 'upstream' or 'both'", "", False, "downstream")
    assert "when" not in told
    (kind,) = (kind for kind in kinds() if kind.name == "Outage")
    assert {f.name: f.default for f in kind.fields}["ms"] == "none"
    assert not kind.lasts


@pytest.mark.parametrize(
    ("name", "given", "made"),
    [
        ("Reset", {"all": True}, faults.Reset(all=True)),
        ("CloseWith", {"code": None}, faults.CloseWith(code=None)),
        ("CloseWith", {"code": "none"}, faults.CloseWith(code=None)),
        ("Hold", {"direction": "both"}, faults.Hold()),
        ("Hold", {"direction": "upstream"}, faults.Hold(direction=faults.Direction.UPSTREAM)),
        ("Slice", {"bytes": 5, "gap_ms": 2}, faults.Slice(bytes=5, gap_ms=2.0)),
        ("Stall", {"scope": "stream", "stream": "a@b"}, faults.Stall(scope="stream", stream="a@b")),
        ("Reset", {"stream": "none"}, faults.Reset(stream="none")),
        ("RefuseUpgrade", {"headers": {"A": "b"}}, faults.RefuseUpgrade(headers={"A": "b"})),
    ],
)
def test_a_fault_is_made_of_its_fields_and_told_by_them(
    name: str, given: dict[str, Any], made: faults.Fault
) -> None:
    assert make(class_named(name), given) == made
    assert make(type(made), fields_of(made)) == made


def test_fields_are_those_that_differ_from_the_defaults() -> None:
    assert fields_of(faults.Reset()) == {}
    assert fields_of(faults.Latency(delay_ms=3, direction=None)) == {
        "delay_ms": 3, "direction": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "key", "why"),
    [
        ("Reset", {"al": True}, "al", "Reset has no field 'al', nearest is 'all'; it has all"),
        ("Reset", {"all": 1}, "all", "1 is not usable, expected true or false"),
        ("Latency", {"delay_ms": "3"}, "delay_ms", '"3" is not usable, expected a whole number'),
        ("Latency", {"delay_ms": True}, "delay_ms", "true is not usable"),
        ("Latency", {"delay_ms": 3, "jitter_ms": 5}, "jitter_ms", "from 0 to delay_ms, got 5"),
        ("Latency", {}, "", "Latency needs delay_ms, a whole number"),
        ("Stall", {"scope": "streem"}, "scope", "expected 'total' or 'data' or 'stream'"),
        ("Stall", {"scope": "stream"}, "", "needs the name of a stream"),
        ("Hold", {"direction": "up"}, "direction", "'downstream' or 'upstream' or 'both'"),
        ("Slice", {"bytes": 5, "gap_ms": float("inf")}, "gap_ms", "expected a number"),
        ("Slice", {"bytes": 5, "gap_ms": float("nan")}, "gap_ms", "expected a number"),
        ("Outage", {"ms": 10**400}, "ms", "expected a whole number"),
        ("CloseWith", {"reason": "\ud800"}, "reason", "expected a text"),
        ("RefuseUpgrade", {"headers": {"A": 1}}, "headers", "expected a table of texts"),
        ("Reset", {"when": "now"}, "when", "Reset has no field 'when'"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    name: str, given: dict[str, Any], key: str, why: str
) -> None:
    wrong = make(class_named(name), given)
    assert isinstance(wrong, list)
    assert [w.key for w in wrong] == [key]
    assert why in wrong[0].why


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = make(faults.Latency, {"delay": 3, "jitter_ms": "x"})
    assert isinstance(wrong, list)
    assert [w.key for w in wrong] == ["delay", "jitter_ms"]


@pytest.mark.parametrize(
    ("kind", "name", "text", "value"),
    [
        (faults.Latency, "delay_ms", "300", 300),
        (faults.Slice, "gap_ms", "1.5", 1.5),
        (faults.Reset, "all", "true", True),
        (faults.Reset, "all", "yes", "yes"),
        (faults.Reset, "stream", "123", "123"),
        (faults.Stall, "scope", "total", "total"),
        (faults.Hold, "direction", "both", "both"),
        (faults.CloseWith, "code", "none", "none"),
        (faults.RefuseUpgrade, "headers", '{"A": "b"}', {"A": "b"}),
    ],
)
def test_text_of_a_command_line_becomes_what_the_field_takes(
    kind: type[faults.Fault], name: str, text: str, value: object
) -> None:
    assert value_of_text(hints(kind)[name], text) == value


def test_no_field_of_a_fault_is_called_as_a_key_of_a_script() -> None:
    from mockex.faults.script import KEYS

    for kind in catalogue.classes().values():
        names = {field.name for field in dataclasses.fields(kind)}
        assert not names & set(KEYS)
