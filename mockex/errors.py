"""Errors of the exchange, by whose fault they are.

MockexError
├── ConfigError        whoever started us asked for what cannot be
│   ├── CaptureError   a capture cannot be replayed: file, line and reason
│   └── ScriptError    a fault script cannot be played: file, and each problem with its line
├── RecordingError     nothing could be recorded: the connection did not come about
├── BookUnknown        a replay cannot tell the book of a symbol
├── AdminError         the admin API of a running exchange refused, or has gone
├── MachineLacks       the machine gives no more processes, open files or memory
├── RequestRejected    the client broke the protocol: `code` and `msg`, answered on the wire
├── FaultError         a fault could not be injected, or was not seen to take effect
│   ├── FaultUnseen    it was injected and the journal never showed that it happened
│   ├── NotInjected    nothing was there for it to hit; it has a number in the journal
│   └── LinkError      the fault proxy is missing, dead or refused
│       └── ToxiproxyUnavailable   no way to get the server was open
└── SimulationError    code that ran in virtual time did what cannot be there
    ├── NotSimulated   it asked for a real socket, process, thread or pause
    ├── Deadlock       nothing is ready, no timer is left, and the program is not done
    ├── Spins          it ran on and on without letting time pass
    └── Leaked         it ended and left tasks, connections or timers behind
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass


class MockexError(Exception):
    """Base of everything that mockex raises on purpose."""


class ConfigError(MockexError):
    """What was asked for cannot be: names the setting, the value and what would be right."""

    def __init__(self, setting: str, value: object, expected: str) -> None:
        self.setting = setting
        self.value = value
        self.expected = expected
        super().__init__(f"{setting}: {value!r} is not usable, expected {expected}")


_LACKS = {
    errno.EAGAIN: "no more processes may be started: raise `ulimit -u`, or end some",
    errno.EMFILE: "too many open files: raise `ulimit -n`",
    errno.ENFILE: "too many files are open on the whole machine",
    errno.ENOMEM: "no memory is left: raise `ulimit -v`, or end something",
}


class MachineLacks(MockexError):
    """The machine gives no more of what every program needs; says of what, and what helps."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"this machine: {_LACKS[error.errno or 0]}")

    @staticmethod
    def says(error: OSError) -> bool:
        """Whether it is what the operating system says then. A pipe that is full and does not wait
        has the number of a fork that failed, and words of its own."""
        of_fork = error.strerror == os.strerror(errno.EAGAIN)
        return error.errno in _LACKS and (error.errno != errno.EAGAIN or of_fork)


class CaptureError(ConfigError):
    """A capture cannot be replayed; `line` counts from 1, 0 where it is none of a line."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__("market", f"replay:{file}", "a capture")
        self.file = file
        self.line = line
        self.reason = reason
        self.args = (f"{file}:{line}: {reason}" if line else f"{file}: {reason}",)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place of a file: its line (0: of the file as a whole), the key, if it is
    about one, and what would be right."""

    line: int
    key: str
    why: str


class ScriptError(ConfigError):
    """A fault script cannot be played. `problems` are all that were found, in order."""

    MOST_TOLD = 20

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__("script", file, "a fault script")
        self.file = file
        self.problems = tuple(problems)
        lines = [self.told(problem) for problem in self.problems[: self.MOST_TOLD]]
        if len(self.problems) > self.MOST_TOLD:
            lines.append(f"{file}: and {len(self.problems) - self.MOST_TOLD} more")
        self.args = ("\n".join(lines),)

    def told(self, problem: Problem) -> str:
        """One problem as a line."""
        place = f"{self.file}:{problem.line}" if problem.line else self.file
        return ": ".join(part for part in (place, problem.key, problem.why) if part)


class RecordingError(MockexError):
    """Nothing could be recorded from `url`, for the `reason` that it gives."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url}: cannot be recorded: {reason}")


class BookUnknown(MockexError):
    """The book of a symbol is not known: a replay has neither a snapshot nor a picture of it."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        super().__init__(f"the capture holds no snapshot and no partial depth of {symbol}")


class RequestRejected(MockexError):
    """A control request that the exchange answers with an error object."""

    def __init__(self, code: int, msg: str) -> None:
        self.code = code
        self.msg = msg
        super().__init__(f"{code}: {msg}")


class AdminError(MockexError):
    """The admin API of a running exchange refused with `status`, or, with 0, went away."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


class FaultError(MockexError):
    """A fault could not be injected."""


class FaultUnseen(FaultError):
    """A fault was injected and did not happen within `within_s`, or cannot any more: then `why`."""

    def __init__(self, fault: str, within_s: float, why: str = "") -> None:
        self.fault = fault
        self.within_s = within_s
        self.why = why
        super().__init__(
            f"{fault} was not seen to happen" + (f": {why}" if why else f" within {within_s:g} s")
        )


class NotInjected(FaultError):
    """A fault could not be done. `number` is what the journal says why under."""

    def __init__(self, number: int, why: str) -> None:
        self.number = number
        super().__init__(why)


class LinkError(FaultError):
    """The fault proxy is dead, refused a call or does not answer."""


class ToxiproxyUnavailable(LinkError):
    """No Toxiproxy server could be found or built; lists every step that was tried."""

    def __init__(self, steps: list[tuple[str, str]]) -> None:
        self.steps = steps
        tried = "\n".join(f"  {what}: {why}" for what, why in steps)
        super().__init__(f"no Toxiproxy 2.12 server is to be had; tried:\n{tried}")


class SimulationError(MockexError):
    """Base: code that ran in virtual time did what cannot be there."""


class NotSimulated(SimulationError):
    """Simulated code asked for something that only a real machine has.

    `what` was asked for, at `place` (file and line; empty if unknown); `instead` says what would
    work.
    """

    def __init__(self, what: str, instead: str, place: str = "") -> None:
        self.what = what
        self.instead = instead
        self.place = place
        at = f" (at {place})" if place else ""
        super().__init__(f"{what} is not simulated{at}: {instead}")


class Deadlock(SimulationError):
    """Nothing is ready and no timer is left: time would stand still for ever. `tasks` says of each
    task what it is and where it waits."""

    def __init__(self, tasks: list[str]) -> None:
        self.tasks = tasks
        waiting = "\n".join(f"  {task}" for task in tasks) or "  no task at all"
        super().__init__(f"nothing is ready and no timer is left; what waits:\n{waiting}")


class Spins(SimulationError):
    """So many callbacks ran at one instant of virtual time. `callbacks` names the last ones."""

    def __init__(self, count: int, at_s: float, callbacks: list[str]) -> None:
        self.count = count
        self.at_s = at_s
        self.callbacks = callbacks
        names = "\n".join(f"  {name}" for name in callbacks)
        super().__init__(
            f"spins: {count} callbacks ran at {at_s:.6f} s and time did not move; at last\n{names}"
        )


class Leaked(SimulationError):
    """The program ended and left something behind. `left` says what, and where it was made."""

    def __init__(self, left: list[str]) -> None:
        self.left = left
        things = "\n".join(f"  {thing}" for thing in left)
        super().__init__(f"left behind at the end:\n{things}")
