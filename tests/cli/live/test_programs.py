"""Which program holds the other end of a connection."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mockex.cli.live.programs import Programs, named
from tests.programs import ending

DIAL = """
import socket, sys
connections = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(2)]
print(*(each.getsockname()[1] for each in connections), flush=True)
sys.stdin.read()
"""


def test_the_program_at_the_other_end_of_a_connection_is_found(tmp_path: Path) -> None:
    script = tmp_path / "bot.py"
    script.write_text(DIAL)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with ending(
            subprocess.Popen(
                [sys.executable, str(script), str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        ) as bot:
            assert bot.stdout is not None
            ports = [int(word) for word in bot.stdout.readline().split()]
            programs = Programs()
            programs.look(ports[:1])
            programs.look(ports[1:])  # by now the program is known
            first, second = (programs.of(each) for each in ports)
            bot.communicate("")
        programs.look(ports)
        assert [programs.of(each) for each in ports] == [None, None]
    assert first is not None
    assert (first.pid, first.name.endswith(" bot.py")) == (bot.pid, True)
    assert second == first


def test_a_port_that_nobody_has_is_of_no_program() -> None:
    programs = Programs()
    programs.look([1])
    assert programs.of(1) is None


def test_whose_a_port_is_stays_unknown_while_no_more_files_may_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lacks(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(psutil, "net_connections", lacks)
    programs = Programs()
    programs.look([1])
    assert programs.of(1) is None


def test_where_nobody_is_found_all_are_asked_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = Programs()
    asked: list[set[int]] = []
    monkeypatch.setattr(programs, "_look_everywhere", asked.append)
    for turn in range(20):
        programs.look([turn])
    assert asked == [{turn} for turn in (0, 1, 2, 3, 4, 5, 7, 10, 14, 19)]


def test_a_connection_of_our_own_process_is_of_no_program() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as here,
    ):
        programs = Programs()
        programs.look([here.getsockname()[1]])
        assert programs.of(here.getsockname()[1]) is None


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        ("python3.11", ["/usr/bin/python3.11", "bots/bot.py", "--fast"], "python3.11 bot.py"),
        ("node", ["node", "/srv/app.js"], "node app.js"),
        ("python3.11", ["python3.11", "-m", "bot"], "python3.11"),
        ("bot", ["/usr/local/bin/bot", "config.toml"], "bot"),
        ("python3.11", [], "python3.11"),
    ],
)
def test_an_interpreter_is_called_by_what_it_runs(name: str, command: list[str], said: str) -> None:
    assert named(name, command) == said
