"""The loopback, and the ports of this machine."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mockex.doctor.answer import Answer, State
from mockex.doctor.asking import within

PORTS = 4096  # each connection has one, and it rests a minute after its end
_LOOKED_UP_S = 2.0
_TRIED_S = 2.0


def loopback() -> Answer:
    """Whether a connection to 127.0.0.1 comes about and carries bytes both ways."""
    what, repair = "127.0.0.1 takes connections", ""
    try:
        took_s = _round_trip()
        what += f", a byte there and back takes {took_s * 1e6:.0f} µs"
        state = State.OK
    except OSError as error:
        state = State.BROKEN
        what = f"127.0.0.1: {error.strerror or error or type(error).__name__}"
        repair = "ip link set lo up (as root), and let no firewall drop traffic on lo"
    return Answer(
        name="loopback", state=state, what=what, needed_for="everything on the machine",
        repair=repair, required=True,
    )  # fmt: skip


def _round_trip() -> float:
    with socket.socket() as server:
        server.settimeout(_TRIED_S)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        with socket.create_connection(server.getsockname(), _TRIED_S) as client:
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(_TRIED_S)
                began = time.perf_counter()
                client.sendall(b"?")
                accepted.sendall(accepted.recv(1))
                if client.recv(1) != b"?":
                    raise OSError(errno.EIO, "other bytes come back than were sent")
                return time.perf_counter() - began


def localhost(look_up: Callable[[], list[str]] | None = None) -> Answer:
    """Whether `localhost` is 127.0.0.1. A name server that is asked may take its time."""
    found = within(_LOOKED_UP_S, look_up or _addresses)
    if found is None:
        state, what = State.BROKEN, f"the look-up takes more than {_LOOKED_UP_S:g} s"
    elif isinstance(found, OSError):
        state, what = State.BROKEN, f"is not found: {found.strerror}"
    elif "127.0.0.1" not in found:
        state, what = State.BROKEN, f"is {', '.join(found)}, not 127.0.0.1"
    else:
        state, what = State.OK, "is 127.0.0.1"
    return Answer(
        name="localhost",
        state=state,
        what=what,
        needed_for="adapters that are pointed at `localhost`; mockex itself says 127.0.0.1",
        repair="" if state is State.OK else "add `127.0.0.1 localhost` to /etc/hosts",
    )


def _addresses() -> list[str]:
    found = socket.getaddrinfo("localhost", None, socket.AF_INET, socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def port(number: int, host: str = "127.0.0.1") -> Answer:
    """Whether a port that somebody wants to serve at is free."""
    state, what, repair = State.OK, "free", ""
    try:
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that rests is free
            server.bind((host, number))
            server.listen(1)
    except OSError as error:
        state, what, repair = State.LACKING, error.strerror or str(error), "take a port above 1023"
        if error.errno == errno.EADDRINUSE:
            what = f"taken by {_holder(number) or 'another program'}"
            repair = "end that program, or take another port (0: any that is free)"
    bounds = ephemeral()
    if state is State.OK and bounds is not None and bounds[0] <= number <= bounds[1]:
        what += ", but the kernel also gives it to outgoing connections"
    return Answer(
        name=f"port-{number}",
        state=state,
        what=what,
        needed_for=f"mockex serve --port {number}",
        repair=repair,
        required=True,
    )


def _holder(number: int) -> str:
    """Who listens there, as far as we may know."""
    import psutil  # here, so that a machine without it is told about by the other checks

    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("inet"):
            here = connection.laddr and connection.laddr.port == number
            if here and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


def ephemeral() -> tuple[int, int] | None:
    """First and last port that the kernel gives to who names none; None if it does not say."""
    with suppress(OSError, ValueError):
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(first), int(last)
    return None


def ports() -> Answer:
    """Whether there are enough of them for connections that come and go."""
    bounds = ephemeral()
    state, what, repair = State.OK, "the kernel does not say which it gives", ""
    if bounds is not None:
        what = f"{bounds[0]} to {bounds[1]} are given to connections"
        if bounds[1] - bounds[0] + 1 < PORTS:
            state, what = State.LACKING, f"{what}; {PORTS} are needed"
            repair = 'sysctl -w net.ipv4.ip_local_port_range="32768 60999" (as root)'
    return Answer(
        name="ports",
        state=state,
        what=what,
        needed_for="connections that come and go: the port of each rests for a minute",
        repair=repair,
        required=True,
    )
