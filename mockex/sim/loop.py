"""An event loop whose time jumps, and whose network is in memory.

It is asyncio's own selector loop on another selector. Where the real one asks the kernel which
sockets are ready and sleeps until the next timer, this one asks the simulated network, and when
nothing is ready moves the clock to the next timer or arrival. Transports, servers, streams, tasks
and time-outs are the standard library's, so they behave as they do; only the sockets below them
are simulated (`sockets`), and what only a machine has is refused by name (`machine`).

The same seed gives the same run to the last callback: all chance is drawn from it, ties are broken
by the order of creation, and the garbage collector runs at counted turns only.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import heapq
import itertools
import logging
import socket
import weakref
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from mockex.errors import Leaked, NotSimulated, SimulationError
from mockex.sim.machine import Machine, place
from mockex.sim.network import Network
from mockex.sim.process import Handlers, Process, current, owner_of, status_of
from mockex.sim.selector import Selector
from mockex.sim.sockets import SimSocket
from mockex.sim.watch import Ready, SimTask, SimTimer, describe, waiting

T = TypeVar("T")

EPOCH_S = 1_793_491_200  # 2026-11-01T00:00:00Z: what clocks show when a run begins
BEGAN_AT_S = 1000.0  # of the loop's time: a clock that begins at zero hides mistakes
_LAST_ROUNDS = 10  # that tasks are cancelled at the end, and how long each may take
_LAST_ROUND_S = 60.0

log = logging.getLogger("mockex.sim")


class SimLoop(asyncio.SelectorEventLoop):
    """See the module. Made by `run`; `network` is the one that its sockets are on."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.refused: list[NotSimulated] = []  # what was asked for in vain, also if it was caught
        self.stopped: set[Process] = set()  # by SIGSTOP
        self._now = BEGAN_AT_S
        self._tasks: weakref.WeakSet[SimTask[Any]] = weakref.WeakSet()
        self._handlers: Handlers = {}
        self._buried: list[SimTask[Any]] = []  # of processes that have ended
        self._task_numbers = itertools.count(1)
        self._timer_numbers = itertools.count(1)
        selector = Selector(self)
        super().__init__(selector)
        self._clock_resolution = 1e-9
        self.ready = self._ready = Ready(self.time)
        network.attach(self, selector)

    # --- time ---

    def time(self) -> float:
        """Seconds of virtual time; a run begins at 1000."""
        return self._now

    def set_time(self, now: float) -> None:
        """Only the selector says this."""
        self._now = now
        self.ready.moved()

    def next_timer(self) -> float | None:
        """When the next timer is due."""
        return self._scheduled[0]._when if self._scheduled else None  # type: ignore[attr-defined]

    def run_forever(self) -> None:
        """As ever, but that the exit of a simulated process does not end the others."""
        while True:
            try:
                super().run_forever()
                return
            except SystemExit as exit_:
                handle: Any = self.ready.running
                process = owner_of(handle._context) if handle is not None else None
                if process is None:
                    raise
                task = getattr(handle._callback, "__self__", None)
                if isinstance(task, SimTask):
                    task._log_traceback = False  # it is known
                process.leave(status_of(exit_))

    # --- who made what ---

    def create_task(self, coro: Any, **options: Any) -> Any:
        """A task that knows its number, its process and where it was made."""
        task: SimTask[Any] = SimTask(next(self._task_numbers), coro, loop=self, **options)
        if task.process is not None and task.process.code is not None:
            self._buried.append(task)
        else:
            self._tasks.add(task)
        return task

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        """As ever."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        """As ever; the timer knows where it was made, and its turn among those of one instant."""
        self._check_closed()  # type: ignore[attr-defined]
        timer = SimTimer(next(self._timer_numbers), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True
        return timer

    def again(self, handle: asyncio.Handle) -> None:
        """Let what was put off run: a timer in its turn, anything else at once."""
        if isinstance(handle, SimTimer):
            heapq.heappush(self._scheduled, handle)  # type: ignore[attr-defined]
            handle._scheduled = True
        else:
            self.ready.append(handle)

    def all_tasks(self) -> list[SimTask[Any]]:
        """Tasks that are not done, in the order in which they were made."""
        return sorted((t for t in self._tasks if not t.done()), key=lambda task: task.number)

    def tasks_of(self, process: Process | None) -> list[SimTask[Any]]:
        """The tasks of one process that are not done, in the order in which they were made."""
        ours = (t for t in self._tasks if t.process is process and not t.done())
        return sorted(ours, key=lambda task: task.number)

    def timers_of(self, process: Process | None) -> list[asyncio.TimerHandle]:
        """The timers of one process that are armed."""
        return sorted(
            timer
            for timer in self._scheduled  # type: ignore[attr-defined]
            if not timer.cancelled() and owner_of(timer._context) is process
        )

    def bury(self, process: Process) -> None:
        """A process has ended: its code does not run any more, and nothing waits for it."""
        for timer in self.timers_of(process):
            timer.cancel()
        for task in self.tasks_of(process):
            self._tasks.discard(task)
            self._buried.append(task)  # else they would be finalized, which runs code of theirs

    def holdings(self, process: Process | None) -> list[str]:
        """What a process holds now: tasks, sockets and timers, each with where it was made."""
        return [
            *(f"task {waiting(task)}" for task in self.tasks_of(process)),
            *map(str, self.network.sockets_of(process)),
            *(f"timer {describe(timer)}" for timer in self.timers_of(process)),
        ]

    def left(self) -> list[str]:
        """What the program, and the processes that it left running, hold."""
        running = dict.fromkeys(task.process for task in self.all_tasks())
        return self.holdings(None) + [
            f"process {process.name}: {thing}"
            for process in filter(None, running)
            for thing in self.holdings(process)
        ]

    def spawn(self, name: str, main: Coroutine[Any, Any, int]) -> Process:
        """Start `main` as a simulated process of its own."""
        process = Process(self, name)
        process.start(main)
        return process

    # --- network ---

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """A connection over the simulated network."""
        sock: Any = options.pop("sock", None)  # asyncio asks for a socket; ours takes its calls
        local_addr = options.pop("local_addr", None)
        self._no_tls(options)
        if sock is None:
            sock = SimSocket(self.network)
            try:
                if local_addr is not None:
                    sock.bind(local_addr)
                await self.sock_connect(sock, (self.network.resolve(host), int(port)))
            except BaseException:
                sock.close()
                raise
        elif not isinstance(sock, SimSocket):
            self.refuse("a real socket", "leave `sock` out, or give a SimSocket")
        return await super().create_connection(protocol_factory, sock=sock)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """A server on the simulated network."""
        sock: Any = options.pop("sock", None)
        self._no_tls(options)
        kept = {name: options[name] for name in ("backlog", "start_serving") if name in options}
        if sock is None:
            sock = self._bound(host, port, reuse_port=bool(options.get("reuse_port")))
        elif not isinstance(sock, SimSocket):
            self.refuse("a real socket", "leave `sock` out, or give a SimSocket")
        return await super().create_server(protocol_factory, sock=sock, **kept)

    def _bound(self, host: Any, port: Any, *, reuse_port: bool) -> SimSocket:
        hosts = [host] if isinstance(host, str | None) else list(host)
        if len(hosts) != 1:
            self.refuse("a server on several hosts", "give one, or none for all of them")
        sock = SimSocket(self.network)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
            sock.bind((self.network.resolve(hosts[0] or "0.0.0.0"), int(port or 0)))  # noqa: S104
        except OSError:
            sock.close()
            raise
        return sock

    def _no_tls(self, options: dict[str, Any]) -> None:
        if options.get("ssl"):
            self.refuse("TLS", "use ws:// and http:// on the virtual ground")

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Names of the simulated network."""
        text = host.decode() if isinstance(host, bytes) else host
        address = (self.network.resolve(text or "127.0.0.1"), int(port or 0))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Numbers, for nothing here has another name."""
        return str(sockaddr[0]), str(sockaddr[1])

    # --- the end ---

    def finish(self) -> None:
        """Cancel what is left, as `asyncio.run` does, but with an end to patience; close."""
        try:
            for last in (self._end_all(cancel=True), self._end_generators()):
                try:
                    self.run_until_complete(self.create_task(last))
                except SimulationError as error:
                    log.warning("at the end: %s", error)
                self._dispose_of_all()
        finally:
            self._give_up_transports(list(self.network.sockets))
            self.network.close_everything()
            self.close()

    async def _end_all(self, *, cancel: bool) -> None:
        me = asyncio.current_task()
        for _ in range(_LAST_ROUNDS):
            tasks = [task for task in self.all_tasks() if task is not me]
            if not tasks:
                return
            if cancel:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=_LAST_ROUND_S)
            cancel = True

    async def _end_generators(self) -> None:
        await self.shutdown_asyncgens()
        await self._end_all(cancel=False)  # the generators of coroutines that were disposed of

    def _give_up_transports(self, descriptors: Iterable[int]) -> None:
        """What was left open is known: do not let it warn of that when it is finalized."""
        for fd in descriptors:
            transport = self._transports.get(fd)  # type: ignore[attr-defined]
            if transport is not None:
                transport._sock, transport._closing = None, True

    def _dispose_of_all(self) -> None:
        """End the coroutines that nobody will resume, while clocks are still simulated: what they
        do when they are finalized must not happen at another time."""
        self._give_up_transports([fd for fd in self._transports if fd not in self.network.sockets])  # type: ignore[attr-defined]
        asyncio._set_running_loop(self)
        over: set[SimTask[Any]] = set()
        try:
            while tasks := [*self._buried, *self.all_tasks()]:  # closing one may make others
                task = tasks[0]
                over.add(task)
                self._buried = tasks[1:]
                self._tasks -= set(tasks)
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine: Any = task.get_coro()
                with suppress(Exception, SystemExit, asyncio.CancelledError):
                    coroutine.close()
                if getattr(coroutine, "cr_frame", None) is not None:
                    # It ignores even that. Without a loop it may run for ever: never finalize it.
                    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
        finally:
            asyncio._set_running_loop(None)
            self.ready.drop(over)

    # --- signals ---

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """For the process whose code asks, fired by `Process.send_signal`; for the program that
        `run` was given, by `send_signal`."""
        self._handlers_here()[sig] = (callback, args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Whether there was one."""
        return self._handlers_here().pop(sig, None) is not None

    def send_signal(self, number: int) -> None:
        """Deliver a signal to the program that `run` was given.

        Raises:
            KeyError: it has added no handler for it.
        """
        callback, args = self._handlers[number]
        self.call_soon(callback, *args, context=contextvars.Context())

    def _handlers_here(self) -> Handlers:
        process = current()
        return self._handlers if process is None else process.handlers

    def stop(self) -> None:
        """As ever; a simulated process shares the loop, and does not stop it for all."""
        if current() is not None:
            self.refuse("loop.stop", "let the program's coroutine return")
        super().stop()

    # --- what only a machine has ---

    def refuse(self, what: str, instead: str) -> NoReturn:
        """Raise, and remember."""
        raise self.note_refused(NotSimulated(what, instead, place()))

    def note_refused(self, error: NotSimulated) -> NotSimulated:
        """Remember what was asked for in vain: whoever asked may catch the error."""
        self.refused.append(error)
        return error

    def _make_self_pipe(self) -> None:
        self._csock = self._ssock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _refusal(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: SimLoop, *_args: Any, **_options: Any) -> NoReturn:
        self.refuse(f"loop.{name}", instead)

    return refuse


