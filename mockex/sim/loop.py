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
import functools
import gc
import heapq
import itertools
import logging
import selectors
import socket
import traceback
import weakref
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter, thread_time  # before they are replaced: the machine's own
from typing import Any, NoReturn, TypeVar

from mockex.errors import Deadlock, Leaked, NotSimulated, Spins
from mockex.sim.machine import Machine, at_home, here, place
from mockex.sim.network import Network
from mockex.sim.process import Process, current, owner_of
from mockex.sim.sockets import SimSocket

T = TypeVar("T")

EPOCH_S = 1_793_491_200  # 2026-11-01T00:00:00Z: what clocks show when a run begins
BEGAN_AT_S = 1000.0  # of the loop's time: a clock that begins at zero hides mistakes
MOST_AT_ONE_INSTANT = 100_000
SLOW_S = 0.1
_COLLECT_EVERY = 200_000  # turns of the loop
_LAST_TURNS = 1000  # for tasks that are cancelled at the end

log = logging.getLogger("mockex.sim")


class SimTask(asyncio.Task[T]):
    """A task with a number, which orders sets of tasks: addresses differ from run to run."""

    def __init__(self, number: int, coro: Any, **options: Any) -> None:
        context = options.get("context")
        self.number = number
        self.process = current() if context is None else owner_of(context)
        self.made_at = place()
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimTimer(asyncio.TimerHandle):
    """A timer that comes after those set before it for the same instant. The real clock has no two
    equal instants, so programs rely on that order; a heap alone does not keep it."""

    __slots__ = ("number",)
    _source_traceback: list[traceback.FrameSummary]
    _scheduled: bool

    def __init__(self, number: int, *args: Any) -> None:
        super().__init__(*args)
        self.number = number

    def __lt__(self, other: Any) -> bool:
        if self._when == other._when:  # type: ignore[attr-defined]
            return bool(self.number < other.number)
        return bool(self._when < other._when)  # type: ignore[attr-defined]


class _Selector(selectors.BaseSelector):
    """Tells the loop which simulated sockets are ready; moves the clock when none is."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._keys: dict[int, selectors.SelectorKey] = {}
        self.ready: dict[int, tuple[selectors.SelectorKey, int]] = {}
        self.loop: SimLoop
        self._at_this_instant = 0
        self._turns = 0
        self._turn_began = perf_counter()
        self._cpu = thread_time()
        self._batch: tuple[asyncio.Handle, ...] = ()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, self._fd(fileobj), events, data)
        self._keys[key.fd] = key
        self._network.sockets[key.fd].update()
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        fd = self._fd(fileobj, known=False)
        self.ready.pop(fd, None)
        return self._keys.pop(fd)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[self._fd(fileobj, known=False)]

    def events_of(self, fd: int) -> int:
        """What is waited for on a socket."""
        key = self._keys.get(fd)
        return key.events if key is not None else 0

    def mark(self, fd: int, mask: int) -> None:
        """A socket is ready for `mask`, or for nothing."""
        if mask:
            self.ready[fd] = (self._keys[fd], mask)
        else:
            self.ready.pop(fd, None)

    def _fd(self, fileobj: Any, *, known: bool = True) -> int:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        if known and fd not in self._network.sockets:
            raise NotSimulated(
                f"file descriptor {fd}", "only sockets of the simulated network can be watched",
                place(),
            )  # fmt: skip
        return fd

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the clock moves first if nothing is and nothing else is to be done."""
        loop = self.loop
        self._look_at_the_last_turn()
        if not self.ready and (timeout is None or timeout > 0):
            self._move(loop)
        events = list(self.ready.values())
        self._at_this_instant += len(events) + loop.ready_count()
        if self._at_this_instant > MOST_AT_ONE_INSTANT:
            self._at_this_instant = 0
            self._stop_spinning(loop)
        self._batch = loop.ready()
        return events

    def _move(self, loop: SimLoop) -> None:
        timer = loop.next_timer()
        at = self._network.next_at()
        if timer is None and at is None:
            raise Deadlock([waiting(task) for task in loop.all_tasks()])
        at = min(t for t in (timer, at) if t is not None)
        if at > loop.time():
            loop.set_time(at)
            self._at_this_instant = 0
        self._network.run_due(at)

    def _stop_spinning(self, loop: SimLoop) -> None:
        """End the simulated process that spins; raise if it is the program itself."""
        names = [describe(handle) for handle in loop.ready(5)]
        spins = Spins(MOST_AT_ONE_INSTANT, loop.time(), names)
        owners = {owner_of(handle._context) for handle in loop.ready()} - {None}  # type: ignore[attr-defined]
        if len(owners) != 1:
            raise spins
        for process in filter(None, owners):
            process.fault = spins
            process.kill()

    def _look_at_the_last_turn(self) -> None:
        """Name what took long, by the processor's time: a busy machine is no fault of the code."""
        now = perf_counter()
        if now - self._turn_began > SLOW_S and (cpu_s := thread_time() - self._cpu) > SLOW_S:
            names = ", ".join(map(describe, self._batch)) or "the network"
            log.warning("took %.3f s of the processor in one turn: %s", cpu_s, names)
        if now - self._turn_began > SLOW_S / 10 or self._turns % 512 == 0:
            self._cpu = thread_time()
        self._turns += 1
        if self._turns % _COLLECT_EVERY == 0:
            gc.collect()
        self._turn_began = perf_counter()

    def close(self) -> None:
        self._keys.clear()
        self.ready.clear()


