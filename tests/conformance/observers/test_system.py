"""Observer O against a process whose sockets, threads and children are known."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from mockex.server.journal import Sampled
from mockex_conformance.observers import linux
from mockex_conformance.observers.system import PERIOD_S, Observer, Ports

PROGRAM = """\
import socket, subprocess, sys, threading
port = int(sys.argv[1])
kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
threading.Thread(target=threading.Event().wait, daemon=True).start()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print("ready", flush=True)
sys.stdin.readline()
child.kill()
child.wait()
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.communicate("done\n", timeout=10)


@pytest.fixture(params=["linux", "psutil"])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who is asked for sockets and children: both tell the same."""
    if request.param == "psutil":
        monkeypatch.setattr(linux, "tells", lambda: False)
    elif not linux.tells():
        pytest.skip("this system does not tell")
    return str(request.param)


@pytest.mark.usefixtures("asked")
async def test_a_tree_is_counted_with_its_sockets(started: list[subprocess.Popen[str]]) -> None:
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda r, w: accepted.append(w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    seen: set[psutil.Process] = set()
    observer = Observer(process.pid, Ports(frozenset({port})), 1, seen)
    first = observer.sample(10.0)
    assert first is not None
    assert first.own_sockets == {"ESTABLISHED": 3}
    assert first.stream_sockets == 3
    rest = Ports(frozenset(), rest=frozenset({port}))
    as_rest = Observer(process.pid, rest, 1, seen).sample(10.0)
    assert as_rest is not None
    assert (as_rest.own_sockets, as_rest.stream_sockets) == ({"ESTABLISHED": 3}, 0)
    assert first.processes == len(seen) == 2
    assert first.threads == 3
    assert first.descriptors >= 6
    async with asyncio.timeout(5):
        while len(accepted) < 3:
            await asyncio.sleep(0)
    accepted[0].close()
    await accepted[0].wait_closed()
    async with asyncio.timeout(5):
        while (second := observer.sample(11.0)) and "CLOSE_WAIT" not in second.own_sockets:
            await asyncio.sleep(0.01)
    later = observer.sample(14.0)
    assert later is not None
    assert later.own_sockets == {"ESTABLISHED": 2, "CLOSE_WAIT": 1}
    assert later.close_wait_s == 3.0
    server.close()
    for writer in accepted[1:]:
        writer.close()


@pytest.mark.usefixtures("asked")
def test_a_socket_of_ipv6_that_means_an_address_of_ipv4_is_one_too() -> None:
    """As the JVM opens them."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as client:
        port = server.getsockname()[1]
        client.connect(("::ffff:127.0.0.1", port))
        sample = Observer(os.getpid(), Ports(frozenset({port})), 1, set()).sample(0.0)
        assert sample is not None
        assert sample.own_sockets == {"ESTABLISHED": 1}


FAMILY = """\
import subprocess, sys, threading
parent = [sys.executable, "-c", "import subprocess, sys\\n"
    "with subprocess.Popen([sys.executable, '-c', 'input()']): print('ready', flush=True)"]
thread = threading.Thread(target=subprocess.run, args=(parent,))
thread.start()
thread.join()
print("alone", flush=True)
sys.stdin.readline()
"""


@pytest.mark.usefixtures("asked")
def test_a_child_of_any_thread_and_a_child_of_a_child_belong_to_the_tree(
    started: list[subprocess.Popen[str]],
) -> None:
    """And each look has the same object for it, by which it is known later."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    started.append(process)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    seen: set[psutil.Process] = set()
    observer = Observer(process.pid, Ports(frozenset()), 1, seen)
    for now in (0.0, 0.2):
        together = observer.sample(now)
        assert together is not None
        assert together.processes == len(seen) == 3
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "alone\n"
    alone = observer.sample(0.4)
    assert alone is not None
    assert alone.processes == 1


@pytest.mark.usefixtures("asked")
def test_a_process_that_is_gone_gives_no_sample() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    observer = Observer(process.pid, Ports(frozenset()), 1, set())
    process.communicate(b"\n")
    assert observer.sample(0.0) is None


async def test_it_looks_at_least_every_250_ms_and_ends_with_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    sampled: list[Sampled] = []
    enough = asyncio.Event()

    def keep(sample: Sampled) -> None:
        sampled.append(sample)
        if len(sampled) == 4:
            enough.set()

    observer = Observer(process.pid, Ports(frozenset()), 2, set())
    watching = asyncio.ensure_future(observer.run(keep))
    async with asyncio.timeout(10):
        await enough.wait()
        process.communicate(b"\n")
        await watching
    assert PERIOD_S <= 0.25
    assert {sample.run for sample in sampled} == {2}
    assert all(sample.rss_bytes > 0 and sample.processes == 1 for sample in sampled)


def test_a_process_that_may_not_be_looked_at_is_no_process_without_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(process: psutil.Process) -> int:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "num_fds", denied)
    with pytest.raises(psutil.AccessDenied):
        Observer(os.getpid(), Ports(frozenset()), 1, set()).sample(0.0)


def test_the_time_that_a_thread_waits_for_a_processor_is_told() -> None:
    """Two that never pause, on one processor: each waits as long as the other runs."""
    spin = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    both = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2)]
    try:
        observer = Observer(both[0].pid, Ports(frozenset()), 1, set())
        began = time.monotonic()
        sample = observer.sample(0.0)
        while sample is not None and sample.queued_s < 0.3 and time.monotonic() - began < 20:
            time.sleep(0.05)
            sample = observer.sample(0.0)
        assert sample is not None
        assert 0.3 <= sample.queued_s <= time.monotonic() - began + 1.0
    finally:
        for process in both:
            process.kill()
            process.wait()
