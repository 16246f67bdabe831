"""What commands print with `--json` is one value, and valid by the schema that is published."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import msgspec
import pytest

from mockex.cli import ExitCode, cli
from mockex.cli import run as mockex
from mockex.config import leaves
from mockex_conformance import schema
from mockex_conformance.case import all_cases
from mockex_conformance.demo import DemoResult
from mockex_conformance.report.html import Caught, Incident
from mockex_conformance.report.outcome import outcome
from mockex_conformance.results import Cell, of_outcome
from tests.conformance.test_demo import judged, rounds
from tests.programs import ending

Said = Callable[..., Any]
RUN = ("--profile", "usdm", "--ground", "virtual")


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Said:
    """Runs a command in a folder of its own; what it says as JSON, valid by the schema `by`."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str, by: str, code: int = ExitCode.OK) -> Any:
        capsys.readouterr()
        assert mockex([*args, "--json"]) == code
        (line,) = capsys.readouterr().out.splitlines()
        assert line.isascii(), "whatever the locale is"
        value = json.loads(line)
        jsonschema.Draft202012Validator(schema.schema(by)).validate(value)
        return value

    return run


def test_a_run_its_judging_again_and_its_replay_are_results(said: Said, tmp_path: Path) -> None:
    args = ("conform", "reference", "no-backoff", "--case", "RECON-01", *RUN)
    told = said(*args, by="result", code=1)
    assert told["exit_code"] == 1
    assert told["counts"] == {"PASS": 1, "FAIL": 1}
    cell = {"testee": "no-backoff", "profile": "usdm", "number": "RECON-01"}
    assert told["failed"] == [cell]
    assert [v["verdict"] for v in told["verdicts"]] == ["PASS", "FAIL"]
    assert told["run"]["seed"] == 7
    files = {name: Path(file) for name, file in told["files"].items()}
    assert files.pop("folder").is_dir()
    assert all(file.is_file() for file in files.values())

    again = said("judge", "out", by="result", code=1)
    assert again["again"] == {"differences": [], "same": 2, "kept": 0, "unfinished": False}
    assert again["verdicts"] == told["verdicts"]
    (recording,) = (tmp_path / "out" / "journal").glob("no-backoff-usdm-RECON-01.jsonl")
    alone = said("judge", str(recording), by="result", code=1)
    assert alone["failed"] == [cell]

    replayed = said("replay", "out", by="result", code=1)
    assert replayed["replayed"] == [{"cell": cell, "then": "FAIL", "now": "FAIL"}]


def test_the_catalogue_and_one_of_its_cases(said: Said) -> None:
    listed = said("cases", by="cases")
    assert [case["number"] for case in listed] == [c.number for c in all_cases().values()]
    assert said("cases", "list", "--case", "HB-01", by="cases") == [
        case for case in listed if case["number"] == "HB-01"
    ]
    (told,) = said("cases", "explain", "hb-01", by="cases-explain")
    assert told["requirement"].endswith(".")
    assert told["stimulus"]
    assert told["causes"]


def test_schemas_a_new_testee_and_settings(said: Said, tmp_path: Path) -> None:
    assert [one["name"] for one in said("schema", by="schema")] == list(schema.names())
    begun = said("init", "--lang", "python", "mine", by="init")
    assert begun["folder"] == str(tmp_path / "mine")
    assert {Path(file).name for file in begun["files"]} == {"testee.toml", "testee.py"}
    assert all(Path(file).is_file() for file in begun["files"])
    (tmp_path / "mockex.toml").write_text("[conform]\njobs = 2\n")
    told = said("doctor", "--config", by="settings")
    assert told["file"] == str(tmp_path / "mockex.toml")


WITHOUT = {
    "cases markdown": "Markdown",
    "completion": "a script of a shell",
    "faults provision": "what it got is in `doctor --json`",
    "report badge": "JSON, or a picture",
    "report ctrf": "JSON",
    "report html": "a page",
    "report junit": "XML",
    "report md": "Markdown",
}


