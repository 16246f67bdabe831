"""Every fault that can be said, with values at the edge: it is done or refused, and what it does
breaks nothing in the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

import mockex
from mockex import sim
from mockex.errors import NotInjected
from mockex.faults import Direction, Enlarge, Fault, Outage, Reset, SilentStream, Stall
from mockex.faults.catalogue import classes, hints, kinds, make
from mockex.server.desk import Desk

DEPTH = "ethusdc@depth5@100ms"
EDGES: dict[Any, list[Any]] = {
    int: [0, 1, -1, 2, 100, 125, 1000, 65_535, 65_536, 10**9, 10**14],
    float: [0.1, 5.0, 1e14],
    bool: [True, False],
    str: ["", "x" * 5000, "é" * 100, "a\r\nb: c", DEPTH],
    Direction: list(Direction),
    NoneType: [None],
}
USUAL: dict[str, Any] = {
    "ms": 100, "delay_ms": 10, "bytes": 100, "bytes_per_s": 64_000, "rate_per_s": 100,
    "kind": "garbage", "events": 2,
}  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {},
    {"Retry-After": "1"},
    {"a b": "c"},
    {"X": "a\r\nY: b"},
    {"X": "€"},
    {"é": "ü"},
]


def values(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) is Mapping:
        return HEADERS
    return [value for option in get_args(hint) or (hint,) for value in EDGES[option]]


def made_of(kind: type[Fault], given: dict[str, Any]) -> Fault:
    made = make(kind, given)
    assert isinstance(made, Fault), made
    return made


def at_the_edge(kind: type[Fault]) -> Iterator[Fault]:
    """Faults of a kind with each value at an edge that it takes, the others being usual."""
    types = hints(kind)
    (described,) = (k for k in kinds() if k.name == kind.__name__)
    usual = {f.name: USUAL[f.name] for f in described.fields if f.required}
    if kind in (SilentStream, Enlarge):
        usual["stream"] = DEPTH
    if kind is Outage:
        usual["ms"] = 100
    yield made_of(kind, usual)
    for name, hint in types.items():
        if name in ("stream", "connection") and kind is not Stall:
            continue  # all aim in the same way
        for value in values(hint):
            made = make(kind, {**usual, name: value})
            if isinstance(made, Fault):
                yield made


@pytest.mark.parametrize("kind", classes().values(), ids=list(classes()))
def test_no_fault_breaks_the_exchange(kind: type[Fault]) -> None:
    broken: list[dict[str, Any]] = []
    tried = 0

    async def client(url: str) -> None:
        while True:
            with suppress(WebSocketException, OSError, TimeoutError):
                async with connect(url, proxy=None, close_timeout=0.2, open_timeout=1) as ws:
                    await ws.send('{"method":"SUBSCRIBE","params":["btcusdc@depth"],"id":1}')
                    async for _ in ws:
                        pass
            await asyncio.sleep(0.1)

    async def main() -> None:
        nonlocal tried
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        async with mockex.serve("usdm", seed=7) as exchange, asyncio.TaskGroup() as group:
            desk = Desk(exchange)
            task = group.create_task(client(f"{exchange.ws_url}/public/ws/{DEPTH}"))
            for fault in at_the_edge(kind):
                await asyncio.sleep(0.5)
                for one in (fault, Reset()):
                    with suppress(NotInjected):
                        desk.inject(one)
                    await asyncio.sleep(0.4)
                assert await desk.until_over(desk.calm(), 1) == [], fault
                assert not any(desk.is_on(number) for number in desk.asked), fault
                assert broken == [], fault
                tried += 1
            await asyncio.sleep(1)  # whom a link kept from us is accepted, and can be closed
            task.cancel()

    sim.run(main(), seed=1)
    assert tried > 0
