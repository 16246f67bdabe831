"""Entries that misbehave on the virtual ground: each gets a clear verdict that names the place, and
nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mockex import cli
from mockex.server.journal import (
    AnyEntry,
    Exited,
    Lagged,
    Noted,
    Pinged,
    Ponged,
    Signalled,
)
from mockex_conformance.case import Case, CaseBody, Run, all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness import batches, protocol
from mockex_conformance.harness.ground import Ground
from mockex_conformance.harness.patience import Patience
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import Event
from mockex_conformance.harness.virtual import Prints
from mockex_conformance.recording import read_entries
from mockex_conformance.rejudging import judge_again
from mockex_conformance.verdict import CaseVerdict, Level, Severity, Verdict

pytestmark = pytest.mark.timeout(120)

# A right testee in a few lines: what the bad ones are made of.
CLIENT = """\
import asyncio, json, os, signal, sys
from websockets.asyncio.client import connect
async def feed(environ):
    streams = environ["MOCKEX_STREAMS"].replace(",", "/")
    url = environ["MOCKEX_WS_URL"] + "/public/stream?streams=" + streams
    while True:
        try:
            async with connect(url, ping_interval=None, proxy=None) as ws:
                async for _ in ws:
                    pass
        except Exception:
            pass
        await asyncio.sleep(0.05)
def hello(stdout, protocol=1):
    stdout(json.dumps({"jsonrpc": "2.0", "method": "hello", "params":
           {"protocol": protocol, "name": "x", "version": "1", "supports": []}}))
"""
LIMITS = Limits(
    reconnect_first_ms=1000, reconnect_cap_ms=1000, handshake_timeout_ms=1500, stable_ms=500,
    close_ms=500,
)  # fmt: skip
EVENT = '{"jsonrpc":"2.0","method":"event","params":{"stream":"a","id":1}}'
SOON = Patience(cpu_s=0.5, clock_s=60.0)


def judged(
    tmp_path: Path,
    script: str,
    case: str = "CONN-06",
    *,
    patience: Patience | None = None,
    **more: object,
) -> CaseVerdict:
    program = tmp_path / "program.py"
    program.write_text(script)
    values: dict[str, Any] = {"entry": "program:main", "cwd": tmp_path, **more}
    testee = Description(name="bad", command=["false"], limits=LIMITS, **values)
    found: list[CaseVerdict] = []

    def keep(event: Event) -> None:
        if isinstance(event, CaseVerdict):
            found.append(event)

    cases = [c for c in all_cases().values() if c.number == case]
    before = set(psutil.Process().children(recursive=True))
    plan = Plan(
        testees=[testee], cases=cases, out=tmp_path / "out", profiles=["usdm"],
        ground=Ground.VIRTUAL,
    )  # fmt: skip
    batches.run(plan, keep, patience=patience)
    left = set(psutil.Process().children(recursive=True)) - before
    assert left == set(), "nothing of the testee is left"
    (verdict,) = found
    if verdict.journal and not verdict.reason.startswith("mockex: "):  # killed: without an end
        (again,) = judge_again(tmp_path / "out" / verdict.journal).result.verdicts
        assert (again.verdict, again.findings, again.reason, again.ground) == (
            verdict.verdict, verdict.findings, verdict.reason, "virtual",
        )  # fmt: skip
    return verdict


def main(body: str) -> str:
    """The client and a `main` with this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{CLIENT}async def main(environ, stdin, stdout):\n{lines}"


def line_of(tmp_path: Path, text: str) -> str:
    """`program.py:N` of the line of the program that has the text."""
    lines = (tmp_path / "program.py").read_text().splitlines()
    (number,) = (n for n, line in enumerate(lines, 1) if text in line)
    return f"{tmp_path / 'program.py'}:{number}"


def test_the_right_one_passes(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("await feed(environ)"))
    assert verdict.verdict is Verdict.PASS, verdict
    assert verdict.ground == "virtual"


def test_a_run_says_where_it_was_and_is_judged_again_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    options = ["--case", "CONN-01", "--profile", "usdm", "--ground", "virtual", "--out", out]
    assert cli.run(["conform", "reference", "two-owners", *options]) == 1
    said = capsys.readouterr().out
    assert "On the virtual ground: 1 PASS, 1 FAIL. 1 required failed." in said
    assert "--seed 7 --ground virtual" in said
    assert cli.run(["judge", out]) == 1
    said = capsys.readouterr().out
    assert "On the virtual ground: 1 PASS, 1 FAIL. 1 required failed." in said
    assert "No verdict and no finding differs from the record." in said
    assert cli.run(["judge", f"{out}/journal/reference-usdm-CONN-01.jsonl"]) == 0
    assert "On the virtual ground: 1 PASS." in capsys.readouterr().out