def test_every_command_has_json_and_its_schema_is_named_or_it_has_another_format() -> None:
    root = click.Context(cli)
    page = Path(__file__).parents[2].joinpath("docs", "command-line.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if "(schema/" in line and "|" in line]
    without = set()
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        assert command is not None
        for path, inner in leaves((name,), command):
            if isinstance(inner, click.Group):
                continue
            words = " ".join(path)
            if any("--json" in param.opts for param in inner.params):
                assert any(f"`{words}`" in row for row in rows), words
            else:
                without.add(words)
    assert without == WITHOUT.keys()


def _told(args: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert mockex(args) == ExitCode.OK
    return capsys.readouterr().out.splitlines()


def test_a_table_keeps_its_heads_in_a_pipe_one_for_each_column(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for args, heads in (
        (["cases", "list", "--case", "HB-01"], ["case", "severity", "level", "id", "requirement"]),
        (["faults", "types"], ["fault", "fields", "what"]),
    ):
        first, second, *_ = _told(args, capsys)
        assert re.split("  +", first.rstrip()) == heads
        assert len(re.split("  +", second.rstrip())) == len(heads)
    run = ["conform", "reference", "--case", "RECON-01", *RUN, "--out", str(tmp_path)]
    assert _told(run, capsys)[1].split() == ["case", "usdm"]


def test_a_search(said: Said) -> None:
    pytest.importorskip("hypothesis")
    args = ("explore", "incident-python-bug", "--profile", "usdm", "--jobs", "1", "--for", "30")
    told = said(*args, by="explore", code=1)
    assert (told["testee"], told["seed"]) == ("incident-python-bug", 7)
    (found,) = told["found"]
    assert found["replay"] == f"mockex replay {found['file']}"
    replayed = said("replay", found["file"], by="result", code=1)
    assert replayed["verdicts"][0]["findings"]


def test_kinds_of_faults(said: Said) -> None:
    kinds = said("faults", "types", by="faults-types")
    assert said("faults", "types", "reset", by="fault-kind") in kinds


def test_a_fault_script_that_is_right_and_one_that_is_not(said: Said, tmp_path: Path) -> None:
    script = tmp_path / "a.toml"
    script.write_text(
        'seed = 3\n[[fault]]\nat = "100ms"\nfault = "Reset"\n'
        '[[fault]]\nevery = "2s"\njitter = "10ms"\nuntil = "9s"\nfault = "Reset"\nall = true\n'
        '[[fault]]\nafter = "1s"\nfor = "4s"\nfault = "Stall"\nscope = "data"\n'
        '[[fault]]\nafter = {events = 3, stream = "a@trade"}\nfault = "Reset"\n'
    )
    told = said("faults", "check", "a.toml", by="faults-check")
    assert (told["file"], told["seed"], told["problems"]) == ("a.toml", 3, [])
    steps = [
        {key: value for key, value in step.items() if value not in (None, 0.0)}
        for step in told["steps"]
    ]
    assert steps == [
        {"line": 2, "fault": "Reset", "fields": {}, "at_s": 0.1},
        {"line": 5, "fault": "Reset", "fields": {"all": True}, "every_s": 2.0, "jitter_s": 0.01,
         "until_s": 9.0},
        {"line": 11, "fault": "Stall", "fields": {"scope": "data"}, "after_s": 1.0, "for_s": 4.0},
        {"line": 16, "fault": "Reset", "fields": {}, "after_events": 3, "stream": "a@trade"},
    ]  # fmt: skip

    script.write_text('[[fault]]\nat = "0s"\nfault = "Rest"\nal = 1\n' + "[[fault]]\n" * 40)
    told = said("faults", "check", "a.toml", by="faults-check", code=ExitCode.USAGE)
    assert (told["file"], told["seed"], told["steps"]) == ("a.toml", None, [])
    assert told["problems"][0] == {
        "file": "a.toml", "line": 3, "key": "fault",
        "message": "'Rest' is no fault, nearest is 'Reset'",
    }  # fmt: skip
    assert len(told["problems"]) == 81, "all of them, for a machine"
    script.write_text("[[fault]\n")
    told = said("faults", "check", "a.toml", by="faults-check", code=ExitCode.USAGE)
    assert [(one["line"], one["key"]) for one in told["problems"]] == [(1, "")]


def test_the_demo() -> None:
    verdicts = [judged("incident-go-bug", "CONN-01", "FAIL"), judged("reference", "HB-01", "PASS")]
    incident = Incident(
        rounds=[rounds("incident-go-bug", 1, 2, 3)],
        caught=[Caught("incident-go-bug", "CONN-01", 1.5)],
        paragraphs=[("fix1", "mends nothing")],
        disagreements=[],
        headline="It grew.",
    )
    result = of_outcome(outcome(verdicts))
    assert result.failed == [Cell("incident-go-bug", "usdm", "CONN-01")]
    told = json.loads(
        msgspec.json.encode(DemoResult(exit_code=1, result=result, incident=incident))
    )
    jsonschema.Draft202012Validator(schema.schema("demo")).validate(told)


# --- with a running exchange ----------------------------------------------------------------------


@pytest.fixture
def ready() -> Iterator[dict[str, Any]]:
    """The ready line of a running exchange."""
    command = [sys.executable, "-m", "mockex", "serve", "--json", "--profile", "spot"]
    with ending(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


def test_a_running_exchange_its_faults_and_a_recording_of_it(
    said: Said, ready: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jsonschema.Draft202012Validator(schema.schema("ready")).validate(ready)
    monkeypatch.setenv("MOCKEX_ADMIN_URL", ready["admin"])
    added = said("faults", "add", "refuse-upgrade", "--wait", "no", by="fault")
    assert (added["fault"], added["phase"]) == ("RefuseUpgrade", "injected")
    assert [one["id"] for one in said("faults", "list", by="faults-list")] == [added["id"]]
    said("faults", "clear", by="faults-list")
    script = tmp_path / "script.toml"
    script.write_text('[[fault]]\nfault = "Reset"\nat = "0s"\n')
    started = said("faults", "run", str(script), "--wait", "no", by="faults-run")
    assert started["steps"] == 1

    streams = ("--streams", "ethusdc@depth5@100ms", "--for", "1")
    told = said("record", ready["ws"], *streams, "--out", "a.ndjson", by="record")
    assert (told["file"], told["cut"], told["warnings"]) == ("a.ndjson", None, [])
    assert told["events"] == (tmp_path / "a.ndjson").read_text().count("\n") > 0


# --- settings -------------------------------------------------------------------------------------


@pytest.fixture
def settings() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema.schema("mockex.toml"))


@pytest.mark.parametrize(
    ("table", "right"),
    [
        ({"conform": {"jobs": 4, "case": ["CONN-*"], "strict": True}}, True),
        ({"serve": {"rest_port": 1, "admin-port": 2, "loop": False}}, True),
        ({"faults": {"add": {"within": 2.5, "wait": "no"}}}, True),
        ({"conform": {"jobs": "4"}}, False),
        ({"conform": {"jobs": 0}}, False),
        ({"conform": {"case": "CONN-*"}}, False),
        ({"conform": {"job": 4}}, False),
        ({"confrom": {}}, False),
        ({"faults": {"add": {"wait": "maybe"}}}, False),
        ({"explore": {"for": 0}}, False),
    ],
)
def test_the_schema_and_the_reader_of_settings_agree(
    settings: jsonschema.Draft202012Validator,
    table: dict[str, Any],
    right: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.is_valid(table) is right
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mockex.toml").write_text("\n".join(_toml(table)))
    assert mockex(["doctor", "--config"]) == (ExitCode.OK if right else ExitCode.USAGE)


def _toml(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    if path:
        yield f"[{'.'.join(path)}]"
    yield from (f"{k} = {json.dumps(v)}" for k, v in table.items() if k not in inner)
    for key, value in inner.items():
        yield from _toml(value, (*path, key))
