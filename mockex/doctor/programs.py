"""Go, Node, Rust and Java, which testees in these languages are made with, and a browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mockex.doctor.answer import Answer, State
from mockex.doctor.asking import Reply, ask, first_line
from mockex.doctor.repairs import (
    Version,
    candidates,
    candidates_command,
    install_line,
    shown,
    version_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that some need: the first of `programs` on PATH is asked with `args`; those in
    `beside` have to be there as well. `packages` is by package manager, `page` for who has none."""

    name: str
    needed_for: str
    programs: tuple[str, ...]
    args: tuple[str, ...] = ("--version",)
    beside: tuple[str, ...] = ()
    pattern: str = r"(\d+(?:\.\d+)+)"
    oldest: Version = (0,)
    packages: Mapping[str, str]
    page: str
    usual: tuple[str, ...] = ()  # folders in which it is where nobody told PATH


TOOLS = (
    Tool(
        name="go",
        needed_for="testees in Go; Toxiproxy is built with 1.23 and newer",
        programs=("go",),
        args=("version",),
        pattern=r"\bgo(\d+(?:\.\d+)+)",
        oldest=(1, 22),
        packages={
            "apt": "golang-go", "dnf": "golang", "pacman": "go", "apk": "go", "zypper": "go",
            "brew": "go",
        },
        page="https://go.dev/dl/",
        usual=("/usr/local/go/bin", "/usr/lib/go/bin"),
    ),
    Tool(
        name="node",
        needed_for="testees in JavaScript",
        programs=("node",),
        beside=("npm",),
        pattern=r"\bv(\d+(?:\.\d+)+)",
        oldest=(18,),
        packages={
            "apt": "nodejs npm", "dnf": "nodejs npm", "pacman": "nodejs npm", "apk": "nodejs npm",
            "zypper": "nodejs npm", "brew": "node",
        },
        page="https://nodejs.org/en/download",
    ),
    Tool(
        name="rust",
        needed_for="testees in Rust",
        programs=("rustc",),
        beside=("cargo",),
        pattern=r"\brustc (\d+(?:\.\d+)+)",
        oldest=(1, 85),
        packages={
            "apt": "rustc cargo", "dnf": "rust cargo", "pacman": "rust", "apk": "rust cargo",
            "zypper": "rust cargo", "brew": "rust",
        },
        page="https://rustup.rs",
        usual=("~/.cargo/bin",),
    ),
    Tool(
        name="java",
        needed_for="testees in Java",
        programs=("javac",),
        args=("-version",),
        beside=("java",),
        pattern=r"\bjavac (\d+(?:\.\d+)*)",
        oldest=(17,),
        packages={
            "apt": "default-jdk-headless", "dnf": "java-latest-openjdk-devel",
            "pacman": "jdk-openjdk", "apk": "openjdk21", "zypper": "java-21-openjdk-devel",
            "brew": "openjdk",
        },
        page="https://adoptium.net",
    ),
    Tool(
        name="chromium",
        needed_for="the tests of mockex's own pages; any browser shows a report",
        programs=("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        packages={
            "apt": "chromium", "dnf": "chromium", "pacman": "chromium", "apk": "chromium",
            "zypper": "chromium", "brew": "--cask chromium",
        },
        page="https://www.chromium.org/getting-involved/download-chromium/",
    ),
)  # fmt: skip


def programs(tools: Sequence[Tool] = TOOLS) -> list[Answer]:
    """What is there of these programs, and does it fit. They are asked side by side."""
    found = {tool.name: _on_path(tool) for tool in tools}
    replies = ask({tool.name: (path, *tool.args) for tool in tools if (path := found[tool.name])})
    known = {tool.name: judged(tool, found[tool.name], replies.get(tool.name)) for tool in tools}
    lacking = [tool for tool in tools if known[tool.name][0] is not State.OK]
    command = candidates_command(tool.packages for tool in lacking)
    offered = candidates(ask({"apt": command})["apt"].said) if command else {}
    return [
        Answer(
            name=tool.name,
            state=known[tool.name][0],
            what=known[tool.name][1],
            needed_for=tool.needed_for,
            repair=repair(tool, known[tool.name][0], offered) if tool in lacking else "",
        )
        for tool in tools
    ]


def judged(tool: Tool, path: str | None, reply: Reply | None) -> tuple[State, str]:
    """What a program's reply says about it, in a line."""
    if path is None or reply is None:
        where = _elsewhere(tool)
        if where is not None:
            return State.LACKING, f"{where} is not on PATH"
        return State.LACKING, f"no {_either(tool.programs)} on PATH"
    if reply.why:
        return State.BROKEN, f"{path} {reply.why}"
    match = re.search(tool.pattern, reply.said)
    if match is None:
        said = first_line(reply.said, 60)
        return State.BROKEN, f"{path} says {said!r}, which is no version"
    version = version_of(match[1], tool.oldest)
    if version < tool.oldest:
        return State.LACKING, f"{shown(version)} at {path}; {shown(tool.oldest)} is needed"
    for other in tool.beside:
        if shutil.which(other) is None:
            return State.LACKING, f"{match[1]} at {path}, and no {other} on PATH"
    return State.OK, f"{match[1]} at {path}"


def repair(tool: Tool, state: State, offered: Mapping[str, str]) -> str:
    """The line that gets the program; `offered` has the versions that apt would install."""
    where = _elsewhere(tool)
    if _on_path(tool) is None and where is not None:
        return f'export PATH="$PATH:{Path(where).parent}"'
    if tool.name == "rust" and shutil.which("rustup"):
        return "rustup default stable" if state is State.BROKEN else "rustup update stable"
    line = install_line(tool.packages)
    package = tool.packages.get("apt", "").partition(" ")[0]
    if line is None:
        return f"install it from {tool.page}"
    if package in offered and version_of(offered[package], tool.oldest) < tool.oldest:
        return f"install it from {tool.page} (apt has {offered[package]}, which is too old)"
    return line


def _on_path(tool: Tool) -> str | None:
    return next(filter(None, map(shutil.which, tool.programs)), None)


def _elsewhere(tool: Tool) -> str | None:
    """Where it is although PATH does not lead there."""
    for folder in tool.usual:
        for name in tool.programs:
            path = Path(folder).expanduser() / name
            if path.is_file():
                return str(path)
    return None


def _either(names: Sequence[str]) -> str:
    return " or ".join(names[:2])
