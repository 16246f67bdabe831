"""The REST port, byte by byte, in virtual time: whatever is sent has an answer or an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mockex
from mockex import sim
from mockex.server.journal import Requested
from mockex.server.rest_connection import IDLE_S

PING = b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n"


class Client:
    """One connection to the REST port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        return int(first.split()[1]), headers

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        status, headers = await self.head()
        return status, await self.reader.readexactly(int(headers["content-length"]))


def run(act: Callable[[Client], Awaitable[Any]], profile: str = "spot") -> tuple[Any, list[Any]]:
    """What `act` returns, and the requests in the journal."""

    async def main() -> tuple[Any, list[Any]]:
        wrong: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, what: wrong.append(what))
        async with mockex.serve(profile, seed=1, market="frozen") as exchange:
            client = Client(*await asyncio.open_connection("127.0.0.1", exchange.rest_port))
            try:
                found = await act(client)
            finally:
                client.writer.close()
            async with asyncio.timeout(5):  # the exchange lives on
                after = Client(*await asyncio.open_connection("127.0.0.1", exchange.rest_port))
                after.send(PING)
                assert (await after.answer())[0] in (200, 404)
                after.writer.close()
            assert wrong == []
            return found, list(exchange.journal.of(Requested))[:-1]

    return sim.run(main(), seed=1)


def test_requests_in_one_packet_are_answered_in_order() -> None:
    async def act(client: Client) -> Any:
        client.send(PING + b"GET /no HTTP/1.1\r\nHost: x\r\n\r\n" + PING)
        return [await client.answer() for _ in range(3)]

    found, entries = run(act)
    assert found == [(200, b"{}"), (404, b""), (200, b"{}")]
    assert [(e.method, e.target, e.status) for e in entries] == [
        ("GET", "/api/v3/ping", 200), ("GET", "/no", 404), ("GET", "/api/v3/ping", 200),
    ]  # fmt: skip


def test_a_request_may_come_byte_by_byte() -> None:
    async def act(client: Client) -> Any:
        for byte in PING:
            client.send(bytes([byte]))
            await asyncio.sleep(0.01)
        return await client.answer()

    assert run(act)[0] == (200, b"{}")


def test_head_has_the_length_and_no_body() -> None:
    async def act(client: Client) -> Any:
        client.send(PING.replace(b"GET", b"HEAD") + PING)
        status, headers = await client.head()
        return status, headers["content-length"], await client.answer()

    assert run(act)[0] == (200, "2", (200, b"{}"))


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_body_is_read_over(body: bytes) -> None:
    async def act(client: Client) -> Any:
        client.send(b"POST /api/v3/depth HTTP/1.1\r\nHost: x\r\n" + body + PING)
        return [await client.answer() for _ in range(2)]

    assert run(act)[0] == [(405, b""), (200, b"{}")]


def test_a_client_that_waits_is_told_to_go_on() -> None:
    async def act(client: Client) -> Any:
        client.send(
            b"POST /api/v3/depth HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        first = await client.head()
        client.send(b"{}")
        return first[0], (await client.answer())[0]

    assert run(act)[0] == (100, 405)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01 nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # without a Host
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 40_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_is_no_http_is_refused_and_ends_the_connection(sent: bytes, status: int) -> None:
    async def act(client: Client) -> Any:
        client.send(sent)
        answer = await client.answer()
        return answer[0], await client.reader.read()

    assert run(act) == ((status, b""), [])


def test_an_old_client_gets_its_answer_and_the_end() -> None:
    async def act(client: Client) -> Any:
        client.send(b"GET /api/v3/ping HTTP/1.0\r\n\r\n")
        return await client.answer(), await client.reader.read()

    assert run(act)[0] == ((200, b"{}"), b"")


def test_an_upgrade_at_the_wrong_port_is_an_ordinary_request() -> None:
    async def act(client: Client) -> Any:
        client.send(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" + PING
        )
        return [(await client.answer())[0] for _ in range(3)]

    assert run(act)[0] == [404, 404, 200]


@pytest.mark.parametrize("sent", [b"", b"GET /api/v3/ping HT"])
def test_a_request_that_is_never_complete_ends_with_its_time(sent: bytes) -> None:
    async def act(client: Client) -> Any:
        begun = asyncio.get_running_loop().time()
        client.send(sent)
        assert await client.reader.read() == b""
        return asyncio.get_running_loop().time() - begun

    assert run(act)[0] == pytest.approx(IDLE_S, abs=0.1)


def test_an_api_key_is_used_and_not_written_down() -> None:
    async def act(client: Client) -> Any:
        client.send(
            b"GET /fapi/v1/historicalTrades?symbol=ETHUSDC HTTP/1.1\r\nHost: x\r\n"
            b"X-MBX-APIKEY: secretkey\r\n\r\n"
        )
        return await client.answer()

    found, entries = run(act, "usdm")
    assert found == (200, b"[]")
    assert "secretkey" not in repr(entries)
    assert entries[0].weight == 200


@settings(max_examples=40, deadline=None)
@given(
    chunks=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([
                PING, PING[:20], PING[20:], b"\r\n", b"GET ", b"POST / HTTP/1.1\r\nHost: x\r\n",
                b"Content-Length: 3\r\n\r\nabc", b"0\r\n\r\n",
                b"Transfer-Encoding: chunked\r\n\r\n",
            ]),
        ),
        max_size=6,
    ),
)  # fmt: skip
def test_no_bytes_bring_the_exchange_down(chunks: list[bytes]) -> None:
    async def act(client: Client) -> None:
        with suppress(OSError):  # it may be over at any of these
            for chunk in chunks:
                client.send(chunk)
                await asyncio.sleep(0.01)
            client.writer.write_eof()
            await client.reader.read()

    run(act)
