"""Faults of framing, by what a raw client socket really got: legal all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from mockex.errors import FaultError
from mockex.faults import Enlarge, Fragment, Gather, Resume
from mockex.server.journal import Delivered, Pinged, Ponged, Slowed

TRADES, ARRAY = "ethusdc@aggTrade", "!miniTicker@arr"
TARGET = f"/market/stream?streams={TRADES}"
Make = Callable[..., Any]


async def live(exchange: Any, raw: Make, target: str = TARGET) -> Any:
    client = await raw(exchange.ws_port)
    await client.upgrade(target)
    await client.text()
    return client


async def test_fragments_have_pings_between_them(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": None})
    client = await live(exchange, raw)
    handle = exchange.inject(Fragment(stream=TRADES, bytes=1, events=1, pings=2))
    await handle.seen(within_s=2)
    parts, pings = b"", 0
    while not parts.endswith(b"}}"):
        opcode, payload = await client.frame()
        pings += opcode == 9
        if opcode == 1 and len(payload) > 1:
            continue  # from before the fault
        parts += payload if opcode != 9 else b""
    assert pings == 2
    assert json.loads(parts)["stream"] == TRADES
    assert [bytes.fromhex(e.payload) for e in exchange.journal.of(Pinged)] == [
        b"fragment 1",
        b"fragment 2",
    ]
    assert json.loads(await client.text())["stream"] == TRADES, "the next one is whole"


async def test_a_usual_client_reads_fragments_and_answers_the_pings(make_exchange: Make) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": None})
    async with connect(exchange.ws_url + TARGET) as client:
        await client.recv()
        await exchange.inject(Fragment(bytes=1, events=2, pings=3)).seen(within_s=2)
        numbers = [json.loads(await client.recv())["data"]["a"] for _ in range(4)]
        await asyncio.wait_for(exchange.journal.wait(lambda e: isinstance(e, Ponged)), 2)
    assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_gathered_events_come_at_once_and_are_journaled_by_step(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": None})
    client = await live(exchange, raw)
    handle = exchange.inject(Gather(events=5))
    while await client.more(within_s=0.05 if client.buffer else 2):
        client.buffer = b""  # what came before the wait began
        break
    before = len(list(exchange.journal.of(Delivered)))
    await handle.seen(within_s=2)
    numbers = [json.loads(await client.text())["data"]["a"] for _ in range(5)]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    entries = list(exchange.journal.of(Delivered))[before:][:5]
    assert [entry.streams[TRADES].events for entry in entries] == [1] * len(entries)
    assert len({entry.step for entry in entries}) == len(entries)


async def test_resume_ends_the_wait_of_gathered_events(make_exchange: Make, raw: Make) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": None})
    client = await live(exchange, raw)
    waits = exchange.inject(Gather(events=1000))
    last = exchange.deliveries.tallies[(1, TRADES)].last_id
    await asyncio.sleep(0.35)
    assert exchange.deliveries.tallies[(1, TRADES)].last_id == last
    await exchange.inject(Resume()).seen(within_s=2)
    while json.loads(await client.text())["data"]["a"] != last + 1:
        pass
    assert not waits.times_seen


async def test_an_event_of_8_mib_is_sent_whole_and_nothing_waits_behind_it_without_bound(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange(settings={"ping_interval_s": None})
    size = 8 << 20
    client = await live(exchange, raw, f"/market/stream?streams={TRADES}/{ARRAY}")
    await exchange.inject(Enlarge(stream=ARRAY, bytes=size)).seen(within_s=3)
    await asyncio.sleep(0.5)  # the client does not read: its buffer stays full
    assert [entry.full for entry in exchange.journal.of(Slowed)] == [True]
    unread = exchange.deliveries.tallies[(1, TRADES)].last_id
    await asyncio.sleep(0.3)
    assert exchange.deliveries.tallies[(1, TRADES)].last_id == unread
    while len(text := await client.text()) < size // 2:
        pass
    message = json.loads(text)
    assert message["stream"] == ARRAY
    assert size - 20_000 < len(text) <= size + 100
    assert {row["e"] for row in message["data"]} == {"24hrMiniTicker"}
    while json.loads(await client.text())["stream"] != TRADES:
        pass
    assert [entry.full for entry in exchange.journal.of(Slowed)] == [True, False]


async def test_one_connection_has_one_fault_of_framing_at_a_time(
    make_exchange: Make, raw: Make
) -> None:
    exchange = await make_exchange()
    await live(exchange, raw)
    exchange.inject(Gather(events=1000))
    with pytest.raises(FaultError, match="Fragment: the events of c1 are framed by another fault"):
        exchange.inject(Fragment())
