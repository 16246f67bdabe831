"""Code that never gives way, or blocks: interrupted after a while, and named by its place.

In virtual time nothing waits, so who takes long takes the processor, or waits for something that
the machine would have to bring. Neither can be seen from the loop, which is not reached.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from mockex.sim.machine import at_home

_exit = os._exit  # a simulation replaces it
_GRACE = 10.0  # seconds of the processor, to end in good order
_MOST_FILE = 1 << 30  # bytes of one file, whoever writes it
_OURS = ("mockex", "mockex_conformance")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one case may take: seconds of the processor, and of the clock, which also runs
    while the machine is busy with other things."""

    cpu_s: float = 60.0
    clock_s: float = 600.0


_SIGNALS = (signal.SIGPROF, signal.SIGALRM)


@contextmanager
def bounded(patience: Patience, give_up: Callable[[str, str], Exception | None]) -> Iterator[None]:
    """Interrupt what runs longer, wherever it is, with what `give_up` makes of the limit and the
    place (file and line), in words. Where it makes nothing of them, or where the interrupted goes
    on all the same, the process ends with 70 and says why on its stderr.
    """
    limit = ""

    def too_long(number: int, frame: FrameType | None) -> None:
        nonlocal limit
        place = place_of(frame)
        again, error = bool(limit), None
        if not again:
            clock = number == signal.SIGALRM
            limit = f"{patience.clock_s:g} s" if clock else f"{patience.cpu_s:g} s of the processor"
            error = give_up(limit, place)
        if error is None:
            went_on = ", was interrupted and went on" if again else ""
            os.write(2, f"took more than {limit}{went_on}; it was at {place}\n".encode())
            _exit(70)
        _arm(_GRACE, 6 * _GRACE)  # the machine may be busy
        raise error

    before = {number: signal.signal(number, too_long) for number in _SIGNALS}
    _arm(patience.cpu_s, patience.clock_s)
    try:
        yield
    finally:
        _arm(0, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _arm(cpu_s: float, clock_s: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, clock_s)


def place_of(frame: FrameType | None) -> str:
    """File and line of the innermost frame that is neither ours nor the standard library's; else
    of the innermost one."""
    inner = frame
    while frame is not None:
        if not at_home(frame) and _package(frame) not in _OURS:
            break
        frame = frame.f_back
    found = frame or inner
    return f"{found.f_code.co_filename}:{found.f_lineno}" if found is not None else "nowhere"


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def limit_by_kernel(patience: Patience) -> None:
    """For this process and for good: what no handler reaches is ended by the kernel, and no file
    grows without end."""
    cpu_s = int(patience.cpu_s + 3 * _GRACE)
    _lower(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)
    _lower(resource.RLIMIT_FSIZE, _MOST_FILE, _MOST_FILE)


def _lower(which: int, soft: int, hard: int) -> None:
    """Set a limit, unless a lower one is set already: nobody but root may raise that."""
    now = [hard if n == resource.RLIM_INFINITY else n for n in resource.getrlimit(which)]
    resource.setrlimit(which, (min(soft, *now), min(hard, now[1])))
