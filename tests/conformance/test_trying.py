"""`mockex try` as a person or a script meets it: a process, its terminal or pipe, its end."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import psutil
import pytest

from mockex.cli import run as mockex
from mockex_conformance import conversation, schema
from tests.programs import ending

MOCKEX = Path(sys.executable).parent / "mockex"
TESTEE = """\
import json, os, signal, sys
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
say(method="hello", params={"protocol": 1, "name": "x", "version": "", "supports": []})
for line in sys.stdin:
    asked = json.loads(line)
    number, method = asked.get("id"), asked["method"]
"""
RIGHT = """\
    if method not in ("start", "close", "subscribe", "quit"):
        say(id=number, error={"code": -32601, "message": "unknown"})
    else:
        say(id=number, result={})
    if method == "quit":
        break
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """The command line of `mockex try` for a program; nothing of it is left at the end."""
    file = tmp_path / "program.py"

    def command(text: str, *options: str) -> list[str]:
        file.write_text(text)
        return [str(MOCKEX), "try", *options, "--", sys.executable, str(file)]

    yield command
    for process in psutil.process_iter(["cmdline", "status"]):
        if str(file) in (process.info["cmdline"] or []):
            assert process.info["status"] == psutil.STATUS_ZOMBIE, "the testee is left running"


def talked(command: list[str], typed: str) -> tuple[list[str], int]:
    """What is shown when `typed` comes from a pipe, and the exit code."""
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return of_the_testee(done.stdout), done.returncode


def of_the_testee(shown: str) -> list[str]:
    """The lines, but for those about the exchange itself: it stands still on a busy machine."""
    return [line for line in shown.splitlines() if "itself stood still for" not in line]


def answered(command: list[str], typed: str) -> tuple[list[str], str, int]:
    """The same where it is typed once the first line is shown, with what stderr says."""
    pipe = subprocess.PIPE
    with ending(
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    ) as trying:
        assert trying.stdout is not None
        while not of_the_testee(first := trying.stdout.readline()) and first:
            pass
        rest, err = trying.communicate(typed, timeout=60)
    return of_the_testee(first + rest), err, trying.returncode


def test_both_directions_are_shown_and_a_request_waits_for_the_answer_before(
    program: Callable[..., list[str]],
) -> None:
    lines, code = talked(program(TESTEE + RIGHT), "subscribe a@trade b@t\nnope\n")
    assert lines[1:] == [
        '< {"jsonrpc":"2.0","id":1,"method":"start"}',
        '> {"jsonrpc": "2.0", "id": 1, "result": {}}',
        '< {"jsonrpc":"2.0","id":2,"method":"subscribe","params":{"streams":["a@trade","b@t"]}}',
        '> {"jsonrpc": "2.0", "id": 2, "result": {}}',
        '< {"jsonrpc":"2.0","id":3,"method":"nope"}',
        '> {"jsonrpc": "2.0", "id": 3, "error": {"code": -32601, "message": "unknown"}}',
        '< {"jsonrpc":"2.0","id":4,"method":"quit"}',
        '> {"jsonrpc": "2.0", "id": 4, "result": {}}',
    ]
    assert lines[0].startswith('> {"jsonrpc": "2.0", "method": "hello"')
    assert code == 0


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ('print("{oops", flush=True)', ["! testee protocol: no JSON", "!   line: {oops"]),
        ('say(id=77, result={})', ["! testee protocol: an answer to no request"]),
        (
            'say(method="event", params={"stream": "a@trade", "id": "7"})',
            [
                "! testee protocol: bad 'event': Expected `int`, got `str` - at `$.id`",
                "!   expected: params {stream, id, fields?}",
                "!   messages: docs/writing-a-shim.md, or `mockex schema testee-says`",
            ],
        ),
        (
            """say(method="mood", params={"text": "x" * 5000})
    print("{" + "x" * (2 << 20), flush=True)""",
            ["! testee protocol: a line longer than 1 MiB", "!   expected: one message a line"],
        ),
        ('print("loading", flush=True)', ["| loading"]),
    ],
)  # fmt: skip
def test_a_bad_line_is_shown_with_what_was_expected_and_ends_nothing(
    program: Callable[..., list[str]], said: str, complaint: list[str]
) -> None:
    lines, code = talked(program(TESTEE + f"    {said}\n" + RIGHT), "close\n")
    for line in complaint:
        assert any(shown.startswith(line) for shown in lines), lines
    assert '> {"jsonrpc": "2.0", "id": 2, "result": {}}' in lines
    assert max(map(len, lines)) < 4100
    assert code == (0 if complaint == ["| loading"] else 1)


