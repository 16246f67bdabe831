"""A testee that a person talks to, and what is shown of it, line by line: as text, or as JSON."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from rich.text import Text

from mockex.cli import say_json
from mockex.server.journal import AnyEntry
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
_MOST_NESTED = 128  # objects and arrays in one another: many readers of JSON take no more


class Kind(StrEnum):
    """What is shown: said by the testee, told to it, happened at the exchange, printed by the
    testee, wrong with it (the exit code is then 1), or noted for who types."""

    SAID = "said"
    TOLD = "told"
    HAPPENED = "happened"
    PRINTED = "printed"
    WRONG = "wrong"
    NOTED = "noted"


_SIGNS = {
    Kind.SAID: ("> ", "green"),
    Kind.TOLD: ("< ", "cyan"),
    Kind.HAPPENED: ("~ ", "dim"),
    Kind.PRINTED: ("| ", "dim"),
    Kind.WRONG: ("! ", "bold red"),
    Kind.NOTED: ("! ", "bold red"),
}


class Show(Protocol):
    """Shows one thing; what happened at the exchange comes with its entry of the journal."""

    def __call__(self, kind: Kind, text: str, entry: AnyEntry | None = None, /) -> None: ...


class TryLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of `mockex try --json`. `t` is in seconds, on the clock of the journal; `message` is
    what was said or told, if it is a JSON object of at most 128 levels, `entry` what happened, as
    the journal has it."""

    t: float
    kind: Kind
    text: str
    message: dict[str, Any] | None = None
    entry: AnyEntry | None = None


def on_screen(out: QuietConsole) -> Show:
    """Lines of text with a sign before each."""

    def show(kind: Kind, text: str, _entry: AnyEntry | None = None, /) -> None:
        sign, style = _SIGNS[kind]
        for line in text.split("\n"):
            if len(line) > _MOST_SHOWN:
                line = f"{line[:_MOST_SHOWN]}… ({len(line)} characters)"
            out.print(Text(sign, style=style).append(line), soft_wrap=True)

    return show


def as_json(kind: Kind, text: str, entry: AnyEntry | None = None, /) -> None:
    """One JSON object a line."""
    t = asyncio.get_running_loop().time()
    message = _object(text) if kind in (Kind.SAID, Kind.TOLD) else None
    say_json(TryLine(t=t, kind=kind, text=text, message=message, entry=entry))


def _object(text: str) -> dict[str, Any] | None:
    try:
        message = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    layer: list[Any] = [message]
    for _ in range(_MOST_NESTED):
        layer = [inner for outer in layer for inner in _inside(outer)]
    return None if layer else message


def _inside(outer: dict[str, Any] | list[Any]) -> Iterator[dict[str, Any] | list[Any]]:
    """The objects and arrays in it."""
    values = outer.values() if isinstance(outer, dict) else outer
    return (value for value in values if isinstance(value, dict | list))


class Conversation(Process):
    """A testee that a person talks to: every line is shown, and a bad one ends nothing. `granted`
    gets each request that was answered without an error, and when it was sent, in loop time;
    notifications of a `hidden` method are not shown."""

    def __init__(
        self,
        testee: Description,
        command: list[str],
        env: dict[str, str],
        show: Show,
        granted: Callable[[dict[str, Any], float], None],
        hidden: Collection[str] = (),
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
        self._level = testee.level
        self._show = show
        self._hidden = hidden
        self._granted = granted
        self._asked: dict[int, tuple[dict[str, Any], float]] = {}
        self._told_to_quit = False
        self._numbers = 0
        self._greeted = asyncio.Event()
        self._answered = asyncio.Event()
        self.wrong = 0  # lines that are no valid message

    def _line(self, line: bytes) -> None:
        if self._level == 0:
            return self._print(line)  # of which nobody asks a protocol
        text = line.decode("utf-8", "replace").rstrip()
        try:
            self._budget.count(line, asyncio.get_running_loop().time())
            message = protocol.read(line)
        except ProtocolBroken as broken:
            self._show(Kind.SAID, text)
            return self._complain(broken)
        if getattr(message, "method", None) not in self._hidden:
            self._show(Kind.SAID, text)
        try:
            self._heard(message)
        except ProtocolBroken as broken:
            self._complain(broken)

    def _print(self, lines: bytes) -> None:
        if text := lines.decode("utf-8", "replace").strip("\n"):
            self._show(Kind.PRINTED, text)

    def _complain(self, broken: ProtocolBroken) -> None:
        self.miss(str(broken))

    def _heard(self, message: protocol.Notification | protocol.Response) -> None:
        if isinstance(message, protocol.Response):
            asked, at = self._asked.pop(message.id, (None, 0.0))
            self._answered.set()
            method = None if asked is None else str(asked.get("method"))
            protocol.check_result(method, message)
            if asked is not None and message.error is None:
                self._granted(asked, at)
        elif not self._greeted.is_set():
            self._greeted.set()
            if message.method != "hello" or message.params["protocol"] != protocol.PROTOCOL:
                raise ProtocolBroken(
                    f"the first message was {message.method!r}", "", "`hello` with protocol 1"
                )

    async def greeted(self) -> None:
        """Wait for the first message; complain if there is none in time."""
        if not await self.until(self._greeted, HELLO_WITHIN_S):
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
            self._show(Kind.NOTED, str(why))
            return False
        if isinstance(number := message["id"], int):
            self._numbers = max(self._numbers, number)
            self._asked[number] = (message, asyncio.get_running_loop().time())
        self._told_to_quit |= message.get("method") == "quit"
        line = json.dumps(message, separators=(",", ":"))
        self._show(Kind.TOLD, line)
        self._answered.clear()
        self.send(line.encode() + b"\n")
        return True

    async def answered(self) -> None:
        """Wait for an answer to the last request; complain if none comes in time."""
        if not await self.until(self._answered, ANSWER_WITHIN_S):
            self.miss(f"no answer within {ANSWER_WITHIN_S:g} s")

    async def stay(self, seconds: float) -> None:
        """Go on listening for so long."""
        await self.until(self.over, seconds)

    def miss(self, what: str) -> None:
        """Say what did not come about; the testee is wrong."""
        self.wrong += 1
        self._show(Kind.WRONG, what)

    async def until(self, event: asyncio.Event, within_s: float) -> bool:
        """Whether `event` came in time; that it is over is good, too."""
        waits = [asyncio.create_task(awaited.wait()) for awaited in (event, self.over)]
        done, _ = await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        return bool(done)

    async def end(self, close_s: float) -> None:
        """`quit` at level 2, SIGTERM, SIGKILL, each if that before did not do."""
        if self.code is None and self._level > 1:
            self.ask("quit")
            await self.wait(_QUIT_WITHIN_S)
        elif self.code is not None and not self._told_to_quit:
            self.miss(f"it ended by itself with exit code {self.code}")
        self.signal(signal.SIGTERM)
        await self.wait(close_s)
        if left := await self.wait_for_rest(close_s):
            self._show(Kind.NOTED, f"still there, and ended by us: {', '.join(left)}")
        await self.kill()
