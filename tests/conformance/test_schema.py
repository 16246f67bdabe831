"""The published schemas hold for what is really said and written, and refuse what we refuse."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mockex.cli import run as mockex
from mockex_conformance import schema
from mockex_conformance.case import all_cases
from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.load import find, own_testees
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.virtual import VirtualProcess
from mockex_conformance.harness.worker import Job, work


def validator(name: str) -> jsonschema.Draft202012Validator:
    made = schema.schema(name)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every line in both directions, and the recording, of a case of level 2 played by the
    reference adapter."""
    with pytest.MonkeyPatch.context() as patch:
        lines: dict[str, list[str]] = {"says": [], "hears": []}
        read, send = protocol.read, VirtualProcess.send

        def reading(line: bytes) -> Any:
            lines["says"].append(line.decode())
            return read(line)

        def sending(self: VirtualProcess, line: bytes) -> None:
            lines["hears"].append(line.decode())
            send(self, line)

        patch.setattr(protocol, "read", reading)
        patch.setattr(VirtualProcess, "send", sending)
        out = tmp_path_factory.mktemp("run")
        case = all_cases()["shutdown/stays-closed"]
        conditions = Plan(testees=[], cases=[], out=out, ground=Ground.VIRTUAL).conditions
        job = Job(case, find("reference")[0], "usdm", conditions, out)
        verdict = work(job)
        assert str(verdict.verdict) == "PASS"
        lines["journal"] = (out / job.journal).read_text().splitlines()
    return lines  # unpatched: other tests read lines too


def test_every_line_that_was_said_is_valid(said: dict[str, list[str]]) -> None:
    for direction in ("says", "hears"):
        lines = said[direction]
        valid = validator(f"testee-{direction}")
        for line in lines:
            valid.validate(json.loads(line))
    heard = [json.loads(line)["method"] for line in said["hears"]]
    assert heard == ["mockex-probe-unknown-method", "start", "close", "quit"]
    methods = {json.loads(line).get("method") for line in said["says"]}
    assert {"hello", "state", "event", "gauge", None} <= methods


def test_every_line_of_a_recording_is_valid(said: dict[str, list[str]]) -> None:
    valid = validator("journal")
    for line in said["journal"]:
        valid.validate(json.loads(line))
    assert len(said["journal"]) > 20


BOOK = '"method":"book","params":{"symbol":"A","last_update_id":1,"valid":true,"asks":[],"bids":'
SAYS = [
    ('"method":"hello","params":{"protocol":1,"name":"a","version":"","supports":[]}', True),
    ('"method":"hello"', False),
    ('"method":"gauge"', True),
    ('"method":"gauge","params":{"tasks":1.5}', False),
    ('"method":"event","params":{"stream":"a@trade","id":7,"more":1}', True),
    ('"method":"event","params":{"stream":"a@trade","id":"7"}', False),
    ('"method":"state","params":{"state":"odd"}', False),
    ('"method":"state","params":{"state":"waiting","wait_ms":7.5}', False),
    (BOOK + '[["1","2"]]}', True),
    (BOOK + '[[1,"2"]]}', False),
    ('"method":"gap","params":{"stream":"a@trade","after":null,"before":9}', True),
    ('"method":"gap","params":{"stream":"a@trade"}', False),
    ('"method":"mood","params":{"good":true}', True),
    ('"method":"mood","params":[1]', False),
    ('"method":"mood","id":1', False),
    ('"id":1,"result":{}', True),
    ('"id":1,"result":{"state":"live","wanted":["a@trade"]}', True),
    ('"id":1,"error":{"code":-32601,"message":"no"}', True),
    ('"id":1,"error":{"code":-32601}', False),
    ('"id":true,"result":{}', False),
    ('"id":"1","result":{}', False),
    ('"id":1', False),
]


@pytest.mark.parametrize(("members", "right"), SAYS)
def test_the_schema_and_the_reader_agree_about_a_line(members: str, right: bool) -> None:
    line = '{"jsonrpc":"2.0",' + members + "}"
    assert validator("testee-says").is_valid(json.loads(line)) is right
    try:
        protocol.read(line.encode())
        read = True
    except ProtocolBroken:
        read = False
    assert read is right


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ('{"jsonrpc":"2.0","id":1,"method":"start"}', True),
        ('{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"streams":["a@trade"]}}', True),
        ('{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"streams":"a@trade"}}', False),
        ('{"jsonrpc":"2.0","id":1,"method":"subscribe"}', False),
        ('{"jsonrpc":"2.0","id":1,"method":"a-method-of-next-year"}', True),
        ('{"jsonrpc":"2.0","method":"start"}', False),
    ],
)
def test_requests_are_described(line: str, right: bool) -> None:
    assert validator("testee-hears").is_valid(json.loads(line)) is right


def test_every_description_of_ours_is_valid_and_a_limit_above_its_ceiling_is_not() -> None:
    valid = validator("testee.toml")
    files = sorted(own_testees().rglob("testee.toml"))
    for file in files:
        valid.validate(tomllib.loads(file.read_text()))
    assert len(files) > 20
    assert not valid.is_valid({"testee": {"name": "a"}})
    assert not valid.is_valid({"testee": {"name": "a", "command": ["a"], "colour": "red"}})
    assert not valid.is_valid(
        {"testee": {"name": "a", "command": ["a"]}, "limits": {"close_ms": 15_001}}
    )


def test_every_line_of_the_record_of_a_run_is_valid(tmp_path: Path) -> None:
    args = ["conform", "reference", "no-backoff", "--case", "RECON-01", "--profile", "usdm"]
    assert mockex([*args, "--ground", "virtual", "--out", str(tmp_path)]) == 1
    record, verdict = validator("run.jsonl"), validator("verdict")
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["run", "verdict", "verdict", "end"]
    for line in lines:
        record.validate(line)
        assert verdict.is_valid(line) is (line["type"] == "verdict")


def test_schemas_are_listed_and_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert mockex(["schema"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(schema.names())
    for name in listed:
        assert mockex(["schema", name]) == 0
        assert json.loads(capsys.readouterr().out) == schema.schema(name)


@pytest.mark.parametrize("name", schema.names())
def test_the_schemas_in_the_docs_are_the_present_ones(name: str) -> None:
    """`mockex schema --write docs/schema` makes them anew."""
    published = Path(__file__).parents[2] / "docs" / "schema" / f"{name}.json"
    assert json.loads(published.read_text()) == schema.schema(name)


def test_all_are_written_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mockex(["schema", "--write", str(tmp_path / "a" / "b")]) == 0
    assert {file.name for file in (tmp_path / "a" / "b").iterdir()} == {
        f"{name}.json" for name in schema.names()
    }
    assert mockex(["schema", "verdict", "--write", str(tmp_path)]) == 4
    assert "no NAME beside it" in capsys.readouterr().err


def test_a_schema_that_does_not_exist_is_refused_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mockex(["schema", "testee.tml"]) == 4
    said = capsys.readouterr().err
    assert "expected 'testee.toml' (the nearest)" in said
    assert "testee-says" in said
