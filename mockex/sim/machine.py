"""What stands for the machine while a simulation runs: its clocks, its chance, and its refusals.

Clocks and chance are replaced where programs look them up, in the modules of the standard library,
and only for code on the simulated loop's thread; so are threads, `time.sleep` and what a process
does to itself. What else cannot be simulated is caught by an audit hook (PEP 578), which sees it
however it was imported: a socket that connects or listens, a process. The hook stays, because hooks
cannot be taken away; without a simulated loop it lets everything pass.

Out of reach are names that a program bound before the run (`from time import monotonic`) and
`datetime.now`, which asks the machine and cannot be replaced: `datetime.fromtimestamp(time.time())`
is simulated.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import random
import signal
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
from mockex.sim.process import current

if TYPE_CHECKING:
    from mockex.sim.loop import SimLoop

_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_RUN_ONCE = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_NO_PROCESS = ("a process", "it does not keep to virtual time")
_NO_SIGNAL = ("a signal of the machine", "`loop.add_signal_handler` and `Process.send_signal` are")
_REFUSED = {
    "socket.connect": ("a real socket", "connect with asyncio: `loop.create_connection`"),
    "socket.bind": ("a real socket", "listen with asyncio: `loop.create_server`"),
    "socket.sendto": ("a real socket", "only TCP is simulated"),
    "socket.sendmsg": ("a real socket", "only TCP is simulated"),
    "socket.getaddrinfo": ("socket.getaddrinfo", "await `loop.getaddrinfo`"),
    "socket.gethostbyname": ("socket.gethostbyname", "await `loop.getaddrinfo`"),
    "socket.gethostbyaddr": ("socket.gethostbyaddr", "await `loop.getnameinfo`"),
    "subprocess.Popen": _NO_PROCESS,
    "os.exec": _NO_PROCESS,
    "os.fork": _NO_PROCESS,
    "os.forkpty": _NO_PROCESS,
    "os.posix_spawn": _NO_PROCESS,
    "os.system": _NO_PROCESS,
    "os.kill": _NO_SIGNAL,
    "os.killpg": _NO_SIGNAL,
    "signal.pthread_kill": _NO_SIGNAL,
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
        if frame.f_code is _RUN_ONCE:
            return None  # beyond it is who started the loop
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
        self._replace_clocks()
        self._replace_chance()
        self._replace_process()
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

    def _replace_clocks(self) -> None:
        loop, zero = self._loop, self._unix_at_zero_s

        def unix() -> float:
            return zero + loop.time()

        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
            clock = unix if name == "time" else loop.time
            self._replace(time, name, clock)
            self._replace(time, f"{name}_ns", lambda clock=clock: round(clock() * 1e6) * 1000)
        for name in ("gmtime", "localtime", "ctime"):
            of = getattr(time, name)
            self._replace(time, name, lambda at=None, of=of: of(unix() if at is None else at))
        self._replace(time, "sleep", self._no("time.sleep", "it stops all: await asyncio.sleep"))

    def _replace_chance(self) -> None:
        draw = self._random.randbytes
        seed = random.Random.seed

        def seeded(generator: Random, a: Any = None, version: int = 2) -> None:
            seed(generator, draw(16) if a is None else a, version)

        self._replace(os, "urandom", draw)
        self._replace(random, "_urandom", draw)  # what `secrets` draws from
        # Without a seed the kernel is asked.
        self._replace(random.Random, "seed", seeded)
        self._replace(random, "seed", functools.partial(seeded, random._inst))

    def _replace_process(self) -> None:
        self._replace(os, "_exit", self._exit)
        for module in (asyncio, asyncio.tasks):
            self._replace(module, "all_tasks", self._all_tasks)
        # The interpreter tells hooks of threads only from 3.13 on, and of handlers never.
        self._replace(threading.Thread, "start", self._no("a thread", _NO_PROCESS[1]))
        for name in ("signal", "raise_signal"):
            self._replace(signal, name, self._no(*_NO_SIGNAL))

    def _replace(self, module: Any, name: str, simulated: Callable[..., Any]) -> None:
        """Put `simulated` in the place of a function, for code on the simulated loop alone."""
        original = getattr(module, name)
        loop = self._loop

        @functools.wraps(original)
        def chosen(*args: Any, **options: Any) -> Any:
            found = simulated if asyncio._get_running_loop() is loop else original
            return found(*args, **options)

        self._kept.append((module, name, original))
        setattr(module, name, chosen)

    def _no(self, what: str, instead: str) -> Callable[..., NoReturn]:
        def refuse(*_: Any, **_options: Any) -> NoReturn:
            self._loop.refuse(what, instead)

        return refuse

    def _all_tasks(self, loop: object = None) -> set[asyncio.Task[Any]]:
        """`asyncio.all_tasks`: a program that cancels all of them means its own."""
        return set(self._loop.tasks_of(current()))

    @staticmethod
    def _exit(status: int) -> NoReturn:
        """`os._exit` ends the simulated process, not ours."""
        process = current()
        if process is not None:
            process.exit(status)
        raise SystemExit(status)
