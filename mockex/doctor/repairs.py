"""The line that gets a program onto this system: by the package manager that is here."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager: its program, and how it is told to install."""

    name: str
    line: str
    by_root: bool = True


_APT = Manager("apt", "apt-get install -y {}")
_BREW = Manager("brew", "brew install {}", by_root=False)
_MANAGERS = {
    "apt-get": _APT,
    "dnf": Manager("dnf", "dnf install -y {}"),
    "pacman": Manager("pacman", "pacman -S --noconfirm {}"),
    "apk": Manager("apk", "apk add {}"),
    "zypper": Manager("zypper", "zypper install -y {}"),
    "brew": _BREW,
}


def manager() -> Manager | None:
    """The package manager of this system, or None if none is known."""
    programs = ("brew",) if sys.platform == "darwin" else tuple(_MANAGERS)
    return next((_MANAGERS[name] for name in programs if shutil.which(name)), None)


def install_line(packages: Mapping[str, str]) -> str | None:
    """How this system gets the program, or None: no manager is known, or it has no such package.
    `packages` is by manager."""
    found = manager()
    if found is None or found.name not in packages:
        return None
    line = found.line.format(packages[found.name])
    if found.by_root and os.geteuid() != 0:
        line = f"sudo {line}"
    return line


def candidates_command(packages: Iterable[Mapping[str, str]]) -> list[str] | None:
    """The command that says which versions could be installed; None where nobody need be asked:
    the other managers are those of systems that move on."""
    names = [of["apt"].split()[0] for of in packages if "apt" in of]
    cache = shutil.which("apt-cache")
    return [cache, "policy", *names] if manager() is _APT and cache and names else None


def candidates(said: str) -> dict[str, str]:
    """Version by package, out of what `apt-cache policy` says."""
    found = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (?:\d+:)?(\d[\d.]*)", said, re.M)
    return {package: text.strip(".") for package, text in found}


def version_of(text: str, oldest: Version = (0,)) -> Version:
    """`1.26.8` as numbers. Java once counted `1.8` for what is 8, and Debian's default-jdk still
    does: where the oldest that fits is above 1, a 1 in front says nothing."""
    version = tuple(int(part) for part in text.strip(".").split(".") if part)
    return version[1:] if version[0] == 1 < oldest[0] and len(version) > 1 else version


def shown(version: Version) -> str:
    """Numbers as `1.26.8`."""
    return ".".join(map(str, version))
