"""`mockex try`: one testee against a healthy exchange, both directions on the terminal, requests
from whoever types.

From a pipe each request waits for the answer to the one before. What is shown: `conversation`.
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

import mockex
from mockex.cli import ExitCode
from mockex.server.journal import AnyEntry
from mockex_conformance.cases.streams import SYMBOLS, default_streams
from mockex_conformance.conversation import Conversation, Screen, happened
from mockex_conformance.description import Description
from mockex_conformance.errors import CannotRun
from mockex_conformance.harness.process import adopt_orphans, fill, prepared
from mockex_conformance.report.terminal import console
from mockex_conformance.typed import HELP


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the person wants to see."""

    testee: Description
    profile: str
    mode: str
    streams: Sequence[str] = ()  # none: those of a case
    seed: int = 7
    stay_s: float = 0.0  # after the last request
    hidden: Collection[str] = ()  # notifications that are not shown


def run(trial: Trial) -> ExitCode:
    """Talk until whoever types, or the testee, has ended.

    Raises:
        CannotRun: it cannot be built or started.
    """
    adopt_orphans()
    build(trial.testee)
    return asyncio.run(_talk(trial, Screen(console(sys.stdout), trial.hidden)))


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


async def _talk(trial: Trial, screen: Screen) -> ExitCode:
    testee = trial.testee
    streams = trial.streams or testee.streams or default_streams(trial.profile)

    def look(entry: AnyEntry) -> None:
        if words := happened(entry):
            screen.show("~", words)

    async with mockex.serve(trial.profile, seed=trial.seed, symbols=SYMBOLS) as exchange:
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
        conversation = Conversation(testee, command, env, screen)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, conversation.over.set)
        with tempfile.TemporaryDirectory() as folder:
            await conversation.start(Path(folder, "lock"))
        try:
            await conversation.listen()
            await _ask_all(conversation, trial, screen)
        finally:
            await conversation.end((testee.limits.close_ms) / 1000)
            conversation.close()
    return ExitCode.FAILED if conversation.wrong else ExitCode.OK


async def _ask_all(conversation: Conversation, trial: Trial, screen: Screen) -> None:
    if trial.testee.level > 0:
        await conversation.greeted()
    if trial.testee.level > 1 and not conversation.over.is_set():
        conversation.ask("start")
        await conversation.answered()
    by_hand = sys.stdin.isatty()
    if by_hand:
        print("Type a request, or `help`; Ctrl-D ends.", file=sys.stderr)  # noqa: T201 - for people
    async for text in typed_lines(conversation.over):
        if text == "help":
            screen.show("|", HELP)
        elif text and conversation.ask(text) and not by_hand:
            await conversation.answered()
    if trial.stay_s:
        await conversation.stay(trial.stay_s)


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
