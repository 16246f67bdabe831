"""Asks the simulated network which sockets are ready; moves the clock where a real one sleeps."""

from __future__ import annotations

import gc
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mockex.errors import Deadlock
from mockex.sim.watch import waiting

if TYPE_CHECKING:
    from mockex.sim.loop import SimLoop

_COLLECT_EVERY = 200_000  # turns of the loop


class Selector(selectors.BaseSelector):
    """Tells the loop which simulated sockets are ready; moves the clock when none is."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._network = loop.network
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._ready: dict[int, tuple[selectors.SelectorKey, int]] = {}
        self._turns = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, self._fd(fileobj), events, data)
        self._keys[key.fd] = key
        self._network.sockets[key.fd].update()
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        fd = self._fd(fileobj, known=False)
        self._ready.pop(fd, None)
        return self._keys.pop(fd)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[self._fd(fileobj, known=False)]

    def events_of(self, fd: int) -> int:
        """What is waited for on a socket."""
        key = self._keys.get(fd)
        return key.events if key is not None else 0

    def mark(self, fd: int, mask: int) -> None:
        """A socket is ready for `mask`, or for nothing."""
        if mask:
            self._ready[fd] = (self._keys[fd], mask)
        else:
            self._ready.pop(fd, None)

    def forget(self, fd: int) -> None:
        """A socket was closed: nobody waits for it any more."""
        self._ready.pop(fd, None)
        self._keys.pop(fd, None)

    def _fd(self, fileobj: Any, *, known: bool = True) -> int:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        if known and fd not in self._network.sockets:
            what = f"file descriptor {fd}"
            self._loop.refuse(what, "only sockets of the simulated network can be watched")
        return fd

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; the clock moves first if nothing is and nothing else is to be done."""
        self._loop.ready.look()
        self._turns += 1
        if self._turns % _COLLECT_EVERY == 0:
            gc.collect()
        ready = self._for_somebody()
        if not ready and (timeout is None or timeout > 0):
            self._move()
            ready = self._for_somebody()
        return ready

    def _for_somebody(self) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready and not of a process that is stopped, which does not ask."""
        stopped = self._loop.stopped
        if not stopped:
            return list(self._ready.values())
        sockets = self._network.sockets
        return [one for fd, one in self._ready.items() if sockets[fd].process not in stopped]

    def _move(self) -> None:
        due = [at for at in (self._loop.next_timer(), self._network.next_at()) if at is not None]
        if not due:
            raise Deadlock([waiting(task) for task in self._loop.all_tasks()])
        at = min(due)
        if at > self._loop.time():
            self._loop.set_time(at)
        self._network.run_due(at)

    def close(self) -> None:
        self._keys.clear()
        self._ready.clear()
