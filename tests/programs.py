"""Programs that a test starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from subprocess import PIPE, Popen
from typing import AnyStr

SERVE = [sys.executable, "-m", "mockex", "serve"]


@contextmanager
def ending(program: Popen[AnyStr]) -> Iterator[Popen[AnyStr]]:
    """Ended with the block: one that serves would be waited for without end if a test failed."""
    with program:
        try:
            yield program
        finally:
            program.kill()


def serving(*flags: str, env: dict[str, str] | None = None) -> AbstractContextManager[Popen[str]]:
    """A running `mockex serve`."""
    command, env = [*SERVE, *flags], os.environ | (env or {})
    return ending(Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=env))


def first_line(process: Popen[str]) -> str:
    """What it says once it is ready."""
    assert process.stdout is not None
    return process.stdout.readline()


def ready(process: Popen[str]) -> dict[str, str]:
    """The facts of that line, by name."""
    return dict(word.split("=", 1) for word in first_line(process).split()[2:])
