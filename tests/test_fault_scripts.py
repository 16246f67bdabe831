"""docs/fault-scripts.md: its scripts are read, its outputs and its session are what is seen.

A fence ` ```toml script FILE ` is a script, ` ```text output COMMAND ` what a command says of one,
` ```text session ` what is said at a running exchange, where times, numbers and connections differ;
` ```text shows FILE ` is what a ` ```python program FILE ` prints.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mockex import cli
from tests.cli.test_faults import DEPTH, URL, Client
from tests.programs import ready, serving

PAGE = Path(__file__).resolve().parents[1] / "docs" / "fault-scripts.md"


def fences(kind: str) -> dict[str, str]:
    """The fences of one kind, by what follows it."""
    found = re.findall(
        rf"^```\w+ {kind} ?(.*)\n((?:.*\n)*?)```$", PAGE.read_text(encoding="utf-8"), re.M
    )
    return dict(found)


SCRIPTS, OUTPUTS = fences("script"), fences("output")
PROGRAMS, SHOWN = fences("program"), fences("shows")
(SESSION,) = fences("session").values()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the scripts of the page."""
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def plain(text: str) -> list[str]:
    """What is the same each time."""
    for changing, same in (
        (r"\d+\.\d{3}", "N"), (r"\bc\d\b", "cN"), (r"fault \d+", "fault N"), (r"(?m)^\d+ ", "N "),
        (r"(?m)^ +", ""), (r"clear \d+", "clear N"),
    ):  # fmt: skip
        text = re.sub(changing, same, text)
    return text.splitlines()


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_command_says_what_the_page_says(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run(shlex.split(command)[1:])
    out, err = capsys.readouterr()
    assert out + err == OUTPUTS[command]


def test_the_session_is_what_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert DEPTH in SCRIPTS["disturbed.toml"]
    said = ""
    with serving() as process:
        facts = ready(process)
        monkeypatch.setenv(URL, facts["admin"])
        with Client(facts["ws"]) as client:
            client.until_live()
            for line in SESSION.splitlines():
                if line.startswith("$ "):
                    cli.run(shlex.split(line)[2:])
                    out, err = capsys.readouterr()
                    said += f"{line}\n{out}{err}"
        process.terminate()
        process.communicate(timeout=30)
    assert plain(said) == plain(SESSION)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_the_page_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PROGRAMS[name], name, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == SHOWN[name]


def test_the_page_names_every_key_and_every_fault_that_lasts() -> None:
    from mockex.faults.catalogue import LASTING
    from mockex.faults.script import KEYS

    page = PAGE.read_text(encoding="utf-8")
    missing = [n for n in (*KEYS, *(kind.__name__ for kind in LASTING)) if f"`{n}`" not in page]
    assert missing == []
