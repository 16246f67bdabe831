"""A client that hides nothing: a raw socket, its bytes, and how the connection really ended."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Literal

import pytest

import mockex

End = Literal["fin", "rst"]


class RawClient:
    """One TCP connection to the exchange, read frame by frame."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self.buffer = b""
        self.end: End | None = None

    @classmethod
    async def connect(cls, port: int) -> RawClient:
        sock = socket.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def close(self) -> None:
        self._sock.close()

    def reset(self) -> None:
        """RST, and the kernel of the other side knows at once."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def half_close(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    async def more(self, within_s: float = 5.0) -> bool:
        """Read once; False at the end, which `end` then names."""
        try:
            async with asyncio.timeout(within_s):
                data = await self._loop.sock_recv(self._sock, 65536)
        except ConnectionResetError:
            self.end = "rst"
            return False
        if not data:
            self.end = "fin"
            return False
        self.buffer += data
        return True

    async def until_end(self, within_s: float = 5.0) -> End:
        async with asyncio.timeout(within_s):
            while await self.more(within_s):
                pass
        assert self.end is not None
        return self.end

    async def read(self, n: int) -> bytes:
        while len(self.buffer) < n:
            if not await self.more():
                raise EOFError(f"{self.end} after {self.buffer!r}")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    async def head(self) -> tuple[int, str]:
        """Status and head of an HTTP answer."""
        while b"\r\n\r\n" not in self.buffer:
            if not await self.more():
                raise EOFError(f"{self.end} after {self.buffer!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        text = head.decode()
        return int(text.split(" ", 2)[1]), text

    async def ask(self, target: str, **headers: str) -> None:
        """Send a handshake; underscores in names of headers stand for hyphens."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        }
        lines.update({name.replace("_", "-"): value for name, value in headers.items()})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        await self.send(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())

    async def upgrade(self, target: str) -> None:
        await self.ask(target)
        status, head = await self.head()
        assert status == 101, head

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame of the server."""
        first, second = await self.read(2)
        size = second & 0x7F
        assert not second & 0x80, "a server must not mask"
        if size == 126:
            size = int.from_bytes(await self.read(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.read(8), "big")
        return first & 0x0F, await self.read(size)

    async def text(self) -> str:
        """The next text frame; other frames before it are passed over."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 1:
                return payload.decode()

    async def close_code(self) -> int | None:
        """Code of the next close frame; None for an empty body. Other frames are passed over."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big") if payload else None

    async def send_frame(self, opcode: int, payload: bytes, *, mask: bool = True) -> None:
        """A last frame of this opcode, to which RSV1 (0x40) may be added."""
        size = len(payload)
        bit = 0x80 if mask else 0
        if size < 126:
            head = bytes((0x80 | opcode, bit | size))
        elif size < 1 << 16:
            head = bytes((0x80 | opcode, bit | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, bit | 127)) + size.to_bytes(8, "big")
        if mask:
            key = os.urandom(4)
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
            head += key
        await self.send(head + payload)


@pytest.fixture
async def make_exchange() -> AsyncIterator[Callable[..., Any]]:
    """Opens exchanges that close with the test."""
    async with AsyncExitStack() as stack:

        async def make(profile: str = "usdm", **options: Any) -> mockex.Exchange:
            options.setdefault("seed", 7)
            options.setdefault("market", "steady")
            return await stack.enter_async_context(mockex.serve(profile, **options))

        yield make


@pytest.fixture
async def raw() -> AsyncIterator[Callable[[int], Any]]:
    """Opens raw clients that close with the test."""
    clients: list[RawClient] = []

    async def connect(port: int) -> RawClient:
        client = await RawClient.connect(port)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()
