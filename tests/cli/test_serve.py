"""`mockex serve` as a person starts it: the ready line, what it takes, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from mockex.cli import ExitCode
from mockex.profile import SPOT
from tests.market.capturing import lines_of
from tests.programs import SERVE, ending, first_line, serving

READY = re.compile(
    r"mockex ready ws=ws://127\.0\.0\.1:(\d+) rest=http://127\.0\.0\.1:(\d+) "
    r"admin=http://127\.0\.0\.1:(\d+) seed=(\d+) pid=(\d+)"
)


def serve(*flags: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVE, *flags],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | (env or {}),
        check=False,
    )


def test_an_exchange_that_may_open_no_more_files_says_so_once_and_goes_on() -> None:
    command = ["sh", "-c", 'ulimit -n 20; exec "$@"', "sh", *SERVE, "--no-admin", "--plain"]
    with ending(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ) as process:
        ws = urlsplit(first_line(process).split()[2].removeprefix("ws="))
        assert ws.port is not None
        assert process.stderr is not None
        with ExitStack() as clients:
            for _ in range(30):
                clients.enter_context(socket.create_connection(("127.0.0.1", ws.port)))
            said = process.stderr.readline()
            assert said == "mockex: this machine: too many open files: raise `ulimit -n`\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_the_ready_line_names_ports_that_answer_and_the_seed() -> None:
    with serving("--seed", "11", "--profile", "spot") as process:
        match = READY.fullmatch(first_line(process).strip())
        assert match is not None
        assert (int(match[4]), int(match[5])) == (11, process.pid)
        for port in (match[1], match[2], match[3]):
            socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (ExitCode.OK, "", "")


def test_the_ready_line_is_json_on_request_and_is_written_to_the_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    done = serve("--json", "--ready-file", str(ready), "--exit-after", "0.1")
    assert done.returncode == ExitCode.OK
    facts = json.loads(done.stdout)
    assert set(facts) == {"ws", "rest", "admin", "seed", "pid"}
    assert json.loads(ready.read_text()) == facts
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]


def test_a_ready_file_of_an_earlier_run_does_not_survive_a_failed_start(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ready.write_text("mockex ready of yesterday\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert serve("--port", port, "--ready-file", str(ready)).returncode == ExitCode.USAGE
    assert not ready.exists()


@pytest.mark.parametrize("flag", ["--port", "--rest-port"])
def test_a_taken_port_is_named(flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = serve(flag, port)
    assert done.returncode == ExitCode.USAGE
    assert port in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_ctrl_c_is_an_interruption_without_a_traceback() -> None:
    with serving() as process:
        first_line(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == ExitCode.INTERRUPTED
    assert err.strip() == "mockex: interrupted"


def test_settings_come_from_the_environment_too() -> None:
    done = serve(
        "--exit-after", "0.1", env={"MOCKEX_SERVE_SEED": "23", "MOCKEX_SERVE_PROFILE": "spot"}
    )
    assert done.returncode == ExitCode.OK
    assert " seed=23 " in done.stdout


def test_a_journal_is_written_from_the_first_entry_on(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    done = serve("--journal", str(journal), "--exit-after", "0.3", "--seed", "3")
    assert done.returncode == ExitCode.OK
    first = json.loads(journal.read_text().splitlines()[0])
    assert (first["type"], first["seed"], first["profile"]) == ("opened", 3, "usdm")


def test_a_journal_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    journal = tmp_path / "nowhere" / "journal.jsonl"
    done = serve("--journal", str(journal))
    assert done.returncode == ExitCode.USAGE
    assert str(journal) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_journal_that_the_disk_takes_no_more_of_is_said_at_once_and_at_the_end() -> None:
    done = serve("--journal", "/dev/full", "--exit-after", "0.5")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout.startswith("mockex ready ")
    assert done.stderr.splitlines() == [
        "/dev/full: No space left on device; the journal in it ends here",
        "mockex: /dev/full: No space left on device",
    ]


def test_a_closed_stdout_does_not_end_the_exchange_and_is_quiet(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [*SERVE, "--exit-after", "0.3", "--ready-file", str(ready)],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (ExitCode.OK, "")
    assert ready.exists()


def test_help_into_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([*SERVE, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    _, err = process.communicate(timeout=20)
    assert err == ""


def test_a_capture_is_played_with_its_own_symbols(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"".join(lines_of(SPOT, ["ethusdc@trade"], until_ms=3000)))
    flags = ("--profile", "spot", "--market", f"replay:{path}", "--once")
    done = serve(*flags, "--exit-after", "0.2")
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    path.write_bytes(path.read_bytes()[:-20])
    done = serve(*flags, "--exit-after", "0.2")
    assert done.returncode == ExitCode.USAGE
    assert re.fullmatch(rf"mockex: {path}:\d+: cut: the last line is not complete\n", done.stderr)
    done = serve(*flags, "--lenient", "--exit-after", "0.2")
    assert done.returncode == ExitCode.OK
    assert "cut: the last line is not complete" in done.stderr


def test_a_capture_of_the_other_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"".join(lines_of(SPOT, ["ethusdc@depth"], until_ms=3000)))
    done = serve("--profile", "usdm", "--market", f"replay:{path}")
    assert done.returncode == ExitCode.USAGE
    assert f"{path}:1: another profile: this is spot" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--market", "sideways"],
            "'sideways' is not usable, expected one of walk, steady, frozen, replay:FILE",
        ),
        (["--market", "replay:/nowhere/x.ndjson"], "/nowhere/x.ndjson: No such file"),
        (["--once"], "--loop/--once: False is not usable, expected --market replay:FILE"),
        (["--lenient"], "--lenient: True is not usable, expected --market replay:FILE"),
        (
            ["--market", "steady", "--rate", "2"],
            "--rate: 2.0 is not usable, expected --market walk",
        ),
        (["--market", "replay:x", "--volatility", "2"], "expected --market walk"),
        (["--market", "replay:x", "--symbols", "AUSDT"], "a replay has those of its capture"),
        (["--authority", "x.pem"], "--tls beside it"),
        (["--volatility", "11"], "11.0 is not in the range"),
    ],
)
def test_what_would_change_nothing_or_cannot_be_is_refused(flags: list[str], said: str) -> None:
    done = serve(*flags)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_setting_of_another_market_in_the_file_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mockex.toml").write_text("[serve]\nrate = 2.0\n")
    monkeypatch.chdir(tmp_path)
    assert serve("--market", "frozen", "--exit-after", "0.1").returncode == ExitCode.OK
    assert serve("--market", "frozen", "--rate", "2").returncode == ExitCode.USAGE


def test_tls_leaves_the_authority_and_says_how_to_trust_it(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    done = serve("--tls", "--authority", str(authority), "--exit-after", "0.2")
    assert done.returncode == ExitCode.OK
    assert done.stdout.startswith("mockex ready ws=wss://127.0.0.1:")
    assert authority.read_text().startswith("-----BEGIN CERTIFICATE-----")
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert f"export {name}={authority}" in done.stderr


def test_a_thousand_seconds_in_one_are_so_many_steps_or_said_to_be_late(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with serving("--profile", "spot", "--speed", "1000", "--journal", str(journal)) as process:
        url = first_line(process).split()[2].removeprefix("ws=")
        with connect(f"{url}/ws/ethusdc@kline_1m", proxy=None) as client:
            opens = [json.loads(client.recv(timeout=10))["k"]["t"] for _ in range(60)]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert opens == sorted(opens)
    assert opens[-1] > opens[0], "60 events of 2 s each are two minutes"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    steps = [e["step"] for e in entries if e["type"] == "delivered"]
    assert [after - before for before, after in pairwise(steps)] == [20] * (len(steps) - 1)
