"""A testee on the virtual ground: its `entry` on the simulated loop that the case runs on.

Same environment, same lines in and out, same life as a process has (`process.Process`); nothing of
it is of the machine. SIGTERM calls the handler that the entry added to the loop, SIGKILL closes its
sockets as the kernel would, and no code of it runs any more. What of it is seen from outside comes
from the simulated network and the loop: sockets, tasks, timers (adapter-protocol, section 10).
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import io
import signal as signals
import sys
import traceback
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TextIO

import msgspec

from mockex.errors import NotSimulated
from mockex.server.journal import Sampled
from mockex.sim import Process, SimLoop, SimSocket
from mockex_conformance.errors import EntryBroken, ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.process import last_line
from mockex_conformance.observers.system import OWNED, Ports

_PIPE_S = 0.0002  # a line takes as long as a chunk on the network
_PERIOD_S = 0.25  # between two looks from outside
_TELL_S = 1.0

Entry = Callable[
    [Mapping[str, str], AsyncIterator[str], Callable[[str], None]], Awaitable[int | None]
]


def load_entry(entry: str, cwd: Path) -> Entry:
    """The coroutine function that `entry` names, imported with `cwd` in front of the path.

    Raises:
        EntryBroken: there is none; says which part is wrong.
    """
    module_name, _, name = entry.partition(":")
    if str(cwd) not in sys.path:
        sys.path.insert(0, str(cwd))
    try:
        module = importlib.import_module(module_name)
    except EntryBroken:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when imported
        raise EntryBroken(
            entry,
            f"{module_name} cannot be imported from {cwd}: {type(error).__name__}: {error}"
            + _raised_at(error),
        ) from None
    function = getattr(module, name, None)
    if function is None:
        raise EntryBroken(entry, f"{module_name} ({module.__file__}) has no {name!r}")
    if not inspect.iscoroutinefunction(function):
        code = getattr(function, "__code__", None)
        at = f"{code.co_filename}:{code.co_firstlineno}" if code else module.__file__
        raise EntryBroken(
            entry, f"{name!r} must be `async def {name}(environ, stdin, stdout) -> int` (at {at})"
        )
    loaded: Entry = function
    return loaded


def _raised_at(error: BaseException) -> str:
    """Where the code of an import raised it; empty if it was not found at all."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)[1:]  # the first one is ours
        if not frame.filename.startswith("<frozen") and "importlib" not in frame.filename
    ]
    return f" (at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""


