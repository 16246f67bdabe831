"""`mockex faults` against a running `mockex serve`, as a person uses them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from mockex import cli
from mockex.cli import ExitCode
from tests.programs import ending, ready, serving

MOCKEX = [sys.executable, "-m", "mockex"]
DEPTH = "ethusdc@depth5@100ms"
URL = "MOCKEX_ADMIN_URL"
TWO_RESETS = """[[fault]]
at = "100ms"
fault = "Reset"

[[fault]]
after = {events = 3}
fault = "Reset"
all = true
"""


class Client:
    """Somebody's adapter: comes back at once, whatever happens."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self.got = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    async def _main(self) -> None:
        task = asyncio.create_task(self._read())
        while not self._over.is_set():
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _read(self) -> None:
        url = f"{self._url}/public/ws/{DEPTH}"
        while True:
            with suppress(WebSocketException, OSError):
                async with connect(url, proxy=None, close_timeout=0.2) as ws:
                    async for _ in ws:
                        self.got += 1
            await asyncio.sleep(0.02)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def until_live(self) -> None:
        before, limit = self.got, time.monotonic() + 30
        while self.got < before + 2:
            assert time.monotonic() < limit, "no events come"
            time.sleep(0.02)  # its thread counts, and tells nobody


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[dict[str, str], Client]]:
    """A running exchange, and a client of it."""
    with serving() as process:
        facts = ready(process)
        with Client(facts["ws"]) as client:
            yield facts, client
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
        assert re.sub(r"mockex: fault \d+: Reset: nothing live delivers c9999\n", "", told) == ""


@pytest.fixture
def exchange(running: tuple[dict[str, str], Client]) -> dict[str, str]:
    """What the exchange says of itself, once the client gets events."""
    running[1].until_live()
    return running[0]


