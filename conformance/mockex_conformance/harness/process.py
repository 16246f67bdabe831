"""A testee as a process: started, fed, listened to, ended; nothing of it is left.

The process gets a session of its own, so that everything it forks can be found and ended, and dies
with us (parent-death signal on Linux). What it forks may leave that session and lose its parent: it
then comes to us, because we adopt orphans, and is known by its environment.

Its output is drained whatever it prints: messages are kept, prints go to the stderr file up to a
limit, an endless line costs no memory, and a file that it writes itself is cut when it grows huge.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import psutil

from mockex.errors import MachineLacks
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun, ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.observers.system import Observer, Ports

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MOST_WRITTEN = 64 << 20  # bytes of a file that the testee writes itself, before it is cut
_LAST_KEPT = 4096  # bytes of its end
_NOT_RUNNING = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
_START_POLL_S = 0.005
_LEFT_POLL_S = 0.02
_KILLED_WITHIN_S = 5.0
_LIBC = ctypes.CDLL(None)
_USERS_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # as we were started


def die_with(parent: int) -> None:
    """The kernel kills this process, a child of `parent`, when that dies (prctl(2); Linux only). If
    it has died already, this ends here."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """What loses its parent below this process becomes its child, not that of init (prctl(2))."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def forked() -> tuple[int, int]:
    """A child that dies with us, and a pipe out of it: the pid, 0 in the child itself, and our end
    of the pipe, in the child its own.

    Raises:
        OSError: there is none to be had; nothing is left open.
    """
    parent = os.getpid()
    ours, theirs = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(ours)
        os.close(theirs)
        raise
    if pid:
        os.close(theirs)
        return pid, ours
    os.close(ours)
    die_with(parent)
    return 0, theirs


def open_all_files() -> None:
    """Allow this process as many open files as the system lets it: what a testee leaks is open in
    its exchange as well, and is to be found before we have no more."""
    _allow_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _allow_files(soft: int) -> None:
    with suppress(ValueError, OSError):  # macOS does not take the hard limit that it names
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )


