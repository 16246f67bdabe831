"""The server as a program: which one it is, whether it runs here, and where it is kept."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VERSION = "2.12.0"
NAME = f"toxiproxy-server-{VERSION}"
MODULE = "github.com/Shopify/toxiproxy/v2"
PROJECT = Path(__file__).resolve().parents[3]  # if this is a checkout, and not installed
TELL_S = 10.0  # for a program to say its version


class Unfit(Exception):
    """A step gives no server; the message says why."""


def source_of(program: Path) -> tuple[str, str]:
    """Version and hash of the module that a program is made of: Go writes that into it. What it
    says itself is `git` in most builds.

    Raises:
        Unfit: it is made of something else, or cannot be read.
    """
    line = rb"mod\t" + re.escape(MODULE.encode()) + rb"\t([^\t\n]{1,100})\t([^\n]{0,100})\n"
    try:
        if not program.exists():
            raise Unfit(f"{program} is not there")
        if not program.is_file():
            raise Unfit(f"{program} is {'a folder' if program.is_dir() else 'no file'}")
        with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
            found = re.search(line, m)
            if found is not None:
                return found[1].decode(), found[2].decode()
    except OSError as error:
        raise Unfit(f"{program} cannot be read: {error.strerror}") from None
    except ValueError:
        raise Unfit(f"{program} is empty") from None
    raise Unfit(f"{program} is no Toxiproxy server")


def check_runs(program: Path) -> None:
    """Whether this machine can run it, and it is the server and not its command line.

    Raises:
        Unfit: no.
    """
    if not os.access(program, os.X_OK):
        raise Unfit(f"{program} is not executable: chmod +x it, or mount its folder without noexec")
    said = run([program, "-version"], TELL_S)
    if not said.startswith("toxiproxy-server version"):
        raise Unfit(f"{program} is not the server: to -version it says {said[:60]!r}")


def foreign(program: Path) -> Path:
    """A program that somebody else made, if it is the version that was measured.

    Raises:
        Unfit: it is not, or cannot be run.
    """
    program = program.resolve()
    version, _ = source_of(program)
    if version != f"v{VERSION}":
        raise Unfit(f"{program} is a Toxiproxy {version}; {VERSION} is needed")
    check_runs(program)
    return program


def home_cache() -> Path | None:
    """The user's cache, or None where no home folder is known."""
    for name, below in (("XDG_CACHE_HOME", "mockex"), ("HOME", ".cache/mockex")):
        folder = Path(os.environ.get(name, ""))
        if folder.is_absolute():  # a relative one is to be ignored (XDG Base Directory)
            return folder / below
    return None


def caches() -> list[Path]:
    """Where programs are kept: of the user, and of the checkout that this file may be part of."""
    of_project = [PROJECT / ".cache"] if (PROJECT / "ci" / "run.py").is_file() else []
    home = home_cache()
    return ([] if home is None else [home]) + of_project


def kept(folder: Path) -> Path:
    """What an earlier build left in a cache.

    Raises:
        Unfit: nothing, or it is not what was built.
    """
    program = folder / NAME
    again = "`mockex faults provision` builds it anew"
    try:
        is_now = sum_of(program)
    except (FileNotFoundError, NotADirectoryError):
        raise Unfit("not there") from None
    except OSError as error:
        raise Unfit(f"cannot be read: {error.strerror}") from None
    try:
        was = sum_file(program).read_text("ascii")[:64]
    except (OSError, ValueError):
        raise Unfit(f"has no SHA-256 beside it, so it is not used; {again}") from None
    if is_now != was:
        raise Unfit(f"is not what was built (SHA-256 {is_now[:8]}…, not {was[:8]}…); {again}")
    check_runs(program)
    return program


def sum_of(program: Path) -> str:
    """SHA-256 of a file, in hex."""
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sum_file(program: Path) -> Path:
    """Where the sum of a kept program stands, as `sha256sum -c` reads it."""
    return program.with_name(f"{program.name}.sha256")


def run(command: list[str | Path], limit_s: float, *, env: dict[str, str] | None = None) -> str:
    """Run a program to its end and return what it said. It cannot outlive us by hanging: after the
    limit, or if we are interrupted, it is ended with all that it started.

    Raises:
        Unfit: it cannot be started, fails or does not end.
    """
    program = str(command[0])
    process = None
    try:
        with _uninterrupted():
            process = subprocess.Popen(  # noqa: S603 - our own commands, and what the user named
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=env,
                cwd="/",  # whatever go.mod lies where we were started is no matter of ours
                start_new_session=True,
            )
        said = process.communicate(timeout=limit_s)[0].strip()
    except OSError as error:
        raise Unfit(f"{program} cannot be run here: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Unfit(f"{program} did not end within {limit_s:g} s") from None
    finally:
        if process is not None and process.returncode is None:
            _end(process)
    if process.returncode != 0:
        raise Unfit(f"{program} ended with {process.returncode}: {said[-500:] or 'no word'}")
    return said


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let signals that raise wait for the end of the block: a program that is started just then
    would be nobody's."""
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for arrived in came:
            signal.raise_signal(arrived)


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
