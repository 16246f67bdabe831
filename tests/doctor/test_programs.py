"""Programs that testees are made with: what is there, and how it is got."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mockex.doctor.answer import Answer, State
from mockex.doctor.asking import ask
from mockex.doctor.programs import TOOLS, programs
from mockex.doctor.repairs import candidates, shown, version_of
from tests.faults.bare import World, bare_machine

POLICY = """golang-go:
  Installed: (none)
  Candidate: 2:1.19~1
  Version table:
     2:1.19~1 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
rustc:
  Installed: (none)
  Candidate: (none)
  Version table:
default-jdk-headless:
  Installed: (none)
  Candidate: 2:1.17-74
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = bare_machine(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return made


def put(world: World, name: str, does: str) -> Path:
    return world.put(f"bin/{name}", f"#!/bin/sh\n{does}\n")


def seen(name: str, usual: tuple[str, ...] = ()) -> Answer:
    """What is told of a program. Of the places beside PATH, only `usual` is looked into."""
    tools = [replace(tool, usual=usual) for tool in TOOLS]
    return next(one for one in programs(tools) if one.name == name)


def test_what_fits_is_told_with_its_version_and_place(world: World) -> None:
    go = put(world, "go", "echo go version go1.26.8 linux/amd64")
    assert (seen("go").state, seen("go").what) == (State.OK, f"1.26.8 at {go}")
    assert seen("go").repair == ""


def test_what_is_too_old_is_told_with_what_is_needed(world: World) -> None:
    go = put(world, "go", "echo go version go1.19.8 linux/amd64")
    assert seen("go").state is State.LACKING
    assert seen("go").what == f"1.19.8 at {go}; 1.22 is needed"


def test_the_version_is_found_among_other_words_on_either_output(world: World) -> None:
    put(world, "chromium", "echo '[: 25276: unexpected operator' >&2; echo Chromium 156.0.80 x")
    put(world, "javac", "echo javac 17.0.15 >&2")
    put(world, "java", "exit 1")  # that it is there is enough
    assert seen("chromium").what.startswith("156.0.80 at ")
    assert seen("java").state is State.OK


def test_a_java_that_counts_from_one_is_judged_by_what_follows(world: World) -> None:
    put(world, "java", "")
    put(world, "javac", "echo javac 1.8.0_412")
    assert seen("java").state is State.LACKING
    assert seen("java").what.startswith("8.0 at ")


def test_a_program_that_comes_alone_lacks_its_companion(world: World) -> None:
    node = put(world, "node", "echo v20.20.2")
    assert seen("node").state is State.LACKING
    assert seen("node").what == f"20.20.2 at {node}, and no npm on PATH"


@pytest.mark.parametrize(
    ("does", "what"),
    [
        (r"printf '\001\002garbage\377\n'", "which is no version"),
        ("echo no toolchain is chosen >&2; exit 1", "ended with 1: no toolchain is chosen"),
        ("exit 3", "ended with 3: no word"),
        ("kill -9 $$", "ended with -9: no word"),
        ("while :; do echo yes; done", "says no end of things: yes"),
    ],
)
def test_a_program_that_does_not_do_costs_one_line(world: World, does: str, what: str) -> None:
    rustc = put(world, "rustc", does)
    put(world, "go", "echo go version go1.26.8 linux/amd64")
    assert seen("rust").state is State.BROKEN
    assert seen("rust").what.startswith(f"{rustc} ")
    assert what in seen("rust").what
    assert "\n" not in seen("rust").what
    assert seen("go").state is State.OK


def test_a_program_for_another_machine_costs_one_line(world: World) -> None:
    node = world.put("bin/node", b"\x7fELF" + bytes(60))
    assert seen("node").state is State.BROKEN
    assert seen("node").what == f"{node} cannot be run here: Exec format error"


def test_programs_that_hang_are_ended_together_with_what_they_started(world: World) -> None:
    hangs = f"/bin/sleep 300 & echo $! >{world.root}/${{0##*/}}.pid; wait"
    commands = {name: (str(world.put(name, f"#!/bin/sh\n{hangs}\n")),) for name in ("a", "b", "c")}
    began = time.monotonic()
    replies = ask({**commands, "d": ("/bin/echo", "there")}, limit_s=1)
    assert time.monotonic() - began < 2.5  # side by side
    assert {replies[name].why for name in "abc"} == {"did not end within 1 s"}
    assert replies["d"].said == "there"
    pids = [int(file.read_text()) for file in world.root.rglob("*.pid")]
    assert len(pids) == 3
    for pid in pids:
        wait_gone(pid)


def wait_gone(pid: int) -> None:
    """The kernel tells nobody when somebody else's child is gone."""
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.01)


