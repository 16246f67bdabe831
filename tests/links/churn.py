"""Clients that come and go through one link of a real Toxiproxy while it is changed:
`python -m tests.links.churn --seconds 60` says what that took.

Eight clients connect, stream both ways, and go after 50 ms to 1 s with a FIN or a RST; every 0.1 s
the link is changed in one of the ways that replace the proxy or its connections. Of the changes
that Toxiproxy does under connections (`--changes latency`) one may hang in such a crowd, and with
it the server; that is measured here, and no test.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mockex.errors import LinkError
from mockex.faults import (
    Bandwidth,
    ClearLink,
    Direction,
    FinLink,
    Latency,
    LinkFault,
    LinkTerms,
    Refused,
    ResetLink,
    Slice,
)
from mockex.faults.link import Ends
from mockex.faults.proxy_server import toxiproxy
from mockex.faults.toxiproxy import Link

CLIENTS = 8
CHANGE_EVERY_S = 0.1
LIVES_S = (0.05, 1.0)
_MESSAGE, _EVERY_S = bytes(200), 0.01  # what both ends stream
_LINGER_0 = struct.pack("ii", 1, 0)
_GETS_ON_S = 20.0  # of a busy machine


@dataclass
class Churn:
    """What happened."""

    calls_s: dict[str, list[float]] = field(default_factory=dict)  # of each change, by its kind
    lives: int = 0  # of connections that got data
    refused: int = 0
    cut: int = 0
    got_on: int = 0  # clients that got data after the last change
    broken: str = ""  # a call that was not answered in time, or not as it should be

    def __str__(self) -> str:
        lines = [
            f"{self.lives} connections with data, {self.cut} of them cut, {self.refused} attempts "
            f"refused or without data; {self.got_on} of {CLIENTS} clients got on after the end"
        ]
        for kind, took in sorted(self.calls_s.items()):
            took.sort()
            middle, worst = took[len(took) // 2] * 1000, took[-1] * 1000
            lines.append(f"{kind}: {len(took)} calls, median {middle:.0f} ms, worst {worst:.0f} ms")
        return "\n".join([*lines, self.broken] if self.broken else lines)


class Peer(asyncio.Protocol):
    """An end that streams for as long as there is a connection."""

    def __init__(self) -> None:
        self.transport: Any
        self.got = asyncio.Event()
        self.over = asyncio.Event()
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._say()

    def _say(self) -> None:
        self.transport.write(_MESSAGE)
        self._next = asyncio.get_running_loop().call_later(_EVERY_S, self._say)

    def data_received(self, data: bytes) -> None:
        self.got.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.over.set()
        if self._next is not None:
            self._next.cancel()

    def leave(self, *, reset: bool) -> None:
        """With a RST or a FIN."""
        if not self.transport.is_closing():
            if reset:
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self.transport.abort()


async def _one_life(port: int, life_s: float, *, reset: bool, churn: Churn) -> bool:
    """Connect, stay for a while, go; whether data came."""
    try:
        _, peer = await asyncio.get_running_loop().create_connection(Peer, "127.0.0.1", port)
    except OSError:
        churn.refused += 1
        await asyncio.sleep(0.01)
        return False
    with suppress(TimeoutError):
        await asyncio.wait_for(peer.over.wait(), life_s)
        churn.cut += 1
    peer.leave(reset=reset)
    if peer.got.is_set():
        churn.lives += 1
    else:
        churn.refused += 1
    return peer.got.is_set()


async def _client(number: int, port: int, seed: int, churn: Churn, end: asyncio.Event) -> None:
    """Come and go until the end, and then once more."""
    random = Random(f"client {seed} {number}")
    while not end.is_set():
        await _one_life(port, random.uniform(*LIVES_S), reset=random.random() < 0.5, churn=churn)
    async with asyncio.timeout(_GETS_ON_S):
        while not await _one_life(port, LIVES_S[1], reset=False, churn=churn):
            pass
    churn.got_on += 1


def _replacing(random: Random, ends: Ends) -> LinkFault:
    """A change that replaces the proxy, or ends its connections."""
    direction = random.choice([*Direction, None])
    makers: list[Callable[[], LinkFault]] = [
        lambda: Bandwidth(bytes_per_s=random.choice([5, 50, 500]) * 1000, direction=direction),
        lambda: Slice(bytes=random.randint(1, 100), gap_ms=random.choice([0.1, 1.0, 10.0]),
                      direction=direction),
        lambda: ResetLink() if ends == "reset" else FinLink(),
        lambda: Refused(ms=random.randint(1, 50)),
        ClearLink,
    ]  # fmt: skip
    return random.choice(makers)()


def _latency(random: Random, _: Ends) -> LinkFault:
    """A change under connections."""
    return Latency(delay_ms=random.randint(0, 50), direction=random.choice([*Direction, None]))


CHANGES = {"replacing": _replacing, "latency": _latency}


async def _change(link: Link, fault: LinkFault) -> None:
    if not isinstance(fault, Refused):
        await link.inject(fault)
        return
    await link.refuse()
    await asyncio.sleep(fault.ms / 1000)
    await link.accept()


async def churn(
    seconds: float, ends: Ends = "fin", changes: str = "replacing", seed: int = 1
) -> Churn:
    """Let it happen for so long, or until something is broken.

    Raises:
        TimeoutError: a client does not get on.
    """
    loop = asyncio.get_running_loop()
    random, done, end = Random(f"changes {seed}"), Churn(), asyncio.Event()
    listening = await loop.create_server(Peer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with toxiproxy("auto") as faults, asyncio.TaskGroup() as group:
        link = await faults.link(port, terms=LinkTerms(ends=ends))
        clients = [
            group.create_task(_client(number, link.port, seed, done, end))
            for number in range(CLIENTS)
        ]
        over = loop.time() + seconds
        try:
            while loop.time() < over:
                await _timed(link, CHANGES[changes](random, ends), done)
                await asyncio.sleep(CHANGE_EVERY_S)
            await link.inject(ClearLink())
        except LinkError as error:
            done.broken = str(error)
            for client in clients:
                client.cancel()
        end.set()
    listening.close()
    return done


async def _timed(link: Link, fault: LinkFault, done: Churn) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time() + (fault.ms / 1000 if isinstance(fault, Refused) else 0)
    try:
        await _change(link, fault)
    finally:
        done.calls_s.setdefault(type(fault).__name__, []).append(loop.time() - began)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ends", choices=("fin", "reset"), default="fin")
    parser.add_argument("--changes", choices=tuple(CHANGES), default="replacing")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    done = asyncio.run(churn(given.seconds, given.ends, given.changes, given.seed))
    sys.stdout.write(f"{done}\n")
    return 1 if done.broken else 0


if __name__ == "__main__":
    sys.exit(main())
