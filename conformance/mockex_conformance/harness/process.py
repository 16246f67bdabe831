"""A testee as a process: started, fed, listened to, ended; nothing of it is left.

The process gets a session of its own, so that everything it forks can be found and ended, and dies
with us (parent-death signal on Linux). Its output is drained whatever it prints: messages are kept,
prints go to the stderr file up to a limit, and an endless line costs no memory.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from mockex_conformance.errors import CannotRun, ProtocolBroken
from mockex_conformance.harness import protocol

_PR_SET_PDEATHSIG = 1
_MOST_PRINTED = 16 << 20  # bytes of prints that are kept
_START_POLL_S = 0.005


def die_with_parent() -> None:
    """The kernel kills this process when its parent dies (prctl(2); Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill in `{ws_url}` and the other placeholders of section 1; other braces stay."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


class _Lines(asyncio.Protocol):
    """Splits stdout into lines without ever holding more than one."""

    def __init__(self, on_line: Callable[[bytes], None], on_print: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._on_print = on_print
        self._buffer = b""
        self._skipping = False  # the rest of a line that was too long

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._buffer + data).split(b"\n")
        self._buffer = rest
        for line in lines:
            self._take(line)
        if len(self._buffer) > protocol.MAX_LINE_BYTES:
            self._take(self._buffer)
            self._buffer, self._skipping = b"", True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._buffer:
            self._take(self._buffer)

    def _take(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
        elif line.startswith(b"{"):
            self._on_line(line)
        elif line.strip():
            self._on_print(line)


class Process:
    """One start of one testee. `told` gets notifications and responses as they come."""

    def __init__(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stderr: Path,
        talks: bool,
        told: Callable[[protocol.Notification | protocol.Response], None],
        exited: Callable[[int], None],
    ) -> None:
        self._command = command
        self._cwd = cwd
        self._env = env
        self._stderr_path = stderr
        self._talks = talks
        self._told = told
        self._on_exit = exited
        self._popen: subprocess.Popen[bytes]
        self._stderr: IO[bytes]
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.BaseTransport | None = None
        self._pidfd = -1
        self._printed = 0
        self.seen_pids: set[int] = set()  # of the whole tree, added to by the observer
        self.pid = 0
        self.code: int | None = None
        self.broken: ProtocolBroken | None = None
        self.gone = asyncio.Event()

    async def start(self, lock: Path) -> None:
        """Start it. Only one process of the run starts at a time, by a lock on a file, which the
        kernel releases whatever happens to us.

        Raises:
            CannotRun: the program cannot be started; says why.
        """
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
        loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._ended)
        if self._talks:
            assert self._popen.stdout is not None
            assert self._popen.stdin is not None
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
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            self._stderr.close()
            raise CannotRun(
                f"cannot start {self._command[0]!r} in {self._cwd}: {error.strerror}; "
                "check `command` and `cwd`"
            ) from None
        self.pid = self._popen.pid
        self.seen_pids.add(self.pid)

    # --- listening ---

    def _line(self, line: bytes) -> None:
        try:
            if len(line) > protocol.MAX_LINE_BYTES:
                raise ProtocolBroken(
                    "a line longer than 1 MiB", line[:200].decode("utf-8", "replace")
                )
            self._told(protocol.read(line))
        except ProtocolBroken as error:
            self.broken = self.broken or error
            self.gone.set()

    def _print(self, line: bytes) -> None:
        if self._printed == 0:
            self._stderr.write(b"mockex: prints on stdout are kept here, not read as messages\n")
        if self._printed < _MOST_PRINTED:
            self._stderr.write(line[: _MOST_PRINTED - self._printed] + b"\n")
        elif self._printed != 1 << 62:
            self._stderr.write(b"mockex: more prints than are kept\n")
            self._printed = 1 << 62
        self._printed += len(line) + 1
        self._stderr.flush()

    def send(self, line: bytes) -> None:
        """Write to stdin; a testee that does not read is found by the answer that never comes."""
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(line)

    def last_words(self) -> str:
        """The last line of stderr."""
        with suppress(OSError):
            size = self._stderr_path.stat().st_size
            with self._stderr_path.open("rb") as file:
                file.seek(max(0, size - 4096))
                lines = file.read().decode("utf-8", "replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    # --- ending ---

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.code = self._popen.wait()
        os.close(self._pidfd)
        self._pidfd = -1
        self._on_exit(self.code)
        self.gone.set()

    def signal(self, number: int) -> None:
        """Signal the whole process group."""
        if self.code is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def wait(self, within_s: float) -> int | None:
        """The exit code; None if it is still there after `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.code is None:
                    self.gone.clear()
                    await self.gone.wait()
        return self.code

    def left(self) -> list[psutil.Process]:
        """Processes of its session or tree that are still there, itself not."""
        found: list[psutil.Process] = []
        for pid in psutil.pids():
            if pid == self.pid:
                continue
            with suppress(ProcessLookupError, PermissionError, psutil.Error):
                if os.getsid(pid) == self.pid or pid in self.seen_pids:
                    process = psutil.Process(pid)
                    if process.status() != psutil.STATUS_ZOMBIE:
                        found.append(process)
        return found

    async def kill(self) -> list[str]:
        """End it and everything of it, by force; what of it was still there beside itself."""
        left = self.left()
        names = []
        for process in left:
            with suppress(psutil.Error):
                names.append(f"{process.pid} {process.name()}")
        self.signal(signal.SIGKILL)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        if self.pid:
            await self.wait(5.0)
        return names

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
        self._stderr.close()
