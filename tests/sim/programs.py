"""Programs for simulated processes, and a peer that they talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from mockex import sim

Program = Callable[[], Coroutine[Any, Any, int]]


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return sim.run(main, seed=1)


def loop_of_the_run() -> sim.SimLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, sim.SimLoop)
    return loop


def spawn(program: Program) -> sim.Process:
    return loop_of_the_run().spawn(program.__name__, program())


def code_of(program: Program) -> int:
    """The status with which it ends by itself."""

    async def main() -> int:
        return await spawn(program).ended

    code: int = run(main())
    return code


async def waits() -> int:
    await asyncio.sleep(1000)
    return 0


class Peer(asyncio.Protocol):
    """Notes how a connection ends."""

    def __init__(self, *, paused: bool = False) -> None:
        self.saw: list[str] = []
        self._paused = paused

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._paused:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.saw.append(f"{len(data)} bytes")

    def eof_received(self) -> None:
        self.saw.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.saw.append(f"lost {type(exc).__name__}")


async def listening(peer: Peer) -> tuple[asyncio.Server, int]:
    server = await asyncio.get_running_loop().create_server(lambda: peer, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return server, port
