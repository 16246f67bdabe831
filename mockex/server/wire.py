"""What only sockets can do: RST, FIN, send buffers, a port that is ours and refuses.

The one file that asks a transport for its socket or makes one. On a simulated loop the sockets are
those of its network, which take the same calls, so the rest is the same on both grounds.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from mockex.errors import ConfigError, FaultError, MachineLacks
from mockex.server.authority import Authority
from mockex.sim import SimLoop, SimSocket

_LINGER_0 = struct.pack("ii", 1, 0)
# Enough for a burst, small enough that a client that never reads is noticed: what the kernel would
# grow to by itself is megabytes per connection.
_SEND_BUFFER = 256 * 1024
_WRITE_HIGH_WATER = 256 * 1024
_TLS_HANDSHAKE_S = 10.0
_TLS_SHUTDOWN_S = 2.0  # the client has not answered TLS's farewell; then the socket is closed


class Listener(Protocol):
    """A port of ours. `refuse` keeps the port and refuses connections; `accept` undoes it."""

    port: int

    async def refuse(self) -> None: ...

    async def accept(self) -> None: ...

    async def close(self) -> None: ...


class Wire(Protocol):
    """What the server asks of a network beyond transports. With an `authority` its listeners speak
    TLS."""

    authority: Authority | None

    async def listen(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> Listener: ...

    def prepare(self, transport: asyncio.Transport) -> None:
        """Bound the buffers of an accepted connection."""
        ...

    def reset(self, transport: asyncio.Transport) -> None:
        """End the connection with a RST; what was not sent is gone."""
        ...

    def half_close(self, transport: asyncio.Transport) -> None:
        """Send FIN once everything written is sent; reading goes on.

        Raises:
            FaultError: it cannot be done on this connection now.
        """
        ...


def _tcp_socket() -> socket.socket:
    loop = asyncio.get_running_loop()
    if isinstance(loop, SimLoop):
        return SimSocket(loop.network)  # type: ignore[return-value]  # it takes the same calls
    # With the protocol named, asyncio sets TCP_NODELAY on what is accepted; without it a small
    # frame behind another one waits up to 40 ms for the acknowledgement of that one.
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


@contextmanager
def held_port(host: str) -> Iterator[int]:
    """A port that nobody else is given while the block lasts, for a program that is to listen there
    and sets SO_REUSEADDR, as Go's do: it is bound, and nothing listens."""
    with bound_socket(host, 0, "port") as held:
        yield held.getsockname()[1]


def bound_socket(host: str, port: int, setting: str) -> socket.socket:
    """A socket of a port, for who listens by other means; 0: any free one.

    Raises:
        ConfigError: the port cannot be had; it was named by `setting`.
    """
    bound = _tcp_socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _not_bound(error, host, port, setting) from None
    return bound


def _not_bound(error: OSError, host: str, port: int, setting: str) -> ConfigError:
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError("host", host, "an address of this machine")
    return ConfigError(setting, port, f"a free port on {host} ({error.strerror})")


class SocketListener:
    """A listening socket whose port can refuse for a while without being lost.

    Every socket is bound with SO_REUSEPORT, so that the next one can be bound before the last one
    is closed: nobody else gets the port in between. Bound and never listening is what refuses.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        authority: Authority | None = None,
    ) -> None:
        self._factory = factory
        self._host = host
        self._tls: dict[str, Any] = {}
        if authority is not None:
            self._tls = {
                "ssl": authority.context,
                "ssl_handshake_timeout": _TLS_HANDSHAKE_S,
                "ssl_shutdown_timeout": _TLS_SHUTDOWN_S,
            }
        self._server: asyncio.Server | None = None
        self._held = self._bind(port)
        self.port: int = self._held.getsockname()[1]

    def _bind(self, port: int) -> socket.socket:
        if port and self._server is None:
            # The first bind of a named port is exclusive: a port in use must be noticed.
            bound_socket(self._host, port, "port").close()
        bound = _tcp_socket()
        try:
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind((self._host, port))
        except OSError as error:
            bound.close()
            raise _not_bound(error, self._host, port, "port") from None
        return bound

    async def accept(self) -> None:
        """Listen."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self._factory, sock=self._held, backlog=1024, **self._tls
            )

    async def refuse(self) -> None:
        """Refuse connections and keep the port. Accepted connections are not touched."""
        if self._server is not None:
            self._held = self._bind(self.port)
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        else:
            self._held.close()


class SocketWire:
    """The real network."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.authority = authority

    async def listen(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> SocketListener:
        """Bind and listen. `port` 0: any free one.

        Raises:
            ConfigError: the port cannot be had.
        """
        listener = SocketListener(factory, host, port, self.authority)
        await listener.accept()
        return listener

    def prepare(self, transport: asyncio.Transport) -> None:
        """Bound the buffers of an accepted connection."""
        transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def reset(self, transport: asyncio.Transport) -> None:
        """SO_LINGER with time 0 makes close(2) send a RST (socket(7))."""
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        transport.abort()

    def half_close(self, transport: asyncio.Transport) -> None:
        """shutdown(SHUT_WR) once the buffer is empty.

        Raises:
            FaultError: through TLS, while the buffer is not empty.
        """
        if transport.get_extra_info("ssl_object") is not None:
            self._half_close_below(transport)
        elif transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()

    def _half_close_below(self, transport: asyncio.Transport) -> None:
        """A FIN of TCP alone, without TLS's own farewell: asyncio has no call for it, so it is done
        to the socket, behind the back of a transport that must have nothing more to send."""
        below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        if below is None or transport.get_write_buffer_size() or below.get_write_buffer_size():
            raise FaultError("a FIN through TLS is only possible while nothing waits to be sent")
        transport.get_extra_info("socket").shutdown(socket.SHUT_WR)


def hear_what_it_lacks(told: Callable[[MachineLacks], None]) -> None:
    """Call `told` with what the machine does not give to the running loop from now on, once for
    each: asyncio says it to its log alone, and tries to accept again a second later."""
    known: set[int | None] = set()

    def hear(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and MachineLacks.says(error):
            if error.errno not in known:
                known.add(error.errno)
                told(MachineLacks(error))
        else:
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(hear)