STRANGE = """\
say(method="mood", params={"deep": 1, "nan": "\\x7f\\u202e"})
    for odd in ("[1]", '{"a":NaN}', '{"a":1e999}', '{"a":"\\\\ud800"}',
                *('{"a":' + "[" * n + "]" * n + "}" for n in (127, 128))):
        print(odd, flush=True)
    print("x" * 5000, flush=True)"""


def test_what_is_shown_is_json_on_request(program: Callable[..., list[str]]) -> None:
    command = program(TESTEE + f"    {STRANGE}\n" + RIGHT, "--json", "--hide", "mood")
    lines, code = talked(command, "wait x\nnope 1\nwait live 0\n")
    valid = jsonschema.Draft202012Validator(schema.schema("try"))
    told = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    for one in told:
        valid.validate(one)
    assert all(line.isascii() for line in lines)
    assert [one["t"] for one in told] == sorted(one["t"] for one in told)
    assert [one["message"]["method"] for one in told if one["kind"] == "told"] == ["start", "quit"]
    said = [one for one in told if one["kind"] == "said"]
    assert said[0]["message"]["params"]["name"] == "x"
    assert json.loads(said[0]["text"]) == said[0]["message"]
    odd = [one for one in said if one["text"].startswith('{"a"')]
    readable = {one["text"] for one in odd if "message" in one}
    assert readable == {'{"a":' + "[" * 127 + "]" * 127 + "}"}
    assert len({one["text"] for one in odd}) == 5
    printed = "\n".join(one["text"] for one in told if one["kind"] == "printed").split("\n")
    assert {"[1]", "x" * 5000} <= {*printed}, "whole, for a machine"
    assert not [one for one in told if '"mood"' in one["text"]]
    noted = [one["text"] for one in told if one["kind"] == "noted"]
    assert noted == [
        "'wait' takes `live`, seconds or both",
        "'nope' is no request of the protocol; type its params as JSON",
    ]
    wrong = [one["text"] for one in told if one["kind"] == "wrong"]
    assert any(text.startswith("not live within 0 s: ") for text in wrong)
    assert code == 1


def test_what_nests_deeper_than_any_interpreter_reads_is_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    depths = (100, *range(900, 1100), 100_000)  # where it ends differs between Pythons

    async def show() -> None:
        for depth in depths:
            conversation.as_json(conversation.Kind.SAID, '{"a":' + "[" * depth + "]" * depth + "}")

    asyncio.run(show())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(depths)
    assert ['"message":' in line for line in lines] == [depth == 100 for depth in depths]


def test_as_json_what_happens_comes_as_the_journal_has_it() -> None:
    command = [str(MOCKEX), "try", "shim-python", "--json", "--hide", "event", "--hide", "gauge"]
    lines, code = talked(command, "wait live\nclose\n")
    happened = [o for line in lines if (o := json.loads(line))["kind"] == "happened"]
    entries = [one["entry"] for one in happened if "entry" in one]
    assert [entry["type"] for entry in entries] == ["upgraded", "ended"]
    assert entries[0]["target"] == "/stream?streams=ethusdc@depth5@100ms"
    assert all(one["entry"]["t"] <= one["t"] for one in happened if "entry" in one)
    assert "live: ethusdc@depth5@100ms" in [one["text"] for one in happened]
    assert code == 0


