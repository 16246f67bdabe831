"""Python, and what of mockex is installed in it."""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import sys
import sysconfig
import tomllib
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from mockex.doctor.answer import Answer, State
from mockex.doctor.asking import ask, first_line

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "mockex"
HERE = Path(__file__).resolve().parents[2]  # of a checkout the root, else `site-packages`
_EXTRAS = {
    "explore": "mockex explore",
    "tls": "mockex serve --tls, and cases over TLS",
    "fast": "a faster event loop",
}


def interpreter() -> Answer:
    """Which Python this is. That it is new enough is known: it runs us."""
    tested = [
        line.rpartition(" ")[2]
        for line in _metadata("Classifier")
        if line.startswith("Programming Language :: Python :: 3.")
    ]
    return Answer(
        name="python",
        state=State.OK,
        what=f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
        + ("" if in_environment() else ", in no virtual environment"),
        needed_for="everything",
        required=True,
        details=(f"prefix {sys.prefix}", f"tested with {', '.join(tested) or 'unknown'}"),
    )


def installation() -> Answer:
    """How mockex got here, and whether the command `mockex` is this one."""
    how = f"the checkout {HERE}" if is_checkout() else f"installed in {HERE}"
    version = our_version()
    folder = Path(sysconfig.get_path("scripts"))
    program = shutil.which("mockex")
    if version is None:
        return _installed(
            State.BROKEN, f"{how} runs without being installed", install(["-e", str(HERE)])
        )
    if program is None:
        return _installed(
            State.LACKING,
            f"{version}, {how}; no `mockex` on PATH",
            f'export PATH="{folder}:$PATH"',
        )
    if Path(program).resolve().parent != folder.resolve() and not _starts_us(Path(program)):
        return _installed(
            State.BROKEN,
            f"{version}, {how}; the `mockex` on PATH is another: {program}",
            f'export PATH="{folder}:$PATH"',
        )
    return _installed(State.OK, f"{version}, {how}; on PATH as {program}", "")


def _installed(state: State, what: str, repair: str) -> Answer:
    return Answer(
        name="mockex",
        state=state,
        what=what,
        needed_for="the commands that mockex prints for you to type",
        repair=repair,
        details=_commit() if is_checkout() else (),
    )


def _commit() -> tuple[str, ...]:
    git = shutil.which("git")
    if git is None:
        return ()
    reply = ask({"git": (git, "-C", str(HERE), "rev-parse", "--short", "HEAD")})["git"]
    return () if reply.why else (f"commit {first_line(reply.said)}",)


def _starts_us(program: Path) -> bool:
    """Whether a script is for this Python, wherever it lies."""
    try:
        with program.open("rb") as file:
            first = file.readline(500)
    except OSError:
        return False
    return first.startswith(b"#!") and sys.executable.encode() in first


def packages() -> list[Answer]:
    """The packages that mockex needs, as one answer, and an answer for each extra."""
    try:
        needed = _requirements()
    except ImportError:
        return [_needed(["packaging"], ["packaging is not there"], [])]
    answers = []
    for extra, requirements in needed.items():
        wanted, wrong, found = [], [], []
        for requirement in requirements:
            fits, said = _held(requirement)
            found.append(said)
            if not fits:
                wanted.append(f"{requirement.name}{requirement.specifier}")
                wrong.append(said)
        answers.append(
            _extra(extra, wanted, wrong, found) if extra else _needed(wanted, wrong, found)
        )
    return answers


def wanted_by(extra: str) -> list[str]:
    """What an extra asks for, as pip takes it; nothing if there is no such extra."""
    return [f"{one.name}{one.specifier}" for one in _requirements().get(extra, ())]


def extras() -> list[str]:
    """Names of the extras that there are."""
    return list(_lines()[1])


def _requirements() -> dict[str, list[Requirement]]:
    """Requirements by extra; those of mockex itself, by the empty name, in front."""
    from packaging.requirements import Requirement

    own, of_extras = _lines()
    found = {"": own, **of_extras}
    made = {name: [Requirement(line) for line in lines] for name, lines in found.items()}
    return {
        name: [one for one in some if not one.marker or one.marker.evaluate({"extra": name})]
        for name, some in made.items()
    }


def _lines() -> tuple[list[str], dict[str, list[str]]]:
    """What is needed, and what each extra needs besides. A checkout says it in its pyproject.toml:
    what was written down when it was installed may be older."""
    if is_checkout():
        project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return project["dependencies"], project["optional-dependencies"]
    lines = _metadata("Requires-Dist")
    own = [line for line in lines if "extra ==" not in line]
    extras = {
        name: [line for line in lines if re.search(rf"extra == ['\"]{re.escape(name)}['\"]", line)]
        for name in _metadata("Provides-Extra")
    }
    return own, extras


def _held(requirement: Requirement) -> tuple[bool, str]:
    """Whether it is there and fits, and a word on that."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False, f"{requirement.name} is not there"
    if not requirement.specifier.contains(version, prereleases=True):
        return False, f"{requirement.name} {version} does not fit {requirement.specifier}"
    return True, f"{requirement.name} {version}"


def _needed(wanted: list[str], wrong: list[str], found: list[str]) -> Answer:
    return Answer(
        name="packages",
        state=State.BROKEN if wrong else State.OK,
        what="; ".join(wrong) or f"all {len(found)} are there, at versions that fit",
        needed_for="everything",
        repair=install(wanted) if wanted else "",
        required=True,
        details=tuple(found),
    )


def _extra(name: str, wanted: list[str], wrong: list[str], found: list[str]) -> Answer:
    return Answer(
        name=name,
        state=State.LACKING if wrong else State.OK,
        what="; ".join(wrong) or ", ".join(found),
        needed_for=_EXTRAS.get(name, f"the extra {name!r}"),
        repair=install(wanted) if wanted else "",
    )


def install_command(wanted: list[str]) -> list[str]:
    """The command that installs into this Python's environment."""
    if util.find_spec("pip") is None and shutil.which("uv"):
        return ["uv", "pip", "install", "--python", sys.executable, *wanted]
    return [sys.executable, "-m", "pip", "install", *wanted]


def install(wanted: list[str]) -> str:
    """That command as a line to type."""
    command = install_command(wanted)
    short = shutil.which("python")
    if short is not None and Path(short).parent == Path(sys.executable).parent:
        command = ["python" if part == sys.executable else part for part in command]
    return shlex.join(command)


def in_environment() -> bool:
    """Whether this Python is one of a virtual environment."""
    return sys.prefix != sys.base_prefix


def is_checkout() -> bool:
    """Whether these files are those of a checkout."""
    return (HERE / "ci" / "run.py").is_file()


def our_version() -> str | None:
    """The version that is installed, or None."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def _metadata(key: str) -> list[str]:
    """A field of what is installed."""
    try:
        return [str(value) for value in metadata.metadata(DISTRIBUTION).get_all(key) or ()]
    except metadata.PackageNotFoundError:
        return []
