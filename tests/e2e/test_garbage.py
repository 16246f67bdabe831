"""Anything a client can send has an answer of the exchange or closes that connection alone.

In virtual time: one seed of the exchange gives a witness the same bytes to the last one, so whether
somebody else's rubbish changes what it gets is answered by comparing two runs.
"""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest

import mockex
from mockex import sim
from mockex.server.journal import Ended, Upgraded

WITNESS = "/stream?streams=ethusdc@depth5@100ms/ethusdc@bookTicker"
HEAD = (
    "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "{more}\r\n"
)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
SECONDS = 12.05


def frame(draw: random.Random, first: int, payload: bytes, *, mask: bool = True) -> bytes:
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 1 << 16:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = draw.randbytes(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def squeezed(payload: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return (made.compress(payload) + made.flush(zlib.Z_SYNC_FLUSH))[:-4]


def anything_as_json(draw: random.Random, depth: int = 0) -> Any:
    scalars: list[Any] = [None, True, 0, -1, 2**70, 1.5, "", "a@depth", "这", "\ud800", "x" * 40]
    match draw.randrange(6) if depth < 3 else 0:
        case 4:
            return [anything_as_json(draw, depth + 1) for _ in range(draw.randrange(4))]
        case 5:
            keys = ["method", "params", "id", "", "e"]
            return {draw.choice(keys): anything_as_json(draw, depth + 1) for _ in range(3)}
        case _:
            return draw.choice(scalars)


def request(draw: random.Random) -> bytes:
    methods = ["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"]
    message = {
        "method": draw.choice([*methods, "FOO", 7, "\ud800"]),
        "params": draw.choice([["ethusdc@depth"], ["combined", True], [], anything_as_json(draw)]),
        "id": draw.choice([1, 1, "x", None, anything_as_json(draw)]),
    }
    for name in list(message):
        if draw.random() < 0.1:
            del message[name]
    return json.dumps(message).encode()


def text(draw: random.Random) -> bytes:
    kinds: list[Callable[[], bytes]] = [
        lambda: request(draw),
        lambda: json.dumps(anything_as_json(draw)).encode(),
        lambda: draw.randbytes(draw.randrange(200)),
        lambda: b"[" * draw.choice([10, 4000, 5000]),
        lambda: b'{"method":"SUBSCRIBE","params":[' + b'"a@b",' * 3000,
    ]
    return draw.choice(kinds)()


def frames(draw: random.Random) -> list[bytes]:
    """A few frames, legal or not."""
    made: list[bytes] = []
    for _ in range(draw.randrange(1, 7)):
        kinds: list[Callable[[], bytes]] = [
            lambda: frame(draw, 0x81, text(draw)),
            lambda: frame(draw, 0x82, text(draw)),
            lambda: frame(draw, 0x89, draw.randbytes(draw.choice([0, 5, 125, 126]))),
            lambda: frame(draw, 0x8A, draw.randbytes(draw.choice([0, 5, 125]))),
            lambda: frame(draw, 0x88, draw.choice([b"", b"\x03", b"\x03\xe8bye", b"\x00\x01",
                                                   b"\x03\xe8\xff\xff", b"\x13\x88x" * 40])),
            lambda: frame(draw, 0xC1, squeezed(text(draw))),
            lambda: frame(draw, 0xC1, draw.randbytes(20)),
            lambda: frame(draw, 0xC1, squeezed(b"x" * (2 << 20))),  # a bomb
            lambda: frame(draw, 0x01, text(draw)),  # a message without end
            lambda: frame(draw, 0x80, text(draw)),
            lambda: b"".join(frame(draw, 0x00, b"") for _ in range(50)),
            lambda: frame(draw, 0x81, text(draw), mask=False),
            lambda: frame(draw, draw.randrange(256), draw.randbytes(4)),
            lambda: b"\x81\xff" + draw.randbytes(8),  # a length of its own
            lambda: draw.randbytes(draw.randrange(1, 60)),
        ]  # fmt: skip
        made.append(draw.choice(kinds)())
    return made


def http(draw: random.Random) -> bytes:
    """A request that is no upgrade, or one for a target that may not be."""
    good = HEAD.format(target="/ws", more="").encode()
    at = draw.randrange(len(good))
    kinds: list[bytes] = [
        draw.randbytes(draw.randrange(1, 300)) + b"\r\n\r\n",
        good[:at] + draw.randbytes(2) + good[at:],
        good[:at],
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * draw.choice([1, 5000]) + b"\r\n",
        b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\nabc",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(60),  # TLS
        HEAD.format(target="/ws/" + "a" * 9000, more="").encode(),
        HEAD.format(target="/../../etc/passwd", more="").encode(),
        HEAD.format(target="/ws/%zz%00%ff@depth", more=DEFLATE).encode(),
        HEAD.format(target="/stream?timeUnit=%ff&streams=" + "/" * 50, more="").encode(),
    ]
    return draw.choice(kinds)


class Client:
    """A client without manners, and all that it was sent."""

    def __init__(self) -> None:
        self.got = b""
        self.ended = False

    async def run(self, port: int, parts: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        listening = asyncio.create_task(self._listen(reader))
        try:
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)
            if not self.ended:
                writer.write_eof()
            async with asyncio.timeout(100):
                await listening
        except OSError:
            self.ended = True
        finally:
            listening.cancel()
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65536):
                self.got += data
        except OSError:
            pass
        self.ended = True


async def witnessed(port: int) -> list[bytes]:
    """What a well-behaved client gets for some seconds, read by read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD.format(target=WITNESS, more="").encode())
    got: list[bytes] = []
    try:
        async with asyncio.timeout(SECONDS):
            while data := await reader.read(65536):
                got.append(data)
    except TimeoutError:
        pass
    writer.close()
    return got


async def run(profile: str, rubbish: list[list[bytes]]) -> tuple[list[bytes], list[Client], Any]:
    wrong: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    settings = {"ping_interval_s": None, "attempts_limit": None}
    async with mockex.serve(profile, seed=3, settings=settings) as exchange:
        witness = asyncio.create_task(witnessed(exchange.ws_port))
        await asyncio.sleep(0.5)
        clients = [Client() for _ in rubbish]
        for client, parts in zip(clients, rubbish, strict=True):
            await client.run(exchange.ws_port, parts)
        got = await witness
        ended = {e.conn: e for e in exchange.journal.of(Ended)}
        upgraded = {e.conn for e in exchange.journal.of(Upgraded)}
        assert len(ended) >= len(rubbish), "every connection came to its end"
        assert upgraded
    assert not wrong, wrong
    return got, clients, ended


def rubbish_of(seed: int) -> list[list[bytes]]:
    draw = random.Random(seed)
    made = []
    for _ in range(6):
        if draw.random() < 0.35:
            made.append([http(draw)])
        else:
            target = draw.choice(["/ws", "/stream", "/public/ws", "/ws/ethusdc@depth5@100ms"])
            more = draw.choice(["", DEFLATE])
            made.append([HEAD.format(target=target, more=more).encode(), *frames(draw)])
    return made


def replies(got: bytes) -> list[tuple[int, bytes]]:
    """Status of the HTTP answer as opcode 0, then opcode and payload of each whole frame."""
    head, end, rest = got.partition(b"\r\n\r\n")
    if not end:
        return []
    assert head.startswith(b"HTTP/1.1 "), head
    status = int(head.split(b" ")[1])
    found = [(0, b"%d" % status)]
    if status != 101:
        return found
    while len(rest) >= 2:
        size, start = rest[1], 2
        if size == 126:
            size, start = int.from_bytes(rest[2:4], "big"), 4
        found.append((rest[0], rest[start : start + size]))
        rest = rest[start + size :]
    return found


def judge(client: Client) -> None:
    """Only what the exchange says: HTTP of its own, events, answers, pongs, one close frame."""
    found = replies(client.got)
    opcodes = [first & 0x0F for first, _ in found[1:]]
    assert set(opcodes) <= {0x1, 0x8, 0xA}
    assert opcodes.count(0x8) <= 1
    if 0x8 in opcodes:
        assert opcodes[-1] == 0x8, "nothing after a close"
        payload = found[-1][1]
        if payload:
            assert int.from_bytes(payload[:2], "big") < 5000
    for first, payload in found[1:]:
        if first & 0x0F != 0x1:
            continue
        if first & 0x40:
            payload = zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")
        said = json.loads(payload)
        assert {"result", "error", "stream", "e", "lastUpdateId", "u"} & set(said), said
    if found and found[0][1] != b"101":
        assert found[0][1] in (b"400", b"404", b"405", b"408", b"414", b"426", b"431")


async def alone(profile: str) -> list[bytes]:
    async with mockex.serve(profile, seed=3, settings={"ping_interval_s": None}) as exchange:
        return await witnessed(exchange.ws_port)


@pytest.mark.parametrize("seed", range(40))
def test_rubbish_is_answered_or_ends_its_own_connection_alone(seed: int) -> None:
    profile = ("spot", "usdm")[seed % 2]
    expected = sim.run(alone(profile), seed=1)
    got, clients, _ = sim.run(run(profile, rubbish_of(seed)), seed=1)
    assert b"".join(got) == b"".join(expected), "the witness got something else"
    assert all(client.ended for client in clients)
    for client in clients:
        judge(client)