@pytest.fixture
def at(exchange: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The exchange, named by the environment; calm afterwards."""
    monkeypatch.setenv(URL, exchange["admin"])
    yield exchange
    cli.run(["faults", "clear"])


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; exit code, lines of stdout, stderr."""

    def run(*args: str) -> tuple[int, list[str], str]:
        capsys.readouterr()
        code = cli.run(["faults", *args])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


# --- against a running exchange ---


@pytest.mark.usefixtures("at")
def test_a_fault_is_injected_and_seen(said: Any) -> None:
    code, (injected, seen), err = said("add", "stall", "scope=data")
    assert (code, err) == (ExitCode.OK, "")
    number = injected.removeprefix("injected: fault ").split(",")[0]
    assert injected == f"injected: fault {number}, Stall scope=data"
    assert re.fullmatch(rf"seen: fault {number}, Stall on c\d+ after \d\.\d\d\d s", seen)
    code, (ended,), err = said("clear", number)
    assert (code, ended, err) == (ExitCode.OK, f"ended: fault {number}, Stall scope=data", "")


@pytest.mark.usefixtures("at")
def test_what_is_not_seen_in_time_is_a_failure(said: Any) -> None:
    code, lines, err = said("add", "SlowUpgrade", "ms=5", "--within", "0.1")
    assert (code, err) == (ExitCode.FAILED, "")
    number = lines[0].removeprefix("injected: fault ").split(",")[0]
    assert lines[-1] == (
        f"not seen within 0.1 s: fault {number}, SlowUpgrade; it still waits, "
        f"`mockex faults clear {number}` ends it"
    )
    assert said("add", "SlowUpgrade", "ms=5", "--wait", "no")[0] == ExitCode.OK


@pytest.mark.usefixtures("at")
def test_what_cannot_be_done_is_a_failure_and_says_why(said: Any) -> None:
    assert said("add", "reset", "connection=9999") == (
        ExitCode.FAILED, [], "mockex: Reset: nothing live delivers c9999\n",
    )  # fmt: skip
    code, lines, err = said("add", "latency", "delay_ms=5")
    assert (code, lines) == (ExitCode.FAILED, [])
    assert "Latency is about bytes on a link, and there is none: `mockex serve --toxi" in err
    code, lines, _ = said("add", "reset", "connection=9999", "--when", "after=1")
    assert code == ExitCode.FAILED
    assert lines[-1].endswith("Reset: Reset: nothing live delivers c9999")


@pytest.mark.usefixtures("at")
def test_faults_are_listed_and_ended_together(said: Any) -> None:
    said("add", "stall")
    said("add", "hang-upgrade", "attempts=3", "--wait", "no")
    heads, *lines = said("list")[1]
    assert re.split("  +", heads) == [
        "id", "fault", "phase", "on", "seen", "injected", "connections", "fields", "why not",
    ]  # fmt: skip
    stall, hang = (re.split("  +", line) for line in lines[-2:])
    assert [*stall[1:5], *stall[7:]] == ["Stall", "seen", "on", "1x", "-", "-"]
    assert [*hang[1:5], *hang[6:]] == [
        "HangUpgrade",
        "injected",
        "on",
        "0x",
        "-",
        "attempts=3",
        "-",
    ]
    assert lines[-2].index("seen") == lines[-1].index("injected") == heads.index("phase")
    told = json.loads(said("list", "--json")[1][0])
    assert [one["fault"] for one in told[-2:]] == ["Stall", "HangUpgrade"]
    code, ended, _ = said("clear")
    assert code == ExitCode.OK
    assert [line.split(", ")[1] for line in ended] == ["Stall", "HangUpgrade attempts=3"]
    assert said("clear")[1] == ["nothing was on"]
    assert said("clear", str(told[-1]["id"]))[0] == ExitCode.FAILED
    assert said("clear", "9999")[0] == ExitCode.USAGE


@pytest.mark.usefixtures("at")
def test_what_is_said_is_json_on_request(said: Any) -> None:
    code, (line,), _ = said("add", "stall", "--json")
    told = json.loads(line)
    assert (code, told["fault"], told["times_seen"]) == (ExitCode.OK, "Stall", 1)
    assert json.loads(said("clear", "--json")[1][0])[0]["id"] == told["id"]


def test_the_address_may_be_a_flag(exchange: dict[str, str], said: Any) -> None:
    assert said("list", "--admin", exchange["admin"])[0] == ExitCode.OK


@pytest.mark.usefixtures("at")
def test_a_script_is_followed_to_its_end(said: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(TWO_RESETS)
    code, lines, err = said("run", str(file))
    assert (code, err) == (ExitCode.OK, "")
    told = [re.sub(r"^ *\d+\.\d+ s|\bfault \d+|\bc\d+", "", line).split() for line in lines]
    assert told == [
        ["a.toml:1", ",", "Reset", "injected"],
        ["a.toml:1", ",", "Reset", "seen", "on"],
        ["a.toml:5", ",", "Reset", "injected"],
        ["a.toml:5", ",", "Reset", "seen", "on"],
    ]
    code, lines, _ = said("run", str(file), "--json")
    assert [json.loads(line)["phase"] for line in lines] == ["injected", "seen"] * 2


@pytest.mark.usefixtures("at")
def test_a_script_whose_fault_is_not_seen_is_a_failure(said: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"fault": [{"at": "0s", "fault": "SlowUpgrade", "ms": 1}]}')
    code, lines, _ = said("run", str(file), "--within", "0.3")
    assert code == ExitCode.FAILED
    assert re.fullmatch(rf"{file}: fault \d+ was not seen within 0\.3 s", lines[-1])


def test_a_script_is_left_to_the_exchange_on_request(
    at: dict[str, str], said: Any, tmp_path: Path
) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[[fault]]\nat = "1h"\nfault = "Reset"\n')
    code, (line,), _ = said("run", str(file), "--wait", "no")
    assert code == ExitCode.OK
    assert re.fullmatch(r"started: script \d+, 1 steps", line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_ends_with_the_command(
    at: dict[str, str], said: Any, tmp_path: Path, number: int
) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[[fault]]\nat = "0s"\nfor = "1h"\nfault = "Stall"\n')
    with ending(subprocess.Popen(
        [*MOCKEX, "faults", "run", str(file)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )) as process:  # fmt: skip
        assert process.stdout is not None
        assert "injected" in process.stdout.readline()
        assert json.loads(said("list", "--json")[1][0])[-1]["on"] is True
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (ExitCode.INTERRUPTED, "mockex: interrupted")
    told = json.loads(said("list", "--json")[1][0])
    # What ended it waits for the next event, to show that it did.
    assert not any(one["on"] for one in told if one["fault"] != "Resume")


@pytest.mark.usefixtures("at")
def test_a_script_ends_when_nobody_reads_of_it(said: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[[fault]]\nevery = "100ms"\nfault = "Reset"\n')
    command = f"{' '.join(MOCKEX)} faults run {file} | head -1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    before = len(json.loads(said("list", "--json")[1][0]))
    time.sleep(0.5)  # five turns, if it still went on
    assert len(json.loads(said("list", "--json")[1][0])) == before


@pytest.mark.usefixtures("at")
def test_a_list_into_a_closed_pipe_is_quiet() -> None:
    cli.run(["faults", "add", "stall"])
    command = f"{' '.join(MOCKEX)} faults list | true"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stderr == ""


@pytest.mark.usefixtures("at")
def test_a_terminal_gets_a_table() -> None:
    cli.run(["faults", "add", "stall"])
    ours, theirs = pty.openpty()
    with ending(subprocess.Popen([*MOCKEX, "faults", "list"], stdout=theirs)) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how the end of a terminal is told
            while data := os.read(ours, 4096):
                shown += data
        process.wait(20)
    os.close(ours)
    assert process.returncode == ExitCode.OK
    assert b"why not" in shown
    assert b"Stall" in shown


# --- wrong usage ---


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["add", "rest"], "'rest' is no fault, nearest is 'reset'"),
        (["add", "reset", "al=true"], "al: Reset has no field 'al', nearest is 'all'"),
        (["add", "reset", "all"], "each field once, as name=value"),
        (["add", "reset", "all=true", "all=true"], "each field once, as name=value"),
        (["add", "reset", "all=maybe"], 'all: "maybe" is not usable, expected true or false'),
        (["add", "refused"], "Refused needs ms, a whole number"),
        (["add", "reset", "--when", "soon"], "after=N for events, or every=TIME,times=N"),
        (["add", "reset"], "Give --admin URL or set MOCKEX_ADMIN_URL"),
        (["list"], "Give --admin URL or set MOCKEX_ADMIN_URL"),
        (["lst"], "Did you mean 'list'?"),
        (["types", "lat"], "'lat' is no fault"),
        (["check", "/nowhere/a.toml"], "/nowhere/a.toml: No such file"),
        (["check", "a.yaml"], "a name that ends in .toml or .json"),
        (["list", "--admin", "nonsense"], "--admin: 'nonsense' is not usable"),
        (["list", "--admin", "http://127.0.0.1:x"], "'http://127.0.0.1:x' is not usable"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, said: Any, args: list[str], why: str
) -> None:
    monkeypatch.delenv(URL, raising=False)
    code, lines, err = said(*args)
    assert (code, lines) == (ExitCode.USAGE, [])
    assert why in err
    assert "Traceback" not in err


def test_an_address_where_nobody_answers_is_wrong_usage(said: Any) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        code, _, err = said("list", "--admin", f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert code == ExitCode.USAGE
    assert "as `mockex serve` says it (admin=…): nothing answers there" in err


def test_an_address_where_something_else_answers_is_wrong_usage(
    exchange: dict[str, str], said: Any
) -> None:
    code, _, err = said("list", "--admin", exchange["rest"])
    assert code == ExitCode.USAGE
    assert "Traceback" not in err


def test_an_exchange_that_goes_away_is_said_to_have_gone(said: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[[fault]]\nat = "1h"\nfault = "Reset"\n')
    with serving() as process:
        admin = ready(process)["admin"]
        killer = threading.Timer(1, process.kill)
        killer.start()
        code, _, err = said("run", str(file), "--admin", admin)
        killer.join()
        process.communicate()
    assert code == ExitCode.FAILED
    assert f"{admin}: the exchange has gone, or does not answer" in err


# --- without an exchange ---


def test_a_script_is_checked_without_an_exchange(said: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(TWO_RESETS)
    assert said("check", str(file)) == (
        ExitCode.OK, [f"{file}: 2 steps, seed 0: nothing is wrong"], "",
    )  # fmt: skip
    file.write_text(TWO_RESETS.replace("Reset", "Rest", 1))
    assert said("check", str(file)) == (
        ExitCode.USAGE, [], f"mockex: {file}:3: fault: 'Rest' is no fault, nearest is 'Reset'\n",
    )  # fmt: skip


def test_types_are_listed_and_described(said: Any) -> None:
    lines = [re.split("  +", line) for line in said("types")[1]]
    assert lines[0] == ["fault", "fields", "what"]
    latency = "delay_ms=… [jitter_ms=0] [direction=downstream]"
    assert ["latency", latency, "link; lasts"] in lines
    code, lines, _ = said("types", "Latency")
    assert code == ExitCode.OK
    assert lines[0] == "Latency, or latency"
    cells = [re.split("  +", line) for line in lines]
    assert ["field", "is", "unit", "default", "about"] in cells
    assert ["delay_ms", "a whole number", "ms", "needed", "-"] in cells
    told = json.loads(said("types", "stall", "--json")[1][0])
    assert (told["name"], told["lasts"], told["on_link"]) == ("Stall", True, False)


# --- serve ---


def test_serve_plays_a_script_and_tells_what_could_not_be_done(tmp_path: Path) -> None:
    file, journal = tmp_path / "a.toml", tmp_path / "journal.jsonl"
    file.write_text('[[fault]]\nat = "100ms"\nfault = "Reset"\n')
    with serving(
        "--faults", str(file), "--journal", str(journal), "--exit-after", "0.5"
    ) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.OK
    assert err == f"mockex: {file}:1: Reset: nothing live delivers any stream\n"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [e["phase"] for e in entries if e["type"] == "faulted"] == ["injected", "ended"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--faults", "bad.toml"], "bad.toml:2: at: 5 is not usable"),
        (["--faults", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--admin-port", "4711", "--no-admin"], "--admin-port: 4711 is not usable"),
        (["--admin-port", "4711", "--port", "4711"], "--admin-port: 4711 is not usable"),
        (["--link", "latency=80"], "latency=80"),
        (["--link", "latency=80ms", "--toxiproxy", "off"], "--toxiproxy: 'off' is not usable"),
        (["--toxiproxy", "http://192.0.2.1:8474"], "192.0.2.1"),
    ],
)
def test_serve_refuses_before_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text('[[fault]]\nat = 5\nfault = "Reset"\n')
    assert cli.run(["serve", "--exit-after", "0.1", *flags]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_taken_admin_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ["--admin-port", str(port), "--exit-after", "0.1"]
        assert cli.run(["serve", *flags]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, str(port) in err, "in use" in err) == ("", True, True)


def test_serve_without_a_toxiproxy_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MOCKEX_TOXIPROXY_URL", "MOCKEX_TOXIPROXY_BIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MOCKEX_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.run(["serve", "--link", "latency=5ms", "--exit-after", "0.1"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "no Toxiproxy" in err


@pytest.mark.toxiproxy
def test_a_script_of_the_link_is_played_on_a_real_line(said: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        '[[fault]]\nat = "100ms"\nuntil = "600ms"\nfault = "Latency"\ndelay_ms = 50\n'
        '[[fault]]\nafter = "1s"\nfor = "500ms"\nfault = "Hold"\n'
        '[[fault]]\nafter = "1s"\nfault = "ResetLink"\n'
    )
    with serving("--link", "latency=5ms,ends=reset") as process:
        facts = ready(process)
        with Client(facts["ws"]) as client:
            client.until_live()
            code, lines, err = said("run", str(file), "--admin", facts["admin"])
            assert (code, err) == (ExitCode.OK, "")
            assert [line.split("  ")[-1].split(" on ")[0] for line in lines] == [
                "injected", "seen", "ended", "injected", "seen", "ended", "injected", "seen",
            ]  # fmt: skip
            client.until_live()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[1] == ""


def test_no_admin_api_is_served_on_request() -> None:
    with serving("--no-admin", "--exit-after", "0.1") as process:
        assert set(ready(process)) == {"ws", "rest", "seed", "pid"}
        assert process.wait(30) == ExitCode.OK


def test_neither_help_nor_the_package_import_the_web() -> None:
    program = (
        "import sys; from mockex.cli import run; run(['--help']); run(['faults', 'types']);"
        "sys.exit(bool({'fastapi', 'starlette', 'pydantic', 'uvicorn', 'httpx2'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
