"""Completion: what is offered for each word, and that real shells offer it at a Tab."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from mockex import cli
from mockex.cli import ExitCode
from mockex.cli.completion import INSTALLED
from mockex_conformance.case import all_cases
from mockex_conformance.schema import names

WITHIN_S = 60.0
CASES = [case.number for case in all_cases().values()]


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    shell = BashComplete(cli.cli, {}, "mockex", "_MOCKEX_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["con"], ["conform"]),
        (["faults", "ad"], ["add"]),
        (["report", "me"], ["merge"]),
        (["conform", "--only"], ["--only-failed"]),
        (["conform", "--case", "HB-0"], [n for n in CASES if n.startswith("HB-0")]),
        (["conform", "--exclude", "hb-01"], ["HB-01"]),
        (["cases", "explain", "connection/one-loss"], ["connection/one-loss-then-nothing"]),
        (["conform", "--profile", ""], ["spot", "usdm"]),
        (["conform", "--severity", "mu"], ["must"]),
        (["serve", "--profile", "usdm"], ["usdm", "usdm-2026-11"]),
        (["conform", "incident-python-b"], ["incident-python-bug"]),
        (["explore", "two-ow"], ["two-owners"]),
        (["faults", "add", "hol"], ["hold"]),
        (["faults", "types", "reset"], ["reset", "reset-link"]),
        (["schema", "testee-"], ["testee-hears", "testee-says"]),
        (["init", "--lang", "py"], ["python"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_a_word_is_completed_by_what_there_is(words: list[str], offers: list[str]) -> None:
    found = [offer.casefold() for offer in offered(*words)]
    assert sorted(found) == sorted(offer.casefold() for offer in offers)


def test_every_command_case_and_schema_is_offered() -> None:
    assert {"conform", "serve", "doctor", "completion"} <= set(offered(""))
    assert offered("conform", "--case", "") == CASES
    assert offered("schema", "") == list(names())


def test_where_nothing_of_ours_fits_the_shell_looks_for_files() -> None:
    shell = BashComplete(cli.cli, {}, "mockex", "_MOCKEX_COMPLETE")
    for words in (
        ["conform", "./x"],
        ["serve", "--journal", ""],
        ["serve", "--profile", "./"],
        ["judge", ""],
    ):
        (item,) = shell.get_completions(words[:-1], words[-1])
        assert item.type == "file", words


@pytest.mark.parametrize("name", INSTALLED)
def test_the_script_says_how_it_is_installed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["completion", name]) == ExitCode.OK
    script = capsys.readouterr().out
    assert f"mockex completion {name}" in script
    assert script.startswith("#compdef mockex\n" if name == "zsh" else "# For every shell")


def test_a_shell_that_is_not_known_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["completion", "bsh"]) == ExitCode.USAGE
    assert "Did you mean 'bash'?" in capsys.readouterr().err


# --- real shells ----------------------------------------------------------------------------------


class Terminal:
    """A shell at a terminal, typed into."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.screen = ""
        bin_ = Path(sys.executable).parent
        env = {
            "HOME": str(home),
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "PS1": "$ ",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, env)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, pattern: str) -> str:
        """What stands on the screen once it shows this; it is cleared."""
        end = time.monotonic() + WITHIN_S
        while not re.search(pattern, self.screen):
            assert time.monotonic() < end, f"no {pattern!r} on\n{self.screen}"
            if select.select([self._fd], [], [], 0.2)[0]:
                self.screen += os.read(self._fd, 65536).decode(errors="replace")
        seen, self.screen = self.screen, ""
        return seen

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)


@pytest.fixture
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    command: list[str] = request.param
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    terminal = Terminal(command, tmp_path)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("shell", [["bash", "--norc", "--noprofile", "-i"]], indirect=True)
def test_bash_completes_at_a_tab(shell: Terminal) -> None:
    shell.type('eval "$(mockex completion bash)"; echo rea""dy\n')
    shell.until("ready")
    shell.type("mockex conf\t")
    shell.until("mockex conform ")
    shell.type("two-ow\t")
    shell.until("two-owners ")
    shell.type("--case HB-0\t\t")
    assert "HB-02" in shell.until("HB-01.*HB-03")


@pytest.mark.parametrize("shell", [["zsh", "-f", "-i"]], indirect=True)
def test_zsh_completes_at_a_tab(shell: Terminal) -> None:
    shell.type("autoload -U compinit && compinit -u -D; setopt no_beep\n")
    shell.type('eval "$(mockex completion zsh)"; echo rea""dy\n')
    shell.until("ready")
    shell.type("mockex conf\t")
    shell.until("mockex conform ")
    shell.type("two-ow\t")
    shell.until("two-owners ")
    shell.type("--case HB-0\t\t")
    assert "-- " in shell.until(r"HB-01[\s\S]*HB-03"), "with what each requires"


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes(tmp_path: Path) -> None:
    script = "mockex completion fish | source"
    for words in ("mockex conf", "mockex schema verd"):
        script += f"; complete -C '{words}'"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
        env={"PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["conform", "verdict"]
