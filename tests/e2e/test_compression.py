"""permessage-deflate on the wire (RFC 7692, wire A6), read byte by byte."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from mockex.faults import CutFrame
from mockex.server.journal import Delivered, Received, Replied, Upgraded

DEPTH = "ethusdc@depth5@100ms"
SEEN = "permessage-deflate; server_no_context_takeover; client_max_window_bits=15"
OFFER = "permessage-deflate; client_max_window_bits"
Make = Callable[..., Any]


def inflated(payload: bytes) -> Any:
    return json.loads(zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff"))


def deflated(text: bytes, squeezer: Any = None) -> bytes:
    made = squeezer or zlib.compressobj(wbits=-15)
    return bytes((made.compress(text) + made.flush(zlib.Z_SYNC_FLUSH))[:-4])


async def agreed(client: Any, target: str, offer: str = OFFER) -> str:
    """Upgrade with an offer; the header of the answer."""
    await client.ask(target, Sec_WebSocket_Extensions=offer)
    status, head = await client.head()
    assert status == 101, head
    lines = [line for line in head.splitlines() if line.startswith("Sec-WebSocket-Extensions")]
    return lines[0].partition(": ")[2] if lines else ""


async def frame(client: Any) -> tuple[int, bytes]:
    """First byte and payload of the next frame."""
    first, size = await client.read(2)
    if size == 126:
        size = int.from_bytes(await client.read(2), "big")
    return first, await client.read(size)


@pytest.mark.rule("wire-A6")
@pytest.mark.parametrize("profile", ["spot", "usdm"])
async def test_an_offer_is_accepted_as_it_was_seen_and_messages_are_compressed(
    make_exchange: Make, raw: Make, profile: str
) -> None:
    exchange = await make_exchange(profile)
    client = await raw(exchange.ws_port)
    assert await agreed(client, f"/stream?streams={DEPTH}") == SEEN
    for _ in range(3):  # each by itself
        first, payload = await frame(client)
        assert first == 0xC1
        assert inflated(payload)["stream"] == DEPTH
    (entry,) = exchange.journal.of(Upgraded)
    assert entry.extensions == SEEN
    assert entry.headers["sec-websocket-extensions"] == OFFER


@pytest.mark.rule("wire-A6")
async def test_nothing_is_agreed_without_an_offer_or_by_setting_or_for_a_smaller_window(
    make_exchange: Make, raw: Make
) -> None:
    on, off = await make_exchange(), await make_exchange(settings={"compression": False})
    for exchange, offer in (
        (on, ""),
        (on, "permessage-deflate; server_max_window_bits=10"),
        (off, OFFER),
    ):
        client = await raw(exchange.ws_port)
        assert await agreed(client, f"/ws/{DEPTH}", offer) == ""
        first, payload = await frame(client)
        assert first == 0x81
        assert json.loads(payload)["e"] == "depthUpdate"


async def test_answers_are_compressed_and_control_frames_are_not(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(market="frozen", settings={"ping_interval_s": 0.2})
    client = await raw(exchange.ws_port)
    await agreed(client, "/ws")
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":1}')  # plain is allowed
    await client.send_frame(9, b"x" * 100)
    got = [await frame(client) for _ in range(3)]
    answers = [inflated(payload) for first, payload in got if first == 0xC1]
    assert answers == [{"result": [], "id": 1}]
    assert {first for first, _ in got} <= {0xC1, 0x89, 0x8A}
    assert (0x8A, b"x" * 100) in got
    (replied,) = exchange.journal.of(Replied)
    assert replied.text == '{"result":[],"id":1}'


async def test_a_clients_messages_may_refer_to_earlier_ones(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange("spot", market="frozen")
    client = await raw(exchange.ws_port)
    await agreed(client, "/ws")
    squeezer = zlib.compressobj(wbits=-15)
    for number in range(3):
        text = b'{"method":"SUBSCRIBE","params":["ethusdc@depth"],"id":%d}' % number
        await client.send_frame(0x41, deflated(text, squeezer))
        first, payload = await frame(client)
        assert (first, inflated(payload)) == (0xC1, {"result": None, "id": number})
    received = list(exchange.journal.of(Received))
    assert [json.loads(e.text)["id"] for e in received] == [0, 1, 2]


@pytest.mark.parametrize(
    ("first", "payload", "code"),
    [
        (0x41, deflated(b"x" * (2 << 20)), 1009),  # a bomb: two kilobytes make two megabytes
        (0x41, b"\xff\xff\xff\xff", 1002),  # nothing that can be inflated
        (0x41, deflated(b"\xff\xfe"), 1007),  # no UTF-8
        (0x42, deflated(b"{}"), 1008),  # binary
        (0x49, b"ping", 1002),  # a control frame that claims to be compressed
    ],
)
async def test_a_compressed_message_that_cannot_be_ends_its_connection(
    make_exchange: Make, raw: Make, first: int, payload: bytes, code: int
) -> None:
    exchange = await make_exchange(market="frozen")
    client = await raw(exchange.ws_port)
    await agreed(client, "/ws")
    await client.send_frame(first, payload)
    assert await client.close_code() == code


async def test_compression_that_was_not_agreed_breaks_the_protocol(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(market="frozen")
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(0x41, deflated(b"{}"))
    assert await client.close_code() == 1002


async def test_bytes_are_counted_as_they_are_on_the_wire(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    plain, squeezed = await raw(exchange.ws_port), await raw(exchange.ws_port)
    await plain.upgrade(f"/ws/{DEPTH}")
    await agreed(squeezed, f"/ws/{DEPTH}")
    sizes = {}
    for number, client in enumerate((plain, squeezed), 1):
        first, payload = await frame(client)
        sizes[number] = len(payload) + (2 if len(payload) < 126 else 4)
        assert bool(first & 0x40) is (client is squeezed)
    by_audience = {e.audience: e.streams[DEPTH].bytes for e in reversed([
        *exchange.journal.of(Delivered)
    ])}  # fmt: skip
    members = {audience: set(exchange.audience_members(audience)) for audience in by_audience}
    got = {conn: by_audience[a] for a, conns in members.items() for conn in conns}
    assert got == sizes
    assert got[2] < got[1]


async def test_a_cut_frame_is_cut_out_of_what_the_client_would_have_got(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await agreed(client, f"/stream?streams={DEPTH}")
    await frame(client)
    await exchange.inject(CutFrame()).seen(within_s=3)
    while True:
        first, second = await client.read(2)
        size = int.from_bytes(await client.read(2), "big") if second == 126 else second
        assert first == 0xC1
        async with asyncio.timeout(3):
            while len(client.buffer) < size and await client.more():
                pass
        if len(client.buffer) < size:
            break
        await client.read(size)
    assert client.end == "fin"
    assert client.buffer
