"""A network in memory: addresses, ports, listeners, and links whose faults are the same values
that the server and the fault proxy take.

A link is the way to one listening port. What is injected there is done to every connection that
goes through it, present and future, until `clear`.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import socket
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from mockex.errors import FaultError
from mockex.faults.link import (
    Bandwidth,
    BlackHole,
    ClearLink,
    Direction,
    Ends,
    FinLink,
    Hold,
    Latency,
    LimitData,
    LinkFault,
    LinkTerms,
    NeverAccept,
    Refused,
    Release,
    ResetLink,
    Slice,
    SlowClose,
    directions,
    hold_to_ends,
)
from mockex.sim.pipe import Conditions, Pipe
from mockex.sim.sockets import Address, SimSocket, error

if TYPE_CHECKING:
    from mockex.sim.loop import SimLoop
    from mockex.sim.process import Process
    from mockex.sim.selector import Selector

_ANY = "0.0.0.0"  # noqa: S104 - a name in this network, which has no other machines
_FIRST_FD = 1 << 20
_PORTS = range(40_000, 65_536)  # that are given to those who do not care
_HOP_US = (200, 300)  # a connect, an accept, a chunk: at least 0.2 ms
_SYN_AGAIN_S = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0)  # Linux, tcp_syn_retries 6


class Connection:
    """Both ends of one connection through a link."""

    def __init__(self, client: SimSocket, server: SimSocket, up: Pipe, down: Pipe) -> None:
        self.client = client
        self.server = server
        self.pipes = {Direction.UPSTREAM: up, Direction.DOWNSTREAM: down}


class Link:
    """The way to one port. See the module. `ends` None: it is a wire, and ends connections in
    either way; else it is a proxy (see `mockex.sim.pipe`)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.conditions = {direction: Conditions() for direction in Direction}
        self.connections: list[Connection] = []
        self.refused_until = 0.0
        self.never_accepts = False
        self.ends: Ends | None = None
        self._terms = LinkTerms()
        self._turns = 0  # how often a latency began

    def stand(self, terms: LinkTerms) -> None:
        """Be a line of these terms, now and whenever it is cleared."""
        self._terms, self.ends = terms, terms.ends
        self.clear()

    def inject(self, fault: LinkFault) -> list[Connection]:
        """Do `fault` now; the connections that it struck at once.

        Raises:
            FaultError: no fault of a link, or not of this one.
        """
        if self.ends is not None:
            hold_to_ends(fault, self.ends)
        present = self.present()
        match fault:
            case ResetLink() | FinLink():
                self._end(present, "reset" if isinstance(fault, ResetLink) else "fin")
            case ClearLink():
                self.clear()
            case Release(backlog=backlog):
                self._release(lose=backlog == "lose")
            case Refused(ms=ms):
                self.refused_until = self._network.now() + ms / 1000
                self._end(present, self.ends or "fin")
            case NeverAccept():
                self.never_accepts = True
                self._network.update_listeners(self)
            case LimitData(bytes=most, then=then, direction=direction):
                self.conditions[direction].limit = (most, then)
                for connection in present:
                    connection.pipes[direction].allowed = (most, then)
            case Latency() | Bandwidth() | Slice() | Hold() | BlackHole() | SlowClose():
                self._change(fault)
            case _:
                raise FaultError(f"{type(fault).__name__} is no fault that a link can do")
        return present

    def _change(self, fault: Latency | Bandwidth | Slice | Hold | BlackHole | SlowClose) -> None:
        """Do this to the bytes from now on."""
        self._turns += isinstance(fault, Latency)
        for direction in directions(fault.direction):
            conditions = self.conditions[direction]
            conditions.clear = False
            match fault:
                case Latency():
                    seed = str(self._network.seeded_with)
                    conditions.delay_s = fault.drawn_ms(seed, direction, self._turns) / 1000
                case Bandwidth(bytes_per_s=rate):
                    conditions.bytes_per_s = rate
                case Slice(bytes=size, gap_ms=gap_ms):
                    conditions.slice_bytes, conditions.slice_gap_s = size, gap_ms / 1000
                case Hold():
                    conditions.held = True
                case BlackHole():
                    conditions.swallows = True
                case SlowClose(delay_ms=delay_ms):
                    conditions.slow_close_s = delay_ms / 1000

    def clear(self) -> None:
        """Nothing is done to the bytes any more but what the terms say. What was held goes on;
        connections that lost bytes end."""
        self._release(lose=False)
        if any(conditions.swallows for conditions in self.conditions.values()):
            self._end(self.present(), self.ends or "fin")
        for conditions in self.conditions.values():
            conditions.reset()
        for connection in self.present():
            for pipe in connection.pipes.values():
                pipe.allowed = None
        self.refused_until = 0.0
        self.never_accepts = False
        self._network.update_listeners(self)
        for fault in self._terms.faults:
            self.inject(fault)

    def _release(self, *, lose: bool) -> None:
        for direction, conditions in self.conditions.items():
            if not conditions.held:
                continue
            conditions.held = False
            for connection in self.present():
                lost = connection.pipes[direction].released(lose=lose)
                if lost or (lose and self.ends is not None):  # a proxy loses all that it has
                    # A stream of bytes with a hole in it is never delivered: TCP would die of it.
                    self._end([connection], self.ends or "reset")

    def _end(self, connections: list[Connection], how: Ends) -> None:
        for connection in connections:
            self._network.end(connection.client, connection.server, how)

    def present(self) -> list[Connection]:
        """The connections that have an end."""
        return [c for c in self.connections if not (c.client.closed and c.server.closed)]


