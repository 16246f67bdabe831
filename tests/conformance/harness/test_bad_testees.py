"""Testees that misbehave as programs: each gets a clear verdict, and nothing of it is left.

A sleep in a program is what that testee does: it never ends by itself, or it is late.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from mockex_conformance.case import all_cases
from mockex_conformance.description import Description, Limits
from mockex_conformance.harness import charge, protocol
from mockex_conformance.harness.plan import Plan
from mockex_conformance.harness.scheduler import Event, run
from mockex_conformance.recording import read_entries
from mockex_conformance.verdict import CaseVerdict, Verdict

pytestmark = pytest.mark.timeout(120)

# A right testee of level 0 in a few lines: what the bad ones are made of.
CLIENT = """\
import asyncio, os, signal, sys, time
from websockets.asyncio.client import connect
STREAMS = os.environ["MOCKEX_STREAMS"].replace(",", "/")
URL = os.environ["MOCKEX_WS_URL"] + "/public/stream?streams=" + STREAMS
async def feed():
    while True:
        try:
            async with connect(URL, ping_interval=None, proxy=None) as ws:
                async for _ in ws:
                    pass
        except OSError:
            pass
        except Exception:
            pass
        await asyncio.sleep(0.05)
"""
LIMITS = Limits(
    reconnect_first_ms=1000, reconnect_cap_ms=1000, handshake_timeout_ms=1500, stable_ms=500,
    close_ms=500,
)  # fmt: skip
HELLO = (
    'print(\'{"jsonrpc":"2.0","method":"hello","params":{"protocol":%d,"name":"x",'
    '"version":"1","supports":[]}}\', flush=True)\n'
)
STAYS = "import time\ntime.sleep(60)\n"  # a testee that is there until it is ended


def judged(
    tmp_path: Path, script: str, case: str = "CONN-06", *, level: int = 0, **more: object
) -> CaseVerdict:
    program = tmp_path / "program.py"
    program.write_text(script)
    testee = Description(
        name="bad",
        cwd=tmp_path,
        level=level,
        limits=LIMITS,
        **{"command": ["{python}", str(program)], **more},  # type: ignore[arg-type]
    )
    found: list[CaseVerdict] = []

    def keep(event: Event) -> None:
        if isinstance(event, CaseVerdict):
            found.append(event)

    cases = [c for c in all_cases().values() if c.number == case]
    run(Plan(testees=[testee], cases=cases, out=tmp_path / "out", profiles=["usdm"]), keep)
    (verdict,) = found
    assert _left(program) == [], "nothing of the testee is left"
    return verdict


def _left(program: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if str(program) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def test_the_right_one_passes(tmp_path: Path) -> None:
    verdict = judged(tmp_path, CLIENT + "asyncio.run(feed())\n")
    assert verdict.verdict is Verdict.PASS, verdict


def test_one_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    testee = Description(name="absent", command=["/nonexistent/adapter"], cwd=tmp_path)
    found: list[CaseVerdict] = []
    cases = [c for c in all_cases().values() if c.number == "CONN-01"]
    plan = Plan(testees=[testee], cases=cases, out=tmp_path / "out", profiles=["usdm"])
    run(plan, lambda e: found.append(e) if isinstance(e, CaseVerdict) else None)
    assert found[0].verdict is Verdict.UNSUPPORTED
    assert "cannot start '/nonexistent/adapter'" in found[0].reason
    assert "No such file" in found[0].reason


def test_exit_127_means_cannot_run_here(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path, 'import sys\nprint("no libfoo here", file=sys.stderr)\nsys.exit(127)\n'
    )
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert "no libfoo here" in verdict.reason


def test_exit_127_after_a_connection_is_a_finding(tmp_path: Path) -> None:
    connect = "import socket\nhost, port = URL.split('/')[2].split(':')\n"
    connect += "exchange = socket.create_connection((host, int(port)))\n"
    connect += "exchange.sendall(b'\\r\\n\\r\\n')\nexchange.recv(1)\n"  # answered, and so seen
    verdict = judged(tmp_path, CLIENT + connect + "sys.exit(127)\n")
    assert verdict.verdict is Verdict.FAIL
    assert "ended by itself with exit code 127" in verdict.findings[0].message


def test_placeholders_are_filled_in_in_command_and_environment(tmp_path: Path) -> None:
    seen = tmp_path / "seen.txt"
    script = f"import os, sys\nopen({str(seen)!r}, 'w').write(' '.join(sys.argv[1:]) + ' '\n"
    script += "    + os.environ['OWN'])\n"
    program = tmp_path / "program.py"
    arguments = ["{ws_url}", "{rest_url}", "{profile}", "{streams}", "{other}", "ca={ca_file}"]
    judged(
        tmp_path,
        script,
        command=["{python}", str(program), *arguments],
        env={"OWN": "{profile}/{streams}"},
    )
    ws, rest, profile, streams, other, ca, own = seen.read_text().split()
    assert ws.startswith("ws://127.0.0.1:")
    assert rest.startswith("http://127.0.0.1:")
    assert (profile, streams) == ("usdm", "ethusdc@depth5@100ms")
    assert (other, ca) == ("{other}", "ca=")
    assert own == f"{profile}/{streams}"


def test_a_build_that_fails_is_shown(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "", build=["sh", "-c", "echo wrong flag; exit 3"])
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert "its build failed with 3: wrong flag" in verdict.reason


def test_of_a_long_output_the_first_error_is_shown(tmp_path: Path) -> None:
    output = "echo cc x.c; echo 'x.c:3: error: no such type'; echo 'make: *** Error 1'; exit 2"
    verdict = judged(tmp_path, "", build=["sh", "-c", output])
    assert "its build failed with 2: x.c:3: error: no such type; see" in verdict.reason


def test_a_build_tool_that_is_missing_is_named(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "", build=["no-such-compiler"])
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert "'no-such-compiler', which is not on PATH" in verdict.reason


def test_an_early_exit_is_a_finding(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "raise SystemExit(9)\n")
    assert verdict.verdict is Verdict.FAIL
    assert "ended by itself with exit code 9" in verdict.findings[0].message


def test_level_1_without_hello_is_an_error_of_the_protocol(tmp_path: Path) -> None:
    script = 'print(\'{"jsonrpc":"2.0","method":"state","params":{"state":"live"}}\', flush=True)\n'
    verdict = judged(tmp_path, script + STAYS, level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "the first message was 'state'" in verdict.reason


def test_level_1_that_says_nothing_is_an_error_and_not_unsupported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charge, "HELLO_WITHIN_S", 0.5)
    verdict = judged(tmp_path, CLIENT + "asyncio.run(feed())\n", level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "no `hello` within 0.5 s of the start" in verdict.reason
    assert "or `level = 0`" in verdict.reason


def test_a_print_before_hello_is_no_message(tmp_path: Path) -> None:
    script = CLIENT + 'print("starting", flush=True)\n' + HELLO % 1 + "asyncio.run(feed())\n"
    verdict = judged(tmp_path, script, level=1)
    assert verdict.verdict is Verdict.PASS, verdict


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    verdict = judged(tmp_path, HELLO % 2 + STAYS, level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "expected: `hello` with protocol 1" in verdict.reason


def test_two_answers_to_one_request_are_an_error_of_the_protocol(tmp_path: Path) -> None:
    refuse = (
        "for line in sys.stdin:\n"
        "    for _ in range(2):\n"
        '        print(\'{"jsonrpc":"2.0","id":1,'
        '"error":{"code":-32601,"message":""}}\', flush=True)\n'
    )
    verdict = judged(tmp_path, "import sys\n" + HELLO % 1 + refuse, level=2)
    assert verdict.verdict is Verdict.ERROR
    assert "an answer to no request" in verdict.reason


def test_a_line_that_is_no_message_is_shown(tmp_path: Path) -> None:
    verdict = judged(tmp_path, HELLO % 1 + 'print("{oops", flush=True)\n' + STAYS, level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "line: {oops" in verdict.reason


def test_whoever_answers_everything_with_ok_is_refused(tmp_path: Path) -> None:
    answer = (
        "import json, sys\nfor line in sys.stdin:\n"
        '    print(json.dumps({"jsonrpc":"2.0","id":json.loads(line)["id"],"result":{}}), '
        "flush=True)\n"
    )
    verdict = judged(tmp_path, HELLO % 1 + answer, level=2)
    assert verdict.verdict is Verdict.ERROR
    assert "an unknown method was not refused" in verdict.reason


def test_one_of_level_2_that_does_not_wait_for_start_is_refused(tmp_path: Path) -> None:
    answer = (
        "import json, threading\ndef answer():\n    for line in sys.stdin:\n"
        "        time.sleep(1)\n"
        '        error = {"code": -32601, "message": "unknown"}\n'
        '        print(json.dumps({"jsonrpc":"2.0","id":json.loads(line)["id"],"error":error}), '
        "flush=True)\nthreading.Thread(target=answer, daemon=True).start()\n"
    )
    verdict = judged(tmp_path, CLIENT + HELLO % 1 + answer + "asyncio.run(feed())\n", level=2)
    assert verdict.verdict is Verdict.ERROR
    assert "it connected before it was told to `start`" in verdict.reason
    assert "or claim a lower `level`" in verdict.reason


def test_whoever_does_not_answer_at_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charge, "PROBE_WITHIN_S", 0.5)
    verdict = judged(tmp_path, HELLO % 1 + STAYS, level=2)
    assert verdict.verdict is Verdict.ERROR
    assert "within 0.5 s: none came" in verdict.reason


def test_a_protocol_that_breaks_at_the_very_end_passes_nothing(tmp_path: Path) -> None:
    last = "def last(*_):\n    os.write(1, b'{oops\\n')\n    os._exit(0)\n"
    script = CLIENT + HELLO % 1 + last + "signal.signal(signal.SIGTERM, last)\n"
    verdict = judged(tmp_path, script + "asyncio.run(feed())\n", level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "line: {oops" in verdict.reason


def test_a_flood_of_messages_is_an_error_of_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_MESSAGES_PER_S", 1000)
    flood = "while True:\n    print(EVENT)\n"
    event = 'EVENT = \'{"jsonrpc":"2.0","method":"event","params":{"stream":"a","id":1}}\'\n'
    verdict = judged(tmp_path, HELLO % 1 + event + flood, level=1)
    assert verdict.verdict is Verdict.ERROR
    assert "more than 1000 messages in a second" in verdict.reason


def test_a_testee_that_is_gone_before_it_can_be_listened_to_is_a_finding(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "", level=2, command=["true"])
    assert verdict.verdict is Verdict.FAIL
    assert "ended by itself with exit code 0" in verdict.findings[0].message


def test_prints_and_a_flood_cost_neither_memory_nor_the_verdict(tmp_path: Path) -> None:
    flood = (
        "import threading\n"
        "def flood():\n"
        "    sys.stdout.write('y' * (3 << 20) + '\\n')\n"
        "    for _ in range(30000): sys.stdout.write('garbage ' * 100 + '\\n')\n"
        "    sys.stdout.flush()\n"
        "threading.Thread(target=flood, daemon=True).start()\n"
    )
    script = CLIENT + HELLO % 1 + flood + "asyncio.run(feed())\n"
    verdict = judged(tmp_path, script, level=1)
    assert verdict.verdict is Verdict.PASS, verdict
    kept = (tmp_path / "out" / verdict.stderr).stat().st_size
    assert (1 << 20) < kept < (20 << 20)


def test_what_it_forked_is_found_and_ended(tmp_path: Path) -> None:
    fork = (
        "if os.fork() == 0:\n    os.setsid()\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    time.sleep(300)\n"
    )
    script = CLIENT + fork + "asyncio.run(feed())\n"
    verdict = judged(tmp_path, script, case="CLOSE-01")
    assert verdict.verdict is Verdict.FAIL
    assert "left processes behind" in verdict.findings[0].message


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = CLIENT + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nasyncio.run(feed())\n"
    verdict = judged(tmp_path, script)
    assert verdict.verdict is Verdict.PASS, verdict


def test_the_environment_holds_what_is_documented_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCKEX_CASE", "CONN-06")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    seen = tmp_path / "seen.txt"
    script = f"import os\nopen({str(seen)!r}, 'w').write('\\n'.join(sorted(os.environ)))\n"
    judged(tmp_path, script)
    names = set(seen.read_text().split())
    assert {n for n in names if n.startswith("MOCKEX_")} == {
        "MOCKEX_WS_URL",
        "MOCKEX_REST_URL",
        "MOCKEX_PROFILE",
        "MOCKEX_MODE",
        "MOCKEX_STREAMS",
    }
    assert "PYTHONUNBUFFERED" in names
    assert "http_proxy" not in names


def test_a_recording_cut_by_a_kill_is_readable(tmp_path: Path) -> None:
    verdict = judged(tmp_path, CLIENT + "asyncio.run(feed())\n")
    file = tmp_path / "out" / verdict.journal
    whole = read_entries(file)
    os.truncate(file, file.stat().st_size - 20)
    assert read_entries(file) == whole[:-1]


def test_a_case_that_needs_more_than_the_limit_is_unsupported(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path, CLIENT + "asyncio.run(feed())\n", case="HB-03"
    )  # stall_detect_ms is 600,000 by default on usdm
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert "lower `stall_detect_ms` or raise `--case-limit`" in verdict.reason
