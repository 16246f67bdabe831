"""Observer O: what the operating system shows of a testee, for its whole process tree.

Sockets are those it *owns*, to the exchange's ports: an orphan of the kernel in FIN_WAIT is
nobody's leak (catalogue, section 5).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mockex.server.journal import Sampled
from mockex_conformance.observers import linux

PERIOD_S = 0.2
OWNED = ("ESTABLISHED", "SYN_SENT", "CLOSE_WAIT")


@dataclass(frozen=True, slots=True)
class Ports:
    """Of the exchange: what a testee may have sockets to."""

    streams: frozenset[int]
    rest: frozenset[int] = frozenset()

    def __contains__(self, port: int) -> bool:
        return port in self.streams or port in self.rest


class Observer:
    """Samples one process tree until it is gone."""

    def __init__(self, pid: int, ports: Ports, run: int, seen: set[psutil.Process]) -> None:
        """`seen` gets each process of the tree that is ever looked at."""
        self._root = psutil.Process(pid)
        self._ports = ports
        self._run = run
        self._seen = seen
        self._close_wait_since: dict[tuple[int, int], float] = {}
        self._on_linux = linux.tells()
        self._known: dict[int, psutil.Process] = {}

    def sample(self, now: float) -> Sampled | None:
        """One look; None if the process is gone.

        Raises:
            psutil.AccessDenied: the process is not ours to look at.
        """
        try:
            self._root.num_fds()
            tree = [self._root, *self._descendants()]
        except psutil.NoSuchProcess:
            return None
        self._seen.update(tree)
        sockets: Counter[str] = Counter()
        waiting: set[tuple[int, int]] = set()
        streaming = threads = descriptors = rss = 0
        cpu_s = queued_s = 0.0
        for pid, status, local_port, remote_port in self._sockets(tree):
            sockets[status] += 1
            if status in OWNED:
                streaming += remote_port in self._ports.streams
            if status == "CLOSE_WAIT":
                waiting.add((pid, local_port))
        for process in tree:
            with suppress(psutil.Error), process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                threads += process.num_threads()
                descriptors += process.num_fds()
                rss += process.memory_info().rss
                times = process.cpu_times()
                cpu_s += times.user + times.system
                queued_s += _queued_s(process.pid)
        self._close_wait_since = {key: self._close_wait_since.get(key, now) for key in waiting}
        oldest = min(self._close_wait_since.values(), default=now)
        return Sampled(
            t=now,
            run=self._run,
            processes=len(tree),
            sockets=dict(sockets),
            threads=threads,
            descriptors=descriptors,
            rss_bytes=rss,
            cpu_s=round(cpu_s, 3),
            queued_s=round(queued_s, 3),
            close_wait_s=round(now - oldest, 3),
            own_sockets={state: sockets[state] for state in OWNED if sockets[state]},
            stream_sockets=streaming,
        )

    def _descendants(self) -> list[psutil.Process]:
        if not self._on_linux:
            return list(self._root.children(recursive=True))
        before, self._known = self._known, {}
        for pid in linux.descendants(self._root.pid):
            with suppress(psutil.NoSuchProcess):
                known = before.get(pid)
                if known is None or not known.is_running():  # or is another of the same pid
                    known = psutil.Process(pid)
                self._known[pid] = known
        return list(self._known.values())

    def _sockets(self, tree: list[psutil.Process]) -> Iterator[tuple[int, str, int, int]]:
        """Owner's pid, state, local and remote port of each socket to the exchange."""
        if self._on_linux:
            to_us = {s.inode: s for s in linux.tcp_sockets() if s.remote_port in self._ports}
            for process in tree:
                for inode in to_us.keys() & linux.socket_inodes(process.pid):
                    yield process.pid, *to_us[inode][:3]
            return
        for process in tree:
            with suppress(psutil.Error):
                for found in process.net_connections("tcp"):
                    if found.raddr and found.raddr.port in self._ports:
                        yield process.pid, found.status, found.laddr.port, found.raddr.port

    async def run(self, journal: Callable[[Sampled], None]) -> None:
        """Sample until the process is gone or this is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while (sampled := self.sample(loop.time())) is not None:
            journal(sampled)
            # By the clock: a look takes its time, and 250 ms are the most between two.
            due = max(due + PERIOD_S, loop.time())
            await asyncio.sleep(due - loop.time())


def _queued_s(pid: int) -> float:
    """How long the threads of a process have waited for a processor so far: the second number of
    `/proc/PID/task/TID/schedstat`, in ns. 0 where there is no such file (not Linux)."""
    total_ns = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):  # a thread may end while we look
            total_ns += int(schedstat.read_text().split()[1])
    return total_ns / 1e9