def test_a_loop_that_was_late_gives_a_testee_time_to_die_of_its_first_event(tmp_path: Path) -> None:
    """It writes the first two in one turn; a testee that is crashing then passed CLOSE-02."""

    async def body(run: Run) -> None:
        await run.start()
        run.journal.append(Lagged(t=asyncio.get_running_loop().time(), late_s=0.35))
        await run.until_live()

    case = Case("x/late", "CONN-06", Severity.MUST, Level.L0, body, "A rule.", starts=False)
    (tmp_path / "program.py").write_text(main("await feed(environ)"))
    testee = Description(name="t", command=["false"], cwd=tmp_path, entry="program:main")
    plan = Plan(
        testees=[testee], cases=[case], out=tmp_path, profiles=["usdm"], ground=Ground.VIRTUAL
    )
    (verdict,) = batches.run(plan, lambda _: None)
    assert verdict.verdict is Verdict.PASS, verdict
    noted = {e.name: e.t for e in read_entries(tmp_path / verdict.journal) if isinstance(e, Noted)}
    assert 0.45 <= noted["live"] - noted["awaiting-live"] < 0.7


def test_what_took_long_is_told_to_us_and_is_not_the_last_word_of_the_testee(
    tmp_path: Path,
) -> None:
    """How long something takes is another on each machine, and a recording is the same on all."""
    verdict = judged(tmp_path, main("sum(range(20_000_000))\nawait feed(environ)"))
    entries = read_entries(tmp_path / "out" / verdict.journal)
    assert [e.last_words for e in entries if isinstance(e, Exited)] == [""]
    logs = [f.read_text() for f in (tmp_path / "out" / "stderr").iterdir()]
    assert [log for log in logs if "of the processor in one callback" in log]


def test_a_module_that_does_not_exist_is_named(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "", entry="no_such_module:main")
    assert verdict.verdict is Verdict.ERROR
    assert "entry 'no_such_module:main'" in verdict.reason
    assert "No module named 'no_such_module'" in verdict.reason


def test_a_function_that_does_not_exist_is_named(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "", entry="program:start")
    assert verdict.verdict is Verdict.ERROR
    assert f"program ({tmp_path / 'program.py'}) has no 'start'" in verdict.reason


def test_a_function_that_is_not_async_is_named_with_its_place(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "\ndef main(environ, stdin, stdout):\n    return 0\n")
    assert verdict.verdict is Verdict.ERROR
    assert "must be `async def main(environ, stdin, stdout) -> int`" in verdict.reason
    assert line_of(tmp_path, "def main") in verdict.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("raise ValueError('wrong day')", "ValueError: wrong day"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import socket; socket.create_connection(('127.0.0.1', 1))", "is not simulated"),
        ("import threading; threading.Thread(target=print).start()", "a thread is not simulated"),
        ("import subprocess; subprocess.run(['true'])", "a process is not simulated"),
        ("import time; time.sleep(1)", "time.sleep is not simulated"),
    ],
)
def test_an_import_that_fails_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    verdict = judged(tmp_path, f"import os\n{text}\nasync def main(e, i, o): ...\n")
    assert verdict.verdict is Verdict.ERROR
    assert said in verdict.reason
    assert line_of(tmp_path, text) in verdict.reason


def test_what_an_import_asks_for_in_vain_is_named_also_if_it_is_caught(tmp_path: Path) -> None:
    script = (
        "import socket\ntry:\n    socket.socket().bind(('127.0.0.1', 0))\nexcept Exception: ...\n"
    )
    verdict = judged(tmp_path, script + main("await feed(environ)"))
    assert verdict.verdict is Verdict.ERROR
    assert "a real socket is not simulated" in verdict.reason
    assert line_of(tmp_path, "socket.socket()") in verdict.reason


def test_a_syntax_error_is_shown(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "async def main(:\n")
    assert verdict.verdict is Verdict.ERROR
    assert "SyntaxError" in verdict.reason
    assert "program.py, line 1" in verdict.reason


