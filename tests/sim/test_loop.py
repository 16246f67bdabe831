"""The simulated loop: its time, its order, and what it names."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from time import sleep as the_machines_sleep
from time import thread_time  # bound before it is replaced
from typing import Any

import pytest

from mockex import sim
from mockex.errors import Deadlock, Leaked, Spins
from mockex.sim import watch
from tests.sim.ends import port_of_an_echo
from tests.sim.scenario import lines

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "68eb539f2212c5562ebbcc0c73a67957"  # of the scenario with seed 7, on every Python


def run(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
    return sim.run(main, seed=1, **options)


def at(comment: str) -> str:
    """The place of the line of this file that ends with a comment."""
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    (line,) = (n for n, text in enumerate(source, 1) if text.endswith(f"  # {comment}"))
    return f"test_loop.py:{line}"


# --- time ---


def test_time_jumps_to_the_next_timer() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(86_400)
        return loop.time() - began

    began = time.perf_counter()
    assert run(main()) == pytest.approx(86_400)
    assert time.perf_counter() - began < 60


def test_timers_fire_in_order_and_those_of_one_instant_as_they_were_set() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        fired: list[str] = []
        for number in range(5):
            loop.call_at(loop.time() + 2, fired.append, f"late {number}")
            loop.call_later(1, fired.append, f"early {number}")
        loop.call_soon(fired.append, "now")
        await asyncio.sleep(3)
        return fired

    early, late = [f"early {n}" for n in range(5)], [f"late {n}" for n in range(5)]
    assert run(main()) == ["now", *early, *late]


def test_time_does_not_move_while_something_is_ready() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        passed = loop.time() - began
        await asyncio.sleep(1)
        return passed

    assert run(main()) == 0


def test_time_outs_are_of_virtual_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 30)
        return loop.time() - began

    assert run(main()) == pytest.approx(60)


def test_the_result_and_the_exception_of_the_program_come_out() -> None:
    async def gives() -> str:
        return "this"

    async def raises() -> None:
        raise KeyError("that")

    async def interrupts() -> None:
        raise KeyboardInterrupt

    async def exits() -> None:
        sys.exit(3)

    assert run(gives()) == "this"
    with pytest.raises(KeyError, match="that"):
        run(raises())
    with pytest.raises(KeyboardInterrupt):
        run(interrupts())
    with pytest.raises(SystemExit) as raised:
        run(exits())
    assert raised.value.code == 3


def test_debug_mode_works() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        await asyncio.wait_for(asyncio.sleep(1), 2)
        reader, writer = await asyncio.open_connection("127.0.0.1", await port_of_an_echo())
        writer.write(b"hello")
        assert await reader.read(10) == b"hello"
        writer.close()
        await asyncio.sleep(1)

    run(main())


def test_one_seed_is_one_run_in_another_process_and_on_every_python() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-m", "tests.sim.scenario", "7"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert said[0].splitlines() == said[1].splitlines() == lines(7)
    assert hashlib.md5(said[0].encode()).hexdigest() == DIGEST


def test_another_seed_is_another_run() -> None:
    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        _, writer = await asyncio.open_connection("127.0.0.1", await port_of_an_echo())
        writer.close()
        await asyncio.sleep(1)
        return [loop.time(), random.random(), secrets.token_hex(8)]

    first, again, other = (sim.run(main(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_tasks_are_named_as_in_the_first_run() -> None:
    async def main() -> str:
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        return task.get_name()

    assert run(main()) == run(main()) == "Task-2"


# --- findings ---


def test_a_program_that_waits_for_nothing_is_a_deadlock_that_names_tasks_and_places() -> None:
    async def waits() -> None:
        await asyncio.get_running_loop().create_future()  # here it waits

    async def main() -> None:
        await asyncio.create_task(waits(), name="the one that waits")  # here it was made

    with pytest.raises(Deadlock, match="nothing is ready and no timer is left") as raised:
        run(main())
    program, waiting = raised.value.tasks
    assert "Task-1 (" in program
    assert at("here it was made") in program.partition("made at")[0]
    assert "the one that waits (" in waiting
    assert "waits)" in waiting
    assert at("here it waits") in waiting.partition("made at")[0]
    assert at("here it was made") in waiting.partition("made at")[2]


async def sleeps_nothing() -> None:
    while True:
        await asyncio.sleep(0)


async def sleeps_next_to_nothing() -> None:
    while True:
        await asyncio.sleep(1e-12)


async def sets_timers_for_now() -> None:
    loop = asyncio.get_running_loop()

    def again() -> None:
        loop.call_at(loop.time(), again)

    again()
    await loop.create_future()


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (sleeps_nothing, "sleeps_nothing"),
        (sleeps_next_to_nothing, "_set_result_unless_cancelled"),
        (sets_timers_for_now, "sets_timers_for_now.<locals>.again"),
    ],
)
def test_a_program_that_lets_no_time_pass_spins(
    program: Callable[[], Coroutine[Any, Any, None]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_AT_ONE_INSTANT", 2000)
    with pytest.raises(Spins, match="time did not move") as raised:
        run(program())
    assert any(name in callback for callback in raised.value.callbacks)
    assert all("test_loop.py:" in callback for callback in raised.value.callbacks)


def test_a_hundred_thousand_callbacks_may_run_at_one_instant() -> None:
    async def main(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        for _ in range(turns):
            await asyncio.sleep(0)

    run(main(99_990))
    with pytest.raises(Spins):
        run(main(100_001))


def test_what_is_left_at_the_end_is_listed_with_where_it_was_made() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks.append(asyncio.create_task(waits(), name="forgotten"))  # a task
        await loop.create_server(asyncio.Protocol, "127.0.0.1", 4000)  # a listener
        await loop.create_connection(asyncio.Protocol, "127.0.0.1", 4000)  # a connection
        loop.call_later(5, print)  # a timer
        await asyncio.sleep(1)

    async def waits() -> None:
        await asyncio.get_running_loop().create_future()  # a wait

    tasks: list[object] = []
    with pytest.raises(Leaked, match="left behind at the end") as raised:
        run(main())
    task, listener, client, server, timer = raised.value.left
    assert "task forgotten (" in task
    assert at("a task") in task
    assert at("a wait") in task
    assert "socket LISTEN 127.0.0.1:4000" in listener
    assert at("a listener") in listener
    assert "socket ESTABLISHED 127.0.0.1:40000 → 127.0.0.1:4000" in client
    assert at("a connection") in client
    assert "socket ESTABLISHED 127.0.0.1:4000 → 127.0.0.1:40000" in server
    assert at("a listener") in server
    assert "timer print" in timer
    assert at("a timer") in timer


def test_a_process_that_is_left_running_is_listed() -> None:
    async def child() -> int:
        await asyncio.sleep(10)
        return 0

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, sim.SimLoop)
        loop.spawn("the child", child())
        await asyncio.sleep(1)

    with pytest.raises(Leaked) as raised:
        run(main())
    assert all(thing.startswith("process the child: ") for thing in raised.value.left)


def test_a_clean_end_leaves_nothing() -> None:
    async def main() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", await port_of_an_echo())
        writer.write(b"hello")
        await reader.readexactly(5)
        writer.close()
        await asyncio.sleep(1)

    told: list[list[str]] = []
    run(main(), leaks=told.append)
    assert told == [[]]


def test_what_is_left_does_not_hide_why_the_program_failed() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 4000)
        raise KeyError

    with pytest.raises(KeyError):
        run(main())


def burn(cpu_s: float) -> None:
    until = thread_time() + cpu_s
    while thread_time() < until:
        pass


def test_a_callback_that_takes_long_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def burns() -> None:
        await asyncio.sleep(1)
        burn(0.12)
        await asyncio.sleep(1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(3, burn, 0.12)
        await asyncio.create_task(burns(), name="the burner")
        await asyncio.sleep(2)
        burn(0.12)

    with caplog.at_level(logging.WARNING, "mockex.sim"):
        run(main())
    task, timer, program = (record.getMessage() for record in caplog.records)
    assert "the burner (" in task
    assert "burn (" in timer
    assert "Task-1 (" in program


def test_a_busy_machine_is_no_finding(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        for _ in range(10):
            burn(0.03)
            await asyncio.sleep(0.001)
        no_processor()

    def no_processor() -> None:
        the_machines_sleep(0.15)

    run(main())
    assert not caplog.records


# --- the end ---


def test_what_is_left_is_cancelled_once_and_may_clear_up() -> None:
    async def clears_up() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(10)
            done.append("cleared up")

    async def gives() -> Any:
        try:
            yield 1
        finally:
            done.append("closed")

    async def main() -> None:
        tasks.append(asyncio.create_task(clears_up()))
        generators.append(gives())
        await anext(generators[0])

    done: list[str] = []
    tasks: list[object] = []
    generators: list[Any] = []
    run(main(), leaks=lambda left: None)
    assert done == ["cleared up", "closed"]


async def deaf_and_waits() -> None:
    while True:
        try:
            await asyncio.sleep(1)
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                raise


async def deaf_to_everything() -> None:
    while True:
        with suppress(BaseException):
            await asyncio.sleep(1)


async def deaf_and_spins() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


@pytest.mark.parametrize("deaf", [deaf_and_waits, deaf_to_everything, deaf_and_spins])
def test_a_task_that_ignores_its_cancellation_does_not_hang_the_end(
    deaf: Callable[[], Coroutine[Any, Any, None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        tasks.append(asyncio.create_task(deaf()))
        await asyncio.sleep(0)

    monkeypatch.setattr(watch, "MOST_AT_ONE_INSTANT", 2000)
    tasks: list[object] = []
    with pytest.raises(Leaked, match=deaf.__name__):
        run(main())


def test_a_run_inside_a_running_loop_is_refused() -> None:
    async def inner() -> None:
        raise AssertionError

    async def main() -> None:
        with pytest.raises(RuntimeError, match="running event loop"):
            run(inner())

    asyncio.run(main())
    run(main())


def test_a_network_is_for_one_run() -> None:
    async def main() -> None:
        await asyncio.sleep(0)

    network = sim.Network()
    run(main(), network=network)
    with pytest.raises(RuntimeError, match="a Network is for one run"):
        run(main(), network=network)
