"""Two ends of a TCP connection, and what each of them saw: written once, for sockets of the machine
and for simulated ones. Which of them is used depends on the running loop alone."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import select
import socket
import struct
import termios
from asyncio.trsock import TransportSocket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mockex.sim import SimLoop, SimSocket

HOST = "127.0.0.1"
PATIENCE_S = 20.0  # of a busy machine; nothing waits that long otherwise
LOOK_EVERY_S = 0.0005
LINGER_0 = struct.pack("ii", 1, 0)
# tcp_states.h. FIN_WAIT is both of them; what is in TIME_WAIT is over for the program that has it.
STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 4: "FIN_WAIT", 5: "FIN_WAIT", 6: "CLOSE", 7: "CLOSE",
          8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "LAST_ACK"}  # fmt: skip


def new_socket() -> Any:
    """A TCP socket that does not block."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, SimLoop):
        return SimSocket(loop.network)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def simulated(sock: Any) -> SimSocket | None:
    """The simulated socket, or None if it is one of the machine's."""
    inner = getattr(sock, "_sock", None) if isinstance(sock, TransportSocket) else sock
    return inner if isinstance(inner, SimSocket) else None


def state_of(sock: Any) -> str:
    """As `ss` names it."""
    ours = simulated(sock)
    if ours is not None:
        return ours.state.rstrip("12")
    return STATES[sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]


def unread(sock: Any) -> int:
    """Bytes that have arrived and were not read."""
    ours = simulated(sock)
    if ours is not None:
        return ours.unread_bytes
    waiting = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(waiting, "little")


def ready(sock: Any) -> str:
    """What a selector says of it: "r", "w", "rw" or nothing."""
    ours = simulated(sock)
    if ours is not None:
        return "r" * ours.readable + "w" * ours.writable
    with select.epoll() as epoll:
        epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        events = sum(mask for _, mask in epoll.poll(0))
    # As selectors.EpollSelector reads it: an error is both.
    return "r" * bool(events & ~select.EPOLLOUT) + "w" * bool(events & ~select.EPOLLIN)


async def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true; `what` says what there was instead.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while not condition():
        assert loop.time() < deadline, what()
        await asyncio.sleep(LOOK_EVERY_S)


async def port_of_an_echo() -> int:
    """Of a server that serves one connection."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.close()
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


def name_of(error: BaseException) -> str:
    """Its class and errno."""
    number = error.errno if isinstance(error, OSError) else None
    kind = type(error).__name__
    return f"{kind} {errno.errorcode[number]}" if number is not None else kind


class Witness:
    """What one end saw, in order. Chunks that follow each other count as one: how TCP cuts them is
    chance."""

    sock: Any

    def __init__(self) -> None:
        self.saw: list[str] = []
        self.read_in_all = 0
        self._data = bytearray()
        self._how = "as it is"

    def note(self, what: str) -> None:
        """Something that was seen."""
        self._data.clear()
        self.saw.append(what)

    def note_data(self, data: bytes) -> None:
        """Bytes that were read."""
        self.read_in_all += len(data)
        if self._how == "never":
            return
        if self._data:
            self.saw.pop()
        self._data += data
        if self._how == "some":
            self.saw.append("read some")
        elif len(self._data) > 20:
            self.saw.append(f"read {len(self._data)} bytes")
        else:
            self.saw.append(f"read {bytes(self._data)!r}")

    def do_not_count(self) -> None:
        """How much of it arrives is chance: do not say it."""
        self._how = "some"

    def do_not_note_data(self) -> None:
        """What comes between the chunks is chance: only count them."""
        self._how = "never"

    async def until(self, what: str) -> None:
        """Wait until something was seen that begins like this."""
        await until(
            lambda: any(one.startswith(what) for one in self.saw),
            lambda: f"{what!r} was not seen, but {self.saw}",
        )

    async def until_read(self, count: int) -> None:
        """Wait until so many bytes were read in all."""
        await until(lambda: self.read_in_all >= count, lambda: f"{self.read_in_all} were read")

    async def until_state(self, *states: str) -> None:
        """Wait until the socket is in one of these states."""
        await until(lambda: state_of(self.sock) in states, lambda: f"is {state_of(self.sock)}")

    async def until_unread(self, count: int = 1) -> None:
        """Wait until so many bytes can be read."""
        await until(lambda: unread(self.sock) >= count, lambda: f"{unread(self.sock)} unread")


class End(Witness, asyncio.Protocol):
    """An end on an asyncio transport. Exceptions of calls are seen."""

    def __init__(self, *, keep_open: bool = False, paused: bool = False) -> None:
        super().__init__()
        self._keep_open = keep_open
        self._paused = paused
        self.transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.sock = transport.get_extra_info("socket")
        if self._paused:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.note_data(data)

    def eof_received(self) -> bool:
        self.note("eof")
        return self._keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.note("lost" if exc is None else f"lost: {name_of(exc)}")

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def _call(self, name: str, function: Callable[..., object], *args: object) -> None:
        try:
            function(*args)
        except Exception as error:
            self.note(f"{name}: {name_of(error)}")

    def write(self, data: bytes) -> None:
        self._call("write", self.transport.write, data)

    def write_eof(self) -> None:
        self._call("write_eof", self.transport.write_eof)

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def reset(self) -> None:
        """Close with linger 0."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.transport.abort()