def test_an_import_that_never_ends_is_ended_and_named(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "while True: pass\n", patience=SOON)
    assert verdict.verdict is Verdict.ERROR
    assert "its import took more than 0.5 s of the processor" in verdict.reason
    assert line_of(tmp_path, "while True") in verdict.reason


def test_an_import_that_will_not_be_ended_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockex_conformance.harness.patience._GRACE", 0.5)
    script = (
        "while True:\n    try:\n        while True: sum(range(9))\n    except Exception: pass\n"
    )
    verdict = judged(tmp_path, script, patience=SOON)
    assert verdict.verdict is Verdict.ERROR
    assert "the batch ended with 70" in verdict.reason
    assert line_of(tmp_path, "sum(range(9))") in verdict.reason


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "", cwd=tmp_path / "gone")
    assert verdict.verdict is Verdict.ERROR
    assert f"its `cwd` {tmp_path / 'gone'}: No such file or directory" in verdict.reason


def test_the_folder_of_the_testee_is_the_current_one(tmp_path: Path) -> None:
    (tmp_path / "settings.txt").write_text("here")
    body = "assert open('settings.txt').read() == 'here'\nawait feed(environ)"
    assert judged(tmp_path, main(body)).verdict is Verdict.PASS


def test_what_is_no_exit_code_is_shown(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("return 'done'"))
    assert verdict.verdict is Verdict.ERROR
    assert "the entry 'program:main' returned 'done'" in verdict.reason


def test_what_is_no_exit_code_counts_at_the_very_end_too(tmp_path: Path) -> None:
    body = (
        "ended = asyncio.Event()\n"
        "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)\n"
        "task = asyncio.create_task(feed(environ))\n"
        "await ended.wait()\n"
        "task.cancel()\n"
        "return 0.0\n"
    )
    verdict = judged(tmp_path, main(body))
    assert verdict.verdict is Verdict.ERROR
    assert "returned 0.0" in verdict.reason


def test_owners_that_multiply_are_a_finding_and_not_the_end_of_us(tmp_path: Path) -> None:
    body = """\
streams = environ["MOCKEX_STREAMS"].replace(",", "/")
url = environ["MOCKEX_WS_URL"] + "/public/stream?streams=" + streams
owners = []
async def own():
    while True:
        try:
            async with connect(url, ping_interval=None, proxy=None) as ws:
                async for _ in ws:
                    pass
        except Exception:
            pass
        owners.append(asyncio.create_task(own()))
        await asyncio.sleep(0.05)
await own()"""
    verdict = judged(tmp_path, main(body), "RECON-03")
    assert verdict.verdict is Verdict.FAIL, verdict.reason
    assert [found.check for found in verdict.findings] == ["attempt_rate", "no_storm"]


def test_an_early_end_is_a_finding(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("return 9"))
    assert verdict.verdict is Verdict.FAIL
    assert "ended by itself with exit code 9" in verdict.findings[0].message


def test_an_exception_is_a_finding_with_its_last_words(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("raise ValueError('no such day')"))
    assert verdict.verdict is Verdict.FAIL
    assert "exit code 1; its last words: ValueError: no such day" in verdict.findings[0].message


def test_exit_127_means_cannot_run_here(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("print('no libfoo here', file=sys.stderr)\nreturn 127"))
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert "no libfoo here" in verdict.reason


def test_one_that_goes_on_after_it_was_cancelled_is_gone_all_the_same(tmp_path: Path) -> None:
    body = (
        "task = asyncio.create_task(feed(environ))\n"
        "while True:\n"
        "    try:\n"
        "        await asyncio.sleep(3600)\n"
        "    except BaseException:\n"
        "        pass\n"
    )
    assert judged(tmp_path, main(body)).verdict is Verdict.PASS


def test_one_that_ignores_sigterm_fails_the_case_about_it(tmp_path: Path) -> None:
    body = (
        "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)\n"
        "await feed(environ)\n"
    )
    verdict = judged(tmp_path, main(body), case="CLOSE-01")
    assert verdict.verdict is Verdict.FAIL
    assert "after SIGTERM while live" in verdict.findings[0].message


def test_one_that_never_gives_way_is_ended_and_its_place_is_named(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("while True: pass"), patience=SOON)
    assert verdict.verdict is Verdict.ERROR
    assert "code that does not give way within 0.5 s of the processor" in verdict.reason
    assert line_of(tmp_path, "while True: pass") in verdict.reason