class SimLoop(asyncio.SelectorEventLoop):
    """See the module. Made by `run`; `network` is the one that its sockets are on."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.refused: list[NotSimulated] = []  # what was asked for in vain, also if it was caught
        self._now = BEGAN_AT_S
        self._tasks: weakref.WeakSet[SimTask[Any]] = weakref.WeakSet()
        self._numbers = itertools.count(1)
        self._sim_selector = _Selector(network)
        self._sim_selector.loop = self
        super().__init__(self._sim_selector)
        self._clock_resolution = 1e-9
        network.attach(self, self._sim_selector)

    # --- time ---

    def time(self) -> float:
        """Seconds of virtual time; a run begins at 1000."""
        return self._now

    def set_time(self, now: float) -> None:
        """Only the selector says this."""
        self._now = now

    def next_timer(self) -> float | None:
        """When the next timer is due."""
        return self._scheduled[0]._when if self._scheduled else None  # type: ignore[attr-defined]

    def ready(self, last: int | None = None) -> tuple[asyncio.Handle, ...]:
        """The callbacks of this turn, or the last of them."""
        handles = tuple(self._ready)  # type: ignore[attr-defined]
        return handles if last is None else handles[-last:]

    def ready_count(self) -> int:
        """How many callbacks are ready."""
        return len(self._ready)  # type: ignore[attr-defined]

    def run_forever(self) -> None:
        """As ever, but that the exit of a simulated process does not end the others."""
        while True:
            try:
                super().run_forever()
                return
            except SystemExit as exit_:
                process = _process_of(exit_)
                if process is None:
                    raise
                code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
                process.exit(code)

    # --- who made what ---

    def create_task(self, coro: Any, **options: Any) -> Any:
        """A task that knows its number, its process and where it was made."""
        task: SimTask[Any] = SimTask(next(self._numbers), coro, loop=self, **options)
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
        timer = SimTimer(next(self._numbers), when, callback, args, self, context)
        timer._source_traceback = here()
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True
        return timer

    def all_tasks(self) -> list[SimTask[Any]]:
        """Tasks that are not done, in the order in which they were made."""
        return sorted((t for t in self._tasks if not t.done()), key=lambda task: task.number)

    def tasks_of(self, process: Process | None) -> list[SimTask[Any]]:
        """The tasks of one process that are not done, in the order in which they were made."""
        return [task for task in self.all_tasks() if task.process is process]

    def timers_of(self, process: Process | None) -> list[asyncio.TimerHandle]:
        """The timers of one process that are armed."""
        return [
            timer
            for timer in sorted(self._scheduled)  # type: ignore[attr-defined]
            if not timer.cancelled() and owner_of(timer._context) is process
        ]

    def forget_timers(self, process: Process | None) -> None:
        """Cancel them all."""
        for timer in self.timers_of(process):
            timer.cancel()

    def holdings(self, process: Process | None) -> list[str]:
        """What a process holds now: tasks, sockets and timers, each with where it was made."""
        return [
            *(f"task {waiting(task)}" for task in self.tasks_of(process)),
            *map(str, self.network.sockets_of(process)),
            *(f"timer {describe(timer)}" for timer in self.timers_of(process)),
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
            sock = SimSocket(self.network)
            one = host if isinstance(host, str | None) else next(iter(host))
            sock.bind((self.network.resolve(one or "0.0.0.0"), int(port or 0)))  # noqa: S104
        elif not isinstance(sock, SimSocket):
            self.refuse("a real socket", "leave `sock` out, or give a SimSocket")
        return await super().create_server(protocol_factory, sock=sock, **kept)

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

    # --- signals ---

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """For the process whose code asks; `Process.send_signal` fires it."""
        process = current()
        if process is None:
            self.refuse("a signal handler of the machine", "start a process with `loop.spawn`")
        process.handle(sig, callback, args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Whether there was one."""
        process = current()
        return process is not None and process.unhandle(sig)

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
    "connect_accepted_socket": "listen with `loop.create_server`",
    "sendfile": "write the bytes",
}.items():
    setattr(SimLoop, _name, _refusal(_name, _instead))


