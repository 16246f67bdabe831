"""Which program of this machine holds the other end of a connection, by its port."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import PurePath

import psutil

from mockex.server.doubled import Program

# To ask all programs takes a while: after so many times in vain it is left out ever more often.
FREE = 5
MOST_PASSES = 30
# Asking opens files, and the exchange may have none left.
UNTOLD = (psutil.Error, OSError)
INTERPRETERS = ("python", "node", "ruby", "java", "deno", "bun")


class Programs:
    """What is known of ports. `look` asks the system, which takes a while: not in an event loop."""

    def __init__(self) -> None:
        self._of: dict[int, Program] = {}
        self._known: dict[int, psutil.Process] = {}
        self._in_vain = 0
        self._passes = 0

    def of(self, port: int) -> Program | None:
        """Which program had that port when it was looked for."""
        return self._of.get(port)

    def look(self, ports: Collection[int]) -> None:
        """Find whose these are: first among the programs that came before, then among all."""
        left = set(ports)
        for port in left:
            self._of.pop(port, None)  # ports are used again
        for pid, process in tuple(self._known.items()):
            if not left:
                return
            try:
                opened = process.net_connections("tcp")
                held = {each.laddr.port for each in opened if each.laddr and each.raddr}
                self._note(left & held, process)
            except UNTOLD:
                del self._known[pid]
            else:
                left -= held
        if left and self._passes:
            self._passes -= 1
        elif left:
            self._look_everywhere(left)
            found = any(port in self._of for port in left)
            self._in_vain = 0 if found else self._in_vain + 1
            self._passes = min(max(self._in_vain - FREE, 0), MOST_PASSES)

    def _look_everywhere(self, ports: Collection[int]) -> None:
        """Only root sees everybody's; on some systems nobody else sees any."""
        with suppress(*UNTOLD):
            for connection in psutil.net_connections("tcp"):
                pid, here = connection.pid, connection.laddr
                if not here or not connection.raddr or pid is None or pid == os.getpid():
                    continue
                if here.port in ports:
                    with suppress(*UNTOLD):
                        self._note({here.port}, psutil.Process(pid))

    def _note(self, ports: Collection[int], process: psutil.Process) -> None:
        if ports:
            self._known[process.pid] = process
            program = Program(process.pid, named(process.name(), process.cmdline()))
            self._of.update(dict.fromkeys(ports, program))


def named(name: str, command: list[str]) -> str:
    """How a person calls a program: an interpreter by what it runs.

    >>> named("python3.11", ["/usr/bin/python3.11", "bots/bot.py", "--fast"])
    'python3.11 bot.py'
    """
    if name.startswith(INTERPRETERS) and len(command) > 1 and not command[1].startswith("-"):
        return f"{name} {PurePath(command[1]).name}"
    return name
