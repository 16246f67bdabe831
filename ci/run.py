#!/usr/bin/env python3
"""The two commands of the README, on a machine that has only Python and a package index.

    python3 ci/run.py demo     the incident, its fixes and the reference adapter, judged
    python3 ci/run.py test     every test: lint, types, and the tests on every Python found
    python3 ci/run.py NAME     any other environment of tox.ini, such as `lint` or `clients`

Standard library only. It makes a virtual environment under `.cache/`, installs the pinned tox into
it, finds or builds the Toxiproxy server where tests need it, runs tox and passes its exit code on.
What follows NAME is handed to the environment: `python3 ci/run.py demo --quick`.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
CONSTRAINTS = ROOT / "ci" / "constraints.txt"
OLDEST = (3, 11)
PYTHONS = ("3.11", "3.12", "3.13")
DEFAULT = f"{sys.version_info.major}.{sys.version_info.minor}"
TOXIPROXY = "2.12.0"
MODULE = "github.com/Shopify/toxiproxy/v2"
BUILD_S = 300


def say(text: str) -> None:
    """One line for people; nobody may be reading."""
    with suppress(OSError, ValueError):
        print(f"[ci] {text}", flush=True)


def fail(text: str, code: int = 1) -> int:
    """An error for people."""
    with suppress(OSError, ValueError):
        print(f"[ci] error: {text}", file=sys.stderr, flush=True)
    return code


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    say(what)
    began = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - began:.0f} s")


class Broken(Exception):
    """A step that cannot be done; the message says what would help."""


def call(command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> int:
    """Run a program in the project; its exit code."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env=env, check=False)
    return done.returncode


# --- tools ---------------------------------------------------------------------------------------


