"""A testee's process: whatever it prints or forks costs little, and nothing of it is left.

A sleep in a program is what that testee does: it never ends by itself, or it is late.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from mockex_conformance.errors import CannotRun
from mockex_conformance.harness import process as module
from mockex_conformance.harness import protocol
from mockex_conformance.harness.process import (
    Process,
    adopt_orphans,
    environment,
    fill,
)
from mockex_conformance.harness.protocol import Notification, Response

T = TypeVar("T")
Said = list[Notification | Response]
EVENT = b'{"jsonrpc":"2.0","method":"event","params":{"stream":"a@trade","id":1}}'


class Started:
    """A program as a testee, what it said, and a way to wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: Said = []
        self.changes = asyncio.Event()
        self.processes: list[Process] = []

    async def __call__(
        self, script: str, *, talks: bool = True, exchange: str = "ws://127.0.0.1:1"
    ) -> Process:
        program = self.folder / f"program{len(self.processes)}.py"
        program.write_text("import os, signal, sys, time\n" + script)
        process = Process(
            [sys.executable, str(program)],
            cwd=self.folder,
            env={"MOCKEX_WS_URL": exchange, "PYTHONUNBUFFERED": "1"},
            stderr=self.folder / f"stderr{len(self.processes)}.txt",
            talks=talks,
            told=self.said.append,
            changed=self.changes.set,
        )
        self.processes.append(process)
        await process.start(self.folder / "lock")
        await process.listen()
        return process

    def stderr(self, number: int = 0) -> str:
        return (self.folder / f"stderr{number}.txt").read_text()


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Started]:
    adopt_orphans()
    made = Started(tmp_path)
    yield made
    for process in made.processes:
        await process.kill()
        assert process.left() == []
        process.close()


async def until(met: Callable[[], T]) -> T:
    async with asyncio.timeout(10):
        while not (found := met()):
            await asyncio.sleep(0.01)
    return found


def running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# --- what it prints -------------------------------------------------------------------------------


async def test_messages_are_told_and_prints_go_to_the_stderr_file(started: Started) -> None:
    process = await started(f"print('one')\nprint('{EVENT.decode()}')\nprint('a {{ b')\n")
    assert await process.wait(10) == 0
    await until(lambda: "a { b" in started.stderr())
    assert started.said == [Notification("event", {"stream": "a@trade", "id": 1})]
    assert started.stderr().splitlines() == [
        "mockex: prints on stdout are kept here, not read as messages",
        "one",
        "a { b",
    ]