def _become_testee(parent: int) -> None:
    """Between fork and exec. A signal that we ignore would be ignored by the testee as well, and it
    may open what the user's programs may."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _allow_files(_USERS_FILES)
    die_with(parent)


def environment(
    base: Mapping[str, str], own: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a testee (section 2): ours without proxies and MOCKEX_ variables, then
    the documented ones, then `[testee.env]`."""
    kept = {
        name: value
        for name, value in base.items()
        if not name.upper().startswith("MOCKEX_")
        and name.lower() not in ("http_proxy", "https_proxy", "all_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings, **own}


def _dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {process.name()}"
    return str(process.pid)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill in `{ws_url}` and the other placeholders of section 1; other braces stay."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def prepared(testee: Description, settings: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a testee that is told `settings`, the variables of section 2."""
    values = {
        "ws_url": settings["MOCKEX_WS_URL"],
        "rest_url": settings["MOCKEX_REST_URL"],
        "streams": settings["MOCKEX_STREAMS"],
        "profile": settings["MOCKEX_PROFILE"],
        "ca_file": settings.get("MOCKEX_CA_FILE", ""),
        "python": sys.executable,
    }
    own = {name: fill(value, values) for name, value in testee.env.items()}
    return [fill(part, values) for part in testee.command], environment(os.environ, own, settings)


def last_line(file: Path) -> str:
    """The last line of a file that says something; empty if there is none."""
    with suppress(OSError):
        size = file.stat().st_size
        with file.open("rb") as opened:
            opened.seek(max(0, size - 4096))
            lines = opened.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


class _Lines(asyncio.Protocol):
    """Splits stdout into lines without ever holding more than one. `on_print` may get many at
    once."""

    def __init__(self, on_line: Callable[[bytes], None], on_print: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._on_print = on_print
        self._buffer = b""
        self._skipping = False  # the rest of a line that was too long

    def data_received(self, data: bytes) -> None:
        whole, end, rest = (self._buffer + data).rpartition(b"\n")
        self._buffer = rest
        if end and not self._skipping and b"{" not in whole:
            self._on_print(whole)  # a flood of prints is not worth a loop
        elif end:
            for line in whole.split(b"\n"):
                self._take(line)
        if len(self._buffer) > protocol.MAX_LINE_BYTES:
            self._take(self._buffer)
            self._buffer, self._skipping = b"", True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._buffer and not self._skipping:
            self._on_print(self._buffer)  # without its end it is no message

    def _take(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
        elif line.startswith(b"{"):
            self._on_line(line)
        elif line.strip():
            self._on_print(line)


class Process:
    """One start of one testee. `told` gets notifications and responses as they come, `changed` is
    called when it exits (`code`) or breaks the protocol (`broken`). `stderr` None: it is ours.

    First `start`, then `listen`; `kill` and `close` at the end, whatever happened before.
    """

    def __init__(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stderr: Path | None,
        talks: bool,
        told: Callable[[protocol.Notification | protocol.Response], None],
        changed: Callable[[], None],
    ) -> None:
        self._command = command
        self._cwd = cwd
        self._env = env
        self._stderr_path = stderr
        self._talks = talks
        self._told = told
        self._changed = changed
        self._popen: subprocess.Popen[bytes]
        self._stderr: IO[bytes]
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.BaseTransport | None = None
        self._pidfd = -1
        self._printed = 0
        self._budget = protocol.Budget()
        self._exit = asyncio.Event()
        self.seen: set[psutil.Process] = set()  # of the whole tree, added to by the observer
        self.pid = 0
        self.code: int | None = None
        self.broken: ProtocolBroken | None = None

    async def start(self, lock: Path) -> None:
        """Start it. Only one process of the run starts at a time, by a lock on a file, which the
        kernel releases whatever happens to us.

        Raises:
            CannotRun: the program cannot be started; says why.
            MachineLacks: no program can.
        """
        if self._stderr_path is None:
            self._stderr = os.fdopen(os.dup(2), "ab")
        else:
            self._stderr_path.parent.mkdir(parents=True, exist_ok=True)
            self._stderr = self._stderr_path.open("ab")
        with lock.open("ab") as held:
            while True:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_START_POLL_S)
            self._spawn()

    async def listen(self) -> None:
        """Watch for its end and read what it says."""
        loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._ended)
        if self._popen.stdout is not None and self._popen.stdin is not None:
            self._stdout, _ = await loop.connect_read_pipe(
                lambda: _Lines(self._line, self._print), self._popen.stdout
            )
            self._stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._popen.stdin)

    def _spawn(self) -> None:
        pipe: Any = subprocess.PIPE if self._talks else subprocess.DEVNULL
        output: Any = subprocess.PIPE if self._talks else self._stderr
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - running the testee is what we are for
                self._command,
                cwd=self._cwd,
                env=dict(self._env),
                stdin=pipe,
                stdout=output,
                stderr=self._stderr,
                start_new_session=True,
                preexec_fn=partial(_become_testee, os.getpid()),
            )
        except OSError as error:
            self._stderr.close()
            if MachineLacks.says(error):  # which says nothing of the testee
                raise MachineLacks(error) from None
            raise CannotRun(
                f"cannot start {self._command[0]!r} in {self._cwd}: {error.strerror}; "
                "check `command` and `cwd`"
            ) from None
        self.pid = self._popen.pid

    # --- listening ---

    def _line(self, line: bytes) -> None:
        if self.broken is not None:
            return  # the case is over, and what follows is not worth keeping
        try:
            self._budget.count(line, asyncio.get_running_loop().time())
            self._told(protocol.read(line))
        except ProtocolBroken as error:
            self.broken = error
            self._changed()

    def _print(self, lines: bytes) -> None:
        if self._stderr.closed or not lines.strip():
            return
        if self._printed == 0:
            self._stderr.write(b"mockex: prints on stdout are kept here, not read as messages\n")
        room = protocol.MOST_PRINTED - self._printed
        self._printed += len(lines) + 1
        if room > 0:
            self._stderr.write(lines[:room] + b"\n")
            if self._printed >= protocol.MOST_PRINTED:
                self._stderr.write(b"mockex: more prints than are kept\n")
            self._stderr.flush()

    def cut_output(self) -> None:
        """Keep the beginning only of a file that has grown huge. The testee appends to it, so it
        goes on at the new end."""
        if self._stderr_path is not None and self._written > _MOST_WRITTEN:
            self._cut(b"")

    @property
    def _written(self) -> int:
        return os.fstat(self._stderr.fileno()).st_size

    def _cut(self, end: bytes) -> None:
        os.ftruncate(self._stderr.fileno(), protocol.MOST_PRINTED)
        self._stderr.write(b"\nmockex: more output than is kept; here a part is missing\n" + end)
        self._stderr.flush()

    def send(self, line: bytes) -> None:
        """Write to stdin; a testee that does not read is found by the answer that never comes."""
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(line)

    def last_words(self) -> str:
        """The last line of stderr."""
        return "" if self._stderr_path is None else last_line(self._stderr_path)

    def observe(self, run: int, ports: Ports) -> Observer:
        """An observer of it. Ask before `listen`: until its end is found, the pid is its own."""
        return Observer(self.pid, ports, run, self.seen)

    # --- ending ---

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.code = self._popen.wait()
        os.close(self._pidfd)
        self._pidfd = -1
        self._exit.set()
        self._changed()

    def signal(self, number: int) -> None:
        """Signal the whole process group, as long as its leader is there."""
        if self.code is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def halted(self) -> bool:
        """Whether everything of its process group is stopped, as the kernel shows it."""
        with suppress(psutil.Error, ProcessLookupError):
            leader = psutil.Process(self.pid)
            group = [p for p in leader.children(recursive=True) if os.getpgid(p.pid) == self.pid]
            return all(p.status() in _NOT_RUNNING for p in (leader, *group))
        return False

    async def wait(self, within_s: float) -> int | None:
        """The exit code; None if it is still there after `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._exit.wait()
        return self.code

    async def wait_for_rest(self, within_s: float) -> list[str]:
        """What it forked may take its time to end too; what is still there after `within_s`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        # Nothing tells of the end of a process that is not a child of ours.
        while (left := self.left()) and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_LEFT_POLL_S)
        return [_name(process) for process in left]

    def left_names(self) -> list[str]:
        """What it has forked and is still there, in words."""
        return [_name(process) for process in self.left()]

    def leaked(self) -> list[str]:
        """What it held when it ended: the operating system does not say."""
        return []

    def left(self) -> list[psutil.Process]:
        """What it has forked and is still there, wherever that has gone; itself not."""
        ours = psutil.Process().children(recursive=True)
        found = [process for process in ours if self._forked(process)]
        # Without adoption an orphan is init's. A pid may belong to somebody else by now; psutil
        # compares the time of its start.
        found += [process for process in self.seen if process not in ours and process.is_running()]
        return [process for process in found if process.pid != self.pid and not _dead(process)]

    def _forked(self, process: psutil.Process) -> bool:
        if process in self.seen:
            return True
        try:
            if os.getsid(process.pid) == self.pid:
                return True
            exchange = self._env.get("MOCKEX_WS_URL")  # nobody else's has this port
            return exchange is not None and process.environ().get("MOCKEX_WS_URL") == exchange
        except (OSError, psutil.Error):
            return False

    async def kill(self) -> None:
        """End it and everything of it, by force."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _KILLED_WITHIN_S
        self.signal(signal.SIGKILL)
        # Again and again: what forks while it is being killed has one more child each time.
        while (left := self.left()) and loop.time() < until:
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            await asyncio.sleep(_LEFT_POLL_S)
        if self._pidfd >= 0:
            await self.wait(max(0.0, until - loop.time()))
        elif self.code is None and self.pid:
            self.code = self._popen.wait()

    def close(self) -> None:
        """Give back pipes and files, after the end."""
        loop = asyncio.get_running_loop()
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        for transport in (self._stdin, self._stdout):
            if transport is not None:
                transport.close()
        if not self._stderr.closed:
            self._keep_ends()
            self._stderr.close()

    def _keep_ends(self) -> None:
        """Of a long output the beginning and the end stay: all cases of one that floods are kept
        side by side."""
        written, path = self._written, self._stderr_path
        if path is not None and written > protocol.MOST_PRINTED + 2 * _LAST_KEPT:
            with path.open("rb") as file:
                file.seek(written - _LAST_KEPT)
                self._cut(file.read())
