"""A testee that a person talks to, and what is shown of it, line by line.

`>` is said by the testee, `<` is told to it, `~` happens at the exchange, `|` is a print, `!` is
wrong.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Collection

from rich.text import Text

from mockex.server.journal import AnyEntry, Ended, Refused, Subscribed, Unsubscribed, Upgraded
from mockex_conformance.description import Description
from mockex_conformance.errors import ProtocolBroken
from mockex_conformance.harness import protocol
from mockex_conformance.harness.process import Process
from mockex_conformance.report.terminal import QuietConsole
from mockex_conformance.typed import Untyped, request

HELLO_WITHIN_S = 10.0
ANSWER_WITHIN_S = 10.0
_QUIT_WITHIN_S = 2.0
_MOST_SHOWN = 4000  # characters of a line
_STYLES = {">": "green", "<": "cyan", "~": "dim", "|": "dim", "!": "bold red"}


class Screen:
    """Prints lines, one for each thing that is said or happens."""

    def __init__(self, out: QuietConsole, hidden: Collection[str] = ()) -> None:
        self._out = out
        self._hidden = hidden

    def show(self, sign: str, text: str, method: str = "") -> None:
        """One line; notifications of a hidden `method` are left out."""
        if method not in self._hidden or not method:
            for line in text.split("\n"):
                if len(line) > _MOST_SHOWN:
                    line = f"{line[:_MOST_SHOWN]}… ({len(line)} characters)"
                shown = Text(f"{sign} ", style=_STYLES[sign]).append(line)
                self._out.print(shown, soft_wrap=True)


class Conversation(Process):
    """A testee that a person talks to: every line is shown, and a bad one ends nothing."""

    def __init__(
        self, testee: Description, command: list[str], env: dict[str, str], screen: Screen
    ) -> None:
        self.over = asyncio.Event()  # it has ended, or the person has had enough
        super().__init__(
            command,
            cwd=testee.cwd,
            env=env,
            stderr=None,
            talks=True,
            told=self._heard,
            changed=self.over.set,
        )
        self._screen = screen
        self._asked: dict[int, str] = {}
        self._told_last = ""
        self._numbers = 0
        self._greeted = asyncio.Event()
        self._answered = asyncio.Event()
        self.wrong = 0  # lines that are no valid message

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        try:
            self._budget.count(line, asyncio.get_running_loop().time())
            message = protocol.read(line)
        except ProtocolBroken as broken:
            self._screen.show(">", text)
            return self._complain(broken)
        self._screen.show(">", text, getattr(message, "method", ""))
        try:
            self._heard(message)
        except ProtocolBroken as broken:
            self._complain(broken)

    def _print(self, lines: bytes) -> None:
        if text := lines.decode("utf-8", "replace").strip("\n"):
            self._screen.show("|", text)

    def _complain(self, broken: ProtocolBroken) -> None:
        self.wrong += 1
        self._screen.show("!", str(broken))

    def _heard(self, message: protocol.Notification | protocol.Response) -> None:
        if isinstance(message, protocol.Response):
            method = self._asked.pop(message.id, None)
            self._answered.set()
            protocol.check_result(method, message)
        elif not self._greeted.is_set():
            self._greeted.set()
            if message.method != "hello" or message.params["protocol"] != protocol.PROTOCOL:
                raise ProtocolBroken(
                    f"the first message was {message.method!r}", "", "`hello` with protocol 1"
                )

    async def greeted(self) -> None:
        """Wait for the first message; complain if there is none in time."""
        if not await self._seen(self._greeted, HELLO_WITHIN_S):
            self._complain(
                ProtocolBroken(
                    f"no `hello` within {HELLO_WITHIN_S:g} s of the start",
                    expected="`hello` as the first line on stdout, from level 1 on",
                )
            )

    def ask(self, text: str) -> bool:
        """Send what was typed; whether it is a request."""
        try:
            message = request(text, self._numbers + 1)
        except Untyped as why:
            self._screen.show("!", str(why))
            return False
        if isinstance(number := message["id"], int):
            self._numbers = max(self._numbers, number)
            self._asked[number] = str(message.get("method"))
        self._told_last = str(message.get("method"))
        line = json.dumps(message, separators=(",", ":"))
        self._screen.show("<", line)
        self._answered.clear()
        self.send(line.encode() + b"\n")
        return True

    async def answered(self) -> None:
        """Wait for an answer to the last request; complain if none comes in time."""
        if not await self._seen(self._answered, ANSWER_WITHIN_S):
            self.wrong += 1
            self._screen.show("!", f"no answer within {ANSWER_WITHIN_S:g} s")

    async def stay(self, seconds: float) -> None:
        """Go on listening for so long."""
        await self._seen(self.over, seconds)

    async def _seen(self, event: asyncio.Event, within_s: float) -> bool:
        """Whether `event` came in time; that it is over is good, too."""
        waits = [asyncio.create_task(awaited.wait()) for awaited in (event, self.over)]
        done, _ = await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        return bool(done)

    async def end(self, close_s: float) -> None:
        """`quit`, SIGTERM, SIGKILL, each if the one before did not do; nothing is left."""
        if self.code is None:
            self.ask("quit")
            await self.wait(_QUIT_WITHIN_S)
        elif self._told_last != "quit":
            self.wrong += 1
            self._screen.show("!", f"it ended by itself with exit code {self.code}")
        self.signal(signal.SIGTERM)
        await self.wait(close_s)
        if left := await self.wait_for_rest(close_s):
            self._screen.show("!", f"still there, and ended by us: {', '.join(left)}")
        await self.kill()


def happened(entry: AnyEntry) -> str:
    """What a person wants to know of the exchange; empty for the rest."""
    match entry:
        case Upgraded(conn=conn, target=target):
            return f"c{conn} opened {target}"
        case Refused(conn=conn, status=status, reason=reason):
            return f"c{conn} refused with {status}: {reason}"
        case Subscribed(conn=conn, streams=streams, silent=silent, via="request"):
            never = f"; never sent: {', '.join(silent)}" if silent else ""
            return f"c{conn} subscribed {', '.join(streams)}{never}"
        case Unsubscribed(conn=conn, streams=streams):
            return f"c{conn} unsubscribed {', '.join(streams)}"
        case Ended(conn=conn, by=by, how=how):
            return f"c{conn} ended by the {by} ({how})"
    return ""