def test_a_reader_that_goes_away_ends_what_is_shown_and_nothing_else(
    program: Callable[..., list[str]],
) -> None:
    command = " ".join(map(shlex.quote, program(TESTEE + RIGHT, "--json")))
    done = subprocess.run(
        f"{command} | head -1", shell=True, input="close\nclose\n",
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["kind"] in ("said", "happened")  # the latter on a busy machine
    assert "Traceback" not in done.stderr
    assert "rror" not in done.stderr


BELOW = """\
import json, sys, time
print(json.dumps({"jsonrpc": "2.0", "method": "hello", "params": {
    "protocol": 1, "name": "x", "version": "", "supports": []}}), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("level", "sign", "shown"),
    [
        (0, "|", "what the exchange sees (~) and what it prints (|)"),
        (1, ">", "what it says (>), what the exchange sees (~) and what it prints (|)"),
    ],
)
def test_below_level_2_a_request_is_refused_at_once_and_nothing_is_sent(
    tmp_path: Path, level: int, sign: str, shown: str
) -> None:
    (tmp_path / "program.py").write_text(BELOW)
    (tmp_path / "testee.toml").write_text(
        f'[testee]\nname = "beast"\ncommand = ["{{python}}", "program.py"]\nlevel = {level}\n'
    )
    lines, err, code = answered([str(MOCKEX), "try", str(tmp_path)], "status\n")
    assert lines[0].startswith(f'{sign} {{"jsonrpc": "2.0", "method": "hello"')
    assert lines[1:] == [
        f"! beast declares level {level} and takes no requests; --level 2 to speak to it anyway"
    ]
    assert err.startswith(f"beast declares level {level}; shown: {shown}.")
    assert code == 0, "it has done nothing wrong"


def test_what_a_level_0_prints_is_no_message_whatever_it_looks_like(
    program: Callable[..., list[str]],
) -> None:
    text = 'print("{oops", flush=True)\nimport time; time.sleep(600)'
    lines, _, code = answered(program(text, "--level", "0"), "nope\n")
    assert lines == [
        "| {oops",
        "! program is taken as level 0 and takes no requests; --level 2 to speak to it anyway",
    ]
    assert code == 0


def test_start_may_be_left_to_the_person(program: Callable[..., list[str]]) -> None:
    lines, code = talked(program(TESTEE + RIGHT, "--no-start"), "subscribe 'a b'\nstart\n")
    assert [line for line in lines if line.startswith("<")] == [
        '< {"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"streams":["a b"]}}',
        '< {"jsonrpc":"2.0","id":2,"method":"start"}',
        '< {"jsonrpc":"2.0","id":3,"method":"quit"}',
    ]
    assert code == 0


def test_a_line_may_wait_until_everything_flows_and_flows_anew_after_a_reconnect() -> None:
    typed = "wait live\nsubscribe btcusdc@aggTrade\nwait live\nreconnect\nwait live\nstatus\n"
    lines, code = talked(
        [str(MOCKEX), "try", "shim-python", "--hide", "event", "--hide", "gauge"], typed
    )
    kinds = [
        word
        for line in lines
        for word in ("opened", '"subscribe"', '"reconnect"', "live: ", '"status"')
        if word in line and not line.startswith(">")
    ]
    at = {word: kinds.index(word) for word in ('"subscribe"', '"reconnect"', '"status"')}
    live = [number for number, word in enumerate(kinds) if word == "live: "]
    assert len(live) == 3, lines
    assert kinds[0] == "opened"
    assert live[0] < at['"subscribe"'] < live[1] < at['"reconnect"'] < live[2] < at['"status"']
    assert "opened" in kinds[at['"reconnect"'] : live[2]], "not what flowed before"
    assert "~ live: btcusdc@aggTrade, ethusdc@depth5@100ms" in lines
    assert code == 0


def test_what_does_not_flow_in_time_is_named(
    program: Callable[..., list[str]],
) -> None:
    lines, code = talked(
        program(TESTEE + RIGHT, "--streams", "ethusdc@aggTrade"),
        "subscribe a@trade\nwait live 1\n",
    )
    assert "! not live within 1 s: a@trade, ethusdc@aggTrade" in lines
    assert code == 1


def test_a_wait_ends_with_the_testee(program: Callable[..., list[str]]) -> None:
    dying = TESTEE + RIGHT + "    if method == 'close':\n        sys.exit(3)\n"
    started = time.monotonic()
    lines, code = talked(program(dying), "close\nwait live\n")
    assert lines[-1] == "! it ended by itself with exit code 3"
    assert not [line for line in lines if "not live" in line]
    assert time.monotonic() - started < 25
    assert code == 1


def test_what_is_typed_wrong_is_said_and_not_sent(program: Callable[..., list[str]]) -> None:
    lines, code = talked(program(TESTEE + RIGHT), "subscribe\n{\nhelp\n\n")
    assert "! 'subscribe' takes streams" in lines
    assert any(line.startswith("! no JSON") for line in lines)
    assert [line for line in lines if line.startswith("<")] == [
        '< {"jsonrpc":"2.0","id":1,"method":"start"}',
        '< {"jsonrpc":"2.0","id":2,"method":"quit"}',
    ]
    assert code == 0


def test_help_is_for_who_types_and_no_part_of_the_result(program: Callable[..., list[str]]) -> None:
    done = subprocess.run(
        program(TESTEE + RIGHT), input="help\n", capture_output=True, text=True, timeout=60
    )
    assert "subscribe STREAM" in done.stderr
    assert "subscribe STREAM" not in done.stdout
    assert done.returncode == 0


def test_one_that_ends_by_itself_is_told(program: Callable[..., list[str]]) -> None:
    lines, code = talked(program(TESTEE + "    sys.exit(3)\n"), "close\n")
    assert lines[-1] == "! it ended by itself with exit code 3"
    assert code == 1


def test_after_its_end_nothing_more_is_sent_and_a_quit_that_was_typed_is_no_end_by_itself(
    program: Callable[..., list[str]],
) -> None:
    lines, code = talked(program(TESTEE + RIGHT), "quit\nstatus\nwait 20\nstatus\n")
    assert not [line for line in lines if "by itself" in line]
    told = [line for line in lines if line.startswith("<")]
    assert len([line for line in told if '"status"' in line]) < 2, "the second comes too late"
    assert code == 0


def test_one_that_is_deaf_is_ended_by_force(program: Callable[..., list[str]]) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + TESTEE.split("for line")[0]
    started = time.monotonic()
    lines, code = talked(
        program("import signal, time\n" + deaf + "time.sleep(600)\n", "--level", "1"), ""
    )
    assert [line[:2] for line in lines] == ["> "]
    assert code == 0
    assert time.monotonic() - started < 30


def test_the_end_of_the_exchange_is_shown_too_and_notifications_may_be_hidden(
    tmp_path: Path,
) -> None:
    command = [str(MOCKEX), "try", "shim-python", "--hide", "gauge", "--hide", "event"]
    lines, code = talked([*command, "--for", "1"], "wait live\nclose\n")
    assert "~ c1 opened /stream?streams=ethusdc@depth5@100ms" in lines
    closed = re.compile(r"~ c1 closed by the client: close frame 10\d\d, answered")
    assert list(filter(closed.fullmatch, lines)), lines
    assert not [line for line in lines if '"event"' in line.split("supports")[0]]
    assert code == 0


def test_requests_may_come_from_a_file(program: Callable[..., list[str]], tmp_path: Path) -> None:
    typed = tmp_path / "typed.txt"
    typed.write_text("close")
    with typed.open() as file:
        done = subprocess.run(
            program(TESTEE + RIGHT), stdin=file, capture_output=True, text=True, timeout=60
        )
    assert '< {"jsonrpc":"2.0","id":2,"method":"close"}' in done.stdout.splitlines()
    assert done.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_tidily(program: Callable[..., list[str]], number: int) -> None:
    pipe = subprocess.PIPE
    process = subprocess.Popen(program(TESTEE + RIGHT), stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    while '"id": 1' not in process.stdout.readline():
        pass
    process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    assert rest.splitlines()[-1] == '> {"jsonrpc": "2.0", "id": 2, "result": {}}'
    assert process.returncode == 0


def test_on_a_terminal_it_is_in_colour_and_ends_with_the_input(
    program: Callable[..., list[str]],
) -> None:
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")}
    environ["TERM"] = "xterm"
    process = subprocess.Popen(
        program(TESTEE + RIGHT), stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    shown = b""

    def until(text: bytes) -> None:
        nonlocal shown
        while text not in shown:
            shown += os.read(ours, 4096)

    until(b"Ctrl-D ends.")
    os.write(ours, b"close\n")
    until(b'"id": 2, "result"')
    os.write(ours, b"\x04")
    until(b'"id": 3, "result"')
    assert process.wait(30) == 0
    os.close(ours)
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert b"\x1b[36m< " in shown
    assert b'< {"jsonrpc":"2.0","id":2,"method":"close"}' in plain


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["try"], "Name a testee, or give a command line"),
        (["try", "reference", "--", "x"], "Name a testee, or give a command line"),
        (["try", "--"], "no command line behind '--'"),
        (["try", "mutants"], "one testee, not"),
        (["try", "--", "/nonexistent/x"], "cannot start '/nonexistent/x'"),
    ],
)
def test_wrong_usage_is_named(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mockex(args) != 0
    assert message in capsys.readouterr().err
