"""Fault scripts: read whole or refused, each problem by its line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockex.errors import ConfigError, ScriptError
from mockex.faults import AfterEvents, Every, Hold, Latency, Reset, Stall
from mockex.faults.schema import script_schema
from mockex.faults.script import (
    After,
    AfterSeen,
    At,
    Each,
    Script,
    Step,
    seconds_of,
    trigger_of,
)
from mockex.faults.script_reading import MOST_BYTES, parse, read

GOOD = """seed = 7
[[fault]]
after = "5s"
jitter = "500ms"
fault = "Reset"
all = true

[[fault]]
at = "20s"
until = "28s"
fault = "latency"
delay_ms = 300

[[fault]]
every = "30s"
until = "5m"
for = "1500ms"
fault = "hold"

[[fault]]
after = {events = 50, stream = "ethusdc@depth5@100ms"}
fault = "Stall"
for = "1m30s"
"""
STEPS = (
    Step(Reset(all=True), After(5.0), jitter_s=0.5, line=2),
    Step(Latency(delay_ms=300), At(20.0), until_s=28.0, line=8),
    Step(Hold(), Each(30.0, until_s=300.0), for_s=1.5, line=14),
    Step(Stall(), AfterSeen(50, "ethusdc@depth5@100ms"), for_s=90.0, line=20),
)


def toml(text: str) -> Script:
    return parse(text.encode(), toml=True, file="a.toml")


def problems(text: str, *, in_toml: bool = True) -> list[str]:
    with pytest.raises(ScriptError) as caught:
        parse(text.encode(), toml=in_toml, file="a")
    return str(caught.value).split("\n")


def test_a_script_is_read_into_values() -> None:
    assert toml(GOOD) == Script(STEPS, 7, "a.toml")


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    data = tomllib.loads(GOOD)
    (tmp_path / "a.json").write_text(json.dumps(data, indent=1))
    (tmp_path / "a.TOML").write_bytes(GOOD.replace("\n", "\r\n").encode())
    from_json, from_toml = read(tmp_path / "a.json"), read(tmp_path / "a.TOML")
    assert from_toml.steps == STEPS
    assert [(s.fault, s.when) for s in from_json.steps] == [(s.fault, s.when) for s in STEPS]
    assert [step.line for step in from_json.steps] == [4, 10, 16, 22]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('fault = "Reset"', "a:1: needs exactly one of at, every, after"),
        ('at = "1s"', "a:1: needs fault, the name of one"),
        ('at = "1s"\nafter = "1s"\nfault = "Reset"', "a:3: after: needs exactly one of"),
        ('at = 5\nfault = "Reset"', "a:2: at: 5 is not usable, expected a time with its unit"),
        ('at = "5"\nfault = "Reset"', 'a:2: at: "5" is not usable'),
        ('at = "-5s"\nfault = "Reset"', 'a:2: at: "-5s" is not usable'),
        ('at = "9999h"\nfault = "Reset"', 'a:2: at: "9999h" is not usable'),
        ('every = "1ms"\nfault = "Reset"', "a:2: every: must be at least 10ms, got 1ms"),
        ('at = "1s"\nfault = "Resett"', "a:3: fault: 'Resett' is no fault, nearest is 'Reset'"),
        ('at = "1s"\nfault = 3', "a:3: fault: 3 is not usable, expected the name of a fault"),
        ('at = "1s"\nfault = "Reset"\nal = true', "a:4: al: Reset has no field 'al', nearest"),
        ('at = "1s"\nfault = "Reset"\njiter = "1s"', "a:4: jiter: Reset has no field 'jiter', ne"),
        ('at = "1s"\nfault = "Stall"\nscope = "x"', 'a:4: scope: "x" is not usable, expected'),
        ('at = "1s"\nfault = "Refused"', "a:1: Refused needs ms, a whole number"),
        ('at = "1s"\nfault = "Refused"\nms = 0', "a:4: ms: ms must be at least 1, got 0"),
        ('at = "1s"\nfault = "Outage"', "a:1: an Outage ends after ms or after attempts"),
        ('at = "1s"\njitter = "2s"\nfault = "Reset"', "a:3: jitter: must not be longer than at"),
        ('after = "1s"\njitter = "2s"\nfault = "Fin"', "a:3: jitter: must not be longer than aft"),
        ('every = "1s"\njitter = "500ms"\nfault = "Fin"', "a:3: jitter: must be less than half"),
        ('after = {events = 3}\njitter = "1s"\nfault = "Fin"', "a:3: jitter: is of times"),
        ('after = {events = 0}\nfault = "Fin"', "a:2: events: 0 is not usable, expected a whole"),
        ('after = {stream = "a"}\nfault = "Fin"', "a:2: events: null is not usable"),
        ('after = {events = 1, steam = "a"}\nfault = "Fin"', "a:2: steam: after has no 'steam', n"),
        ('after = {events = 1, stream = 2}\nfault = "Fin"', "a:2: stream: 2 is not usable"),
        ('at = "1s"\nuntil = "2s"\nfault = "Reset"', "a:3: until: Reset is over by itself; those"),
        ('at = "1s"\nfor = "2s"\nfault = "Reset"', "a:3: for: Reset is over by itself; those that"),
        ('at = "3s"\nuntil = "2s"\nfault = "Stall"', "a:3: until: must be later than at: both"),
        ('after = "3s"\nuntil = "9s"\nfault = "Stall"', "a:3: until: counts from the start, and"),
        ('at = "1s"\nuntil = "3s"\nfor = "1s"\nfault = "Stall"', "a:4: for: needs no until beside"),
        ('at = "1s"\nfor = "0s"\nfault = "Stall"', "a:3: for: must be longer than nothing"),
        ('every = "3s"\nfault = "Stall"', "a:2: every: Stall lasts: say with for = … how long"),
        ('every = "3s"\nfor = "3s"\nfault = "Stall"', "a:3: for: must be over before the next"),
        ('every = "3s"\nuntil = "2s"\nfault = "Reset"', "a:3: until: comes before the first time"),
    ],
)
def test_a_step_that_cannot_be_is_refused_by_its_line(step: str, said: str) -> None:
    (told,) = problems("[[fault]]\n" + step)
    assert told.startswith(said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "a: has no fault: a script has at least one table [[fault]]"),
        ("seeed = 1\n" + GOOD.replace("seed = 7", ""), "a:1: seeed: a script has no 'seeed', nea"),
        (GOOD.replace("seed = 7", "seed = 7.5"), "a:1: seed: 7.5 is not usable, expected a whole"),
        ("fault = 3", "a:1: fault: expected tables, each with the header [[fault]]"),
        ("[fault]\nat = '1s'", "a:1: fault: expected tables"),
        ("seed = \n", "a:1: no TOML: Invalid value (column 8)"),
        ("seed = 1\n[[fault]", "a:2: no TOML: "),
        ("seed = 1\nseed = 2", "a:2: no TOML: Cannot overwrite a value (at end of document)"),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_is_refused(source: str, said: str) -> None:
    (told,) = problems(source)
    assert told.startswith(said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('{\n"fault": [', "a:2: no JSON: Expecting value (column 11)"),
        ('{"seed": NaN}', "a: NaN is no number that a script may have"),
        ('{"seed": 1' + "0" * 5000 + "}", "a: Exceeds the limit"),
        ("[]", "a: a script is a table with seed and fault"),
        ("[" * 100_000, "a: no script: JSON that is nested so deeply"),
        ('{"fault":[{"at":"1s",\n"at":"2s","fault":"Fin"}]}', "a:2: at: stands there twice"),
        ('{"fault":[\n{"at":"1s","fault":"Fin"},\n{"at":"1s"}]}', "a:3: needs fault, the name of"),
    ],
)
def test_json_that_cannot_be_is_refused(source: str, said: str) -> None:
    (told,) = problems(source, in_toml=False)
    assert told.startswith(said)


def test_everything_that_is_wrong_is_told_in_the_order_of_the_lines() -> None:
    told = problems(
        '[[fault]]\nat = "1"\nfault = "Rset"\n'
        '[[fault]]\nat = "1s"\nfault = "Latency"\ndelay = 1\njitter_ms = "x"\n'
        "other = 1\n"
    )
    assert [line.split(": ")[:2] for line in told] == [
        ["a:2", "at"], ["a:3", "fault"], ["a:7", "delay"], ["a:8", "jitter_ms"], ["a:9", "other"],
    ]  # fmt: skip


def test_a_thousand_problems_are_told_by_the_first_twenty_and_their_number() -> None:
    told = problems('[[fault]]\nat = "1"\nfault = "Fin"\n' * 1000)
    assert len(told) == 21
    assert told[-1] == "a: and 980 more"


def test_what_is_no_text_is_refused_by_its_line() -> None:
    with pytest.raises(ScriptError, match="a:2: is no UTF-8"):
        parse(b"seed = 1\n\xff", toml=True, file="a")


def test_the_mark_that_some_editors_put_before_a_text_is_passed_over() -> None:
    mark = b"\xef\xbb\xbf"
    assert parse(mark + GOOD.encode(), toml=True, file="a.toml") == toml(GOOD)
    parse(mark + json.dumps(tomllib.loads(GOOD)).encode(), toml=False, file="a.json")


def test_a_file_is_read_by_the_ending_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a name that ends in \.toml or \.json"):
        read(tmp_path / "a.yaml")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "a.toml")
    (tmp_path / "big.json").write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(ScriptError, match=r"big\.json: is larger than 4 MiB"):
        read(tmp_path / "big.json")


def test_ten_thousand_steps_are_a_script() -> None:
    script = toml("".join(f'[[fault]]\nat = "{n}ms"\nfault = "fin"\n' for n in range(10_000)))
    assert len(script.steps) == 10_000
    assert script.steps[-1].line == 3 * 9_999 + 1


@given(st.binary(max_size=200), st.booleans())
@example(b'{"fault":[{"fault":{},"at":{}}]}', False)
@example(b"[[fault]]\nfault=1979-05-27\nat=inf\nfor=[[]]\nx.y=nan", True)
def test_garbage_is_refused_and_nothing_else(source: bytes, in_toml: bool) -> None:
    with pytest.raises(ScriptError):
        parse(source, toml=in_toml, file="a")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
TABLES = st.dictionaries(
    st.sampled_from(["at", "every", "after", "for", "until", "jitter", "fault", "all", "ms", "x"]),
    SCALARS
    | st.sampled_from(["1s", "2s", "10ms", "Reset", "stall", "Outage", "Latency"])
    | st.dictionaries(st.sampled_from(["events", "stream"]), SCALARS, max_size=2),
)


@given(st.lists(TABLES, max_size=4))
def test_tables_that_are_nearly_right_are_read_or_refused(tables: list[dict[str, Any]]) -> None:
    source = json.dumps({"fault": tables}).encode()
    try:
        script = parse(source, toml=False, file="a")
    except ScriptError:
        return
    assert len(script.steps) == len(tables) > 0
    jsonschema.validate(json.loads(source), script_schema())


def test_what_the_reader_takes_the_schema_takes() -> None:
    jsonschema.validate(tomllib.loads(GOOD), script_schema())


@pytest.mark.parametrize(
    "step",
    [
        'fault = "Reset"',
        'at = "1s"\nafter = "1s"\nfault = "Reset"',
        'at = 5\nfault = "Reset"',
        'at = "1s"\nfault = "Resett"',
        'at = "1s"\nfault = "Reset"\nal = true',
        'at = "1s"\nfault = "Refused"',
        'at = "1s"\nfault = "Stall"\nscope = "x"',
        'after = {events = 0}\nfault = "Fin"',
    ],
)
def test_what_types_can_say_the_schema_refuses(step: str) -> None:
    validator = jsonschema.Draft202012Validator(script_schema())
    assert not validator.is_valid(tomllib.loads("[[fault]]\n" + step))


# --- times ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5.0), ("500ms", 0.5), ("1m30s", 90.0), ("2h", 7200.0), ("1.5s", 1.5), ("0s", 0.0)],
)
def test_times_have_their_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "5", "s", "5 s", "5S", "-1s", "1e3s", "5s ", 5, None, "٥s"])
def test_what_is_no_time_is_none(value: object) -> None:
    assert seconds_of(value) is None


def test_one_seed_draws_the_same_times_and_each_step_and_turn_its_own() -> None:
    script, again = toml(GOOD), toml(GOOD)
    other = toml(GOOD.replace("seed = 7", "seed = 8"))
    drawn = [script.drawn_s(0, turn) for turn in range(50)]
    assert drawn == [again.drawn_s(0, turn) for turn in range(50)]
    assert len(set(drawn)) == 50
    assert all(-0.5 <= moved <= 0.5 for moved in drawn)
    assert max(drawn) > 0.3
    assert min(drawn) < -0.3
    assert drawn[0] != other.drawn_s(0, 0)
    assert script.drawn_s(1, 0) == 0


@pytest.mark.parametrize(
    ("given", "trigger"),
    [({"after": 50}, AfterEvents(50)), ({"every": "30s", "times": 3}, Every(30.0, 3))],
)
def test_the_trigger_of_a_single_fault_is_read(given: object, trigger: object) -> None:
    assert trigger_of(given) == trigger


@pytest.mark.parametrize(
    "given",
    [None, 5, {}, {"after": 0}, {"after": True}, {"after": 1, "x": 2}, {"every": "30s"},
     {"every": "5", "times": 3}, {"every": "1ms", "times": 1}, {"every": "1s", "times": 0}],
)  # fmt: skip
def test_a_trigger_that_cannot_be_is_refused(given: object) -> None:
    wrong = trigger_of(given)
    assert isinstance(wrong, list)
    assert "expected" in wrong[0].why