class Prints(io.TextIOBase):
    """Where the prints of a testee go: the beginning is kept, a flood costs no disk."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._room = protocol.MOST_PRINTED

    def write(self, text: str) -> int:
        """Keep it, if there is room."""
        if self._room > 0:
            self._file.write(text[: self._room])
            self._room -= len(text)
            if self._room <= 0:
                self._file.write("\nmockex: more prints than are kept\n")
        return len(text)

    def flush(self) -> None:
        """Hand it to the operating system; nothing once the file is closed, for the interpreter
        flushes what it finalizes."""
        if not self._file.closed:
            self._file.flush()

    def fileno(self) -> int:
        """Of the file."""
        return self._file.fileno()


def refusals() -> list[NotSimulated]:
    """What the code on this loop asked for in vain; nothing on the real ground."""
    loop = asyncio.get_running_loop()
    return loop.refused if isinstance(loop, SimLoop) else []


class VirtualProcess:
    """One start of one testee; see `process.Process` for the contract."""

    def __init__(
        self,
        entry: str,
        *,
        cwd: Path,
        env: Mapping[str, str],
        stderr: Path,
        talks: bool,
        told: Callable[[protocol.Notification | protocol.Response], None],
        changed: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self._loop = loop
        self._entry = entry
        self._cwd = cwd
        self._env = env
        self._stderr = stderr
        self._talks = talks
        self._told = told
        self._changed = changed
        self._outside = contextvars.copy_context()
        self._process: Process
        self._input: asyncio.Queue[str] = asyncio.Queue()
        self._output: deque[str] = deque()
        self._unheard = 0  # characters
        self._budget = protocol.Budget()
        self.pid = 1  # the same in every run
        self.code: int | None = None
        self.broken: ProtocolBroken | None = None

    async def start(self, lock: Path) -> None:
        """Start it; `lock` is for the machine's processes.

        Raises:
            EntryBroken: it has no entry that can be called.
        """
        main = load_entry(self._entry, self._cwd)
        self._process = self._loop.spawn(self._entry, self._main(main))
        self._process.ended.add_done_callback(self._ended)

    async def listen(self) -> None:
        """What it says is heard from the beginning."""

    async def _main(self, entry: Entry) -> int:
        try:
            code = await entry(self._env, self._lines(), self._say)
        except Exception:  # as an interpreter does at its end
            traceback.print_exc()
            return 1
        if code is not None and not isinstance(code, int):
            self._break(
                ProtocolBroken(
                    f"the entry {self._entry!r} returned {code!r:.200}",
                    expected="its exit code, an int",
                )
            )
            return 1
        return code or 0

    async def _lines(self) -> AsyncIterator[str]:
        while True:
            yield await self._input.get()

    def _say(self, line: str) -> None:
        """Called by the testee; heard a moment later, outside of it."""
        if not isinstance(line, str):
            raise TypeError(f"stdout takes one line, a str, and not {line!r:.200}")
        if self.broken is not None:
            return
        for part in line.rstrip("\n").split("\n"):
            if self._is_message(part):
                self._count(part)
            elif self._unheard > protocol.MOST_PRINTED:
                continue  # more than would be kept
            if not self._output:
                self._loop.call_later(_PIPE_S, self._hear, context=self._outside)
            self._output.append(part)
            self._unheard += len(part) + 1

    def _is_message(self, line: str) -> bool:
        return self._talks and line.startswith("{")

    def _count(self, line: str) -> None:
        """A testee that says too much may never give way, so it goes no further."""
        try:
            self._budget.count(line.encode("utf-8", "replace"), self._loop.time())
        except ProtocolBroken as error:
            self._break(error)
            self._process.kill()
            raise SystemExit(1) from None

    def _break(self, error: ProtocolBroken) -> None:
        self.broken = error
        self._loop.call_soon(self._changed, context=self._outside)

    def _hear(self) -> None:
        lines, self._output = self._output, deque()
        self._unheard = 0
        for line in lines:
            if self.broken is not None:
                return
            if not self._is_message(line):
                sys.stderr.write(f"{line}\n")
                continue
            try:
                self._told(protocol.read(line.encode("utf-8", "replace")))
            except ProtocolBroken as error:
                self._break(error)

    def send(self, line: bytes) -> None:
        """Give it a line."""
        self._loop.call_later(_PIPE_S, self._input.put_nowait, line.decode().rstrip("\n"))

    # --- what is seen of it ---

    def observe(self, run: int, ports: Ports) -> VirtualObserver:
        """An observer of it."""
        return VirtualObserver(self._process, self._loop, ports, run)

    def cut_output(self) -> None:
        """It writes no file itself."""

    def last_words(self) -> str:
        """What ended it, if that was the simulation; else the last line of its stderr."""
        if self._process.fault is not None:
            return " ".join(str(self._process.fault).split())
        sys.stderr.flush()
        return last_line(self._stderr)

    # --- ending ---

    def _ended(self, ended: asyncio.Future[int]) -> None:
        self.code = ended.result()
        self._changed()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def halted(self) -> bool:
        """Whether it is stopped."""
        return self._process.stopped

    async def wait(self, within_s: float) -> int | None:
        """The exit code; None if it is still there after `within_s`."""
        if self.code is None:
            await asyncio.wait([self._process.ended], timeout=within_s)
        return self.code

    async def wait_for_rest(self, within_s: float) -> list[str]:
        """It has no other processes."""
        return []

    def left_names(self) -> list[str]:
        """It has no other processes."""
        return []

    def leaked(self) -> list[str]:
        """What it held when it ended by itself, and where that was made."""
        return list(self._process.left) if self.code is not None and self.code >= 0 else []

    async def kill(self) -> None:
        """End it by force. No code of it runs any more."""
        self._process.send_signal(signals.SIGKILL)
        self.code = await self._process.ended

    def close(self) -> None:
        """What it said last and was not heard is gone, as with a pipe that is closed."""
        self._output.clear()


class VirtualObserver:
    """What the simulated network and the loop show of a testee; see `observers.system`."""

    def __init__(self, process: Process, loop: SimLoop, ports: Ports, run: int) -> None:
        self._process = process
        self._loop = loop
        self._ports = ports
        self._run = run
        self._close_wait_since: dict[SimSocket, float] = {}

    def sample(self, now: float) -> Sampled | None:
        """One look; None if it is gone."""
        if self._process.code is not None:
            return None
        ours = [
            sock
            for sock in self._loop.network.sockets_of(self._process)
            if sock.remote is not None and sock.remote[1] in self._ports
        ]
        states = Counter(sock.state for sock in ours)
        waiting = [sock for sock in ours if sock.state == "CLOSE_WAIT"]
        self._close_wait_since = {s: self._close_wait_since.get(s, now) for s in waiting}
        oldest = min(self._close_wait_since.values(), default=now)
        return Sampled(
            t=now,
            run=self._run,
            processes=1,
            sockets=dict(states),
            close_wait_s=round(now - oldest, 3),
            own_sockets={state: states[state] for state in OWNED if states[state]},
            stream_sockets=sum(
                sock.state in OWNED and sock.remote[1] in self._ports.streams
                for sock in ours
                if sock.remote is not None
            ),
            tasks=len(self._process.tasks()),
            timers=len(self._loop.timers_of(self._process)),
        )

    async def run(self, journal: Callable[[Sampled], None]) -> None:
        """Sample until it is gone or this is cancelled; what has not changed is told once a
        second."""
        told: Sampled | None = None
        while (sampled := self.sample(self._loop.time())) is not None:
            if (
                told is None
                or sampled.t - told.t >= _TELL_S
                or msgspec.structs.replace(sampled, t=told.t) != told
            ):
                journal(sampled)
                told = sampled
            await asyncio.sleep(_PERIOD_S)