def _process_of(error: BaseException) -> Process | None:
    """Whose callback raised it: the loop's own frame holds the handle that it ran."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "_run_once":
            handle = trace.tb_frame.f_locals.get("handle")
            return None if handle is None else owner_of(handle._context)
        trace = trace.tb_next
    return None


def describe(handle: asyncio.Handle) -> str:
    """What a callback is: its task's coroutine, or its function, and where a timer was made."""
    callback = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    if isinstance(task, SimTask):
        name = f"task {waiting(task)}"
    else:
        while isinstance(callback, functools.partial):
            callback = callback.func
        name = getattr(callback, "__qualname__", repr(callback))
    made = getattr(handle, "_source_traceback", None)
    return f"{name}, made at {made[-1].filename}:{made[-1].lineno}" if made else name


def waiting(task: SimTask[Any]) -> str:
    """A task in words: its name, where it waits and where it was made."""
    inner: Any = task.get_coro()
    at = ""
    while inner is not None:
        frame = next(
            (f for kind in ("cr", "gi", "ag") if (f := getattr(inner, f"{kind}_frame", None))), None
        )
        if frame is not None and not at_home(frame):
            at = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        inner = next(
            (
                getattr(inner, name)
                for name in ("cr_await", "gi_yieldfrom", "ag_await")
                if hasattr(inner, name)
            ),
            None,
        )
    coroutine = getattr(task.get_coro(), "__qualname__", repr(task.get_coro()))
    where = f", waits at {at}" if at else ""
    return f"{task.get_name()} ({coroutine}){where}, made at {task.made_at}"


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
        RuntimeError: an event loop is running in this thread already.
    """
    if asyncio._get_running_loop() is not None:
        main.close()
        raise RuntimeError("mockex.sim.run cannot be called from a running event loop")
    if network is None:
        network = Network()
    loop = SimLoop(network)
    network.seed(seed)
    with Machine(loop, seed, EPOCH_S - BEGAN_AT_S):
        asyncio.set_event_loop(loop)
        try:
            result: T = loop.run_until_complete(loop.create_task(main))
            left = loop.holdings(None)
        finally:
            _end(loop)
    for error in loop.refused:
        log.warning("asked for in vain, and the error was caught: %s", error)
    if left and leaks is None:
        raise Leaked(left)
    if leaks is not None:
        leaks(left)
    return result


def _end(loop: SimLoop) -> None:
    """Cancel what is left, as `asyncio.run` does, but with an end to patience."""

    async def cancel_all() -> None:
        me = asyncio.current_task()
        for _ in range(_LAST_TURNS):
            tasks = [task for task in loop.all_tasks() if task is not me]
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)

    try:
        loop.run_until_complete(cancel_all())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.network.close_everything()
        loop.close()
