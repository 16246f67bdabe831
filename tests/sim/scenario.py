"""A program that does much at the same time, and says what it did and when:
`python -m tests.sim.scenario SEED`. The same seed must give the same lines, anywhere."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
import time
import uuid
from random import Random

from mockex import sim
from mockex.faults import Bandwidth, Direction, Latency, LimitData, Slice


async def scenario(say: list[str]) -> None:
    """Clients, a server and a link that is slow and thin, and ends some of them."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, sim.SimLoop)

    def note(*words: object) -> None:
        say.append(f"{loop.time():.6f} {' '.join(map(str, words))}")

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        try:
            while data := await reader.read(1000):
                note("server", port, len(data))
                writer.write(data)
                await writer.drain()
        except OSError as error:
            note("server", port, type(error).__name__)
        finally:
            writer.close()

    async def client(number: int, port: int) -> None:
        await asyncio.sleep(random.uniform(0, 0.01))
        reader, writer = await asyncio.open_connection("localhost", port)
        try:
            for turn in range(5):
                writer.write(secrets.token_bytes(random.randrange(1, 3000)))
                async with asyncio.timeout(0.05):
                    note("client", number, turn, len(await reader.read(5000)))
        except (OSError, EOFError) as error:
            note("client", number, type(error).__name__)
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = loop.network.link(port)
    link.inject(Latency(delay_ms=10, jitter_ms=5))
    link.inject(Slice(bytes=700, gap_ms=1, direction=None))
    link.inject(Bandwidth(bytes_per_s=100_000, direction=Direction.UPSTREAM))
    loop.call_later(0.1, link.inject, LimitData(bytes=2000, then="reset"))
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(client(number, port))
    waiting = {asyncio.create_task(asyncio.sleep(0.01 * (i % 3), i)) for i in range(20)}
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        note("done", *(task.result() for task in done))
    for name in ("a", "b"):
        try:
            await asyncio.wait_for(asyncio.sleep(1, name), 0.5 if name == "a" else 2)
        except TimeoutError:
            note(name, "timed out")
    server.close()
    await server.wait_closed()
    note(time.time(), time.monotonic_ns(), time.strftime("%X", time.gmtime()))
    note(random.random(), Random().random(), uuid.uuid4(), os.urandom(3).hex())
    note(*sorted(task.get_name() for task in asyncio.all_tasks()))


def lines(seed: int) -> list[str]:
    """What it says with this seed."""
    say: list[str] = []
    sim.run(scenario(say), seed=seed)
    return say


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(int(sys.argv[1]))) + "\n")
