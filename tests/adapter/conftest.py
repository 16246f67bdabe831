"""A small exchange on loopback, written for these tests: one symbol, two products, no rules of its
own beyond what the adapter must be shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State

from mockex_adapter import RULES, Feed, Settings, Timers

STEP_S = 0.01


@dataclass
class Peer:
    """One client connection as the exchange sees it."""

    connection: ServerConnection
    path: str
    streams: dict[str, None] = field(default_factory=dict)
    previous: dict[str, int] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    silent: bool = False
    ended: bool = False

    def reset(self) -> None:
        self.ended = True  # here and not when the reader notices: the next one may be faster
        self.connection.transport.abort()

    async def close(self, code: int, reason: str = "") -> None:
        self.ended = True
        await self.connection.close(code, reason)


class FakeExchange:
    """Moves one book, sends it, and misbehaves where a test says so."""

    def __init__(self, product: str) -> None:
        self.product = product
        self.peers: list[Peer] = []
        self.most_live = 0
        self.update_id = 1000
        self.trade_id = 500
        self.bids = {f"{100 - n}.00": "1.0" for n in range(30)}
        self.asks = {f"{101 + n}.00": "1.0" for n in range(30)}
        self.drop = 0
        self.refuse: list[Response] = []
        self.mute: set[str] = set()  # acknowledged and never sent
        self.bad: set[str] = set()  # refused
        self.unanswered = 0
        self.snapshots: list[Callable[[], tuple[int, dict[str, str], bytes]]] = []
        self.snapshot_times: list[float] = []
        self._random = Random(1)

    @property
    def live(self) -> list[Peer]:
        """Those that are told of the market: a client that closes is not over at once."""
        return [
            peer
            for peer in self.peers
            if not peer.ended and peer.connection.protocol.state is State.OPEN
        ]

    def handshake(self, _: ServerConnection, __: Request) -> Response | None:
        return self.refuse.pop(0) if self.refuse else None

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        peer = Peer(connection, connection.request.path)
        self.peers.append(peer)
        try:
            async for text in connection:
                await self.request(peer, json.loads(text))
        except Exception:
            pass  # the end of the connection is what the test made of it
        finally:
            peer.ended = True

    async def request(self, peer: Peer, request: dict[str, Any]) -> None:
        peer.requests.append(request)
        if self.unanswered:
            self.unanswered -= 1
            return
        names = request.get("params", [])
        if self.bad.intersection(names):
            error = {"code": 2, "msg": "Invalid request: invalid stream"}
            await peer.connection.send(json.dumps({"error": error}))
            await peer.close(1008, "Invalid request")
            return
        await peer.connection.send(json.dumps({"result": None, "id": request["id"]}))
        for name in names:
            if request["method"] == "SUBSCRIBE":
                peer.streams[name] = None
                peer.previous[name] = self.update_id
            else:
                peer.streams.pop(name, None)
        live = [name for other in self.live for name in other.streams]
        self.most_live = max([self.most_live, *(live.count(name) for name in live)])

    async def move(self) -> None:
        """The market: one event of each stream in each step."""
        while True:
            await asyncio.sleep(STEP_S)
            self.step()
            self.send()

    def step(self) -> None:
        self.first, self.update_id = self.update_id + 1, self.update_id + self._random.randint(1, 5)
        self.trade_id += 1
        self.changed: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for side, changed in zip((self.bids, self.asks), self.changed, strict=True):
            price = self._random.choice(list(side))
            quantity = self._random.choice(["0", "0.000", "2.5", "7.0"])
            changed[price] = quantity
            if float(quantity) or len(side) < 25:
                side[price] = changed[price] = quantity if float(quantity) else "3"
            else:
                del side[price]

    def send(self) -> None:
        for peer in self.live:
            for name in peer.streams:
                if peer.silent or name in self.mute:
                    continue
                payload: Any = self.payload(peer, name)
                if self.drop:
                    self.drop -= 1
                    continue
                if "/stream" in peer.path:
                    payload = {"stream": name, "data": payload}
                peer.connection.protocol.send_text(json.dumps(payload).encode())
                peer.connection.send_data()

    def payload(self, peer: Peer, name: str) -> Any:
        if name.endswith("@arr"):
            return [{"e": "24hrMiniTicker", "s": "ETHUSDC", "c": "1"}]
        symbol = name.partition("@")[0].upper()
        if name.endswith("@aggTrade"):
            return {"e": "aggTrade", "s": symbol, "a": self.trade_id, "p": "1", "q": "2"}
        bids, asks = ([[p, q] for p, q in side.items()] for side in self.changed)
        event = {"e": "depthUpdate", "s": symbol, "U": self.first, "u": self.update_id}
        if self.product == "usdm":
            event["pu"] = peer.previous[name]
        peer.previous[name] = self.update_id
        return {**event, "b": bids, "a": asks}

    def truth(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids = sorted(self.bids.items(), key=lambda level: -float(level[0]))
        return bids, sorted(self.asks.items(), key=lambda level: float(level[0]))

    def snapshot(self) -> tuple[int, dict[str, str], bytes]:
        bids, asks = self.truth()
        body = {"lastUpdateId": self.update_id, "bids": bids, "asks": asks}
        return 200, {}, json.dumps(body).encode()

    async def rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET "):
                self.snapshot_times.append(asyncio.get_running_loop().time())
                answer = self.snapshots.pop(0) if self.snapshots else self.snapshot
                status, headers, body = answer()
                headers = {**headers, "Content-Length": str(len(body))}
                head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
                head += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*head, "", ""]).encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class World:
    """The exchange, its addresses, and a way to get a feed of it."""

    exchange: FakeExchange
    ws_url: str
    rest_url: str
    server: Server

    def feed(self, *streams: str, scale: float = 0.1, **more: Any) -> Feed:
        rules, timers = RULES[self.exchange.product], more.pop("timers", Timers().scaled(scale))
        settings = Settings(
            ws_url=self.ws_url,
            rest_url=self.rest_url,
            rules=rules,
            timers=timers,
            random=Random(3),
            **more,
        )
        return Feed(settings, streams)

    async def until(self, met: Callable[[], object], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not met():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def world_of(product: str) -> AsyncIterator[World]:
    exchange = FakeExchange(product)
    rest = await asyncio.start_server(exchange.rest, "127.0.0.1", 0)
    async with (
        rest,
        serve(
            exchange.serve,
            "127.0.0.1",
            0,
            process_request=exchange.handshake,
            ping_interval=None,
            close_timeout=0.2,
        ) as server,
    ):
        market = asyncio.create_task(exchange.move())
        ws_port = next(iter(server.sockets)).getsockname()[1]
        rest_port = rest.sockets[0].getsockname()[1]
        try:
            yield World(
                exchange, f"ws://127.0.0.1:{ws_port}", f"http://127.0.0.1:{rest_port}", server
            )
        finally:
            market.cancel()


@pytest.fixture(params=["spot", "usdm"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.param) as world:
        yield world


@pytest.fixture
async def spot() -> AsyncIterator[World]:
    async with world_of("spot") as world:
        yield world
