"""What stands for the machine: its clocks, its chance, and its refusals."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from mockex import sim
from mockex.errors import NotSimulated
from tests.sim.ends import new_socket, port_of_an_echo


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return sim.run(main, seed=1)


# --- clocks and chance ---


def clocks() -> list[float]:
    return [
        time.time(), time.monotonic(), time.perf_counter(), time.process_time(),
        time.thread_time(), time.time_ns() / 1e9, time.monotonic_ns() / 1e9,
        time.mktime(time.localtime()),
    ]  # fmt: skip


def draws() -> list[object]:
    random.seed()
    return [
        random.random(), random.Random().random(), random.SystemRandom().random(),
        secrets.token_hex(8), os.urandom(8),
    ]  # fmt: skip


def test_clocks_are_those_of_the_loop_inside_and_the_machines_outside() -> None:
    async def main() -> tuple[list[float], list[float]]:
        before = clocks()
        await asyncio.sleep(1000)
        return before, clocks()

    real = time.time()
    before, after = run(main())
    assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx([1000] * 8)
    assert time.gmtime(before[0])[:3] == (2026, 11, 1)
    assert 0 <= time.time() - real < 100


def test_the_machine_is_restored_whatever_happens() -> None:
    async def main() -> None:
        raise KeyError

    names = [
        (time, "time"), (time, "sleep"), (time, "monotonic_ns"), (os, "urandom"), (os, "_exit"),
        (random.Random, "seed"), (threading.Thread, "start"), (asyncio, "all_tasks"),
    ]  # fmt: skip
    before = [getattr(module, name) for module, name in names]
    state = random.getstate()
    with pytest.raises(KeyError):
        run(main())
    assert [getattr(module, name) for module, name in names] == before
    assert random.getstate() == state
    assert gc.isenabled()
    assert draws() != draws()


def test_other_threads_keep_the_machines_clocks_and_chance() -> None:
    seen: list[float] = []
    asked, told = threading.Event(), threading.Event()

    def elsewhere() -> None:
        asked.wait()
        seen.append(time.time())
        told.set()

    async def main() -> float:
        asked.set()
        told.wait()
        return time.time()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    inside = run(main())
    thread.join()
    assert abs(seen[0] - time.time()) < 100 < abs(seen[0] - inside)


# --- what is refused ---


async def connects() -> None:
    with socket.socket() as real:
        real.connect(("127.0.0.1", 1))


async def binds() -> None:
    with socket.socket() as real:
        real.bind(("127.0.0.1", 0))


async def resolves() -> None:
    socket.getaddrinfo("localhost", 80)


async def dials() -> None:
    socket.create_connection(("127.0.0.1", 1))


async def starts_a_process() -> None:
    subprocess.run([sys.executable], check=False)


async def starts_a_process_with_asyncio() -> None:
    await asyncio.create_subprocess_exec(sys.executable)


async def starts_a_shell() -> None:
    os.system("true")


async def forks() -> None:
    os.fork()


async def starts_a_thread() -> None:
    threading.Thread(target=print).start()


async def starts_a_pool() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(print)


async def uses_the_executor() -> None:
    await asyncio.to_thread(print)


async def sleeps() -> None:
    time.sleep(1)  # noqa: ASYNC251 - that is refused


async def starts_tls() -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", await port_of_an_echo())
    try:
        await writer.start_tls(ssl.create_default_context())
    finally:
        writer.close()
        await asyncio.sleep(1)


async def connects_with_tls() -> None:
    await asyncio.open_connection("127.0.0.1", 1, ssl=True)


async def listens_with_tls() -> None:
    await asyncio.start_server(print, "127.0.0.1", 0, ssl=ssl.create_default_context())


async def gives_a_real_socket() -> None:
    with socket.socket() as real:
        await asyncio.open_connection(sock=real)


async def listens_on_a_real_socket() -> None:
    with socket.socket() as real:
        await asyncio.start_server(print, sock=real)


async def watches_a_real_descriptor() -> None:
    asyncio.get_running_loop().add_reader(0, print)


async def blocks() -> None:
    with new_socket() as sock:
        sock.setblocking(True)


async def blocks_for_a_while() -> None:
    with new_socket() as sock:
        sock.settimeout(1)


async def asks_too_much() -> None:
    with new_socket() as sock:
        sock.recvfrom(1)


async def peeks() -> None:
    with new_socket() as sock:
        sock.recv(1, socket.MSG_PEEK)


async def asks_for_a_structure() -> None:
    with new_socket() as sock:
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)


async def opens_a_datagram_endpoint() -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", 0)
    )


async def opens_a_unix_socket() -> None:
    await asyncio.open_unix_connection("/nowhere")


async def handles_a_signal_of_the_machine() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


async def kills() -> None:
    os.kill(os.getpid(), 0)


async def makes_tasks_of_its_own() -> None:
    asyncio.get_running_loop().set_task_factory(None)


REFUSED = [
    (connects, "a real socket"),
    (binds, "a real socket"),
    (dials, "socket.getaddrinfo"),
    (resolves, "socket.getaddrinfo"),
    (starts_a_process, "a process"),
    (starts_a_process_with_asyncio, "loop.subprocess_exec"),
    (starts_a_shell, "a process"),
    (forks, "a process"),
    (starts_a_thread, "a thread"),
    (starts_a_pool, "a thread"),
    (uses_the_executor, "loop.run_in_executor"),
    (sleeps, "time.sleep"),
    (starts_tls, "loop.start_tls"),
    (connects_with_tls, "TLS"),
    (listens_with_tls, "TLS"),
    (gives_a_real_socket, "a real socket"),
    (listens_on_a_real_socket, "a real socket"),
    (watches_a_real_descriptor, "file descriptor 0"),
    (blocks, "a blocking socket"),
    (blocks_for_a_while, "a socket with a time-out"),
    (asks_too_much, "socket.recvfrom"),
    (peeks, "socket.recv with flags"),
    (asks_for_a_structure, "socket.getsockopt of a structure"),
    (opens_a_datagram_endpoint, "loop.create_datagram_endpoint"),
    (opens_a_unix_socket, "loop.create_unix_connection"),
    (handles_a_signal_of_the_machine, "a signal of the machine"),
    (kills, "a signal of the machine"),
    (makes_tasks_of_its_own, "loop.set_task_factory"),
]


@pytest.mark.parametrize(("program", "what"), REFUSED, ids=[p.__name__ for p, _ in REFUSED])
def test_what_cannot_be_simulated_is_refused_with_its_place(
    program: Callable[[], Coroutine[Any, Any, None]], what: str
) -> None:
    async def main() -> None:
        with pytest.raises(NotSimulated) as raised:
            await program()
        refused.append(raised.value)

    refused: list[NotSimulated] = []
    run(main())
    (error,) = refused
    assert error.what == what
    assert str(error).startswith(f"{what} is not simulated (at ")
    code = program.__code__
    file, _, line = error.place.rpartition(":")
    assert file == __file__
    assert code.co_firstlineno < int(line) <= max(n for _, _, n in code.co_lines() if n)


def test_a_refusal_that_the_program_swallowed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with suppress(Exception):
            await sleeps()

    run(main())
    (record,) = caplog.records
    assert record.name == "mockex.sim"
    assert "time.sleep is not simulated" in record.getMessage()
    assert "the error was caught" in record.getMessage()
    assert f"{__file__}:{sleeps.__code__.co_firstlineno + 1}" in record.getMessage()


def test_a_refusal_that_ends_the_program_is_not_logged_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(NotSimulated):
        run(sleeps())
    assert not caplog.records


def test_outside_nothing_is_refused() -> None:
    with socket.socket() as real:
        real.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()
    asyncio.run(asyncio.to_thread(print))
