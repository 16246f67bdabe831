"""The command line: exit codes, messages, the ready line."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from websockets.sync.client import connect

from mockex import cli
from mockex.cli import ExitCode
from mockex.cli.settings_shown import config_lines
from mockex.errors import ConfigError, MachineLacks
from mockex.profile import SPOT
from tests.market.capturing import lines_of
from tests.programs import ending

NO_PROCESS = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # what fork says
SERVE = [sys.executable, "-m", "mockex", "serve"]
READY = re.compile(
    r"mockex ready ws=ws://127\.0\.0\.1:(\d+) rest=http://127\.0\.0\.1:(\d+) "
    r"admin=http://127\.0\.0\.1:(\d+) seed=(\d+) pid=(\d+)"
)


def serving(
    *flags: str, env: dict[str, str] | None = None
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A running `mockex serve`."""
    return ending(
        subprocess.Popen(
            [*SERVE, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (env or {}),
        )
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


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_an_exchange_that_may_open_no_more_files_says_so_once_and_goes_on() -> None:
    command = ["sh", "-c", 'ulimit -n 20; exec "$@"', "sh", *SERVE, "--no-admin", "--plain"]
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
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


# --- usage ----------------------------------------------------------------------------------------


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == ExitCode.OK
    assert re.fullmatch(r"mockex \S+\n", capsys.readouterr().out)


def test_help_and_version_import_nothing_heavy() -> None:
    """What is here would each cost a tenth of the time in which help must come, or more."""
    heavy = ("asyncio", "fastapi", "h11", "httpx2", "jinja2", "mockex.faults", "mockex.server",
             "mockex.cli.serve", "mockex_conformance", "msgspec", "psutil", "rich", "ssl",
             "websockets")  # fmt: skip
    for flag in ("--help", "--version"):
        program = (
            "import sys; from mockex import cli; code = cli.run(sys.argv[1:2]); "
            "print(*(name for name in sys.argv[2:] if name in sys.modules), file=sys.stderr); "
            "sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, flag, *heavy],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == ExitCode.OK
        assert done.stderr.split() == []


@pytest.mark.parametrize("columns", ["80", "40"])
def test_help_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert cli.run(["--help"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    if columns == "80":
        assert len(lines) < 24


def every_command(
    command: click.Command = cli.cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands and groups below `command`, with the words that call each."""
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from every_command(inner, (*path, name))


@pytest.mark.parametrize("columns", [80, 40])
def test_the_help_of_every_command_fits_a_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    seen = set()
    for path, command in every_command():
        assert cli.run([*path, "--help"]) == ExitCode.OK
        text, _, examples = capsys.readouterr().out.partition("\nExamples:\n")
        lines = text.splitlines()
        assert [line for line in lines if len(line) > columns] == [], path
        if columns == 80:
            assert len(lines) + len(examples.splitlines()) + 2 * bool(examples) <= 40, path
        options = [o for o in command.params if isinstance(o, click.Option) and not o.hidden]
        named = {name for option in options for name in option.opts if name.startswith("--")}
        if path:
            assert [name for name in sorted(named) if name not in text] == [], path
        seen.add(path)
    assert {("serve",), ("conform",), ("faults", "check"), ("report", "badge")} <= seen


def test_help_lists_own_commands_and_those_of_the_entry_points(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["--help"]) == ExitCode.OK
    output = capsys.readouterr().out
    for command in ("serve", "conform", "judge", "demo"):
        assert re.search(rf"^  {command} ", output, re.MULTILINE), command


@pytest.mark.parametrize(
    ("args", "nearest"),
    [
        (["serve", "--prot", "1"], "--port"),
        (["serve", "--rest_port", "1"], "--rest-port"),
        (["srve"], "serve"),
        (["conforn", "x"], "conform"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_that_does(
    capsys: pytest.CaptureFixture[str], args: list[str], nearest: str
) -> None:
    assert cli.run(args) == ExitCode.USAGE
    assert nearest in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "args",
    [
        ["serve", "--profile", "margin"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "many"],
        ["serve", "--market", "bull"],
        ["serve", "--speed", "0"],
        ["serve", "--exit-after", "-1"],
        ["serve", "--symbols", " , "],
        ["serve", "surplus"],
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage_and_is_named(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert cli.run(args) == ExitCode.USAGE
    message = capsys.readouterr().err
    assert args[-1].strip(" ,") in message
    assert "Traceback" not in message


def test_one_port_for_both_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["serve", "--port", "4711", "--rest-port", "4711"]) == ExitCode.USAGE
    assert "4711" in capsys.readouterr().err


def test_a_journal_that_holds_something_is_not_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "old.jsonl"
    journal.write_text("precious\n")
    assert cli.run(["serve", "--journal", str(journal)]) == ExitCode.USAGE
    assert str(journal) in capsys.readouterr().err
    assert journal.read_text() == "precious\n"


# --- how commands end -----------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException | int]]:
    """`mockex act` ends with what is in the list: an exception, or an exit code."""
    ends: list[BaseException | int] = []

    @click.command()
    @click.option("--how-often", type=int, default=0)
    @click.pass_context
    def act(ctx: click.Context, how_often: int) -> None:
        click.echo(f"often={how_often}")
        end = ends[0]
        if isinstance(end, int):
            ctx.exit(end)
        raise end

    cli.cli.add_command(act)
    yield ends
    del cli.cli.commands["act"]


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        (0, ExitCode.OK, ""),
        (7, ExitCode.UNJUDGED, ""),
        (ConfigError("--x", "y", "z"), ExitCode.USAGE, "--x: 'y' is not usable, expected z"),
        (click.UsageError("not so"), ExitCode.USAGE, "not so"),
        (click.Abort(), ExitCode.INTERRUPTED, "interrupted"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
        (FileNotFoundError(2, "No such file", "a.toml"), ExitCode.USAGE, "a.toml: No such file"),
        (OSError(28, "No space left"), ExitCode.USAGE, "the output: No space left"),
        (OSError(28, "No space left", "j.jsonl"), ExitCode.USAGE, "j.jsonl: No space left"),
        (OSError(5, "Input/output error"), ExitCode.BROKE, "Input/output error"),
        (ZeroDivisionError("by 0"), ExitCode.BROKE, "ZeroDivisionError: by 0"),
    ],
)
def test_every_end_has_its_code_and_at_most_a_message(
    command: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    end: BaseException | int,
    code: ExitCode,
    message: str,
) -> None:
    command.append(end)
    assert cli.run(["act"]) == code
    output = capsys.readouterr().err
    assert message in output
    assert bool(output.strip()) == bool(message)
    assert "Traceback" not in output


def test_a_traceback_is_shown_on_request_only(
    command: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOCKEX_TRACEBACK", "1")
    command.append(ZeroDivisionError("by 0"))
    assert cli.run(["act"]) == ExitCode.BROKE
    assert "Traceback" in capsys.readouterr().err


def test_every_flag_is_an_environment_variable(
    command: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOCKEX_ACT_HOW_OFTEN", "5")
    command.append(0)
    assert cli.run(["act"]) == ExitCode.OK
    assert capsys.readouterr().out == "often=5\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, below one that can have a mockex.toml."""
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    return inner


def test_a_flag_goes_before_a_variable_that_before_the_file_and_that_before_the_default(
    command: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    command.append(0)

    def often(*flags: str) -> str:
        assert cli.run(["act", *flags]) == ExitCode.OK
        return capsys.readouterr().out.strip()

    assert often() == "often=0"
    (folder.parent / "mockex.toml").write_text("[act]\nhow-often = 3\n")
    assert often() == "often=3"
    monkeypatch.setenv("MOCKEX_ACT_HOW_OFTEN", "5")
    assert often() == "often=5"
    assert often("--how-often", "7") == "often=7"


def test_another_settings_file_is_named_by_flag_or_variable(
    command: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    command.append(0)
    (folder / "mockex.toml").write_text("[act]\nhow_often = 3\n")
    (folder / "ci.toml").write_text("[act]\nhow_often = 4\n")
    assert cli.run(["--config", "ci.toml", "act"]) == ExitCode.OK
    monkeypatch.setenv("MOCKEX_CONFIG", "ci.toml")
    assert cli.run(["act"]) == ExitCode.OK
    assert capsys.readouterr().out == "often=4\noften=4\n"
    monkeypatch.setenv("MOCKEX_CONFIG", "gone.toml")
    assert cli.run(["act"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "mockex: gone.toml: No such file or directory\n"


@pytest.mark.parametrize(
    "text", ["[act", "[akt]\n", "[act]\nhow_oft = 3\n", "[act]\nhow_often = 'x'\n"]
)
def test_a_settings_file_that_cannot_be_is_wrong_usage_but_never_bars_the_help(
    command: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    text: str,
) -> None:
    command.append(0)
    (folder / "mockex.toml").write_text(text)
    assert cli.run(["act"]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.err.startswith(f"mockex: {folder / 'mockex.toml'}:")
    assert said.out == ""
    assert cli.run(["act", "--help"]) == ExitCode.OK
    assert "--how-often" in capsys.readouterr().out


def test_every_setting_is_shown_with_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    assert f"settings file: no mockex.toml in {folder} or above it" in config_lines(False)
    file = folder / "mockex.toml"
    file.write_text("[serve]\nprofile = 'spot'\n\n[conform]\ncase = ['HB-01']\n")
    monkeypatch.setenv("MOCKEX_CONFORM_SEED", "9")
    (line,) = config_lines(True)
    shown = json.loads(line)
    assert shown["file"] == str(file)
    found = {(one["command"], one["key"]): one for one in shown["settings"]}
    assert found["serve", "profile"] == {
        "command": "serve",
        "key": "profile",
        "value": "spot",
        "where": f"{file}:2",
        "variable": "MOCKEX_SERVE_PROFILE",
    }
    assert found["conform", "case"]["value"] == ["HB-01"]
    assert found["conform", "seed"]["where"] == "MOCKEX_CONFORM_SEED"
    assert found["serve", "seed"]["where"] == "default"
    told = [line.split() for line in config_lines(False)]
    assert ["conform", "case", "HB-01", f"{file}:5"] in told
    assert ["serve", "seed", "7", "MOCKEX_SERVE_SEED"] in told


def test_the_settings_of_every_command_are_checked_to_be_shown(folder: Path) -> None:
    (folder / "mockex.toml").write_text("[faults.add]\nwithn = 3\n")
    with pytest.raises(ConfigError, match=r"unknown key in \[faults\.add\]"):
        config_lines(False)


def test_a_command_whose_package_cannot_be_imported_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = EntryPoint("gone", "mockex_gone.cli:gone", cli.GROUP)
    monkeypatch.setattr(cli, "entry_points", lambda **_: [entry])
    assert cli.run(["gone"]) == ExitCode.BROKE
    assert "mockex_gone" in capsys.readouterr().err


# --- serve ----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("args", [["--help"], ["cases"], ["cases", "--json"], ["faults", "types"]])
def test_output_that_the_disk_does_not_take_is_one_message(args: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mockex", *args],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "mockex: the output: No space left on device\n"


def test_stderr_on_a_full_disk_stops_nothing_and_changes_no_exit_code(tmp_path: Path) -> None:
    run = ["conform", "reference", "--ground", "virtual", "--case", "CONN-01", "--profile", "spot"]
    codes = []
    with Path("/dev/full").open("w") as full:
        for args in (["bogus"], [*run, "--out", str(tmp_path / "out")]):
            done = subprocess.run(
                [sys.executable, "-m", "mockex", *args],
                stdout=subprocess.PIPE, stderr=full, timeout=60, check=False,
            )  # fmt: skip
            codes.append(done.returncode)
    assert codes == [ExitCode.USAGE, ExitCode.OK]
    assert (tmp_path / "out" / "report.html").exists()


GONE_LATER = """
import sys
from mockex import cli
from tests.programs import ending
run = cli.run
cli.run = lambda: [print("begun"), sys.stdin.read(), run()][-1]
cli.main()
"""


def test_a_terminal_that_has_gone_away_is_no_failure() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", GONE_LATER, "faults", "types"],
        stdin=subprocess.PIPE, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    assert os.read(ours, 100) == b"begun\r\n"
    os.close(ours)
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.OK


def test_what_others_wrote_is_text_and_no_order_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "a\x1b]0;mine\x07\x9b31m\u202eb\tc\nd"
    cli.say(words)
    cli.complain(words)
    shown = "a?]0;mine??31m?b\tc\nd\n"
    assert tuple(capsys.readouterr()) == (shown, f"mockex: {shown}")


@pytest.mark.parametrize(
    "args",
    [["--help"], ["cases"], ["cases", "explain", "HB-01"], ["faults", "types", "hold"], ["naïve"]],
)
def test_a_locale_without_utf_8_costs_characters_at_most(args: list[str]) -> None:
    ascii_ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "mockex", *args],
        capture_output=True, timeout=60, check=False, env=os.environ | ascii_,
    )  # fmt: skip
    assert done.returncode == (ExitCode.USAGE if args == ["naïve"] else ExitCode.OK)
    assert b"broke" not in done.stderr
    if args[0] == "cases":  # what rich prints; click takes such a locale for a mistake
        assert done.stdout.isascii()


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


def test_started_without_stdout_and_stderr_it_still_works() -> None:
    command = f"exec {sys.executable} -m mockex cases >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 0


def test_help_into_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([*SERVE, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    _, err = process.communicate(timeout=20)
    assert err == ""


# --- markets, time and TLS ------------------------------------------------------------------------


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


def test_a_setting_of_another_market_in_the_file_is_no_mistake(folder: Path) -> None:
    (folder / "mockex.toml").write_text("[serve]\nrate = 2.0\n")
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


INTERRUPTED_EARLY = """
import runpy, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "mockex.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
runpy.run_module("mockex", run_name="__main__")
"""


INTERRUPTED_LATE = """
import runpy, sys, mockex.cli
def late():
    raise KeyboardInterrupt
mockex.cli.main = late
runpy.run_module("mockex", run_name="__main__")
"""


@pytest.mark.parametrize("program", [INTERRUPTED_EARLY, INTERRUPTED_LATE])
def test_ctrl_c_before_and_after_what_is_asked_for_is_no_traceback(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NO_PROCESS, "this machine: no more processes may be started: raise `ulimit -u`"),
        (OSError(errno.EMFILE, ""), "this machine: too many open files: raise `ulimit -n`"),
        (OSError(errno.ENOMEM, ""), "this machine: no memory is left: raise `ulimit -v`"),
        (MemoryError(), "this machine: no memory is left: raise `ulimit -v`"),
        (OSError(errno.EFBIG, "File too large"), "the output: File too large"),
    ],
)
def test_what_the_machine_lacks_is_named_and_no_bug_of_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def lacks() -> None:
        raise error

    monkeypatch.setitem(cli.cli.commands, "lacks", click.Command("lacks", callback=lacks))
    assert cli.run(["lacks"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"mockex: {said}")


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(("name", "flags"), [("stdout", ["--version"]), ("stderr", ["nothing"])])
def test_a_full_pipe_that_does_not_wait_for_its_reader_is_waited_for(
    name: str, flags: list[str], buffered: bool
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += os.write(writer, b"." * 4096)
    with ending(
        subprocess.Popen(
            [sys.executable, "-m", "mockex", *flags],
            **{name: writer},  # type: ignore[call-overload]
            env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        )
    ) as process:
        os.close(writer)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)  # as it would wait for any reader
        with open(reader, "rb") as pipe:
            said = pipe.read()[filled:]
        process.wait(20)
    assert said.startswith(b"mockex ") if name == "stdout" else b"No such command" in said
    assert process.returncode == (ExitCode.OK if name == "stdout" else ExitCode.USAGE)


def test_a_pipe_that_does_not_wait_is_no_lack_of_processes() -> None:
    assert MachineLacks.says(NO_PROCESS)
    assert not MachineLacks.says(
        BlockingIOError(errno.EAGAIN, "write could not complete without blocking", 0)
    )
