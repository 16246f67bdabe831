"""What stands for the machine while a simulation runs: its clocks, its chance, and its refusals.

Clocks and chance are replaced where programs look them up, in the modules of the standard library,
and only for code on the simulated loop's thread. What cannot be simulated is caught by an audit
hook (PEP 578), which sees it however it was imported: a socket that connects or listens, a process;
threads and `time.sleep` are replaced as clocks are. The hook stays, because hooks cannot be taken
away; without a simulated loop it lets everything pass.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from random import Random
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from mockex.errors import NotSimulated

if TYPE_CHECKING:
    from mockex.sim.loop import SimLoop

_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_REFUSED = {
    "socket.connect": ("a real socket", "connect with asyncio: `loop.create_connection`"),
    "socket.bind": ("a real socket", "listen with asyncio: `loop.create_server`"),
    "socket.sendto": ("a real socket", "only TCP is simulated"),
    "socket.getaddrinfo": ("socket.getaddrinfo", "await `loop.getaddrinfo`"),
    "socket.gethostbyname": ("socket.gethostbyname", "await `loop.getaddrinfo`"),
    "subprocess.Popen": ("a process", "it does not keep to virtual time"),
    "os.fork": ("a process", "it does not keep to virtual time"),
    "os.posix_spawn": ("a process", "it does not keep to virtual time"),
    "os.system": ("a process", "it does not keep to virtual time"),
}
_hooked = False


def at_home(frame: FrameType) -> bool:
    """Whether a frame is the standard library's or the simulation's, not the program's."""
    file = frame.f_code.co_filename
    return (
        file.startswith((*_STANDARD, "<frozen")) and "site-packages" not in file
    ) or frame.f_globals.get("__name__", "").startswith("mockex.sim.")


def _outside(frame: FrameType | None) -> FrameType | None:
    while frame is not None and at_home(frame):
        frame = frame.f_back
    return frame


def place() -> str:
    """File and line of the program's own code that led here; empty if there is none."""
    frame = _outside(sys._getframe(1))
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def here() -> list[traceback.FrameSummary]:
    """The same, in the form that asyncio keeps with a handle."""
    frame = _outside(sys._getframe(1))
    if frame is None:
        return []
    code = frame.f_code
    return [
        traceback.FrameSummary(code.co_filename, frame.f_lineno, code.co_name, lookup_line=False)
    ]


def _running() -> SimLoop | None:
    """The simulated loop that this thread runs, if any."""
    loop = asyncio._get_running_loop()
    return loop if hasattr(loop, "note_refused") else None  # type: ignore[return-value]


def _audit(event: str, args: tuple[Any, ...]) -> None:
    refused = _REFUSED.get(event)
    if refused is None:
        return
    loop = _running()
    if loop is not None:
        raise loop.note_refused(NotSimulated(*refused, place()))


class Machine:
    """Replaces the machine for as long as the block lasts."""

    def __init__(self, loop: SimLoop, seed: int, unix_at_zero_s: float) -> None:
        self._loop = loop
        self._random = Random(f"machine {seed}")
        self._seed = seed
        self._unix_at_zero_s = unix_at_zero_s
        self._kept: list[tuple[Any, str, Any]] = []
        self._state: Any = None
        self._collected = True

    def __enter__(self) -> Self:
        global _hooked
        if not _hooked:
            sys.addaudithook(_audit)
            _hooked = True
        loop, zero = self._loop, self._unix_at_zero_s
        for name, clock in (
            ("time", lambda: zero + loop.time()),
            ("monotonic", loop.time),
            ("perf_counter", loop.time),
        ):
            self._replace(time, name, clock)
            self._replace(time, f"{name}_ns", lambda clock=clock: round(clock() * 1e6) * 1000)
        self._replace(os, "urandom", self._random.randbytes)
        self._replace(random, "_urandom", self._random.randbytes)  # what `secrets` draws from
        self._replace(os, "_exit", self._exit)
        # The interpreter tells hooks of these two only from 3.13 on.
        self._replace(time, "sleep", self._no("time.sleep", "it stops all: await asyncio.sleep"))
        self._replace(threading.Thread, "start", self._no("a thread", _REFUSED["os.fork"][1]))
        self._state = random.getstate()
        random.seed(self._seed)
        self._collected = gc.isenabled()
        gc.disable()  # what it finalizes, and when, is not chance but seems so
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for module, name, original in reversed(self._kept):
            setattr(module, name, original)
        random.setstate(self._state)
        if self._collected:
            gc.enable()

    def _replace(self, module: Any, name: str, simulated: Callable[..., Any]) -> None:
        """Put `simulated` in the place of a function, for code on the simulated loop alone."""
        original = getattr(module, name)
        loop = self._loop

        def chosen(*args: Any) -> Any:
            return (simulated if asyncio._get_running_loop() is loop else original)(*args)

        self._kept.append((module, name, original))
        setattr(module, name, chosen)

    def _no(self, what: str, instead: str) -> Callable[..., NoReturn]:
        def refuse(*_: Any) -> NoReturn:
            self._loop.refuse(what, instead)

        return refuse

    @staticmethod
    def _exit(code: int) -> NoReturn:
        """`os._exit` ends the simulated process, not ours."""
        raise SystemExit(code)
