"""TCP sockets in memory: what Linux shows to a program that calls them, and no more.

asyncio's transports run on these unchanged. What each call gives follows the kernel: what was
received is read before an error is; a first write after the peer has closed succeeds, and is
answered by a RST; closing a socket with unread bytes, or with linger 0, is a RST; once the peer's
end was received, a RST is EPIPE and reading gives b"" for ever. A differential test holds this
against sockets of the machine.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, Self

from mockex.sim.machine import place
from mockex.sim.process import current

if TYPE_CHECKING:
    from mockex.sim.network import Network
    from mockex.sim.pipe import Pipe

Address = tuple[str, int]

_SEND_BUFFER = 256 * 1024
_RECEIVE_BUFFER = 128 * 1024
_LEAST_BUFFER = 4096
_BUFFERS = {socket.SO_SNDBUF: "send_buffer", socket.SO_RCVBUF: "receive_buffer"}


def error(number: int) -> OSError:
    """The exception that the interpreter makes of an errno."""
    return OSError(number, os.strerror(number))


class SimSocket:
    """One end. `out` leads to the peer once it is connected; `fd` is no number of the machine's."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, network: Network) -> None:
        self._network = network
        self.fd = network.adopt(self)
        self.process = current()
        self.made_at = place()
        self.local: Address | None = None
        self.remote: Address | None = None
        self.out: Pipe | None = None
        self.send_buffer = _SEND_BUFFER
        self.receive_buffer = _RECEIVE_BUFFER
        self.unread: deque[bytes | memoryview] = deque()
        self.unread_bytes = 0
        self.backlog: int | None = None  # a number: it listens
        self.accepted: deque[SimSocket] = deque()
        self.connecting = False
        self.closed = False
        self.fin_sent = False
        self.fin_received = False
        self._dead = False  # reset by either side, or the attempt failed
        self._deaf = False  # shutdown for reading
        self._error: OSError | None = None
        self._linger_0 = False
        self._options: dict[tuple[int, int], int] = {}

    def __hash__(self) -> int:
        return self.fd

    def __str__(self) -> str:
        ends = [f"{host}:{port}" for host, port in filter(None, (self.local, self.remote))]
        made = f", made at {self.made_at}" if self.made_at else ""
        return f"socket {self.state} {' → '.join(ends)}{made}"

    # --- what the operating system shows ---

    @property
    def state(self) -> str:
        """As `ss` and psutil name it."""
        if self.backlog is not None and not self.closed:
            return "LISTEN"
        if self.connecting:
            return "SYN_SENT"
        if self.closed or self._over:
            return "CLOSE"
        assert self.out is not None
        if self.fin_sent and self.fin_received:
            return "LAST_ACK"
        if self.fin_sent:
            return "FIN_WAIT2" if self.out.empty else "FIN_WAIT1"
        return "CLOSE_WAIT" if self.fin_received else "ESTABLISHED"

    @property
    def _over(self) -> bool:
        """There is no connection: not yet, or not any more."""
        if self._dead or self.out is None:
            return True
        return self.fin_sent and self.fin_received and self.out.empty

    @property
    def shares_port(self) -> bool:
        """SO_REUSEPORT is set: others who set it may have the same port."""
        return bool(self._options.get((socket.SOL_SOCKET, socket.SO_REUSEPORT)))

    @property
    def readable(self) -> bool:
        """A read, or an accept, would not block."""
        if self.backlog is not None:
            assert self.local is not None
            return bool(self.accepted) and not self._network.link(self.local[1]).never_accepts
        if self.connecting:
            return False
        return bool(self.unread or self.fin_received or self._deaf) or self._over

    @property
    def writable(self) -> bool:
        """A write would not block, as poll(2) says it: there is room for a third."""
        if self.backlog is not None or self.connecting:
            return False
        if self.out is None or self._over or self.fin_sent:
            return True
        return self.out.room() * 3 >= self.send_buffer

    def update(self) -> None:
        """Say to the selector what this socket is ready for."""
        wanted = self._network.selector.events_of(self.fd)
        if not wanted or self.closed:
            return
        mask = 0
        if wanted & selectors.EVENT_READ and self.readable:
            mask |= selectors.EVENT_READ
        if wanted & selectors.EVENT_WRITE and self.writable:
            mask |= selectors.EVENT_WRITE
        self._network.selector.mark(self.fd, mask)

    # --- calls of programs ---

    def fileno(self) -> int:
        return -1 if self.closed else self.fd

    def setblocking(self, flag: bool) -> None:
        if flag:
            self._no("a blocking socket")

    def gettimeout(self) -> float:
        return 0.0

    def settimeout(self, value: float | None) -> None:
        if value != 0:
            self._no("a socket with a time-out")

    def getsockname(self) -> Address:
        self._check_open()
        return self.local or ("0.0.0.0", 0)  # noqa: S104 - what the kernel says

    def getpeername(self) -> Address:
        self._check_open()
        if self.remote is None or self._over:
            raise error(errno.ENOTCONN)
        return self.remote

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        self._check_open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            on, seconds = struct.unpack("ii", value)  # type: ignore[arg-type]
            self._linger_0 = bool(on) and seconds == 0
            return
        number = value if isinstance(value, int) else int.from_bytes(value[:4], "little")
        if level == socket.SOL_SOCKET and option in _BUFFERS:
            setattr(self, _BUFFERS[option], max(number, _LEAST_BUFFER))
        self._options[level, option] = number

    def getsockopt(self, level: int, option: int, size: int = 0) -> int:
        self._check_open()
        if size:
            self._no("socket.getsockopt of a structure")
        if level == socket.SOL_SOCKET and option == socket.SO_ERROR:
            found, self._error = self._error, None
            return (found.errno or 0) if found is not None else 0
        if level == socket.SOL_SOCKET and option in _BUFFERS:
            return int(getattr(self, _BUFFERS[option]))
        return self._options.get((level, option), 0)

    def bind(self, address: Address) -> None:
        self._check_open()
        self.local = self._network.bind(self, address)

    def listen(self, backlog: int = 128) -> None:
        self._check_open()
        if self.local is None:
            self.bind(("0.0.0.0", 0))  # noqa: S104 - what the kernel does
        self.backlog = backlog

    def accept(self) -> tuple[SimSocket, Address]:
        self._check_open()
        if not self.readable or not self.accepted:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        connection = self.accepted.popleft()
        connection.process = current()
        connection.made_at = place() or self.made_at
        self.update()
        assert connection.remote is not None
        return connection, connection.remote

    def connect(self, address: Address) -> None:
        self._check_open()
        if self.connecting or self.out is not None or self._dead:
            self._no("to connect a socket again")
        if self.local is None:
            self.bind(("127.0.0.1", 0))
        self.connecting = True
        self._network.connect(self, address)
        raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._check_open()
        if flags:
            self._no("socket.recv with flags")
        if not self.unread:
            return self._nothing_to_read()
        first = self.unread.popleft()
        if len(first) < size and self.unread:
            parts, length = [first], len(first)
            while self.unread and length < size:
                parts.append(self.unread.popleft())
                length += len(parts[-1])
            first = b"".join(parts)
        data = bytes(first[:size])
        if len(first) > size:
            self.unread.appendleft(memoryview(first)[size:])
        self.unread_bytes -= len(data)
        if not self.unread:
            self.update()
        self._network.was_read(self)
        return data

    def _nothing_to_read(self) -> bytes:
        """In the order in which tcp_recvmsg asks."""
        if self.fin_received:
            return b""
        if self._error is not None:
            raise self._take_error()
        if self._deaf or self._dead:
            return b""
        if self.out is None and not self.connecting:
            raise error(errno.ENOTCONN)
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        data = self.recv(size or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        self._check_open()
        if flags:
            self._no("socket.send with flags")
        if self._error is not None:
            raise self._take_error()
        if self.connecting:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if self.out is None or self.fin_sent or self._dead:
            raise error(errno.EPIPE)
        room = self.out.room()
        if room <= 0:
            self.update()
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        taken = bytes(data[:room])
        self.out.send(taken)
        if len(taken) == room:
            self.update()
        return len(taken)

    def sendmsg(self, buffers: Iterable[Any]) -> int:
        room = self.out.room() if self.out is not None else 0
        parts = []
        for buffer in buffers:  # as many as may be taken: a transport offers all that it has
            parts.append(buffer)
            room -= len(buffer)
            if room <= 0:
                break
        return self.send(b"".join(parts))

    def shutdown(self, how: int) -> None:
        self._check_open()
        if self.backlog is not None and how == socket.SHUT_WR:
            return
        if self._over:
            raise error(errno.ENOTCONN)
        assert self.out is not None
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._deaf = True
        if how in (socket.SHUT_WR, socket.SHUT_RDWR) and not self.fin_sent:
            self.fin_sent = True
            self.out.send_fin()
        self.update()

    def close(self) -> None:
        if self.closed:
            return
        if self.out is not None and not self._over:
            if self._linger_0 or self.unread:
                self._dead = True
                self.out.send_rst()
            elif not self.fin_sent:
                self.fin_sent = True
                self.out.send_fin()
        self.unread.clear()
        self.unread_bytes = 0
        self.closed = True
        self._network.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._no(f"socket.{name}")

    def _check_open(self) -> None:
        if self.closed:
            raise error(errno.EBADF)

    def _no(self, what: str) -> NoReturn:
        self._network.loop.refuse(what, "use the transport, or the loop's own methods")

    def _take_error(self) -> OSError:
        found, self._error = self._error, None
        assert found is not None
        return found

    # --- what the network brings ---

    def connected(self, remote: Address, out: Pipe) -> None:
        """The handshake is complete."""
        self.connecting = False
        self.remote, self.out = remote, out
        self.update()

    def not_connected(self, number: int) -> None:
        """The attempt failed."""
        self.connecting = False
        self._dead = True
        self._error = error(number)
        self.update()

    def room(self) -> int:
        """How many bytes it can still receive."""
        if self.closed or self._dead:
            return sys.maxsize  # they are not kept
        return max(0, self.receive_buffer - self.unread_bytes)

    def arrived(self, data: bytes) -> bool:
        """Bytes came; False if nobody is there for them, which the kernel answers with a RST."""
        if self.fin_sent and self._deaf:
            self.rst_arrived()
        if self.closed or self._dead:
            return False
        self.unread.append(data)
        self.unread_bytes += len(data)
        self.update()
        return True

    def fin_arrived(self) -> None:
        """The peer will send no more."""
        if not self._dead:
            self.fin_received = True
            self.update()

    def rst_arrived(self) -> None:
        """The peer, or the link, has thrown the connection away."""
        if self.closed or self._over:
            return
        closing = self.fin_received and not self.fin_sent
        self._dead = True
        self._error = error(errno.EPIPE if closing else errno.ECONNRESET)
        self.update()

    def abandoned(self) -> None:
        """Its listener was closed, and nobody has accepted it."""
        self._linger_0 = True
        self.close()