def test_one_that_never_gives_way_once_it_is_live_leaves_a_recording(tmp_path: Path) -> None:
    body = (
        "task = asyncio.create_task(feed(environ))\n"
        "await asyncio.sleep(1)\n"
        "while len(environ): sum(range(100))\n"
    )
    verdict = judged(tmp_path, main(body), patience=SOON)
    assert verdict.verdict is Verdict.ERROR
    assert "does not give way" in verdict.reason
    assert line_of(tmp_path, "while len") in verdict.reason


def test_one_that_will_not_be_interrupted_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockex_conformance.harness.patience._GRACE", 0.5)
    # CPython 3.11 takes what a signal raises at the jump back to a loop for raised just before the
    # loop: that must stand in the `try`, too.
    body = (
        "while True:\n    try:\n        begun = True\n        while True: sum(range(9))\n"
        "    except BaseException: pass\n"
    )
    verdict = judged(tmp_path, main(body), patience=SOON)
    assert verdict.verdict is Verdict.ERROR
    assert "more than 0.5 s of the processor, was interrupted and went on" in verdict.reason
    assert line_of(tmp_path, "sum(range(9))") in verdict.reason


def test_one_that_waits_for_the_machine_is_ended_and_its_place_is_named(tmp_path: Path) -> None:
    body = "import threading\nthreading.Lock().acquire() and threading.Event().wait()"
    verdict = judged(tmp_path, main(body), patience=Patience(cpu_s=30, clock_s=2))
    assert verdict.verdict is Verdict.ERROR
    assert "code that does not give way within 2 s" in verdict.reason
    assert line_of(tmp_path, "threading.Lock()") in verdict.reason


def test_one_that_spins_with_await_fails(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("while True: await asyncio.sleep(0)"))
    assert verdict.verdict is Verdict.FAIL
    assert "callbacks ran at" in verdict.findings[0].message
    assert line_of(tmp_path, "await asyncio.sleep(0)") in verdict.findings[0].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import time; time.sleep(0.1)", "time.sleep is not simulated"),
        ("await asyncio.to_thread(print)", "is not simulated"),
        ("import threading; threading.Thread(target=print).start()", "a thread is not simulated"),
        ("import socket; socket.create_connection(('127.0.0.1', 1))", "is not simulated"),
        ("os.fork()", "a process is not simulated"),
        ("await asyncio.create_subprocess_exec('true')", "is not simulated"),
        ("signal.signal(signal.SIGTERM, print)", "is not simulated"),
    ],
)
def test_what_only_a_machine_has_is_named_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    body = f"try:\n    {text}\nexcept Exception:\n    pass\nawait feed(environ)"
    verdict = judged(tmp_path, main(body))
    assert verdict.verdict is Verdict.ERROR
    assert "cannot run on the virtual ground" in verdict.reason
    assert said in verdict.reason
    assert line_of(tmp_path, text) in verdict.reason


def test_prints_are_kept_and_not_read_as_messages(tmp_path: Path) -> None:
    body = "hello(stdout)\nstdout('garbage')\nprint('more of it')\nawait feed(environ)"
    verdict = judged(tmp_path, main(body), level=1)
    assert verdict.verdict is Verdict.PASS, verdict
    kept = (tmp_path / "out" / verdict.stderr).read_text()
    assert {"garbage", "more of it"} <= set(kept.splitlines())


def test_a_line_that_is_no_message_is_shown(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("hello(stdout)\nstdout('{oops')\nawait feed(environ)"), level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "line: {oops" in verdict.reason


def test_a_line_that_is_no_text_is_refused(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("hello(stdout)\nstdout(b'{}')\nawait feed(environ)"), level=1)
    assert verdict.verdict is Verdict.FAIL
    assert "stdout takes one line, a str, and not b'{}'" in verdict.findings[0].message


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("hello(stdout, 2)\nawait feed(environ)"), level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "expected: `hello` with protocol 1" in verdict.reason


@pytest.mark.parametrize("pause", ["", "\n    await asyncio.sleep(0)"])
def test_a_flood_of_messages_is_an_error_of_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause: str
) -> None:
    monkeypatch.setattr(protocol, "MOST_MESSAGES_PER_S", 1000)
    body = f"hello(stdout)\nwhile True:\n    stdout('{EVENT}'){pause}"
    verdict = judged(tmp_path, main(body), level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "more than 1000 messages in a second" in verdict.reason


@pytest.mark.parametrize("flood", ["stdout('y' * 1000)", "print('y' * 1000)"])
def test_a_flood_of_prints_costs_neither_disk_nor_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flood: str
) -> None:
    monkeypatch.setattr(protocol, "MOST_PRINTED", 10_000)
    body = f"hello(stdout)\nfor _ in range(1000): {flood}\nawait feed(environ)"
    verdict = judged(tmp_path, main(body), level=1)
    assert verdict.verdict is Verdict.PASS, verdict
    assert 10_000 <= (tmp_path / "out" / verdict.stderr).stat().st_size < 20_000


