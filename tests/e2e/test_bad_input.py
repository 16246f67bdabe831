"""What a client can do wrong: each gets a clear answer or the end of that connection alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from mockex.server.journal import Closed, Received, Refused, Subscribed

DEPTH = "ethusdc@depth5@100ms"
Make = Callable[..., Any]


async def reply(client: Any) -> Any:
    """The next control reply, events passed over."""
    while "stream" in (message := json.loads(await client.text())) or "e" in message:
        pass
    return message


@pytest.mark.rule(
    "spot-4.4.1",
    "spot-4.4.2",
    "spot-4.4.3",
    "usdm-2.3.1",
    "usdm-4.3.1",
    "usdm-4.3.2",
    "usdm-4.3.3",
    "usdm-4.3.4",
    "wire-C3",
)
async def test_unknown_and_misrouted_streams_are_acknowledged_and_silent(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/public/stream")
    names = ["ethusdc@depth5@250ms", "ETHUSDC@trade", "nosuch@depth5", "ethusdc@aggTrade"]
    request = {"method": "SUBSCRIBE", "params": [*names, DEPTH], "id": 1}
    await client.send_frame(1, json.dumps(request).encode())
    assert await reply(client) == {"result": None, "id": 1}
    assert json.loads(await client.text())["stream"] == DEPTH
    (entry,) = [e for e in exchange.journal.of(Subscribed) if e.streams]
    assert entry.silent == names
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":2}')
    assert await reply(client) == {"result": [*names, DEPTH], "id": 2}


@pytest.mark.rule("spot-10.3", "usdm-4.3.7")
async def test_a_malformed_name_is_an_error_and_the_end(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(1, b'{"method":"SUBSCRIBE","params":["@@@x###"],"id":3}')
    error = await reply(client)
    assert error == {"error": {"code": 2, "msg": "Invalid request: invalid stream"}}
    assert await client.close_code() == 1008


@pytest.mark.rule("wire-A5")
async def test_bad_json_is_answered_on_usdm_and_ends_the_connection_on_spot(
    make_exchange: Make, raw: Make
) -> None:
    usdm, spot = await make_exchange("usdm"), await make_exchange("spot")
    client = await raw(usdm.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(1, b"hello")
    error = await reply(client)
    assert error["error"]["code"] == 3
    assert error["error"]["msg"].startswith("Invalid JSON: expected value at line 1 column ")
    await client.send_frame(1, b'{"method":"LIST_SUBSCRIPTIONS","id":2}')
    assert await reply(client) == {"result": [], "id": 2}

    client = await raw(spot.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(1, b"hello")
    assert await client.close_code() == 1008


@pytest.mark.rule("usdm-3.2.6")
async def test_a_binary_frame_ends_the_connection(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(2, b'{"method":"LIST_SUBSCRIPTIONS","id":2}')
    assert await client.close_code() == 1008


async def test_an_unmasked_frame_breaks_the_protocol(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(1, b"{}", mask=False)
    assert await client.close_code() == 1002
    (entry,) = exchange.journal.of(Received)
    assert entry.opcode == "invalid"


async def test_a_frame_that_announces_too_much_is_1009(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    await client.send(b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"mask")
    assert await client.close_code() == 1009


async def test_text_that_is_not_utf8_is_1007(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    await client.send_frame(1, b"\xff\xfe")
    assert await client.close_code() == 1007


@pytest.mark.rule("spot-1.9", "spot-10.9")
async def test_too_many_messages_end_the_connection(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange("spot")
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    for number in range(6):
        await client.send_frame(1, f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}'.encode())
    assert await client.close_code() == 1008
    (closed,) = exchange.journal.of(Closed)
    assert closed.reason == "Too many requests"


@pytest.mark.rule("spot-1.8")
async def test_a_missing_pong_ends_the_connection(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": 0.1, "pong_deadline_s": 0.3})
    client = await raw(exchange.ws_port)
    await client.upgrade("/ws")
    assert await client.close_code() == 1008
    (closed,) = exchange.journal.of(Closed)
    assert closed.reason == "Pong timeout"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000, 431),
    ],
)
async def test_wrong_http_is_answered_and_closed(
    make_exchange: Make, raw: Make, head: bytes, status: int
) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.send(head)
    assert (await client.head())[0] == status
    await client.until_end()
    (refused,) = exchange.journal.of(Refused)
    assert refused.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": "bm90IHNpeHRlZW4gYnl0ZXM="}, 400),
    ],
)
async def test_a_handshake_with_a_wrong_header_is_refused(
    make_exchange: Make, raw: Make, headers: dict[str, str], status: int
) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.ask("/ws", **headers)
    assert (await client.head())[0] == status


@pytest.mark.rule("spot-2.10", "spot-2.18", "wire-B13")
async def test_an_unknown_path_is_404_and_a_long_one_414(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange("spot")
    client = await raw(exchange.ws_port)
    await client.ask("/stream/ws/ethusdc@trade")
    assert (await client.head())[0] == 404
    client = await raw(exchange.ws_port)
    await client.ask("/ws/" + "a" * 8100)
    assert (await client.head())[0] == 414


async def test_secrets_in_headers_stay_out_of_the_journal(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange()
    client = await raw(exchange.ws_port)
    await client.ask("/ws", X_MBX_APIKEY="hidden-word", Cookie="hidden-word")
    await client.head()
    assert "hidden-word" not in repr(exchange.journal.entries)


async def test_a_client_that_never_reads_does_not_delay_the_others(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(
        symbols=[f"SYM{n:02d}USDC" for n in range(60)], settings={"ping_interval_s": None}
    )
    names = "/".join(f"sym{n:02d}usdc@depth20@100ms" for n in range(60))
    deaf = await raw(exchange.ws_port)
    await deaf.upgrade(f"/public/stream?streams={names}")
    reader = await raw(exchange.ws_port)
    await reader.upgrade("/public/ws/sym00usdc@depth5@100ms")
    for _ in range(10):
        await asyncio.wait_for(reader.text(), 2)


async def test_rest_answers_garbage_with_400_and_lives_on(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange("spot")
    client = await raw(exchange.rest_port)
    await client.send(b"\x00\x01\x02 nonsense\r\n\r\n")
    assert (await client.head())[0] == 400
    assert await client.until_end() == "fin"
    client = await raw(exchange.rest_port)
    await client.send(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
    status, head = await client.head()
    assert status == 200
    assert "x-mbx-used-weight-1m: 1" in head.lower()
    assert await client.read(2) == b"{}"
