#!/usr/bin/env python3
"""What a link costs: a Toxiproxy without faults against the direct way, in one run.

    python ci/benchmark/link.py                 both measurements
    python ci/benchmark/link.py --rate 5000     at another number of messages a second

A child process sends messages of 204 bytes at an even rate over two connections, a direct one and
one through a link, in turns of half a second, so that what else the machine does meets both. Each
message says when it was sent; both processes read the same clock. Printed are the medians and 99th
percentiles of each way, and the difference of the medians of neighbouring turns.

An exchange is opened with a link and without, in turns, each in a process that was forked from one
with the modules of the suite, as a case is run: how much later it is ready, from `mockex.serve` to
its block.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import mockex  # noqa: E402
import mockex.faults.proxy_server  # noqa: E402 - what is there when a case is forked
import mockex_conformance.harness.scheduler  # noqa: E402, F401 - so is this

BYTES = 204
TURN_S = 0.5
HOST = "127.0.0.1"
AIM_ADDED_MS = 0.5
AIM_LATER_MS = 150.0


# --- one way, in a child --------------------------------------------------------------------------


def send_turns() -> None:
    """Listen; on each connection send as many messages as it asks for, at the rate that it says."""
    with socket.create_server((HOST, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        peers = [listener.accept()[0] for _ in range(2)]
    for peer in peers:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asking = peers[0].makefile("rb")
    for line in asking:
        which, count, rate = map(int, line.split())
        began = time.perf_counter_ns()
        for number in range(count):
            due = began + number * 1_000_000_000 // rate
            # Until the message is due: this process does nothing else.
            time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
            peers[which].sendall(time.perf_counter_ns().to_bytes(8, "big") + bytes(BYTES - 8))


def one_turn(asks: socket.socket, which: int, peer: socket.socket, rate: int) -> list[float]:
    """How late each message of a turn came, in milliseconds."""
    count = int(rate * TURN_S)
    asks.sendall(f"{which} {count} {rate}\n".encode())
    late: list[float] = []
    buffer = bytearray()
    while len(late) < count:
        buffer += peer.recv(65536)
        now = time.perf_counter_ns()
        while len(buffer) >= BYTES:
            late.append((now - int.from_bytes(buffer[:8], "big")) / 1e6)
            del buffer[:BYTES]
    return late


async def measure_way(child: subprocess.Popen[bytes], rate: int, turns: int) -> float:
    """Print what one way takes; the milliseconds that the link adds to the median."""
    from mockex.faults.proxy_server import toxiproxy

    assert child.stdout is not None
    port = int(child.stdout.readline())
    late: list[list[float]] = [[], []]
    added: list[float] = []
    async with toxiproxy("auto") as faults:
        link = await faults.link(port)
        ways = [socket.create_connection((HOST, at)) for at in (port, link.port)]
        for turn in range(-1, turns):
            medians = [0.0, 0.0]
            for which in (0, 1) if turn % 2 == 0 else (1, 0):
                came = one_turn(ways[0], which, ways[which], rate)
                medians[which] = statistics.median(came)
                if turn >= 0:  # the first warms up
                    late[which].extend(came)
            if turn >= 0:
                added.append(medians[1] - medians[0])
        for way in ways:
            way.close()
    for name, came in zip(("direct", "link"), late, strict=True):
        cuts = statistics.quantiles(came, n=100)
        print(f"{name:7} one way: median {cuts[49]:.3f} ms, 99 % {cuts[98]:.3f} ms")
    low, middle, high = statistics.quantiles(added, n=4)
    print(
        f"link adds {middle:.3f} ms to the median (quartiles {low:.3f} to {high:.3f}; at most "
        f"{AIM_ADDED_MS}); {rate} messages a second, {turns} turns of {TURN_S} s each"
    )
    return middle


# --- how much later a case is ready ---------------------------------------------------------------


async def opened_in_ms(way: str) -> float:
    """From `serve` to its block."""
    began = time.perf_counter()
    async with mockex.serve("usdm", toxiproxy=way, market="steady"):
        return (time.perf_counter() - began) * 1000


def in_a_fork(way: str) -> float:
    """The same in a process of its own that has all modules."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.write(writer, f"{asyncio.run(opened_in_ms(way))}".encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as said:
        took = said.read()
    if os.waitpid(pid, 0)[1]:
        sys.exit("a measurement failed (see above)")
    return float(took)


def measure_start(times: int) -> float:
    """Print how long an exchange takes to open; the milliseconds that a link makes it later."""
    took: dict[str, list[float]] = {"off": [], "auto": []}
    for turn in range(times):
        for way in ("off", "auto") if turn % 2 == 0 else ("auto", "off"):
            took[way].append(in_a_fork(way))
    for way, name in (("off", "direct"), ("auto", "link")):
        low, middle, high = statistics.quantiles(took[way], n=4)
        print(f"{name:7} ready after {middle:.0f} ms (quartiles {low:.0f} to {high:.0f})")
    later = [b - a for a, b in zip(took["off"], took["auto"], strict=True)]
    low, middle, high = statistics.quantiles(later, n=4)
    print(
        f"link is {middle:.0f} ms later (quartiles {low:.0f} to {high:.0f}; at most "
        f"{AIM_LATER_MS:.0f}); {times} pairs"
    )
    return middle


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    if arguments[:1] == ["--child"]:
        send_turns()
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=1000, help="messages a second")
    parser.add_argument("--turns", type=int, default=20, help="pairs of half a second")
    parser.add_argument("--starts", type=int, default=20, help="pairs of exchanges")
    given = parser.parse_args(arguments)
    if given.rate < 10 or given.turns < 2 or given.starts < 2:
        parser.error("a difference with its spread needs ten messages a second and two pairs")
    start = measure_start(given.starts)
    with subprocess.Popen([sys.executable, __file__, "--child"], stdout=subprocess.PIPE) as child:
        added = asyncio.run(measure_way(child, given.rate, given.turns))
    return 0 if added <= AIM_ADDED_MS and start <= AIM_LATER_MS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
