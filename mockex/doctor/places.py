"""Folders that must take files, and a terminal that must take letters."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mockex.doctor.answer import Answer, State
from mockex.doctor.asking import within

# A run of the whole catalogue on one testee leaves some 40 MB, a build of Toxiproxy needs 550 for
# a minute.
TEMP_MB = 200
CACHE_MB = 600
_TRIED_S = 2.0
_SAID = "·…—–µ✓"  # what is printed beside ASCII


def temp_folder() -> Answer:
    """Whether temporary files can be written."""
    needed_for = "links and certificates of a run, fault scripts, tests"
    try:
        folder = Path(tempfile.gettempdir())  # tries to write, too
    except FileNotFoundError as error:
        return Answer(
            name="temp-folder",
            state=State.BROKEN,
            what=error.strerror or str(error),
            needed_for=needed_for,
            repair="export TMPDIR to a folder that can be written to",
            required=True,
        )
    return _folder("temp-folder", folder, TEMP_MB, needed_for, "TMPDIR", required=True)


def cache_folder(folder: Path | None) -> Answer:
    """Whether the user's cache can be written to; None if no home folder is known."""
    needed_for = "the Toxiproxy server, once it is built"
    if folder is None:
        return Answer(
            name="cache",
            state=State.LACKING,
            what="no home folder is known",
            needed_for=needed_for,
            repair="export XDG_CACHE_HOME to an absolute path",
        )
    return _folder("cache", folder, CACHE_MB, needed_for, "XDG_CACHE_HOME", required=False)


def _folder(
    name: str, folder: Path, least_mb: int, needed_for: str, variable: str, *, required: bool
) -> Answer:
    elsewhere = f"export {variable} to a folder that can be written to"
    state, what, repair = State.OK, str(folder), ""
    if not folder.exists():
        state, what, repair = State.LACKING, f"{folder} is not there", f"mkdir -p {folder}"
        if not _takes_folders(folder):
            state, what, repair = State.BROKEN, f"{folder} cannot be made", elsewhere
    else:
        free = within(_TRIED_S, lambda: _tried(folder))
        if free is None:
            state, what, repair = State.BROKEN, f"{folder} does not answer", elsewhere
        elif isinstance(free, OSError):
            state, what, repair = State.BROKEN, f"{folder}: {free.strerror}", elsewhere
        elif free < least_mb:
            state, repair = State.LACKING, f"free some space there, or {elsewhere}"
            what = f"{folder} has {free} MB free; {least_mb} are needed"
        else:
            what = f"{folder}, {free:,} MB free"
    return Answer(
        name=name, state=state, what=what, needed_for=needed_for, repair=repair, required=required
    )


def _tried(folder: Path) -> int:
    """MB that are free in a folder, after a block was written to it.

    Raises:
        OSError: it takes none.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(4096))
        file.flush()
    return shutil.disk_usage(folder).free // 1_000_000


def _takes_folders(folder: Path) -> bool:
    above = next(place for place in folder.parents if place.exists())
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def terminal(encoding: str | None = None) -> Answer:
    """Whether what we print can be printed here."""
    name = encoding or sys.stdout.encoding or "ascii"
    state, what, repair = State.OK, f"{name}, locale {locale.setlocale(locale.LC_CTYPE)}", ""
    try:
        _SAID.encode(name)
    except UnicodeEncodeError as error:
        state, what = State.LACKING, f"{what}: cannot show {_SAID[error.start]!a} and the like"
        repair = "export PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    return Answer(
        name="encoding",
        state=state,
        what=what,
        needed_for="messages and tables as they are meant",
        repair=repair,
    )
