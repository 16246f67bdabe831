"""The Toxiproxy server as a process: started, watched, ended. Where it comes from is the matter of
`provisioning`; nothing is built or fetched here.

What can go wrong with it is measured:
with its port taken it stays alive without an API, and an undrained pipe for its log stops it. So
it gets a port that is held for it, logs errors into a file, and is believed only when it answers
for a name that nobody else can know.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from mockex.errors import LinkError, ToxiproxyUnavailable
from mockex.faults import _guard
from mockex.faults.provisioning import Found, Missing, at, find
from mockex.faults.toxiproxy import HOST, Api, ToxiproxyFaults
from mockex.server.wire import held_port

_START_S = 5.0
_STOP_S = 3.0
_POLL_S = 0.01
_TRIES = 3


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A running server. `pid` is the server's, `guard` the process that holds it on a leash."""

    host: str
    port: int
    pid: int
    guard: asyncio.subprocess.Process

    def check(self) -> None:
        """See that it runs.

        Raises:
            LinkError: it has ended.
        """
        if self.guard.returncode is not None:
            raise LinkError(f"the Toxiproxy server ended with {self.guard.returncode}")


@asynccontextmanager
async def running(
    binary: Path | None = None, *, log: Path | None = None
) -> AsyncIterator[ProxyServer]:
    """Run a server of our own for as long as the block lasts; it ends with us, however we end.

    Raises:
        ToxiproxyUnavailable: no binary.
        LinkError: it does not start.
    """
    program = binary or (await _found(partial(find, binary_only=True))).binary
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="mockex-toxiproxy-") as folder:
        guard, server = await _start(program, Path(folder), log or Path(folder) / "log.txt")
        try:
            yield server
        finally:
            await _stop(guard)


@asynccontextmanager
async def toxiproxy(where: str = "auto") -> AsyncIterator[ToxiproxyFaults]:
    """Links through the server that is found (`auto`), or through the one that runs at a URL.

    Raises:
        ToxiproxyUnavailable: there is none; lists what was tried.
        LinkError: it does not start, or does not answer.
    """
    found = await _found(partial(find) if where == "auto" else partial(at, where))
    async with AsyncExitStack() as stack:
        host, port, pid = HOST, 0, 0
        if found.url is not None:
            parts = urlsplit(found.url)
            host, port = parts.hostname or HOST, parts.port or 0
        else:
            server = await stack.enter_async_context(running(found.binary))
            host, port, pid = server.host, server.port, server.pid
        yield await stack.enter_async_context(ToxiproxyFaults(host, port, pid=pid))


async def _found(look: Callable[[], Found | Missing]) -> Found:
    found = await asyncio.to_thread(look)  # it may ask a server or a program
    if isinstance(found, Missing):
        raise ToxiproxyUnavailable(list(found.steps))
    return found


async def _start(
    program: Path, folder: Path, log: Path
) -> tuple[asyncio.subprocess.Process, ProxyServer]:
    for _ in range(_TRIES):
        nonce = f"mockex-{uuid.uuid4().hex}"
        config = folder / f"{nonce}.json"
        proxy = {"name": nonce, "listen": f"{HOST}:0", "upstream": f"{HOST}:1", "enabled": False}
        config.write_text(json.dumps([proxy]))
        with held_port(HOST) as port, log.open("ab") as output:
            guard = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", _guard.__file__, str(program),
                "-host", HOST, "-port", str(port), "-config", str(config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
                env={**os.environ, "LOG_LEVEL": "error"},
            )  # fmt: skip
            try:
                async with asyncio.timeout(_START_S):
                    return guard, await _ready(guard, port, nonce)
            except (TimeoutError, LinkError):
                await _stop(guard)
            except BaseException:
                await _stop(guard)
                raise
    raise LinkError(f"{program} did not start {_TRIES} times in a row; its log: {_last_words(log)}")


def _last_words(log: Path) -> str:
    return log.read_text("utf-8", "replace").strip()[-500:] or "empty"


async def _ready(guard: asyncio.subprocess.Process, port: int, nonce: str) -> ProxyServer:
    """Wait until the port answers for the name that only ours knows."""
    assert guard.stdout is not None
    pid = await guard.stdout.readline()
    while guard.returncode is None and pid:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(_POLL_S)
            continue
        writer.close()
        async with Api(HOST, port) as api:
            await api.get(f"/proxies/{nonce}")
        return ProxyServer(HOST, port, int(pid), guard)
    raise LinkError("the server ended before it listened")


async def _stop(guard: asyncio.subprocess.Process) -> None:
    """Close its stdin, which ends the server; by force if that is not enough."""
    if guard.returncode is None:
        assert guard.stdin is not None
        guard.stdin.close()
    try:
        async with asyncio.timeout(_STOP_S):
            await guard.wait()
    except TimeoutError:
        with suppress(psutil.Error):
            for child in psutil.Process(guard.pid).children():
                child.kill()
        guard.kill()
        await guard.wait()
