"""Deliberately wrong testees: the reference adapter with one thing broken, by name.

    python mutants.py two-owners

What is broken stands in `patches/`, a module for each group of cases.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping

import patches

from mockex_adapter import testee

_become: list[str] = []  # one process is one mutant, however often it is started


def become(name: str) -> None:
    """Patch the adapter, once.

    Raises:
        SystemExit: with 127, for a name that nobody has.
    """
    for module in pkgutil.iter_modules(patches.__path__):
        importlib.import_module(f"patches.{module.name}")
    if name not in patches.PATCHES:
        known = ", ".join(sorted(patches.PATCHES))
        print(f"unknown mutant {name!r}; known: {known}", file=sys.stderr)
        raise SystemExit(127)
    if _become != [name]:
        _become.append(name)
        patches.PATCHES[name]()


async def entry(
    environ: Mapping[str, str], stdin: AsyncIterator[str], stdout: Callable[[str], None]
) -> int:
    """The mutant `MUTANT` on somebody else's loop."""
    become(environ.get("MUTANT", ""))
    return await testee.main(environ, stdin, stdout)


if __name__ == "__main__":
    become(sys.argv[1] if len(sys.argv) > 1 else "")
    sys.exit(asyncio.run(testee._process()))
