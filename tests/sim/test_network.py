"""The simulated network: addresses, listeners, back-pressure, and programs on it."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

import mockex
from mockex.faults import (
    Bandwidth,
    Direction,
    Latency,
    Slice,
)
from tests.sim.ends import End, Ends, Raw, new_socket
from tests.sim.pair import HOP_S, Pair, Timed, loop_of_the_run, now, on_a_pair, run

# --- addresses ---


def test_a_connect_and_a_chunk_take_a_moment_each() -> None:
    async def main() -> None:
        began = now()
        async with Pair() as pair:
            pair.client.write(b"hello")
            sent = now()
            await asyncio.sleep(1)
        (came,) = pair.server.times(sent)
        assert 0.0002 <= came <= HOP_S
        assert sent - began >= 0.0002 + 0.001

    run(main())


def test_names_resolve_that_the_network_knows() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        loop.network.add_host("stream.example.com", "10.1.2.3")
        found = await loop.getaddrinfo("stream.example.com", 9443, type=socket.SOCK_STREAM)
        assert [address for *_, address in found] == [("10.1.2.3", 9443)]
        server = await loop.create_server(asyncio.Protocol, "stream.example.com", 9443)
        transport, _ = await loop.create_connection(asyncio.Protocol, "stream.example.com", 9443)
        assert transport.get_extra_info("peername") == ("10.1.2.3", 9443)
        transport.close()
        server.close()
        await asyncio.sleep(1)
        for connecting in (
            loop.create_connection(asyncio.Protocol, "no.such.host", 1),
            loop.getaddrinfo("no.such.host", 1),
            loop.create_server(asyncio.Protocol, "no.such.host", 1),
        ):
            with pytest.raises(socket.gaierror, match="no host 'no\\.such\\.host' in this"):
                await connecting

    run(main())


def test_a_listener_is_reached_by_its_address_alone() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        one = await loop.create_server(asyncio.Protocol, "127.0.0.2", 4000)
        every = await loop.create_server(asyncio.Protocol, None, 4001)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", 4000)
        for address in (("127.0.0.2", 4000), ("127.0.0.7", 4001), ("localhost", 4001)):
            transport, _ = await loop.create_connection(asyncio.Protocol, *address)
            transport.close()
        await asyncio.sleep(1)
        one.close()
        every.close()

    run(main())


def test_a_local_address_can_be_chosen() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 4000)
        transport, _ = await loop.create_connection(
            asyncio.Protocol, "127.0.0.1", 4000, local_addr=("127.0.0.9", 5000)
        )
        assert transport.get_extra_info("sockname") == ("127.0.0.9", 5000)
        transport.close()
        server.close()
        await asyncio.sleep(1)

    run(main())


def test_a_port_is_for_one_unless_all_share_it() -> None:
    def bound(host: str, *, share: bool) -> Any:
        sock = new_socket()
        sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, share)
        sock.bind((host, 4000))
        return sock

    async def main() -> None:
        first = bound("127.0.0.1", share=False)
        bound("127.0.0.2", share=False)
        for host in ("127.0.0.1", "0.0.0.0"):
            for share in (False, True):
                with pytest.raises(OSError, match="in use") as raised:
                    bound(host, share=share)
                assert raised.value.errno == errno.EADDRINUSE
        first.close()
        bound("127.0.0.1", share=True)
        bound("127.0.0.1", share=True)
        with pytest.raises(OSError, match="in use"):
            bound("127.0.0.1", share=False)
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(asyncio.Protocol, "127.0.0.1", 4000)
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 4000, reuse_port=True)
        server.close()
        for sock in sockets:
            sock.close()

    sockets: list[Any] = []
    run(main())


def test_ports_are_given_again_once_all_were() -> None:
    async def main() -> None:
        kept = new_socket()
        kept.bind(("127.0.0.1", 0))
        for _ in range(30_000):
            with new_socket() as sock:
                sock.bind(("127.0.0.1", 0))
                assert 40_000 < sock.getsockname()[1] < 65_536
        kept.close()

    run(main())


# --- listeners ---


def test_a_full_backlog_drops_and_is_asked_again_after_a_second() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        listener = new_socket()
        listener.bind(("127.0.0.1", 4000))
        listener.listen(1)
        began = now()
        clients = [Raw() for _ in range(4)]
        connecting = []
        for client in clients:
            attempt = loop.sock_connect(client.sock, ("127.0.0.1", 4000))
            connecting.append(asyncio.create_task(attempt))
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        assert [task.done() for task in connecting] == [True, True, False, False]  # backlog + 1
        listener.accept()[0].close()
        await connecting[2]
        assert now() - began == pytest.approx(1, abs=0.01)
        await asyncio.sleep(5)
        listener.accept()[0].close()
        await connecting[3]
        assert now() - began == pytest.approx(7, abs=0.01)
        for client in clients:
            client.close()
        listener.close()

    run(main())


def test_an_attempt_that_is_never_heard_times_out_as_on_linux() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        listener = new_socket()
        listener.bind(("127.0.0.1", 4000))
        listener.listen(0)
        first, second = Raw(), Raw()
        await loop.sock_connect(first.sock, ("127.0.0.1", 4000))
        began = now()
        with pytest.raises(TimeoutError) as raised:
            await loop.sock_connect(second.sock, ("127.0.0.1", 4000))
        assert raised.value.errno == errno.ETIMEDOUT
        assert 100 < now() - began < 130
        for sock in (first.sock, second.sock, listener):
            sock.close()

    run(main())


# --- back-pressure ---


def test_a_reader_that_pauses_pauses_the_writer_and_a_reader_that_resumes_resumes_it() -> None:
    async def scenario(pair: Pair) -> None:
        pair.server.write(bytes(300_000))
        await asyncio.sleep(1)
        assert pair.server.saw == []  # the kernels of both ends take that much
        pair.server.write(bytes(300_000))
        await asyncio.sleep(1)
        assert pair.server.saw == ["pause_writing"]
        assert pair.client.saw == []
        pair.client.resume()
        await pair.server.until("resume_writing")
        await asyncio.sleep(1)
        assert pair.client.read_in_all == 600_000
        pair.client.pause()
        pair.server.write(b"more")
        await asyncio.sleep(1)
        assert pair.client.read_in_all == 600_000

    on_a_pair(scenario, client=Timed(paused=True))


def test_write_buffer_limits_are_kept() -> None:
    async def scenario(pair: Pair) -> None:
        pair.server.transport.set_write_buffer_limits(high=1_000_000)
        pair.server.write(bytes(1_100_000))
        await asyncio.sleep(1)
        assert pair.server.saw == []
        assert 0 < pair.server.transport.get_write_buffer_size() < 1_000_000

    on_a_pair(scenario, client=Timed(paused=True))


def test_buffer_sizes_are_taken() -> None:
    async def scenario(pair: Pair) -> None:
        pair.server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        pair.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        assert pair.server.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 10_000
        assert pair.client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 20_000
        pair.server.write(bytes(100_000))
        await asyncio.sleep(1)
        assert pair.server.transport.get_write_buffer_size() == 70_000

    on_a_pair(scenario, client=Timed(paused=True))


def test_buffered_protocols_are_served() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(7)
            self.data = b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.buffer[:nbytes]

    async def main() -> None:
        loop = loop_of_the_run()
        server_end = End()
        server = await loop.create_server(lambda: server_end, "127.0.0.1", 4000)
        _, client = await loop.create_connection(Buffered, "127.0.0.1", 4000)
        await asyncio.sleep(1)
        server_end.write(bytes(range(256)))
        server_end.close()
        await asyncio.sleep(1)
        server.close()
        assert client.data == bytes(range(256))

    run(main())


def test_many_small_writes_of_one_moment_are_one_segment() -> None:
    async def scenario(pair: Pair) -> None:
        for _ in range(100):
            pair.server.write(b"x")
        await asyncio.sleep(1)
        assert [length for _, length in pair.client.came] == [100]

    on_a_pair(scenario)


def test_raw_sockets_serve_the_loops_own_methods() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        listener = new_socket()
        listener.bind(("127.0.0.1", 4000))
        listener.listen()
        client = new_socket()
        accepting = asyncio.create_task(loop.sock_accept(listener))
        await loop.sock_connect(client, ("127.0.0.1", 4000))
        server, address = await accepting
        assert address == client.getsockname()
        sending = asyncio.create_task(loop.sock_sendall(server, bytes(1_000_000)))
        received = 0
        while received < 1_000_000:
            received += len(await loop.sock_recv(client, 100_000))
        await sending
        for sock in (client, server, listener):
            sock.close()

    run(main())


def test_a_reset_does_not_wait_for_room() -> None:
    async def scenario(pair: Pair) -> None:
        pair.server.write(bytes(200_000))
        pair.server.reset()
        await pair.client.until_state("CLOSE")
        pair.client.resume()
        await pair.client.until("lost")

    pair = on_a_pair(scenario, client=Timed(paused=True))
    assert pair.client_saw == ["read 131072 bytes", "lost: ConnectionResetError ECONNRESET"]


def test_a_chunk_is_read_in_pieces_of_any_size() -> None:
    async def main() -> None:
        loop = loop_of_the_run()
        ends = Ends()
        client, server = await ends.on_sockets()
        server.send(bytes(range(256)))
        server.send(bytes(range(256)))
        data = b""
        while len(data) < 512:
            data += await loop.sock_recv(client.sock, 7)
        assert data == bytes(range(256)) * 2
        await ends.clear_up()

    run(main())


# --- programs ---


def test_websockets_on_a_bad_link_loses_nothing() -> None:
    async def main() -> None:
        async def echo(connection: ServerConnection) -> None:
            async for message in connection:
                await connection.send(message)

        loop = loop_of_the_run()
        async with serve(echo, "127.0.0.1", 4000) as server:
            assert server.is_serving()
            link = loop.network.link(4000)
            for direction in Direction:
                link.inject(Latency(delay_ms=20, jitter_ms=20, direction=direction))
            link.inject(Slice(bytes=700, gap_ms=0.1, direction=None))
            link.inject(Bandwidth(bytes_per_s=1_000_000, direction=None))
            async with connect("ws://127.0.0.1:4000", compression="deflate") as connection:
                assert connection.protocol.extensions
                sent = [f"message {number} " * (number % 50) for number in range(3000)]

                async def send() -> None:
                    for message in sent:
                        await connection.send(message)

                async with asyncio.TaskGroup() as group:
                    group.create_task(send())
                    got = [await connection.recv() for _ in sent]
                assert got == sent
        await asyncio.sleep(1)

    run(main())


def test_the_exchange_answers_rest() -> None:
    async def main() -> tuple[int, Any]:
        async with mockex.serve("spot", seed=7) as exchange, httpx2.AsyncClient() as client:
            answer = await client.get(f"{exchange.rest_url}/api/v3/time")
            return answer.status_code, answer.json()

    status, body = run(main())
    assert status == 200
    assert body["serverTime"] // 86_400_000 == 1_793_491_200 // 86_400
