"""The two grounds that a case runs on: processes of the machine, or the simulated loop.

On the real ground a testee is a process, and strangers are judged there. On the virtual ground its
`entry` runs on the loop of the case, in virtual time; the same case, exchange, faults and checks,
and the verdicts must agree (adapter-protocol, section 10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from mockex.server.journal import Sampled
from mockex_conformance.description import Description
from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.process import Process
from mockex_conformance.harness.virtual import VirtualProcess
from mockex_conformance.observers.system import Ports


class Ground(StrEnum):
    """Where a case runs."""

    REAL = "real"
    VIRTUAL = "virtual"

    @property
    def time_scale(self) -> float:
        """Factor for the timers of a testee that scales time, unless somebody says otherwise:
        virtual time costs nothing."""
        return 0.1 if self is Ground.REAL else 1.0

    @property
    def case_limit_s(self) -> float:
        """How long one wait of a case may take, unless somebody says otherwise: the same of the
        testee's own time on both."""
        return 180.0 if self is Ground.REAL else 1800.0


class Observer(Protocol):
    """Looks at a testee from outside."""

    async def run(self, journal: Callable[[Sampled], None]) -> None:
        """Sample until it is gone or this is cancelled."""
        ...


class Testee(Protocol):
    """One start of one testee; `process.Process` has the contract."""

    pid: int
    code: int | None
    broken: ProtocolBroken | None

    async def start(self, lock: Path) -> None: ...

    def observe(self, run: int, ports: Ports) -> Observer: ...

    async def listen(self) -> None: ...

    def send(self, line: bytes) -> None: ...

    def signal(self, number: int) -> None: ...

    def halted(self) -> bool: ...

    async def wait(self, within_s: float) -> int | None: ...

    async def wait_for_rest(self, within_s: float) -> list[str]: ...

    def left_names(self) -> list[str]: ...

    def leaked(self) -> list[str]: ...

    def last_words(self) -> str: ...

    def cut_output(self) -> None: ...

    async def kill(self) -> None: ...

    def close(self) -> None: ...


def testee_on(
    ground: Ground,
    testee: Description,
    command: list[str],
    *,
    env: Mapping[str, str],
    stderr: Path,
    told: Callable[[protocol.Notification | protocol.Response], None],
    changed: Callable[[], None],
) -> Testee:
    """A testee that is not started yet. `told` gets its messages as they come, `changed` is called
    when it ends or breaks the protocol."""
    talks = testee.level > 0
    if ground is Ground.VIRTUAL:
        return VirtualProcess(
            testee.entry, cwd=testee.cwd, env=env, stderr=stderr, talks=talks, told=told,
            changed=changed,
        )  # fmt: skip
    return Process(
        command, cwd=testee.cwd, env=env, stderr=stderr, talks=talks, told=told, changed=changed
    )
