"""Simulated processes: signals, exits, and what is left of them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Any

import pytest

from mockex import sim
from mockex.errors import NotSimulated, Spins
from mockex.sim import watch
from tests.sim.programs import Peer, code_of, listening, loop_of_the_run, run, spawn, waits

# --- the end by itself ---


def test_the_result_of_main_is_the_exit_status() -> None:
    async def program() -> int:
        await asyncio.sleep(1)
        return 7

    assert code_of(program) == 7


def test_a_main_that_raises_is_status_1_and_said(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> int:
        raise KeyError("why")

    assert code_of(program) == 1
    (record,) = caplog.records
    assert "program died" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


def test_a_main_that_was_cancelled_is_status_1() -> None:
    async def program() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)
        return 0

    assert code_of(program) == 1


@pytest.mark.parametrize(("argument", "code"), [(3, 3), (None, 0), ("a message", 1)])
@pytest.mark.parametrize("where", ["main", "task", "callback"])
def test_sys_exit_ends_that_process_alone(where: str, argument: Any, code: int) -> None:
    async def task() -> None:
        await asyncio.sleep(1)
        sys.exit(argument)

    async def program() -> int:
        loop = asyncio.get_running_loop()
        if where == "main":
            await task()
        if where == "task":
            tasks.append(asyncio.create_task(task()))
        else:
            loop.call_later(1, sys.exit, argument)
        await asyncio.sleep(10)
        return 99

    async def main() -> tuple[int, int]:
        loop = loop_of_the_run()
        other = spawn(waits)
        ended = await spawn(program).ended
        assert loop.time() == pytest.approx(1001)
        await asyncio.sleep(1)
        assert other.code is None
        other.kill()
        return ended, await other.ended

    tasks: list[object] = []
    assert run(main()) == (code, -signal.SIGKILL)


def test_sys_exit_lets_what_runs_clear_up() -> None:
    async def clears_up() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            done.append("task")

    async def program() -> int:
        task = asyncio.create_task(clears_up())
        asyncio.get_running_loop().call_later(1, sys.exit, 3)
        try:
            await task
        finally:
            done.append("main")
        return 0

    done: list[str] = []
    assert code_of(program) == 3
    assert sorted(done) == ["main", "task"]


def test_sys_exit_while_it_clears_up_ends_it_at_once() -> None:
    async def program() -> int:
        asyncio.get_running_loop().call_later(1, sys.exit, 3)
        try:
            await asyncio.sleep(10)
        finally:
            sys.exit(4)

    assert code_of(program) == 4


@pytest.mark.parametrize("where", ["main", "callback"])
def test_os_exit_ends_it_at_once(where: str) -> None:
    async def program() -> int:
        if where == "callback":
            asyncio.get_running_loop().call_later(1, os._exit, 5)
        try:
            if where == "main":
                await asyncio.sleep(1)
                try:
                    os._exit(5)
                except BaseException:
                    await asyncio.sleep(0)  # what it does in memory is in vain
            else:
                await asyncio.sleep(10)
        finally:
            await asyncio.sleep(1)
            done.append("cleared up")
        return 0

    done: list[str] = []
    assert code_of(program) == 5
    assert done == []


def test_what_still_runs_when_main_returns_is_cancelled_and_waited_for() -> None:
    async def clears_up() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)
            done.append("cleared up")

    async def program() -> int:
        tasks.append(asyncio.create_task(clears_up()))
        await asyncio.sleep(1)
        return 0

    async def main() -> float:
        process = spawn(program)
        assert await process.ended == 0
        assert process.left == []
        return loop_of_the_run().time()

    done: list[str] = []
    tasks: list[object] = []
    assert run(main()) == pytest.approx(1003)
    assert done == ["cleared up"]


def test_a_task_that_ignores_its_cancellation_keeps_it_alive() -> None:
    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                asked.append(loop_of_the_run().time())

    async def program() -> int:
        tasks.append(asyncio.create_task(deaf()))
        await asyncio.sleep(1)
        return 0

    async def main() -> int:
        process = spawn(program)
        await asyncio.sleep(60)
        assert process.code is None
        process.kill()
        return await process.ended

    asked: list[float] = []
    tasks: list[object] = []
    assert run(main()) == -signal.SIGKILL
    assert len(asked) == 1


def test_what_it_held_at_the_end_is_listed() -> None:
    async def program() -> int:
        loop = asyncio.get_running_loop()
        await loop.create_server(asyncio.Protocol, "127.0.0.1", 4000)
        loop.call_later(100, print)
        return 0

    async def main() -> list[str]:
        process = spawn(program)
        await process.ended
        return process.left

    listener, timer = run(main())
    assert listener.startswith("socket LISTEN 127.0.0.1:4000, made at ")
    assert timer.startswith("timer print, made at ")
    assert "test_process.py:" in listener
    assert "test_process.py:" in timer


# --- signals ---


def test_a_signal_without_a_handler_ends_it() -> None:
    async def main() -> int:
        process = spawn(waits)
        await asyncio.sleep(1)
        process.send_signal(signal.SIGTERM)
        return await process.ended

    assert run(main()) == -signal.SIGTERM


def test_a_signal_calls_the_handler_that_was_added_for_it() -> None:
    async def program() -> int:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heard.append, "SIGTERM")
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, told.set)
        await told.wait()
        return 3

    async def main() -> int:
        process = spawn(program)
        await asyncio.sleep(1)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert process.code is None
        process.send_signal(signal.SIGINT)
        return await process.ended

    heard: list[str] = []
    assert run(main()) == 3
    assert heard == ["SIGTERM"]


def test_a_handler_that_was_removed_is_not_called() -> None:
    async def program() -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, print)
        assert loop.remove_signal_handler(signal.SIGTERM)
        assert not loop.remove_signal_handler(signal.SIGTERM)
        return await waits()

    async def main() -> int:
        process = spawn(program)
        await asyncio.sleep(1)
        process.send_signal(signal.SIGTERM)
        return await process.ended

    assert run(main()) == -signal.SIGTERM


def test_no_handler_is_called_for_sigkill_and_none_after_the_end() -> None:
    async def program() -> int:
        for number in (signal.SIGKILL, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, heard.append, number)
        return await waits()

    async def main() -> int:
        process = spawn(program)
        await asyncio.sleep(1)
        process.send_signal(signal.SIGKILL)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        return await process.ended

    heard: list[int] = []
    assert run(main()) == -signal.SIGKILL
    assert heard == []


# --- apart from the others ---


def test_a_process_sees_its_own_tasks_only() -> None:
    async def program() -> int:
        other = asyncio.create_task(waits(), name="other")
        await asyncio.sleep(1)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert names == {"program", "other"}
        other.cancel()
        return 0

    async def main() -> int:
        assert {task.get_name() for task in asyncio.all_tasks()} == {"Task-1"}
        return await spawn(program).ended

    assert run(main()) == 0


def test_a_process_does_not_stop_the_loop_of_all() -> None:
    async def program() -> int:
        with pytest.raises(NotSimulated):
            asyncio.get_running_loop().stop()
        return 0

    assert code_of(program) == 0


def test_a_process_that_spins_is_ended_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def spins() -> int:
        while True:
            await asyncio.sleep(0)

    async def main() -> sim.Process:
        process = spawn(spins)
        await asyncio.sleep(1)
        return process

    monkeypatch.setattr(watch, "MOST_AT_ONE_INSTANT", 2000)
    process = run(main())
    assert process.code == -signal.SIGKILL
    assert isinstance(process.fault, Spins)
    assert "spins (" in process.fault.callbacks[0]


def test_callbacks_belong_to_the_process_that_set_them() -> None:
    async def child() -> int:
        loop = asyncio.get_running_loop()
        server, port = await listening(Peer())
        await loop.create_connection(Peer, "127.0.0.1", port)
        owners.append(loop_of_the_run().network.sockets_of(None))
        server.close()
        return await waits()

    async def main() -> None:
        process = spawn(child)
        await asyncio.sleep(1)
        assert len(loop_of_the_run().network.sockets_of(process)) == 2
        process.kill()

    owners: list[list[sim.SimSocket]] = []
    run(main())
    assert owners == [[]]


def test_a_child_of_a_process_that_was_killed_lives_on() -> None:
    async def child() -> int:
        await asyncio.sleep(10)
        return 7

    async def parent() -> int:
        children.append(spawn(child))
        return await waits()

    async def main() -> int:
        process = spawn(parent)
        await asyncio.sleep(1)
        process.kill()
        return await children[0].ended

    children: list[sim.Process] = []
    assert run(main()) == 7


def test_nothing_is_said_of_what_was_killed(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> int:
        tasks.append(asyncio.create_task(waits()))
        _, port = await listening(Peer())
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        return await waits()

    async def main() -> None:
        process = spawn(program)
        await asyncio.sleep(1)
        process.kill()

    tasks: list[object] = []
    with caplog.at_level(logging.DEBUG):
        run(main())
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_the_program_itself_gets_the_signals_that_are_sent_to_the_loop() -> None:
    async def program() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, sim.SimLoop)
        got: list[str] = []
        loop.add_signal_handler(signal.SIGTERM, got.append, "term")
        loop.send_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert loop.remove_signal_handler(signal.SIGTERM)
        assert not loop.remove_signal_handler(signal.SIGTERM)
        with pytest.raises(KeyError):
            loop.send_signal(signal.SIGTERM)
        return got

    assert sim.run(program(), seed=1) == ["term"]
