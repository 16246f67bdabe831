"""Simulated processes: who owns what on a loop that several programs share.

Exchange, harness and testee run on one virtual loop. Each is a *process* by the context in which
its code runs: tasks, timers and sockets that are made there are its own, callbacks inherit it as
they inherit any context variable. So a testee can be sent signals, be killed, and be asked what it
holds, as if the operating system had started it. Once it has ended, no code of it runs any more.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from mockex.errors import SimulationError

if TYPE_CHECKING:
    from mockex.sim.loop import SimLoop
    from mockex.sim.watch import SimTask

Handlers = dict[int, tuple[Callable[..., object], tuple[Any, ...]]]
_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar(
    "mockex.sim.process", default=None
)


def current() -> Process | None:
    """The process whose code is running; None for the program that `run` was given."""
    return _current.get()


def owner_of(context: contextvars.Context) -> Process | None:
    """The process whose context it is."""
    return context.get(_current)


def status_of(exit_: SystemExit) -> int:
    """The exit status that an interpreter makes of it."""
    return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)


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
        self._leaving = False
        self.handlers: Handlers = {}  # by signal: what `loop.add_signal_handler` added
        self._pending: list[int] = []  # signals that came while it was stopped
        self._put_off: list[asyncio.Handle] = []  # what it would have run meanwhile

    def start(self, main: Coroutine[Any, Any, int]) -> None:
        """Run `main`, whose result is the exit status, in a context of its own."""
        task = self._loop.create_task(main, name=self.name, context=self._context())
        self._when_done(task, self._main_is_over)

    def _context(self) -> contextvars.Context:
        context = contextvars.copy_context()
        context.run(_current.set, self)
        return context

    @staticmethod
    def _when_done(task: asyncio.Task[Any], callback: Callable[[Any], object]) -> None:
        # In no process: it must run whoever has ended.
        task.add_done_callback(callback, context=contextvars.Context())

    def _main_is_over(self, main: asyncio.Task[int]) -> None:
        try:
            code = main.result()
        except SystemExit as exit_:
            code = status_of(exit_)
        except asyncio.CancelledError:
            code = 1
        except BaseException as error:  # an interpreter that dies of an exception says 1
            self._loop.call_exception_handler(
                {"message": f"{self.name} died", "exception": error, "task": main}
            )
            code = 1
        if not self._leaving:
            self.leave(code)

    def leave(self, code: int) -> None:
        """End as `asyncio.run` does after its main is over, or a SystemExit that nobody caught:
        what still runs is cancelled and waited for."""
        if self._leaving:
            self.exit(code)
            return
        self._leaving = True
        tasks = self.tasks()
        for task in tasks:
            task.cancel()
        self._reap(tasks, code)

    def _reap(self, cancelled: Sequence[SimTask[Any]], code: int) -> None:
        """End once the last of them is done; one that will not be cancelled keeps it alive."""
        left = [task for task in cancelled if not task.done()]
        if left:
            self._when_done(left[0], lambda _: self._reap(left, code))
        else:
            self.exit(code)

    # --- signals ---

    @property
    def stopped(self) -> bool:
        """SIGSTOP came, and no SIGCONT since."""
        return self in self._loop.stopped

    def send_signal(self, number: int) -> None:
        """Deliver a signal: to the handler that was added for it, else it ends the process.

        SIGSTOP and SIGCONT do what they do everywhere: nothing of it runs in between, its sockets
        receive until they are full, and what came due meanwhile runs at once afterwards.
        """
        if self.code is not None:
            return
        if number == signal.SIGSTOP:
            self._loop.stopped.add(self)
            return
        if number == signal.SIGCONT:
            self._go_on()
            return
        handler = self.handlers.get(number)
        if number == signal.SIGKILL:
            self.kill(number)
        elif self.stopped:
            self._pending.append(number)
        elif handler is None:
            self.kill(number)
        else:
            self._loop.call_soon(handler[0], *handler[1], context=self._context())

    def put_off(self, handle: asyncio.Handle) -> None:
        """Run `handle` once it is not stopped any more."""
        self._put_off.append(handle)

    def _go_on(self) -> None:
        self._loop.stopped.discard(self)
        handles, self._put_off = self._put_off, []
        for handle in handles:
            self._loop.again(handle)
        signals, self._pending = self._pending, []
        for number in signals:
            self.send_signal(number)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it at once, as a signal does that it has no handler for."""
        self.exit(-number)

    def exit(self, code: int) -> None:
        """End it at once, as `os._exit` does: its sockets are closed as the kernel closes them, and
        neither its tasks nor its timers run again."""
        if self.code is None:
            self.left = self._loop.holdings(self)
            self.code = code
            self._loop.stopped.discard(self)
            self._put_off.clear()
            self._loop.network.close_all(self)
            self._loop.bury(self)
            self.ended.set_result(code)

    # --- what it holds ---

    def tasks(self) -> list[SimTask[Any]]:
        """Its tasks that are not done, in the order in which they were made."""
        return self._loop.tasks_of(self)