async def test_of_a_flood_of_prints_the_beginning_is_kept_with_one_warning(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_PRINTED", 1000)
    process = await started("for _ in range(50): os.write(1, b'x\\n' * 30000)\n")
    assert await process.wait(10) == 0
    await until(lambda: "more prints" in started.stderr())
    assert len(started.stderr()) < 1200
    assert started.stderr().count("mockex: more prints than are kept") == 1
    assert process.broken is None


async def test_a_message_between_prints_is_found(started: Started) -> None:
    flood = "b'x\\n' * 30000 + b'" + EVENT.decode() + "\\n' + b'x\\n' * 30000"
    process = await started(f"os.write(1, {flood})\n")
    await process.wait(10)
    await until(lambda: started.said)
    assert len(started.said) == 1


async def test_a_print_without_end_costs_no_memory_and_hides_nothing_after_it(
    started: Started,
) -> None:
    script = (
        f"for _ in range(40): os.write(1, b'x' * (1 << 20))\nprint()\nprint('{EVENT.decode()}')"
    )
    process = await started(script)
    await process.wait(10)
    await until(lambda: started.said)
    assert process.broken is None
    assert len(started.stderr()) < 17 << 20


async def test_a_message_longer_than_a_mebibyte_breaks_the_protocol(started: Started) -> None:
    process = await started("os.write(1, b'{' + b'x' * (2 << 20))\ntime.sleep(60)\n")
    await until(lambda: process.broken)
    assert "a line longer than 1 MiB" in str(process.broken)


async def test_a_flood_of_messages_breaks_the_protocol(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_MESSAGES_PER_S", 100)
    process = await started(f"while True: print('{EVENT.decode()}')\n")
    await until(lambda: process.broken)
    assert "more than 100 messages in a second" in str(process.broken)
    assert started.changes.is_set()
    assert len(started.said) == 100


async def test_too_many_bytes_of_messages_break_the_protocol(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_SAID", 1 << 20)
    message = '{"jsonrpc":"2.0","method":"mood","params":{"text":"%s"}}' % ("x" * 300_000)
    process = await started(f"for _ in range(5): print('{message}')\ntime.sleep(60)\n")
    await until(lambda: process.broken)
    assert "more than 1 MiB of messages" in str(process.broken)
    assert len(started.said) == 3


async def test_what_was_cut_by_the_end_is_no_message(started: Started) -> None:
    process = await started('os.write(1, b\'{"jsonrpc":"2.0","meth\')\n')
    await process.wait(10)
    await until(lambda: '"meth' in started.stderr())
    assert process.broken is None


async def test_a_file_that_it_floods_itself_is_cut_and_written_on(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WRITTEN", 100_000)
    monkeypatch.setattr(protocol, "MOST_PRINTED", 1000)
    script = (
        "print('first')\nprint('x' * 200000)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "print('last')\ntime.sleep(60)\n"
    )
    process = await started(script, talks=False)
    await until(lambda: len(started.stderr()) > 100_000)
    process.cut_output()
    (started.folder / "go").touch()
    await until(lambda: started.stderr().endswith("last\n"))
    assert started.stderr().startswith("first\n")
    assert "here a part is missing" in started.stderr()
    assert len(started.stderr()) < 1200


async def test_of_a_long_output_the_beginning_and_the_end_are_kept(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_PRINTED", 1000)
    process = await started("print('first')\nprint('x' * 50000)\nprint('last')\n", talks=False)
    assert await process.wait(10) == 0
    process.close()
    assert started.stderr().startswith("first\n")
    assert "here a part is missing" in started.stderr()
    assert started.stderr().endswith("last\n")
    assert len(started.stderr()) < 1000 + 4096 + 100


async def test_at_level_0_stdin_is_empty_and_stdout_is_kept(started: Started) -> None:
    process = await started("print(repr(sys.stdin.read()))\n", talks=False)
    assert await process.wait(10) == 0
    assert process.last_words() == "''"


# --- stopped, and going on ------------------------------------------------------------------------


async def test_a_process_is_halted_when_all_of_its_group_is(started: Started) -> None:
    script = (
        "import subprocess\n"
        "apart = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "subprocess.Popen(apart)\nsubprocess.Popen(apart, start_new_session=True)\n"
        "print('ready')\ntime.sleep(60)\n"
    )
    process = await started(script)
    await until(lambda: "ready" in started.stderr())
    tree = psutil.Process(process.pid).children(recursive=True)
    (of_its_group,) = [p for p in tree if os.getpgid(p.pid) == process.pid]
    assert not process.halted()
    os.kill(process.pid, signal.SIGSTOP)
    assert not process.halted(), "its child goes on"
    process.signal(signal.SIGSTOP)
    await until(process.halted)
    assert of_its_group.status() == psutil.STATUS_STOPPED
    process.signal(signal.SIGCONT)
    await until(lambda: of_its_group.status() != psutil.STATUS_STOPPED)
    assert not process.halted()


async def test_a_process_that_is_gone_is_not_halted(started: Started) -> None:
    process = await started("")
    await process.wait(10)
    assert not process.halted()


# --- how it starts --------------------------------------------------------------------------------


async def test_what_is_sent_arrives(started: Started) -> None:
    process = await started("print(sys.stdin.readline(), end='')\n")
    process.send(b'{"jsonrpc":"2.0","id":7,"result":{}}\n')
    await until(lambda: started.said)
    assert started.said == [Response(7, {})]


async def test_it_waits_until_nobody_else_starts(started: Started) -> None:
    with (started.folder / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        starting = asyncio.ensure_future(started("time.sleep(60)\n"))
        await asyncio.sleep(0.05)
        assert started.processes[0].pid == 0
        fcntl.flock(held, fcntl.LOCK_UN)
        assert running((await starting).pid)


async def test_a_program_that_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapter").write_text("not executable")
    process = Process(
        [str(tmp_path / "adapter")],
        cwd=tmp_path,
        env={},
        stderr=tmp_path / "stderr.txt",
        talks=False,
        told=lambda _: None,
        changed=lambda: None,
    )
    with pytest.raises(CannotRun, match=r"cannot start '.*adapter'.* Permission denied"):
        await process.start(tmp_path / "lock")


async def test_a_signal_that_we_ignore_is_not_ignored_by_the_testee(started: Started) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = await started(
            "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n", talks=False
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert await process.wait(10) == 0
    assert process.last_words() == "True"


def test_the_environment_is_ours_less_proxies_and_what_is_not_documented() -> None:
    base = {"HOME": "/h", "Http_Proxy": "p", "ALL_PROXY": "p", "mockex_case": "1", "A": "1"}
    made = environment(base, {"A": "2"}, {"MOCKEX_MODE": "raw"})
    assert made == {"HOME": "/h", "A": "2", "MOCKEX_MODE": "raw", "PYTHONUNBUFFERED": "1"}


def test_other_braces_than_ours_stay() -> None:
    assert fill("{ws_url}/{x} {}", {"ws_url": "ws://h"}) == "ws://h/{x} {}"


# --- what it forks --------------------------------------------------------------------------------


async def _fork(started: Started, how: str) -> tuple[Process, int]:
    """A testee that forks a child in the way `how`; the child's pid."""
    file = started.folder / "child"
    child = f"def child():\n    open({str(file)!r} + '.new', 'w').write(str(os.getpid()))\n"
    child += f"    os.rename({str(file)!r} + '.new', {str(file)!r})\n    time.sleep(300)\n"
    process = await started(child + how, talks=False)
    await until(file.exists)
    return process, int(file.read_text())


async def test_a_wrapper_ends_at_once_and_what_it_wraps_gets_its_time(started: Started) -> None:
    late = "signal.signal(signal.SIGTERM, lambda *a: (time.sleep(0.3), os._exit(0)))"
    process, pid = await _fork(
        started, f"if os.fork() == 0:\n    {late}\n    child()\ntime.sleep(300)\n"
    )
    process.signal(signal.SIGTERM)
    assert await process.wait(5) == -signal.SIGTERM
    assert [left.pid for left in process.left()] == [pid]
    assert await process.wait_for_rest(5) == []


async def test_what_does_not_end_is_named_and_killed(started: Started) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    process, pid = await _fork(
        started, f"if os.fork() == 0:\n    {deaf}\n    child()\ntime.sleep(300)\n"
    )
    process.signal(signal.SIGTERM)
    await process.wait(5)
    (left,) = await process.wait_for_rest(0.1)
    assert left.startswith(f"{pid} ")
    await process.kill()
    assert not running(pid)


async def test_a_daemon_that_nobody_saw_being_forked_is_found(started: Started) -> None:
    daemon = (
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: child()\n    os._exit(0)\n"
    )
    process, pid = await _fork(started, daemon + "os.wait()\ntime.sleep(300)\n")
    assert not process.seen
    await until(lambda: psutil.Process(pid).parent() == psutil.Process())
    await process.kill()
    assert not running(pid)


async def test_one_that_forks_while_it_is_killed_leaves_nothing(started: Started) -> None:
    again = "while True:\n    if os.fork() == 0: os.setsid()\n    time.sleep(0.02)\n"
    again = again.replace("while True", "for _ in range(5)")
    process = await started(again + "time.sleep(300)\n", talks=False)
    await until(lambda: len(process.left()) > 3)
    await process.kill()
    assert process.left() == []


async def test_the_testee_of_another_exchange_is_not_touched(started: Started) -> None:
    one = await started("time.sleep(300)\n", exchange="ws://127.0.0.1:1")
    other = await started("time.sleep(300)\n", exchange="ws://127.0.0.1:2")
    assert one.left() == []
    await one.kill()
    assert running(other.pid)


async def test_a_pid_that_belongs_to_somebody_else_now_is_not_touched(started: Started) -> None:
    process = await started("time.sleep(300)\n")
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    was = psutil.Process(stranger.pid)
    vars(was)["_ident"] = (stranger.pid, 1.0)  # as if the pid had been another's when it was seen
    process.seen.add(was)
    assert process.left() == []
    await process.kill()
    assert stranger.poll() is None
    stranger.communicate(b"\n")


async def test_the_testee_dies_with_the_suite(tmp_path: Path) -> None:
    program = tmp_path / "suite.py"
    program.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from mockex_conformance.harness.process import Process\n"
        "async def main():\n"
        "    folder = Path(sys.argv[1])\n"
        "    testee = Process([sys.executable, '-c', 'import time; time.sleep(300)'],\n"
        "        cwd=folder, env={}, stderr=folder / 'stderr.txt', talks=False,\n"
        "        told=lambda _: None, changed=lambda: None)\n"
        "    await testee.start(folder / 'lock')\n"
        "    print(testee.pid, flush=True)\n"
        "    await asyncio.sleep(300)\n"
        "asyncio.run(main())\n"
    )
    suite = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert suite.stdout is not None
    testee = int(await asyncio.to_thread(suite.stdout.readline))
    assert running(testee)
    suite.kill()
    suite.wait()
    suite.stdout.close()
    await until(lambda: not running(testee))