class Stream(Witness):
    """An end on asyncio streams. Results and exceptions of calls are seen."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self.sock = writer.get_extra_info("socket")

    async def _await(self, name: str, waiting: Any) -> None:
        try:
            got = await waiting
        except (OSError, EOFError) as error:
            self.note(f"{name}: {name_of(error)}")
        else:
            self.note(name if got is None else f"{name}: {got!r}")

    async def until_lost(self) -> None:
        """Wait until the reader knows of an error."""
        await until(lambda: self._reader.exception(), lambda: "no error")

    async def read(self) -> None:
        await self._await("read", self._reader.read(100))

    async def readexactly(self, count: int) -> None:
        await self._await("readexactly", self._reader.readexactly(count))

    async def write(self, data: bytes = b"hello") -> None:
        self._writer.write(data)
        await self._await("drain", self._writer.drain())

    async def close(self) -> None:
        self._writer.close()
        await self._await("wait_closed", self._writer.wait_closed())


class Raw(Witness):
    """An end of calls on a socket that does not block. Results and errors of calls are seen."""

    def __init__(self, sock: Any = None) -> None:
        super().__init__()
        self.sock = sock if sock is not None else new_socket()

    def _call(self, name: str, function: Callable[..., object], *args: object) -> bool:
        """Whether it is done; if not it would have blocked."""
        try:
            got = function(*args)
        except BlockingIOError:
            return False
        except OSError as error:
            self.note(f"{name}: {errno.errorcode[error.errno or 0]}")
        else:
            if isinstance(got, bytes) and got:
                self.note_data(got)
            else:
                self.note(name if got is None else f"{name}: {got!r}")
        return True

    def bind(self, address: tuple[str, int]) -> None:
        self._call("bind", self.sock.bind, address)

    async def connect(self, address: tuple[str, int]) -> None:
        """Connect; the outcome is left to be asked for."""
        self._call("connect", self.sock.connect, address)
        await until(lambda: state_of(self.sock) != "SYN_SENT", lambda: "still SYN_SENT")

    async def accept(self, listener: Any) -> None:
        """Become the next connection of a listener."""
        await until(lambda: "r" in ready(listener), lambda: "nobody connects")
        self.sock.close()
        self.sock, _ = listener.accept()
        self.sock.setblocking(False)
        self.note("accept")

    async def recv(self) -> None:
        """Read once something can be read."""
        await until(lambda: self._call("recv", self.sock.recv, 1 << 20), lambda: "nothing to read")

    def recv_now(self) -> None:
        """Read what is there."""
        if not self._call("recv", self.sock.recv, 1 << 20):
            self.note("recv: EAGAIN")

    async def recv_all(self) -> None:
        """Read until there are no more bytes."""
        await self.recv()
        while self.saw[-1].startswith("read"):
            await self.recv()

    def send(self, data: bytes = b"hello") -> None:
        if not self._call("send", self.sock.send, data):
            self.note("send: EAGAIN")

    async def fill(self) -> None:
        """Send until nothing more is taken, and none of it is on its way."""
        looks = 0
        while looks < 5:
            looks += 1
            try:
                while self.sock.send(bytes(1 << 16)):
                    looks = 0
            except BlockingIOError:
                await asyncio.sleep(LOOK_EVERY_S)

    def shutdown(self, how: str = "WR") -> None:
        self._call(f"shutdown {how}", self.sock.shutdown, getattr(socket, f"SHUT_{how}"))

    def so_error(self) -> None:
        number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.note(f"SO_ERROR: {errno.errorcode.get(number, number)}")

    def share_port(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def getpeername(self) -> None:
        def has_one() -> None:
            self.sock.getpeername()

        self._call("getpeername", has_one)

    def ready(self) -> None:
        """What a selector says."""
        self.note(f"ready: {ready(self.sock) or 'no'}")

    def state(self) -> None:
        """What state it is in."""
        self.note(state_of(self.sock))

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with linger 0."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.sock.close()


class Ends:
    """Makes the two ends of one situation, and clears up behind it."""

    def __init__(self) -> None:
        self.client = Witness()
        self.server = Witness()
        self._transports: list[asyncio.WriteTransport] = []
        self._sockets: list[Any] = []

    async def on_transports(
        self, client: End | None = None, server: End | None = None
    ) -> tuple[End, End]:
        """Two transports, connected; the port is closed again."""
        client, server = client or End(), server or End()
        self.client, self.server = client, server
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: server, HOST, 0)
        await loop.create_connection(lambda: client, *listening.sockets[0].getsockname())
        await until(lambda: hasattr(server, "transport"), lambda: "not accepted")
        listening.close()
        self._transports = [client.transport, server.transport]
        return client, server

    async def on_streams(self) -> tuple[Stream, End]:
        """A client on streams, a server on a transport."""
        server = End()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: server, HOST, 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        await until(lambda: hasattr(server, "transport"), lambda: "not accepted")
        listening.close()
        client = Stream(reader, writer)
        self.client, self.server = client, server
        self._transports = [writer.transport, server.transport]
        return client, server

    async def on_sockets(self) -> tuple[Raw, Raw]:
        """Two sockets, connected; the port is closed again."""
        client, server = self.raw()
        listener = self.listener()
        await client.connect(listener.getsockname())
        await server.accept(listener)
        listener.close()
        client.saw.clear()
        server.saw.clear()
        return client, server

    def raw(self) -> tuple[Raw, Raw]:
        """Two sockets that are not connected."""
        client, server = Raw(), Raw()
        self.client, self.server = client, server
        return client, server

    def listener(self, *, listening: bool = True) -> Any:
        """A socket that listens, or is only bound; nobody accepts."""
        sock = new_socket()
        self._sockets.append(sock)
        sock.bind((HOST, 0))
        if listening:
            sock.listen(5)
        return sock

    async def clear_up(self) -> None:
        """Close all there is."""
        for transport in self._transports:
            with suppress(AttributeError):  # asyncio's, of one that has closed by itself
                transport.abort()
        for end in (self.client, self.server):
            if isinstance(end, Raw):
                end.close()
        for sock in self._sockets:
            sock.close()
        for _ in range(3):  # transports close their sockets in the next turn
            await asyncio.sleep(0)
