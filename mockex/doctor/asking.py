"""Asking programs for their version, all at once, and the system for what may take for ever: none
keeps us waiting."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 3.0
_MOST = 4096  # bytes that are read of one
# Two that would fetch what they lack before they say anything.
_STAY_HERE = {"GOTOOLCHAIN": "local", "RUSTUP_AUTO_INSTALL": "0"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a program said on stdout and stderr, and why that does not count (empty if it does)."""

    said: str
    why: str = ""


@dataclass(slots=True)
class _Asked:
    process: subprocess.Popen[bytes]
    said: bytearray = field(default_factory=bytearray)
    why: str = ""


def ask(commands: Mapping[str, Sequence[str]], limit_s: float = LIMIT_S) -> dict[str, Reply]:
    """Run all commands side by side and return what each said, by its name; takes `limit_s` at
    most. One that is not done by then is ended with all that it started."""
    replies: dict[str, Reply] = {}
    asked: dict[str, _Asked] = {}
    try:
        for name, command in commands.items():
            try:
                asked[name] = _Asked(_start(command))
            except OSError as error:
                replies[name] = Reply("", f"cannot be run here: {error.strerror}")
        _listen(asked, time.monotonic() + limit_s, limit_s)
    finally:
        for one in asked.values():
            _end(one.process)
    for name, one in asked.items():
        code = one.process.returncode
        said = _text(one.said)
        why = one.why or (f"ended with {code}: {first_line(said) or 'no word'}" if code else "")
        replies[name] = Reply(said, why)
    return replies


def _text(said: bytes | bytearray) -> str:
    return said.decode("utf-8", "replace").replace("\0", "").strip()


def first_line(said: str, most: int = 100) -> str:
    """The first line that says something, cut."""
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    shown = "".join(char if char.isprintable() else "?" for char in line)
    return shown if len(shown) <= most else shown[:most] + "…"


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - programs on PATH, asked for their version
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_STAY_HERE},
        cwd="/",  # files that choose a version, where we were started, are no matter of ours
        start_new_session=True,
    )


def _listen(asked: Mapping[str, _Asked], until: float, limit_s: float) -> None:
    """Read until all are done, or the time is over."""
    with selectors.DefaultSelector() as selector:
        for one in asked.values():
            assert one.process.stdout is not None
            selector.register(one.process.stdout, selectors.EVENT_READ, one)
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                one = key.data
                part = os.read(key.fd, _MOST)
                one.said += part
                if len(one.said) > _MOST:
                    one.why = f"says no end of things: {first_line(_text(one.said), 40)}"
                if not part or one.why:
                    selector.unregister(key.fileobj)
        for key in selector.get_map().values():
            key.data.why = f"did not end within {limit_s:g} s"
    for one in asked.values():
        if not one.why:  # its output is at its end; so it is, or soon
            try:
                one.process.wait(max(0.05, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.why = f"did not end within {limit_s:g} s"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left behind, too
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def within(limit_s: float, look: Callable[[], T]) -> T | OSError | None:
    """What `look` returns, or the OSError that it raises; None if it takes longer. It is then left
    to itself: nothing ends a look-up, or a call into a file system that has gone."""
    found: list[T | OSError] = []

    def looked() -> None:
        try:
            found.append(look())
        except OSError as error:
            found.append(error)

    thread = Thread(target=looked, daemon=True)
    thread.start()
    thread.join(limit_s)
    return found[0] if found else None