def test_programs_that_would_fetch_what_they_lack_are_told_not_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUSTUP_AUTO_INSTALL", raising=False)
    says = put(world, "says", "echo $GOTOOLCHAIN $RUSTUP_AUTO_INSTALL")
    assert ask({"says": (str(says),)})["says"].said == "local 0"


def test_a_program_that_closes_its_output_and_stays_is_ended(world: World) -> None:
    stays = put(world, "stays", "exec >&- 2>&-; exec /bin/sleep 300")
    assert ask({"stays": (str(stays),)}, limit_s=0.3)["stays"].why == "did not end within 0.3 s"


def test_what_is_not_on_path_is_told_with_where_it_is(world: World) -> None:
    go = world.put("usual/go", "#!/bin/sh\n")
    answer = seen("go", (str(go.parent),))
    assert answer.what == f"{go} is not on PATH"
    assert answer.repair == f'export PATH="$PATH:{go.parent}"'


# --- the line that repairs it ---------------------------------------------------------------------


def test_the_package_manager_that_is_here_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert seen("go").repair == "install it from https://go.dev/dl/"
    put(world, "brew", "")
    assert seen("go").repair == "brew install go"
    put(world, "dnf", "")
    assert seen("go").repair == "sudo dnf install -y golang"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert seen("go").repair == "dnf install -y golang"


def test_what_apt_has_too_old_is_got_elsewhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    put(world, "apt-get", "")
    put(world, "apt-cache", f"echo '{POLICY}'")
    assert seen("go").repair == (
        "install it from https://go.dev/dl/ (apt has 1.19, which is too old)"
    )
    assert seen("java").repair == "sudo apt-get install -y default-jdk-headless"
    assert seen("rust").repair == "sudo apt-get install -y rustc cargo"  # its lists are empty


def test_an_apt_that_fails_does_not_hide_its_line(world: World) -> None:
    put(world, "apt-get", "")
    put(world, "apt-cache", "echo E: broken; exit 100")
    assert seen("go").repair.endswith("apt-get install -y golang-go")


def test_rust_is_repaired_by_the_tool_that_it_came_with(world: World) -> None:
    put(world, "rustup", "")
    rustc = put(world, "rustc", "echo error: no default toolchain; exit 1")
    assert seen("rust").repair == "rustup default stable"
    rustc.write_text("#!/bin/sh\necho 'rustc 1.63.0 (4b91a6ea7 2022-08-08)'\n")
    assert seen("rust").repair == "rustup update stable"


def test_versions_that_apt_offers_are_read() -> None:
    offered = candidates(POLICY)
    assert offered == {"golang-go": "1.19", "default-jdk-headless": "1.17"}
    assert version_of(offered["default-jdk-headless"], (17,)) == (17,)
    assert version_of(offered["golang-go"], (1, 22)) == (1, 19)


def test_what_is_needed_is_what_the_page_on_shims_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "writing-a-shim.md").read_text(encoding="utf-8")
    says = dict(re.findall(r"\| (Go|Node|Rust|Java) ([\d.]+)(?:, npm)? \|", page))
    needs = {tool.name: shown(tool.oldest) for tool in TOOLS if tool.name != "chromium"}
    assert {name.lower(): version for name, version in says.items()} == needs
