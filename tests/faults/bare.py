"""A machine with nothing on it but what a test puts there, where the server is looked for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from mockex.faults.provisioning import building, program

LINE = f"mod\t{program.MODULE}\tv2.12.0\t{building.SOURCE}\n"
SERVER = f"#!/bin/sh\n# {LINE}echo toxiproxy-server version git\n"
GO = """#!/bin/sh
case "$1 $2" in
"env GOVERSION") echo go1.26.8 ;;
"env GOCACHE") echo "$HOME/go-build"; echo "$HOME/go-mod" ;;
install*) echo "$@" >>WORLD/calls; env >WORLD/environment; INSTALL ;;
esac
"""
INSTALLS = "cp WORLD/server $GOBIN/server"


@dataclass(frozen=True)
class World:
    """A machine with nothing on it but what a test puts there."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "mockex"

    @property
    def cached(self) -> Path:
        return self.cache / program.NAME

    def put(self, name: str, text: str | bytes = SERVER, mode: int = 0o755) -> Path:
        """A program; in `bin` it is on PATH."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file

    def put_go(self, version: str = "go1.26.8", install: str = INSTALLS, name: str = "") -> Path:
        """A go that does what `install` says."""
        self.put("server")
        text = GO.replace("INSTALL", install).replace("go1.26.8", version)
        return self.put(name or "bin/go", text.replace("WORLD", str(self.root)))

    def keep(self, folder: Path | None = None, text: str = SERVER) -> Path:
        """What a build leaves in a cache."""
        place = (folder or self.cache) / program.NAME
        self.put(str(place), text)
        total = hashlib.sha256(text.encode()).hexdigest()
        program.sum_file(place).write_text(f"{total}  {program.NAME}\n")
        return place

    def calls(self) -> int:
        """How often go was asked to install."""
        calls = self.root / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def environment(self) -> dict[str, str]:
        """What go was called with."""
        lines = (self.root / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def left(self) -> set[str]:
        """What lies in the cache."""
        return {path.name for path in self.cache.iterdir()}


def bare_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Such a machine, for this process and those that it starts: a home folder, a `bin` on PATH, a
    checkout in `project`, and no setting of ours."""
    for name in [*os.environ]:
        if name.startswith(("MOCKEX_", "XDG_", "GO")):
            monkeypatch.delenv(name)
    for folder in ("bin", "home", "project/ci", "usual"):
        (root / folder).mkdir(parents=True)
    (root / "project" / "ci" / "run.py").touch()
    made = World(root)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(program, "PROJECT", root / "project")
    monkeypatch.setattr(building, "_USUAL", (str(root / "usual"),))
    return made