def test_one_that_ends_its_process_fails_and_no_other_case_is_touched(tmp_path: Path) -> None:
    verdict = judged(tmp_path, main("os._exit(7)"))
    assert verdict.verdict is Verdict.FAIL
    assert "exit code 7" in verdict.findings[0].message


def test_one_that_kills_the_worker_is_an_error(tmp_path: Path) -> None:
    body = "import ctypes, faulthandler\nfaulthandler.disable()\nctypes.string_at(0)"
    verdict = judged(tmp_path, main(body))
    assert verdict.verdict is Verdict.ERROR
    assert "the case ended with -11 and no verdict" in verdict.reason


def test_stdin_of_the_machine_is_empty(tmp_path: Path) -> None:
    body = "assert sys.stdin.read() == ''\nawait feed(environ)"
    assert judged(tmp_path, main(body)).verdict is Verdict.PASS


def test_nothing_of_a_testee_stays_in_this_process(tmp_path: Path) -> None:
    folder, path = os.getcwd(), list(sys.path)
    judged(tmp_path, main("await feed(environ)"))
    assert (os.getcwd(), sys.path) == (folder, path)
    assert "program" not in sys.modules


def test_prints_that_are_finalized_after_their_file_was_closed_say_nothing(tmp_path: Path) -> None:
    with (tmp_path / "prints.txt").open("w", encoding="utf-8") as file:
        prints = Prints(file)
        prints.write("kept\n")
        prints.flush()
    prints.close()  # as the interpreter does
    assert (tmp_path / "prints.txt").read_text() == "kept\n"


def played(tmp_path: Path, script: str, body: CaseBody) -> tuple[CaseVerdict, list[AnyEntry]]:
    """A case made here, and its recording."""
    case = Case("x/made-here", "CONN-06", Severity.MUST, Level.L0, body, "A rule.")
    (tmp_path / "program.py").write_text(script)
    testee = Description(
        name="t", command=["false"], cwd=tmp_path, entry="program:main", limits=LIMITS
    )
    plan = Plan(
        testees=[testee], cases=[case], out=tmp_path, profiles=["usdm"], ground=Ground.VIRTUAL
    )
    (verdict,) = batches.run(plan, lambda _: None)
    return verdict, read_entries(tmp_path / verdict.journal)


def test_one_that_is_suspended_answers_nothing_and_then_goes_on(tmp_path: Path) -> None:
    async def body(run: Run) -> None:
        await run.suspend(2.5)
        await run.until_recovered(1000)
        await run.sleep(0.1)

    verdict, entries = played(tmp_path, main("await feed(environ)"), body)
    assert verdict.verdict is Verdict.PASS, verdict
    noted = {e.name: e.t for e in entries if isinstance(e, Noted)}
    stopped, going_on = noted["suspended"], noted["going-on"]
    assert going_on - stopped == pytest.approx(2.5)
    signals = [e.signal for e in entries if isinstance(e, Signalled)]
    assert signals == ["SIGSTOP", "SIGCONT", "SIGTERM"]
    pongs = [e.t for e in entries if isinstance(e, Ponged)]
    pings = [e.t for e in entries if isinstance(e, Pinged) and stopped < e.t < going_on]
    assert len(pings) >= 2
    assert not [t for t in pongs if stopped + 0.001 < t < going_on]
    assert [t for t in pongs if going_on <= t < going_on + 0.01], "what had arrived is answered"


def test_who_gives_up_waiting_while_it_is_suspended_lets_it_go_on(tmp_path: Path) -> None:
    async def body(run: Run) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await run.suspend(600)
        await run.until_recovered(1000)

    verdict, entries = played(tmp_path, main("await feed(environ)"), body)
    assert verdict.verdict is Verdict.PASS, verdict
    signals = [e.signal for e in entries if isinstance(e, Signalled)]
    assert signals == ["SIGSTOP", "SIGCONT", "SIGTERM"]
