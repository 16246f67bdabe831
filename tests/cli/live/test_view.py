"""The live view as a whole: `mockex serve` on a real terminal, and the view in this process."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect as connect_here
from websockets.sync.client import connect

import mockex
from mockex.cli import ExitCode
from mockex.cli.live.programs import Programs
from mockex.cli.live.view import View, live_view
from mockex.faults import HangUpgrade, Stall
from mockex.server.desk import Desk
from tests.cli.live.terminal import Terminal
from tests.programs import ending

STREAM = "ethusdc@depth5@100ms"
READY = re.compile(r"mockex ready ws=(ws://\S+) ")
ENVIRONMENT = {"TERM": "xterm-256color", "CI": "", "NO_COLOR": "", "COLUMNS": "", "LINES": ""}


def serving(
    terminal: Terminal, *flags: str, env: dict[str, str] | None = None
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """`mockex serve` on a terminal."""
    return ending(
        subprocess.Popen(
            [sys.executable, "-m", "mockex", "serve", "--no-admin", *flags],
            stdin=terminal.far,
            stdout=terminal.far,
            stderr=terminal.far,
            env=os.environ | ENVIRONMENT | (env or {}),
            start_new_session=True,
        )
    )


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    it = Terminal(100, 30)
    yield it
    it.close()


def url_of(terminal: Terminal) -> str:
    match = READY.search(terminal.until(r"^mockex ready .*pid="))
    assert match is not None
    return match[1]


def test_connections_streams_and_a_doubled_stream_are_shown_as_they_come(
    terminal: Terminal,
) -> None:
    with serving(terminal) as process:
        url = url_of(terminal)
        assert terminal.text()[0].startswith("mockex ready ws=")
        terminal.until("^nobody is here yet; try ws://")
        with connect(f"{url}/ws/{STREAM}"):
            terminal.until(rf"c1 +\S+.*{process.pid and os.getpid()} +/ws/{STREAM}")
            with connect(f"{url}/ws/{STREAM}"):
                text = terminal.until("^!! delivered twice: 1 NOW, 1x so far")
                assert re.search(rf"!! {STREAM} is delivered 2 times: c1, c2 of .*\(pid", text)
                terminal.until(rf"^!!  {STREAM} +2  NOW c1, c2; 1x")
            terminal.until(rf"{STREAM} is no longer delivered twice")
        text = terminal.until("0 live, 0 pending, 2 over")
        assert "!! delivered twice: 1x so far" in text
        assert text.count("c1 opened") == 1


def test_after_ctrl_c_the_last_picture_stands_there_and_nothing_else_has_changed(
    terminal: Terminal,
) -> None:
    with serving(terminal) as process:
        terminal.until("^usdm; seed 7; up ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == ExitCode.INTERRUPTED
        terminal.read()
    lines = terminal.text()
    assert lines[-1] == "mockex: interrupted"
    assert lines[-2] == "no stream was delivered twice to one program"
    # No other screen, no hidden cursor, no mode of the mouse: nothing that would have to come back.
    assert set(re.findall(rb"\x1b\[\?(\d+)[hl]", terminal.raw)) == {b"2026"}


def test_forty_columns_are_enough_and_may_become_more() -> None:
    terminal = Terminal(40, 16)
    with serving(terminal):
        terminal.until(r"^usdm up [\d.]+s; 0 msg/s, 0.0 KB/s$")
        terminal.resize(90, 20)
        terminal.until("^usdm; seed 7; up .*; market walk x1, 0 updates/s$")
    terminal.close()


def test_that_no_more_files_may_be_opened_stays_to_be_seen(terminal: Terminal) -> None:
    with serving(terminal) as process, ExitStack() as clients:
        address = ("127.0.0.1", urlsplit(url_of(terminal)).port)
        clients.enter_context(socket.create_connection(address))
        terminal.until("0 live, 1 pending")
        opened = [int(file.name) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
        most = max(opened) + 2  # one is accepted, and then nobody can be asked whose it is
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
        for _ in range(most - len(opened) + 1):
            clients.enter_context(socket.create_connection(address))
        lack = "^ .*!! this machine: too many open files: raise `ulimit -n`$"
        terminal.until(lack)
        uptime = re.search(r"; up (\d+)", terminal.until("; up "))
        assert uptime is not None
        text = terminal.until(rf"; up {int(uptime[1]) + 2}\.")
    assert re.search(lack, text, re.MULTILINE), text
    assert text.count("; up ") == 1, text


def test_colour_is_left_out_where_nobody_wants_it(terminal: Terminal) -> None:
    with serving(terminal, env={"NO_COLOR": "1"}):
        url = url_of(terminal)
        with connect(f"{url}/ws/{STREAM}"), connect(f"{url}/ws/{STREAM}"):
            terminal.until("^!! delivered twice: 1 NOW")
    assert not re.search(rb"\x1b\[[\d;]*3\d[;m]", terminal.raw)


def test_a_locale_without_utf8_is_served_in_its_own_signs(terminal: Terminal) -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    with serving(terminal, env=env):
        url = url_of(terminal)
        with connect(f"{url}/ws/{STREAM}/{'x' * 300}@trade"):
            terminal.until("^ +c1 .*~ ")
    assert max(terminal.raw) < 128


@pytest.mark.parametrize(
    ("flags", "env"),
    [
        (["--plain"], {}),
        (["--json"], {}),
        ([], {"TERM": "dumb"}),
        ([], {"TERM": ""}),
        ([], {"CI": "true"}),
        ([], {"MOCKEX_SERVE_PLAIN": "1"}),
    ],
)
def test_there_is_no_view_where_none_is_wanted(
    terminal: Terminal, flags: list[str], env: dict[str, str]
) -> None:
    with serving(terminal, *flags, "--exit-after", "0.5", env=env) as process:
        assert process.wait(timeout=20) == ExitCode.OK
        terminal.read()
    assert len(terminal.raw.splitlines()) == 1
    assert b"\x1b" not in terminal.raw


def test_there_is_no_view_where_stdout_is_read_by_a_program(terminal: Terminal) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mockex", "serve", "--no-admin", "--exit-after", "0.5"],
        stdin=terminal.far,
        stdout=subprocess.PIPE,
        stderr=terminal.far,
        env=os.environ | ENVIRONMENT,
        timeout=30,
        check=False,
    )
    assert done.stdout.count(b"\n") == 1
    assert terminal.text() == []


# --- in this process ------------------------------------------------------------------------------


@pytest.fixture
def out(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with open(os.dup(terminal.far), "w", encoding="utf-8") as out:
        yield out


async def until(terminal: Terminal, pattern: str) -> str:
    return await asyncio.to_thread(terminal.until, pattern)


async def test_a_fault_that_lasts_and_what_could_not_be_done_are_shown(
    terminal: Terminal,
    out: TextIO,
) -> None:
    async with mockex.serve("usdm", seed=7) as exchange:
        desk = Desk(exchange)
        async with (
            live_view(exchange, desk, [], out),
            connect_here(f"{exchange.ws_url}/ws/{STREAM}"),
        ):
            await desk.inject(Stall(connection=1)).seen()
            await until(terminal, r"^1  Stall  LASTS    1x  c1")
            desk.tell("fault 2: nobody is there")
            await until(terminal, "!! fault 2: nobody is there")


async def test_a_fault_that_is_cleared_before_it_was_seen_is_shown_so(
    terminal: Terminal, out: TextIO
) -> None:
    async with mockex.serve("usdm", seed=7) as exchange:
        desk = Desk(exchange)
        async with live_view(exchange, desk, [], out):
            number = desk.inject(HangUpgrade()).id
            await until(terminal, r"^1  HangUpgrade  WAITS    0x")
            assert desk.calm() == [number]
            text = await until(terminal, r"^1  HangUpgrade  ended    0x")
    assert "fault 1 HangUpgrade ended, never seen" in text


async def test_a_delivery_that_is_doubled_between_two_turns_is_told_all_the_same(
    terminal: Terminal, out: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    turn = View.run

    async def run_late(view: View) -> None:
        await looked.wait()
        await turn(view)

    monkeypatch.setattr(View, "run", run_late)
    async with (
        mockex.serve("usdm", seed=7) as exchange,
        live_view(exchange, Desk(exchange), [], out),
    ):
        for _ in range(2):
            async with (
                connect_here(f"{exchange.ws_url}/ws/{STREAM}"),
                connect_here(f"{exchange.ws_url}/ws/{STREAM}"),
            ):
                pass
        looked.set()
        text = await until(terminal, "^!! delivered twice: 2x so far")
    assert "is delivered 2 times: c1, c2" in text
    assert "is delivered 2 times: c3, c4" in text


async def test_it_may_end_while_it_asks_whose_a_connection_is(
    terminal: Terminal, out: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def look(_programs: Programs, _ports: set[int]) -> None:
        asked.set()
        answer.wait(20)

    monkeypatch.setattr(Programs, "look", look)
    async with (
        mockex.serve("usdm", seed=7) as exchange,
        live_view(exchange, Desk(exchange), [], out),
        connect_here(f"{exchange.ws_url}/ws/{STREAM}"),
    ):
        await asyncio.to_thread(asked.wait, 20)
        asyncio.get_running_loop().call_later(0.1, answer.set)
    assert f"c1 opened /ws/{STREAM}" in "\n".join(terminal.text())


async def test_a_view_that_breaks_says_so_and_the_exchange_goes_on(
    out: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broke = asyncio.Event()

    def broken(_view: View) -> None:
        broke.set()
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(View, "draw", broken)
    async with (
        mockex.serve("usdm", seed=7) as exchange,
        live_view(exchange, Desk(exchange), [], out),
    ):
        await broke.wait()
        async with connect_here(f"{exchange.ws_url}/ws/{STREAM}") as client:
            assert await client.recv()
    assert "the live view broke (ValueError('a mistake of ours'))" in capsys.readouterr().err


async def test_what_breaks_the_exchange_leaves_the_terminal_as_it_was(
    terminal: Terminal,
    out: TextIO,
) -> None:
    async def crash() -> None:
        async with (
            mockex.serve("usdm", seed=7) as exchange,
            live_view(exchange, Desk(exchange), [], out),
        ):
            await until(terminal, "^usdm; seed 7; up ")
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        await crash()
    os.write(terminal.far, b"$ ")
    assert terminal.text()[-1] == "$"
    assert set(re.findall(rb"\x1b\[\?(\d+)[hl]", terminal.raw)) == {b"2026"}
