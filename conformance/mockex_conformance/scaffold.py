"""`mockex init`: a testee to begin with, made of the shims that the suite itself is tested with."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mockex.errors import ConfigError
from mockex_conformance.harness.load import load, own_testees

# What a person says to where our shim of it is.
LANGUAGES = {
    "python": "python",
    "node": "javascript",
    "go": "go",
    "rust": "rust",
    "java": "java",
}
OTHER = "other"  # any language: a description alone
OTHER_MUST = """\
Your program connects to MOCKEX_WS_URL, holds the streams of MOCKEX_STREAMS and ends at SIGTERM.
From level 1 on it writes `hello` and what happens to stdout, one JSON message a line; at level 2 it
answers requests on stdin. Messages: `mockex schema testee-says`, docs/writing-a-shim.md"""
_MADE = ("bin", "node_modules", "__pycache__", "Cargo.lock")  # by builds and runs, not by us


def write(language: str, folder: Path) -> list[Path]:
    """Write a testee named after `folder`, which is made if it is not there; the files, those to
    read first in front.

    Raises:
        ConfigError: one of them is there already, or the folder cannot be written to. Nothing is
            written then.
    """
    shims = own_testees() / "shims"
    if language == OTHER:
        files = {folder / "testee.toml": _named(shims / "other.toml", OTHER, folder)}
    else:
        shim = shims / LANGUAGES[language]
        files = {folder / f.relative_to(shim): _named(f, shim.name, folder) for f in _files(shim)}
    for file in files:
        if file.exists():
            raise ConfigError("DIR", str(folder), f"a folder without {file.name!r}")
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = f"a folder that can be written to ({error.strerror})"
        raise ConfigError("DIR", str(folder), reason) from None
    return list(files)


def missing_tools(folder: Path) -> list[str]:
    """Programs that build or run the testee in `folder` and are not on PATH."""
    testee = load(folder)
    programs = dict.fromkeys([*testee.build[:1], *testee.command[:1]])
    named = [program for program in programs if not set(program) & set("{/")]
    return [program for program in named if shutil.which(program) is None]


def _files(shim: Path) -> list[Path]:
    files = [
        file
        for file in shim.rglob("*")
        if file.is_file() and not set(_MADE) & set(file.relative_to(shim).parts)
    ]
    return sorted(files, key=lambda file: (file.name != "testee.toml", file))


def _named(file: Path, shim: str, folder: Path) -> str:
    """The text of a file, with the name of the new testee."""
    stem = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return file.read_text(encoding="utf-8").replace(f"shim-{shim}", stem or "my-adapter")
