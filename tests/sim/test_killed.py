"""Simulated processes that are killed, or stopped and let go on: what the others see of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from mockex import sim
from tests.sim.programs import Peer, listening, loop_of_the_run, run, spawn, waits

# --- killed ---


def test_no_code_of_a_killed_process_runs_any_more() -> None:
    async def task() -> None:
        try:
            while True:
                await asyncio.sleep(0.1)
                ran.append("task")
        finally:
            ran.append("finally")
            tasks.append(asyncio.create_task(task()))

    async def lines() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(100)
        finally:
            ran.append("generator")

    async def program() -> int:
        loop = asyncio.get_running_loop()
        loop.call_later(2, ran.append, "timer")
        tasks.append(asyncio.create_task(task()))
        async for _ in lines():
            pass
        return 0

    async def main() -> None:
        process = spawn(program)
        await asyncio.sleep(1.05)
        ran.clear()
        process.kill()
        assert process.tasks() == []
        await asyncio.sleep(10)
        assert ran == []

    ran: list[str] = []
    tasks: list[object] = []
    run(main())


def test_generators_of_a_killed_process_are_closed_at_the_end() -> None:
    async def lines() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            closed.append(True)

    async def program() -> int:
        async for _ in lines():
            await waits()
        return 0

    async def main() -> None:
        process = spawn(program)
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(10)
        assert closed == []

    closed: list[bool] = []
    run(main())
    assert closed == [True]


def test_a_process_that_is_killed_by_its_own_callback_runs_no_further() -> None:
    async def program() -> int:
        process = processes[0]
        process.kill()
        await asyncio.sleep(0)
        ran.append("further")
        return 0

    async def main() -> int:
        processes.append(spawn(program))
        return await processes[0].ended

    processes: list[sim.Process] = []
    ran: list[str] = []
    assert run(main()) == -signal.SIGKILL
    assert ran == []


@pytest.mark.parametrize(
    ("unread", "saw"),
    [(False, ["eof", "lost NoneType"]), (True, ["lost ConnectionResetError"])],
)
def test_the_sockets_of_a_killed_process_are_closed_as_the_kernel_does(
    unread: bool, saw: list[str]
) -> None:
    async def main() -> list[str]:
        loop = loop_of_the_run()
        peer = Peer()
        server, port = await listening(peer)

        async def program() -> int:
            await loop.create_connection(lambda: Peer(paused=unread), "127.0.0.1", port)
            return await waits()

        process = spawn(program)
        await asyncio.sleep(1)
        if unread:
            peer.transport.write(b"hello")
        await asyncio.sleep(1)
        assert [sock.state for sock in loop.network.sockets_of(process)] == ["ESTABLISHED"]
        process.kill()
        assert loop.network.sockets_of(process) == []
        await asyncio.sleep(1)
        server.close()
        return peer.saw

    assert run(main()) == saw


def test_what_a_killed_process_had_sent_still_arrives() -> None:
    async def main() -> list[str]:
        peer = Peer()
        server, port = await listening(peer)

        async def program() -> int:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(Peer, "127.0.0.1", port)
            transport.write(b"hello")
            os._exit(0)

        await spawn(program).ended
        await asyncio.sleep(1)
        server.close()
        return peer.saw

    assert run(main()) == ["5 bytes", "eof", "lost NoneType"]


def test_the_listener_of_a_killed_process_refuses_and_resets_its_backlog() -> None:
    async def main() -> list[str]:
        loop = loop_of_the_run()
        peer = Peer()

        async def program() -> int:
            listener = sim.SimSocket(loop.network)
            listener.bind(("127.0.0.1", 4000))
            listener.listen(5)
            return await waits()

        process = spawn(program)
        await asyncio.sleep(1)
        await loop.create_connection(lambda: peer, "127.0.0.1", 4000)
        process.kill()
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Peer, "127.0.0.1", 4000)
        return peer.saw

    assert run(main()) == ["lost ConnectionResetError"]


def test_the_port_of_a_process_that_has_ended_is_free_again() -> None:
    async def program() -> int:
        await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 4000)
        return 0

    async def main() -> None:
        for _ in range(2):
            assert await spawn(program).ended == 0

    run(main())


# --- stopped and going on ---


def test_a_stopped_process_runs_nothing_and_then_all_that_came_due() -> None:
    async def program() -> int:
        loop = asyncio.get_running_loop()
        for second in (1, 2, 3):
            loop.call_later(second, ran.append, second)
        await asyncio.sleep(5)
        ran.append(round(loop.time()))
        return 0

    async def main() -> int:
        process = spawn(program)
        await asyncio.sleep(1.5)
        process.send_signal(signal.SIGSTOP)
        assert process.stopped
        await asyncio.sleep(10)
        assert ran == [1]
        process.send_signal(signal.SIGCONT)
        assert not process.stopped
        return await process.ended

    ran: list[int] = []
    assert run(main()) == 0
    assert ran == [1, 2, 3, 1012]


def test_what_arrives_at_a_stopped_process_is_read_when_it_goes_on_before_its_timers_run() -> None:
    class Told(Peer):
        def data_received(self, data: bytes) -> None:
            saw.append(data.decode())

    async def program() -> int:
        loop = asyncio.get_running_loop()
        await loop.create_server(Told, "127.0.0.1", 4000)
        loop.call_later(2, saw.append, "timer")
        return await waits()

    async def main() -> None:
        process = spawn(program)
        await asyncio.sleep(1)
        client, _ = await asyncio.get_running_loop().create_connection(Peer, "127.0.0.1", 4000)
        client.write(b"before")
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        client.write(b"meanwhile")
        await asyncio.sleep(5)
        assert saw == ["before"]
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.1)
        client.abort()
        process.kill()

    saw: list[str] = []
    run(main())
    assert saw == ["before", "meanwhile", "timer"]


def test_the_sockets_of_a_stopped_process_fill_up() -> None:
    async def program() -> int:
        await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", 4000)
        return await waits()

    async def main() -> int:
        process = spawn(program)
        await asyncio.sleep(1)
        client, _ = await asyncio.get_running_loop().create_connection(Peer, "127.0.0.1", 4000)
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        client.write(b"x" * 2_000_000)
        await asyncio.sleep(5)
        waiting = client.get_write_buffer_size()
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(5)
        assert client.get_write_buffer_size() == 0
        client.abort()
        process.kill()
        return waiting

    assert 1_000_000 < run(main()) < 2_000_000


def test_a_signal_waits_until_a_stopped_process_goes_on_but_sigkill_does_not() -> None:
    async def main() -> tuple[int, int]:
        patient, other = spawn(waits), spawn(waits)
        await asyncio.sleep(1)
        for process in (patient, other):
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert patient.code is None
        patient.send_signal(signal.SIGCONT)
        other.send_signal(signal.SIGKILL)
        assert not other.stopped
        other.send_signal(signal.SIGSTOP)
        assert not other.stopped, "it has ended"
        return await patient.ended, await other.ended

    assert run(main()) == (-signal.SIGTERM, -signal.SIGKILL)
