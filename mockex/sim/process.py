"""Simulated processes: who owns what on a loop that several programs share.

Exchange, harness and testee run on one virtual loop. Each is a *process* by the context in which
its code runs: tasks, timers and sockets that are made there are its own, callbacks inherit it as
they inherit any context variable. So a testee can be sent signals, be killed, and be asked what it
holds, as if the operating system had started it.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from mockex.errors import SimulationError

if TYPE_CHECKING:
    from mockex.sim.loop import SimLoop, SimTask

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar(
    "mockex.sim.process", default=None
)
_PATIENCE = 100  # times that a task is cancelled before it is taken for deaf


def current() -> Process | None:
    """The process whose code is running; None for the program that `run` was given."""
    return _current.get()


def owner_of(context: contextvars.Context) -> Process | None:
    """The process whose context it is."""
    return context.get(_current)


class Process:
    """One program on a simulated loop. `code` is None while it runs, then its exit status:
    negative for the signal that ended it."""

    def __init__(self, loop: SimLoop, name: str) -> None:
        self.name = name
        self.code: int | None = None
        self.ended: asyncio.Future[int] = loop.create_future()
        self.fault: SimulationError | None = None  # why the simulation ended it
        self.left: list[str] = []  # what it held when it ended, and where that was made
        self._loop = loop
        self._main: asyncio.Task[int] | None = None
        self._handlers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}

    def start(self, main: Coroutine[Any, Any, int]) -> None:
        """Run `main`, whose result is the exit status, in a context of its own."""
        context = contextvars.copy_context()
        context.run(_current.set, self)
        self._main = self._loop.create_task(main, name=self.name, context=context)
        self._main.add_done_callback(self._main_is_over)

    def _main_is_over(self, main: asyncio.Task[int]) -> None:
        if self.code is not None:
            return
        try:
            code = main.result()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        except asyncio.CancelledError:
            code = 1
        except BaseException as error:  # an interpreter that dies of an exception says 1
            self._loop.call_exception_handler(
                {"message": f"{self.name} died", "exception": error, "task": main}
            )
            code = 1
        # As `asyncio.run` does: what is left is cancelled, and waited for.
        for task in self.tasks():
            task.cancel()
        self._reap(code)

    def _reap(self, code: int) -> None:
        """End once the last task is done; a task that will not be cancelled keeps it alive."""
        tasks = self.tasks()
        if tasks:
            tasks[0].add_done_callback(lambda _: self._reap(code))
        else:
            self._end(code)

    def _end(self, code: int) -> None:
        if self.code is None:
            self.code = code
            self.left = self._loop.holdings(self)
            self._loop.network.close_all(self)
            self._loop.forget_timers(self)
            self.ended.set_result(code)

    # --- signals ---

    def handle(self, number: int, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """What `loop.add_signal_handler` does in this process."""
        self._handlers[number] = (callback, args)

    def unhandle(self, number: int) -> bool:
        """What `loop.remove_signal_handler` does in this process."""
        return self._handlers.pop(number, None) is not None

    def send_signal(self, number: int) -> None:
        """Deliver a signal: to the handler that was added for it, else it ends the process."""
        if self.code is not None:
            return
        handler = self._handlers.get(number)
        if number == signal.SIGKILL or handler is None:
            self.kill(number)
        else:
            context = contextvars.copy_context()
            context.run(_current.set, self)
            self._loop.call_soon(handler[0], *handler[1], context=context)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it at once: its sockets are closed as the kernel closes them, none of its timers
        fires any more, and its tasks are cancelled until they are gone."""
        self.exit(-number)

    def exit(self, code: int) -> None:
        """`os._exit`, or a SystemExit that nobody caught: as a kill, with another status."""
        self._end(code)
        self._bury(0)

    def _bury(self, turns: int) -> None:
        self._loop.network.close_all(self)
        self._loop.forget_timers(self)
        tasks = self.tasks()
        for task in tasks:
            task.cancel()
        if tasks and turns < _PATIENCE:
            self._loop.call_soon(self._bury, turns + 1)

    # --- what it holds ---

    def tasks(self) -> list[SimTask[Any]]:
        """Its tasks that are not done, in the order in which they were made."""
        return self._loop.tasks_of(self)