def tools() -> Path:
    """The folder with tox and its programs, made if it is not there or not the pinned one."""
    wanted = hashlib.sha256(CONSTRAINTS.read_bytes() + sys.version.encode()).hexdigest()
    folder = CACHE / "tools"
    stamp = folder / "stamp"
    binaries = folder / "bin"
    if stamp.exists() and stamp.read_text() == wanted and (binaries / "tox").exists():
        return binaries
    with step("making the tools (tox) in .cache/tools"):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            venv.create(folder, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Broken(
                f"cannot make a virtual environment: {error}; on Debian install python3-venv"
            ) from None
        command = [binaries / "python", "-m", "pip", "install", "--quiet", "--no-input",
                   "--disable-pip-version-check", "-c", CONSTRAINTS, "tox", "tox-uv"]  # fmt: skip
        if call(command) != 0:
            raise Broken("cannot install tox: is a package index to be reached? (see above)")
        stamp.write_text(wanted)
    return binaries


def version_of(python: str | Path) -> str | None:
    """`3.12` of an interpreter that really runs; None for a shim that does not."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def interpreters() -> dict[str, Path]:
    """Every Python of `PYTHONS` that is here, by version; the running one for its own."""
    found = {DEFAULT: Path(sys.executable).resolve()}
    for wanted in PYTHONS:
        candidates = [Path(p) for p in [shutil.which(f"python{wanted}")] if p]
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        candidates += sorted((pyenv / "versions").glob(f"{wanted}.*/bin/python{wanted}"))
        for candidate in candidates:
            if wanted not in found and version_of(candidate) == wanted:
                found[wanted] = candidate
    return found


# --- the Toxiproxy server ------------------------------------------------------------------------


def is_toxiproxy(binary: Path) -> bool:
    """Whether a file is the server of our version: Go writes its module line into it."""
    try:
        return f"mod\t{MODULE}\tv{TOXIPROXY}\t".encode() in binary.read_bytes()
    except OSError:
        return False


def toxiproxy() -> tuple[Path | None, list[str]]:
    """The server, found or built; else what was tried."""
    tried: list[str] = []
    named = os.environ.get("MOCKEX_TOXIPROXY_BIN")
    if named:
        if is_toxiproxy(Path(named)):
            return Path(named), tried
        tried.append(f"MOCKEX_TOXIPROXY_BIN={named}: is no Toxiproxy {TOXIPROXY}")
    on_path = shutil.which("toxiproxy-server")
    if on_path and is_toxiproxy(Path(on_path)):
        return Path(on_path), tried
    tried.append(f"toxiproxy-server on PATH: {'another version' if on_path else 'not there'}")
    kept = CACHE / f"toxiproxy-server-{TOXIPROXY}"
    if is_toxiproxy(kept):
        return kept, tried
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        tried.append("go on PATH: not there; install Go 1.23 or newer, or a toxiproxy-server")
        return None, tried
    with step(f"building the Toxiproxy server {TOXIPROXY} with go"):
        why = build_toxiproxy(go, kept)
    if why:
        tried.append(why)
    return (None if why else kept), tried


def build_toxiproxy(go: str, kept: Path) -> str:
    """Build it into the cache; why that failed, or nothing."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "toxiproxy.lock").open("w") as lock, tempfile.TemporaryDirectory() as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_toxiproxy(kept):
            return ""
        env = dict(os.environ, GOBIN=scratch, GOFLAGS="-trimpath")
        flags = f"-ldflags=-s -w -X {MODULE}.Version={TOXIPROXY}"
        command = [go, "install", flags, f"{MODULE}/cmd/server@v{TOXIPROXY}"]
        try:
            done = subprocess.run(
                command, env=env, timeout=BUILD_S, capture_output=True, text=True, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"go install: {error}"
        if done.returncode != 0:
            return f"go install failed: {done.stderr.strip()[-500:]}"
        built = Path(scratch) / "server"
        if not is_toxiproxy(built):
            return "go install built something else"
        shutil.move(str(built), f"{kept}.new")
        os.replace(f"{kept}.new", kept)
    return ""


# --- the commands --------------------------------------------------------------------------------


def environment(binaries: Path, pythons: dict[str, Path]) -> dict[str, str]:
    """For tox: its own programs first, then every interpreter that was found."""
    folders = [str(binaries), *(str(path.parent) for path in pythons.values())]
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    return dict(os.environ, PATH=path, TOX_WORK_DIR=str(ROOT / ".tox"), PIP_NO_INPUT="1")


def run_tox(binaries: Path, name: str, env: dict[str, str], rest: Sequence[str] = ()) -> int:
    """One environment of tox.ini."""
    extra = ["--", *rest] if rest else []
    with step(f"tox -e {name}"):
        return call([binaries / "tox", "run", "-e", name, *extra], env=env)


def test(binaries: Path, pythons: dict[str, Path]) -> int:
    """Everything that `.ci/run` runs. Goes on after a failure, so that one run shows all."""
    env = environment(binaries, pythons)
    server, tried = toxiproxy()
    if server is not None:
        env["MOCKEX_TOXIPROXY_BIN"] = str(server)
        say(f"Toxiproxy server: {server}")
    else:
        say("no Toxiproxy server; its tests are NOT RUN and this run will not be green:")
        for line in tried:
            say(f"  {line}")
    skipped = [wanted for wanted in PYTHONS if wanted not in pythons]
    for wanted in skipped:
        say(f"Python {wanted} is not on this machine: py{wanted.replace('.', '')} is skipped")
    others = [wanted for wanted in PYTHONS if wanted in pythons and wanted != DEFAULT]
    names = ["lint", "types", "cov", *(f"py{v.replace('.', '')}" for v in others)]
    names.append(f"py{DEFAULT.replace('.', '')}-full")
    codes = {name: run_tox(binaries, name, env) for name in names}
    for name, code in codes.items():
        say(f"{name}: {'ok' if code == 0 else f'FAILED with {code}'}")
    for wanted in skipped:
        say(f"py{wanted.replace('.', '')}: skipped, Python {wanted} is not here")
    if server is None:
        return fail("tests that need the Toxiproxy server were not run")
    return max(codes.values(), key=abs)


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    if sys.version_info < OLDEST:
        return fail(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is "
                    f"{sys.version.split()[0]}", 4)  # fmt: skip
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", help="`test`, `demo`, or an environment of tox.ini")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="for the environment")
    given = parser.parse_args(arguments)
    try:
        with step(given.name):
            binaries, pythons = tools(), interpreters()
            if given.name == "test" and not given.rest:
                return test(binaries, pythons)
            return run_tox(binaries, given.name, environment(binaries, pythons), given.rest)
    except Broken as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return fail("interrupted", 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