class Network:
    """The addresses of one simulation. Every name given by `add_host`, and all of 127.0.0.0/8,
    lead to it."""

    def __init__(self) -> None:
        self.sockets: dict[int, SimSocket] = {}
        self.random = Random(0)
        self.seeded_with = 0
        self.selector: Selector
        self.loop: SimLoop
        self._hosts = {"localhost": "127.0.0.1"}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._fds = itertools.count(_FIRST_FD)
        self._ports = itertools.cycle(_PORTS)
        self._bound: dict[int, list[SimSocket]] = {}
        self._links: dict[int, Link] = {}

    # --- for users ---

    def add_host(self, name: str, address: str) -> None:
        """Let `name` resolve to `address`, any IPv4 one."""
        self._hosts[name] = address

    def link(self, port: int) -> Link:
        """The way to a port, listening or not."""
        return self._links.setdefault(port, Link(self))

    def sockets_of(self, process: Process | None) -> list[SimSocket]:
        """The open sockets of one process, oldest first."""
        return [sock for sock in self.sockets.values() if sock.process is process]

    # --- for the loop ---

    def attach(self, loop: SimLoop, selector: Selector) -> None:
        """The loop that runs it, once."""
        self.loop, self.selector = loop, selector

    @property
    def used(self) -> bool:
        """A loop has run it."""
        return hasattr(self, "loop")

    def seed(self, seed: int) -> None:
        """Draw from this seed from now on."""
        self.random = Random(f"network {seed}")
        self.seeded_with = seed

    def now(self) -> float:
        """Loop time."""
        return self.loop.time()

    def next_at(self) -> float | None:
        """When something arrives next."""
        return self._due[0][0] if self._due else None

    def run_due(self, now: float) -> None:
        """Let arrive what is due."""
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()

    def update_listeners(self, link: Link) -> None:
        """What waits in a backlog waits on, or not any more."""
        for port, bound in self._bound.items():
            if self._links.get(port) is link:
                for sock in bound:
                    sock.update()

    def close_all(self, process: Process) -> None:
        """What the kernel does with the sockets of a process that has ended."""
        for sock in self.sockets_of(process):
            sock.close()

    def close_everything(self) -> None:
        """The end of the simulation."""
        self._due.clear()
        for sock in list(self.sockets.values()):
            sock.closed = True
        self.sockets.clear()

    # --- for sockets and pipes ---

    def at(self, when: float, arrive: Callable[[], None]) -> None:
        """Let something arrive at a loop time."""
        heapq.heappush(self._due, (when, next(self._order), arrive))

    def hop_s(self) -> float:
        """How long the next step takes."""
        return self.random.randrange(*_HOP_US) / 1e6

    def adopt(self, sock: SimSocket) -> int:
        """A number for a socket."""
        fd = next(self._fds)
        self.sockets[fd] = sock
        return fd

    def forget(self, sock: SimSocket) -> None:
        """A socket was closed."""
        self.selector.forget(sock.fd)
        del self.sockets[sock.fd]
        for connection in sock.accepted:
            connection.abandoned()
        port = sock.local[1] if sock.local is not None else 0
        if sock in self._bound.get(port, ()):
            self._bound[port].remove(sock)
            if not self._bound[port]:
                del self._bound[port]

    def resolve(self, host: object) -> str:
        """The address of a name.

        Raises:
            socket.gaierror: nobody has that name.
        """
        name = host.decode() if isinstance(host, bytes) else str(host)
        try:
            return socket.inet_ntoa(socket.inet_aton(name))
        except OSError:
            if name not in self._hosts:
                raise socket.gaierror(
                    socket.EAI_NONAME, f"no host {name!r} in this network: see Network.add_host"
                ) from None
            return self._hosts[name]

    def bind(self, sock: SimSocket, address: Address) -> Address:
        """Give a socket its address; port 0 is any free one."""
        host, port = self.resolve(address[0]), address[1]
        if port == 0:
            some = itertools.islice(self._ports, len(_PORTS))
            port = next((port for port in some if port not in self._bound), 0)
            if port == 0:
                raise error(errno.EADDRNOTAVAIL)
        for other in self._bound.get(port, ()):
            assert other.local is not None
            overlaps = other.local[0] == host or _ANY in (other.local[0], host)
            if overlaps and not (sock.shares_port and other.shares_port):
                raise error(errno.EADDRINUSE)
        self._bound.setdefault(port, []).append(sock)
        return (host, port)

    def _listener(self, address: Address) -> SimSocket | None:
        for host in (address[0], _ANY):
            for sock in self._bound.get(address[1], ()):
                if sock.backlog is not None and sock.local == (host, address[1]):
                    return sock
        return None

    def connect(self, client: SimSocket, address: Address) -> None:
        """A SYN sets out; the client hears of the outcome."""
        address = (self.resolve(address[0]), address[1])
        tries = iter(_SYN_AGAIN_S)
        began = self.now()

        def syn() -> None:
            if client.closed or not client.connecting:
                return
            listener = self._listener(address)
            link = self.link(address[1])
            if listener is None or link.refused_until > self.now():
                client.not_connected(errno.ECONNREFUSED)
            elif len(listener.accepted) > (listener.backlog or 0):
                again = next(tries, None)  # dropped, and sent again by the kernel
                if again is None:
                    client.not_connected(errno.ETIMEDOUT)
                else:
                    self.at(began + again + self.hop_s(), syn)
            else:
                self._establish(client, listener, address, link)

        self.at(began + self.hop_s(), syn)

    def _establish(
        self, client: SimSocket, listener: SimSocket, address: Address, link: Link
    ) -> None:
        assert client.local is not None
        server = SimSocket(self)
        server.process, server.made_at = listener.process, listener.made_at
        server.local = address
        up = Pipe(self, client, server, link.conditions[Direction.UPSTREAM], link.ends)
        down = Pipe(self, server, client, link.conditions[Direction.DOWNSTREAM], link.ends)
        link.connections = [*link.present(), Connection(client, server, up, down)]
        server.connected(client.local, down)
        client.connected(address, up)
        listener.accepted.append(server)
        listener.update()

    def was_read(self, sock: SimSocket) -> None:
        """Bytes were taken from a socket: there is room for more."""
        assert sock.out is not None
        into = sock.out.target.out
        assert into is not None
        into.target_has_room()

    def end(self, one: SimSocket, other: SimSocket, how: Ends) -> None:
        """The link ends a connection, on both sides, a moment later."""
        for sock in (one, other):
            assert sock.out is not None
            sock.out.cut()
            seen = sock.fin_arrived if how == "fin" else sock.rst_arrived
            self.at(self.now() + self.hop_s(), seen)
