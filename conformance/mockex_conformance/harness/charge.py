"""One started process of a testee: what it is told, what it says, how it ends. All of it goes into
the journal; a case has one such process at a time, or several."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mockex.errors import MachineLacks
from mockex.server.journal import (
    Answered,
    AnyEntry,
    Asked,
    Attempted,
    Exited,
    Journal,
    Launched,
    Said,
    Sampled,
    Signalled,
)
from mockex_conformance.case import Gone, NotLive, Unseen
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun, ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.ground import Ground, Testee, testee_on
from mockex_conformance.observers.system import Ports

HELLO_WITHIN_S = 10.0
PROBE_WITHIN_S = 5.0
HALTED_WITHIN_S = 5.0
_LOOK_AGAIN_S = 0.005
_QUIT_WITHIN_S = 2.0

Until = Callable[[Callable[[], bool], float, str], Awaitable[None]]
Due = Callable[[float], Callable[[], float]]


class Charge:
    """A process of a testee that the suite has in its charge, from its start to its end.

    `number` counts the starts of a case. `until` waits for a condition, raising NotLive; `due`
    makes of seconds what says, each time anew, when they are over; `wake` is called when something
    has changed that somebody may wait for.
    """

    def __init__(
        self,
        number: int,
        testee: Description,
        journal: Journal,
        *,
        until: Until,
        due: Due,
        wake: Callable[[], None],
    ) -> None:
        self.number = number
        self.launched_at = 0.0
        self.supports: list[str] = []
        self.over = True  # not started yet, or ended and put away
        self.broken: ProtocolBroken | None = None  # kept: it counts whenever it happened
        self._testee = testee
        self._journal = journal
        self._until = until
        self._due = due
        self._wake = wake
        self._process: Testee
        self._ending = False
        self._exit_told = False
        self._watcher: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[protocol.Response]] = {}
        self._asked: dict[int, str] = {}  # methods of requests that have no answer yet
        self._requests = 0
        self._loop = asyncio.get_running_loop()

    # --- the start ---

    async def launch(
        self,
        ground: Ground,
        command: list[str],
        env: dict[str, str],
        *,
        stderr: Path,
        start_lock: Path,
        ports: Ports | None,
        streams: Sequence[str],
        mode: str,
    ) -> None:
        """Start the process; `ports` are those on which its sockets are observed, None: it is
        not."""
        process = testee_on(
            ground,
            self._testee,
            command,
            env=env,
            stderr=stderr,
            told=self._told,
            changed=self._changed,
        )
        await process.start(start_lock)
        self._process, self.over = process, False
        self.launched_at = self._loop.time()
        self._journal.append(
            Launched(
                t=self.launched_at,
                run=self.number,
                pid=process.pid,
                command=command,
                streams=list(streams),
                mode=mode,
            )
        )
        if ports is not None:
            observer = process.observe(self.number, ports)
            self._watcher = asyncio.create_task(observer.run(self._sampled))
        await process.listen()

    def _sampled(self, entry: Sampled) -> None:
        self._journal.append(entry)
        self._process.cut_output()

    async def introduce(self) -> None:
        """Level 1: its `hello`. Level 2: whoever answers everything with *ok*, or is connected
        already, is refused, and the others are told to `start` (adapter-protocol, 3)."""
        if self._testee.level > 0:
            await self._hello()
        if self._testee.level > 1:
            await self._probe_level()
            # Attempts of a later process cannot be told from the last ones of the process before.
            if self.number == 1 and next(self._journal.of(Attempted), None) is not None:
                raise ProtocolBroken(
                    "it connected before it was told to `start`",
                    expected="at level 2 no connection before that; or claim a lower `level`",
                )
            await self.request("start")

    async def _hello(self) -> None:
        def first() -> Said | None:
            return next((e for e in self._journal.of(Said) if e.run == self.number), None)

        try:
            await self._until(lambda: first() is not None, HELLO_WITHIN_S, "hello")
        except NotLive:
            raise ProtocolBroken(
                f"no `hello` within {HELLO_WITHIN_S:g} s of the start",
                expected='{"jsonrpc":"2.0","method":"hello","params":{"protocol":1,…}} as the '
                "first line on stdout, or `level = 0`",
            ) from None
        hello = first()
        assert hello is not None
        if hello.method != "hello" or hello.params.get("protocol") != protocol.PROTOCOL:
            raise ProtocolBroken(
                f"the first message was {hello.method!r} with protocol "
                f"{hello.params.get('protocol')!r}",
                expected="`hello` with protocol 1",
            )
        self.supports = list(hello.params.get("supports", []))

    async def _probe_level(self) -> None:
        refusal = f"error {protocol.UNKNOWN_METHOD}; or claim a lower `level`"
        try:
            answer = await self._ask("mockex-probe-unknown-method", PROBE_WITHIN_S, {})
        except NotLive as late:
            raise ProtocolBroken(f"{late}: none came", expected=refusal) from None
        if answer.error is None or answer.error.get("code") != protocol.UNKNOWN_METHOD:
            raise ProtocolBroken(
                "an unknown method was not refused",
                str(answer.error or answer.result),
                refusal,
            )

    # --- what is said ---

    async def request(self, method: str, within_s: float = 5.0, **params: Any) -> Any:
        """Send a request and wait for its result; an error answer is returned as None, and is in
        the recording."""
        return (await self._ask(method, within_s, params)).result

    async def _ask(self, method: str, within_s: float, params: dict[str, Any]) -> protocol.Response:
        number = self._requests + 1
        answer: asyncio.Future[protocol.Response] = self._loop.create_future()
        self._answers[number] = answer
        self._journal.append(
            Asked(t=self._loop.time(), run=self.number, id=number, method=method, params=params)
        )
        self._send(method, params)
        await self._until(answer.done, within_s, f"an answer to {method!r}")
        return answer.result()

    def _send(self, method: str, params: dict[str, Any]) -> None:
        self._requests += 1
        self._asked[self._requests] = method
        self._process.send(protocol.request(self._requests, method, params))

    def _told(self, message: protocol.Notification | protocol.Response) -> None:
        """Raises ProtocolBroken: it answers what was not asked, or in another shape."""
        self._journal.append(self._as_entry(message))
        if isinstance(message, protocol.Response):
            protocol.check_result(self._asked.pop(message.id, None), message)
            waiting = self._answers.pop(message.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
                self._wake()

    def _as_entry(self, message: protocol.Notification | protocol.Response) -> AnyEntry:
        now = self._loop.time()
        if isinstance(message, protocol.Response):
            return Answered(
                t=now, run=self.number, id=message.id, error=message.error, result=message.result
            )
        params = message.params
        if message.method == "event":
            # Members as the consumer sees them are many bytes, and no check asks for them yet.
            params = {name: value for name, value in params.items() if name != "fields"}
        return Said(t=now, run=self.number, method=message.method, params=params)

    # --- stopped, and going on ---

    async def halt(self) -> None:
        """SIGSTOP, and wait until the process shows that it is stopped.

        Raises:
            Unseen: it does not.
        """
        self._signalled("SIGSTOP")
        self._process.signal(signal.SIGSTOP)
        until = self._loop.time() + HALTED_WITHIN_S
        while not self._process.halted():
            if self._loop.time() > until:
                self.go_on()
                raise Unseen(f"the testee's process was not stopped within {HALTED_WITHIN_S:g} s")
            await asyncio.sleep(_LOOK_AGAIN_S)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signalled("SIGCONT")
        self._process.signal(signal.SIGCONT)

    # --- the end ---

    def check(self, *, connected: bool) -> None:
        """Raise for what ends a case early: the process is gone, broke the protocol, or can no
        longer be observed. `connected`: it has tried to connect.

        Raises:
            ProtocolBroken, Unseen, MachineLacks, CannotRun, Gone.
        """
        if self.broken is not None:
            raise self.broken
        if self.over:
            return
        watcher = self._watcher
        if watcher is not None and watcher.done() and (why := watcher.exception()) is not None:
            if isinstance(why, OSError) and MachineLacks.says(why):
                raise MachineLacks(why)
            # What nobody has looked at is not flat.
            raise Unseen(f"the testee's process cannot be observed: {why}")
        code = self._process.code
        if code is not None and not self._ending:
            if code == 127 and not connected:
                words = self._process.last_words() or "exit code 127"
                raise CannotRun(f"cannot run here: {words}")
            raise Gone

    def _changed(self) -> None:
        """The process has exited, or broke the protocol."""
        if self.over:
            return
        process = self._process
        self.broken = self.broken or process.broken
        if process.code is not None and not self._ending:
            self._tell_exit(process.code, process.left_names())
        self._wake()

    def _tell_exit(self, code: int, left: list[str], leaked: Sequence[str] = ()) -> None:
        if self._exit_told:
            return
        self._exit_told = True
        self._journal.append(
            Exited(
                t=self._loop.time(),
                run=self.number,
                code=code,
                expected=self._ending,
                left=left,
                last_words=self._process.last_words()[:500],
                leaked=list(leaked),
            )
        )

    async def stop(self, within_s: float) -> None:
        """End it the polite way (adapter-protocol, 3.5)."""
        self._ending = True
        if self._process.code is None and self._testee.level > 1:
            self._send("quit", {})
            await self._process.wait(min(within_s, _QUIT_WITHIN_S))
        await self.terminate(within_s)

    async def terminate(self, within_s: float) -> int | None:
        """SIGTERM to the group; the exit code, None if it had to be killed."""
        process, due = self._process, self._due(within_s)
        self._ending = True
        if process.code is None:
            self._signalled("SIGTERM")
            process.signal(signal.SIGTERM)
        while process.code is None and (left_s := due() - self._loop.time()) > 0:
            await process.wait(left_s)
        code = process.code
        # A wrapper ends at once, what it wraps has the same time to end as if it had none.
        left = await process.wait_for_rest(max(0.0, due() - self._loop.time()))
        if code is None:
            self._signalled("SIGKILL")
        await self._put_away(left)
        return code

    def _signalled(self, name: str) -> None:
        self._journal.append(Signalled(t=self._loop.time(), run=self.number, signal=name))

    async def _put_away(self, left: list[str]) -> None:
        process = self._process
        leaked = process.leaked()
        await process.kill()
        if process.code is not None:
            self._tell_exit(process.code, left, leaked)
        self.over = True
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(self._watcher, return_exceptions=True)
        process.close()
