"""The command line: exit codes, messages, and where its output goes."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex.cli.settings_shown import config_lines
from mockex.errors import ConfigError, MachineLacks
from tests.programs import ending

NO_PROCESS = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # what fork says


# --- usage ---


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


# --- how commands end ---


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


def test_started_without_stdout_and_stderr_it_still_works() -> None:
    command = f"exec {sys.executable} -m mockex cases >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 0


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
