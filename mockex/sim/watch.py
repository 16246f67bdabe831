"""What is seen of code on a simulated loop: whose turn it is, how long a callback takes, how many
run at one instant, and where a task waits."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable, Container
from time import perf_counter, thread_time  # before they are replaced: the machine's own
from typing import Any, TypeVar

from mockex.errors import Spins
from mockex.sim.machine import at_home, here, place
from mockex.sim.process import current, owner_of

T = TypeVar("T")

MOST_AT_ONE_INSTANT = 100_000
SLOW_S = 0.1
_INSTANT_S = 1e-6  # a program that waits a trillionth of a second and again spins all the same
_BASELINE_S = 0.001  # how old a reading of the processor's time may be: it is dear

# A logger of its own: how long something takes is the one thing here that no seed decides.
log = logging.getLogger("mockex.sim.slow")


class SimTask(asyncio.Task[T]):
    """A task with a number, which orders sets of tasks: addresses differ from run to run."""

    def __init__(self, number: int, coro: Any, **options: Any) -> None:
        context = options.get("context")
        self.number = number
        self.process = current() if context is None else owner_of(context)
        self.made_at = place()
        if options.get("name") is None:
            options["name"] = f"Task-{number}"  # asyncio counts on through all runs
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimTimer(asyncio.TimerHandle):
    """A timer that comes after those set before it for the same instant. The real clock has no two
    equal instants, so programs rely on that order; a heap alone does not keep it."""

    __slots__ = ("number",)
    _scheduled: bool

    def __init__(self, number: int, *args: Any) -> None:
        super().__init__(*args)
        self.number = number
        self._source_traceback = here()

    def __lt__(self, other: Any) -> bool:
        if self._when == other._when:  # type: ignore[attr-defined]
            return bool(self.number < other.number)
        return bool(self._when < other._when)  # type: ignore[attr-defined]


class Ready(deque[asyncio.Handle]):
    """The callbacks that are to run. The loop takes one out and runs it: there it is looked at.

    What belongs to a process that has ended does not run any more; if it is stopped, not yet.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        super().__init__()
        self._time = time
        self.running: asyncio.Handle | None = None
        self._count = 0
        self._instant = time()
        self._last: deque[asyncio.Handle] = deque(maxlen=1000)
        self._began = self._read_at = perf_counter()
        self._cpu = thread_time()

    def popleft(self) -> asyncio.Handle:
        """The next one."""
        self.look()
        handle = super().popleft()
        self._count += 1
        if self._count > MOST_AT_ONE_INSTANT - 1000:
            self._last.append(handle)
            if self._count > MOST_AT_ONE_INSTANT:
                self._spins()
        process = owner_of(handle._context)  # type: ignore[attr-defined]
        if process is not None and process.code is not None:
            handle.cancel()
        elif process is not None and process.stopped:
            process.put_off(handle)
            handle = asyncio.Handle(lambda: None, (), handle._loop)  # type: ignore[attr-defined]
            handle.cancel()
        else:
            self.running = handle
        return handle

    def drop(self, tasks: Container[SimTask[Any]]) -> None:
        """These tasks are over: they are not to be woken any more."""
        kept = [one for one in self if getattr(_callback(one), "__self__", None) not in tasks]
        self.clear()
        self.extend(kept)

    def look(self) -> None:
        """The callback that ran is over. Name it if it took long, by the processor's time: a busy
        machine is no fault of the code."""
        now = perf_counter()
        if self.running is not None and now - self._began > SLOW_S:
            cpu_s = thread_time() - self._cpu
            if cpu_s > SLOW_S:
                log.warning(
                    "took %.3f s of the processor in one callback: %s",
                    cpu_s,
                    describe(self.running),
                )
        if now - self._read_at > _BASELINE_S:
            self._cpu = thread_time()
            self._read_at = now
        self._began = now
        self.running = None

    def moved(self) -> None:
        """The clock has moved."""
        now = self._time()
        if now - self._instant > _INSTANT_S:
            self._instant = now
            self._count = 0

    def _spins(self) -> None:
        """End the simulated process that spins; raise if it is the program itself."""
        names = dict.fromkeys(map(describe, list(self._last)[-5:]))
        fault = Spins(MOST_AT_ONE_INSTANT, self._time(), list(names))
        owners = {owner_of(handle._context) for handle in self._last} - {None}  # type: ignore[attr-defined]
        self._count = 0
        self._last.clear()
        if len(owners) != 1:
            raise fault
        for process in filter(None, owners):
            process.fault = fault
            process.kill()


def _callback(handle: asyncio.Handle) -> Any:
    return handle._callback  # type: ignore[attr-defined]


def describe(handle: asyncio.Handle) -> str:
    """What a callback is: its task's coroutine, or its function, and where a timer was made."""
    callback = _callback(handle)
    task = getattr(callback, "__self__", None)
    if isinstance(task, SimTask):
        name = f"task {waiting(task)}"
    else:
        while isinstance(callback, functools.partial):
            callback = callback.func
        name = getattr(callback, "__qualname__", repr(callback))
        code = getattr(callback, "__code__", None)
        if code is not None:
            name += f" ({code.co_filename}:{code.co_firstlineno})"
    made = getattr(handle, "_source_traceback", None)
    return f"{name}, made at {made[-1].filename}:{made[-1].lineno}" if made else name


def waiting(task: SimTask[Any]) -> str:
    """A task in words: its name, where it waits and where it was made."""
    inner: Any = task.get_coro()
    at = ""
    while inner is not None:
        frame = _attribute(inner, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None and not at_home(frame):
            at = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        inner = _attribute(inner, "cr_await", "gi_yieldfrom", "ag_await")
    coroutine = getattr(task.get_coro(), "__qualname__", repr(task.get_coro()))
    where = f", waits at {at}" if at else ""
    made = f", made at {task.made_at}" if task.made_at else ""
    return f"{task.get_name()} ({coroutine}){where}{made}"


def _attribute(thing: object, *names: str) -> Any:
    """The first that there is: coroutines, generators and asynchronous ones differ in a prefix."""
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)
