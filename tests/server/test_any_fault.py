"""Every fault that can be said, with values at the edge: it is done or refused, and what it does
breaks nothing in the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

import mockex
from mockex import sim
from mockex.errors import NotInjected
from mockex.faults import Direction, Fault, Reset
from mockex.faults.catalogue import class_named, classes, hints, kinds, make
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
HEADERS = [{}, {"Retry-After": "1"}, {"a b": "c"}, {"X": "a\r\nY: b"}, {"X": "€"}, {"é": "ü"}]


def values(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) is Mapping:
        return HEADERS
    return [value for option in get_args(hint) or (hint,) for value in EDGES[option]]


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind = class_named(draw(st.sampled_from(sorted(classes()))))
    needed = {f.name for k in kinds() if k.name == kind.__name__ for f in k.fields if f.required}
    given = {
        name: draw(st.sampled_from(values(hint)))
        for name, hint in hints(kind).items()
        if name in needed or draw(st.booleans())
    }
    made = make(kind, given)
    assume(isinstance(made, Fault))
    assert isinstance(made, Fault)
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(faults(), min_size=1, max_size=3))
def test_no_fault_breaks_the_exchange(faults: list[Fault]) -> None:
    broken: list[dict[str, Any]] = []

    async def client(url: str) -> None:
        while True:
            with suppress(WebSocketException, OSError, TimeoutError):
                async with connect(url, proxy=None, close_timeout=0.2, open_timeout=1) as ws:
                    await ws.send('{"method":"SUBSCRIBE","params":["btcusdc@depth"],"id":1}')
                    async for _ in ws:
                        pass
            await asyncio.sleep(0.1)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        async with mockex.serve("usdm", seed=7) as exchange, asyncio.TaskGroup() as group:
            desk = Desk(exchange)
            task = group.create_task(client(f"{exchange.ws_url}/public/ws/{DEPTH}"))
            await asyncio.sleep(1)
            for fault in (*faults, Reset()):
                with suppress(NotInjected):
                    desk.inject(fault)
                await asyncio.sleep(1)
            desk.calm()
            await asyncio.sleep(1)
            assert not any(desk.is_on(number) for number in desk.asked)
            task.cancel()

    sim.run(main(), seed=1)
    assert broken == []
