"""`mockex try`: one testee against a healthy exchange, both directions on the terminal, requests
from whoever types.

From a pipe each request waits for the answer to the one before. What is shown: `conversation`;
what may be typed: `typed`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import mockex
from mockex.cli import ExitCode
from mockex.server.journal import AnyEntry
from mockex.server.words import Teller, worth_a_line
from mockex_conformance.cases.streams import SYMBOLS, default_streams
from mockex_conformance.conversation import Conversation, Kind, Show, as_json, on_screen
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun
from mockex_conformance.harness.process import adopt_orphans, fill, prepared
from mockex_conformance.report.terminal import console
from mockex_conformance.sightings import Flow
from mockex_conformance.typed import HELP, Untyped, Wait, wait

_ANYWAY = "--level 2 to speak to it anyway"
_SHOWN = (
    "what the exchange sees (~) and what it prints (|)",
    "what it says (>), what the exchange sees (~) and what it prints (|)",
    "what it says (>), what it is told (<), what the exchange sees (~) and what it prints (|)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the person wants to see. `level` is what the testee is spoken to as: below 2 it takes
    no requests, at 0 it says nothing either."""

    testee: Description
    level: int
    profile: str
    mode: str
    streams: Sequence[str] = ()  # none: those of a case
    seed: int = 7
    stay_s: float = 0.0  # after the last request
    hidden: Collection[str] = ()  # notifications that are not shown
    starts: bool = True  # `start` is sent before anything that is typed
    as_json: bool = False  # how it is shown

    @property
    def claim(self) -> str:
        """Which level, and who says so."""
        declared = self.testee.file is not None and self.level == self.testee.level
        return f"{self.testee.name} {'declares' if declared else 'is taken as'} level {self.level}"


def run(trial: Trial) -> ExitCode:
    """Talk until whoever types, or the testee, has ended.

    Raises:
        CannotRun: it cannot be built or started.
    """
    adopt_orphans()
    build(trial.testee)
    show = as_json if trial.as_json else on_screen(console(sys.stdout))
    return asyncio.run(_talk(trial, show))


def build(testee: Description) -> None:
    """Run its `build`, if it has one; what that prints goes to stderr.

    Raises:
        CannotRun: it fails, or is not there.
    """
    command = [fill(part, {"python": sys.executable}) for part in testee.build]
    if not command:
        return
    try:
        code = subprocess.run(command, cwd=testee.cwd, stdout=2, check=False).returncode  # noqa: S603 - what its author asks for
    except OSError as error:
        raise CannotRun(f"its build needs {command[0]!r}: {error.strerror}") from None
    if code:
        raise CannotRun(f"its build failed with {code}")


async def _talk(trial: Trial, show: Show) -> ExitCode:
    testee = msgspec.structs.replace(trial.testee, level=trial.level)
    streams = trial.streams or testee.streams or default_streams(trial.profile)
    teller = Teller()

    def look(entry: AnyEntry) -> None:
        words = teller.told(entry)
        if worth_a_line(entry):
            show(Kind.HAPPENED, str(words), entry)
        flow.look()

    async with mockex.serve(trial.profile, seed=trial.seed, symbols=SYMBOLS) as exchange:
        flow = Flow(streams, exchange.connections, exchange.deliveries)
        exchange.journal.listen(look, replay=False)
        command, env = prepared(
            testee,
            {
                "MOCKEX_WS_URL": exchange.ws_url,
                "MOCKEX_REST_URL": exchange.rest_url,
                "MOCKEX_PROFILE": trial.profile,
                "MOCKEX_MODE": trial.mode,
                "MOCKEX_STREAMS": ",".join(streams),
            },
        )
        conversation = Conversation(testee, command, env, show, flow.granted, trial.hidden)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, conversation.over.set)
        with tempfile.TemporaryDirectory() as folder:
            await conversation.start(Path(folder, "lock"))
        try:
            await conversation.listen()
            await _Talk(trial, show, conversation, flow).to_the_end()
        finally:
            await conversation.end(testee.limits.close_ms / 1000)
            conversation.close()
    return ExitCode.FAILED if conversation.wrong else ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Talk:
    """The person's part of it."""

    trial: Trial
    show: Show
    conversation: Conversation
    flow: Flow

    async def to_the_end(self) -> None:
        """All that is typed, and what is sent without being typed."""
        trial, conversation = self.trial, self.conversation
        by_hand = sys.stdin.isatty()
        _to_person(f"{trial.claim}; shown: {_SHOWN[trial.level]}.")
        if trial.level > 0:
            await conversation.greeted()
        if trial.level > 1 and trial.starts and not conversation.over.is_set():
            conversation.ask("start")
            await conversation.answered()
        if by_hand:
            _to_person("Type a request, or `help`; Ctrl-D ends.")
        async for text in typed_lines(conversation.over):
            if conversation.over.is_set():
                return
            await self._obey(text, by_hand=by_hand)
        if trial.stay_s:
            await conversation.stay(trial.stay_s)

    async def _obey(self, text: str, *, by_hand: bool) -> None:
        try:
            waits = wait(text)
        except Untyped as why:
            self.show(Kind.NOTED, str(why))
            return
        if waits is not None:
            await self._wait(waits)
        elif text == "help":
            _to_person(HELP)
        elif text and self.trial.level < 2:
            self.show(Kind.NOTED, f"{self.trial.claim} and takes no requests; {_ANYWAY}")
        elif text and self.conversation.ask(text) and not by_hand:
            await self.conversation.answered()

    async def _wait(self, waits: Wait) -> None:
        if not waits.live:
            await self.conversation.stay(waits.seconds)
            return
        self.flow.await_anew(asyncio.get_running_loop().time())
        if not await self.conversation.until(self.flow.live, waits.seconds):
            missing = ", ".join(self.flow.missing()) or "nothing was connected anew"
            self.conversation.miss(f"not live within {waits.seconds:g} s: {missing}")
        elif self.flow.live.is_set():
            self.show(Kind.HAPPENED, f"live: {', '.join(sorted(self.flow.wanted))}")


def _to_person(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - for people


async def typed_lines(over: asyncio.Event) -> AsyncIterator[str]:
    """Lines of stdin, without what surrounds them, until its end or until it is `over`.

    stdin stays a blocking file: on a terminal it is one with stdout.
    """
    loop, file = asyncio.get_running_loop(), sys.stdin.fileno()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    try:
        loop.add_reader(file, lambda: chunks.put_nowait(os.read(file, 65536)))
    except PermissionError:  # a file on disk, or /dev/null: always there, so nothing can block
        for line in sys.stdin:
            yield line.strip()
        return
    ended = asyncio.create_task(over.wait())
    rest = b""
    try:
        while not over.is_set():
            chunk = asyncio.create_task(chunks.get())
            await asyncio.wait([chunk, ended], return_when=asyncio.FIRST_COMPLETED)
            if not chunk.done():
                chunk.cancel()
                return
            *lines, rest = (rest + chunk.result()).split(b"\n")
            if not chunk.result():
                lines = [rest]
            for line in lines:
                yield line.decode("utf-8", "replace").strip()
            if not chunk.result():
                return
    finally:
        loop.remove_reader(file)
        ended.cancel()