for _name, _instead in {
    "start_tls": "use ws:// and http:// on the virtual ground",
    "run_in_executor": "threads do not keep to virtual time; call the function, or make it async",
    "subprocess_exec": "a process of the machine does not keep to virtual time",
    "subprocess_shell": "a process of the machine does not keep to virtual time",
    "connect_read_pipe": "take lines from what the program is given",
    "connect_write_pipe": "say lines to what the program is given",
    "create_datagram_endpoint": "only TCP is simulated",
    "create_unix_connection": "only TCP is simulated",
    "create_unix_server": "only TCP is simulated",
    "sendfile": "write the bytes",
    "set_task_factory": "tasks have numbers here, which keep them in order",
}.items():
    setattr(SimLoop, _name, _refusal(_name, _instead))


def run(
    main: Coroutine[Any, Any, T],
    *,
    seed: int,
    network: Network | None = None,
    leaks: Callable[[list[str]], None] | None = None,
) -> T:
    """Run `main` to its end in virtual time, on a network in memory; its result.

    The same `seed` gives the same run: clocks (`time.time`, `time.monotonic` …), `random`,
    `secrets` and `os.urandom` are the simulation's while it lasts. `network` is one made before,
    to be looked at or broken from outside; inside, `asyncio.get_running_loop().network` is it.
    `leaks` is told of what is left at the end, instead of `Leaked` being raised.

    Raises:
        Deadlock: nothing is ready, no timer is left, and `main` is not done.
        Spins: 100,000 callbacks ran and time did not move.
        NotSimulated: a real socket, process, thread or pause was asked for.
        Leaked: `main` is done, and tasks, sockets or timers are left.
        RuntimeError: an event loop is running in this thread already, or the network was used.
    """
    if network is None:
        network = Network()
    if (running := asyncio._get_running_loop() is not None) or network.used:
        main.close()
        raise RuntimeError(
            "mockex.sim.run cannot be called from a running event loop"
            if running
            else "a Network is for one run: make another one"
        )
    loop = SimLoop(network)
    network.seed(seed)
    raised: BaseException | None = None
    with Machine(loop, seed, EPOCH_S - BEGAN_AT_S):
        try:
            result: T = loop.run_until_complete(loop.create_task(main))
            left = loop.left()
        except BaseException as error:
            raised = error
            raise
        finally:
            loop.finish()
            for refused in loop.refused:
                if refused is not raised:
                    log.warning("asked for in vain, and the error was caught: %s", refused)
    if leaks is not None:
        leaks(left)
    elif left:
        raise Leaked(left)
    return result
