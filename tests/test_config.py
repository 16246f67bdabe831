"""`mockex.toml`: found, read, checked, and where each value comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from mockex import config
from mockex.config import Settings
from mockex.errors import ConfigError


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0)
@click.option("--speed", type=click.FloatRange(0.001), default=1.0)
@click.option("--rest-port", type=int)
@click.option("--case", "cases", multiple=True)
@click.option("--loop/--once", default=True)
@click.option("--wait", type=click.Choice(["seen", "no"]))
@click.option("--journal", type=click.Path(path_type=Path))
@click.option("--admin", envvar="MOCKEX_ADMIN_URL")
@click.argument("what", required=False)
def serve(**_: Any) -> None: ...


@click.group()
def faults() -> None: ...


@faults.command()
@click.option("--within", type=float, default=5.0)
def add(**_: Any) -> None: ...


Write = Callable[[str], Settings]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Settings:
        file = tmp_path / config.FILE
        file.write_text(text)
        return config.read(file)

    return written


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as refused:
        call()
    return str(refused.value)


# --- the file -------------------------------------------------------------------------------------


def test_the_nearest_file_counts_of_the_folder_and_those_above_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / config.FILE).write_text("")
    assert config.find(inner) == tmp_path / config.FILE
    (tmp_path / "a" / config.FILE).write_text("")
    assert config.find(inner) == tmp_path / "a" / config.FILE
    (inner / config.FILE).mkdir()
    assert config.find(inner) == tmp_path / "a" / config.FILE, "a folder of that name is no file"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (b"[serve]\nport = \n", 2, "valid TOML"),
        (b"[serve]\nport = 1\n[conform", 3, "valid TOML"),
        (b"[serve]\nport = 1\nport = 2\n", 3, "valid TOML"),
        (b"[serve]\nprofile = '\xff'\n", 2, "expected UTF-8"),
    ],
)
def test_what_is_no_toml_is_named_with_its_line(
    tmp_path: Path, text: bytes, line: int, said: str
) -> None:
    file = tmp_path / config.FILE
    file.write_bytes(text)
    message = refusal(lambda: config.read(file))
    assert message.startswith(f"{file}:{line}: ")
    assert said in message


def test_a_folder_that_no_path_leads_to_has_no_settings_and_those_above_it_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mockex.toml").touch()
    monkeypatch.chdir(tmp_path)
    for _ in range(25):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    assert config.find(Path.cwd()) == tmp_path / "mockex.toml"


def test_a_table_that_is_no_command_is_refused_with_the_nearest(write: Write) -> None:
    settings = write("[serve]\n\n[confrom]\njobs = 4\n")
    said = refusal(lambda: config.must_be_tables(settings, ["serve", "conform"]))
    assert said.startswith(f"{settings.file}:3: unknown table: 'confrom'")
    assert "'conform': did you mean that?" in said
    settings = write("serve = 3\n")
    said = refusal(lambda: config.must_be_tables(settings, ["serve"]))
    assert said == f"{settings.file}:1: 'serve' is not usable, expected a table: [serve]"


# --- its values -----------------------------------------------------------------------------------


def test_values_come_by_parameter_and_keys_are_spelled_like_flags_or_with_underscores(
    write: Write,
) -> None:
    settings = write(
        "[serve]\nport = 8080\nspeed = 60\nrest-port = 1\ncase = ['CONN-*', 'HB-01']\n"
        "loop = false\nwait = 'no'\nadmin = 'http://127.0.0.1:1'\n"
    )
    assert config.defaults(settings, ("serve",), serve) == {
        "port": 8080,
        "speed": 60,
        "rest_port": 1,
        "cases": ["CONN-*", "HB-01"],
        "loop": False,
        "wait": "no",
        "admin": "http://127.0.0.1:1",
    }
    assert config.defaults(write("[serve]\nrest_port = 1\n"), ("serve",), serve) == {"rest_port": 1}
    assert config.defaults(write("[conform]\njobs = 1\n"), ("serve",), serve) == {}


def test_a_key_in_both_spellings_is_there_twice(write: Write) -> None:
    settings = write("[serve]\nrest-port = 1\nrest_port = 2\n")
    said = refusal(lambda: config.defaults(settings, ("serve",), serve))
    assert ":3: 'rest_port' is not usable, expected 'rest-port' once" in said


def test_a_group_has_a_table_in_its_table_for_each_of_its_commands(write: Write) -> None:
    settings = write("[faults.add]\nwithin = 3\n")
    assert config.defaults(settings, ("faults",), faults) == {"add": {"within": 3}}
    said = refusal(lambda: config.defaults(write("[faults]\nadd = 3\n"), ("faults",), faults))
    assert said.endswith(":2: 'add' is not usable, expected a table: [faults.add]")
    said = refusal(lambda: config.defaults(write("[faults.ad]\n"), ("faults",), faults))
    assert ":1: unknown key in [faults]: 'ad' is not usable, expected 'add'" in said


def test_a_path_counts_from_the_folder_of_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = write("[serve]\njournal = 'j.jsonl'\n")
    elsewhere = config.defaults(settings, ("serve",), serve)
    assert elsewhere == {"journal": str(tmp_path / "j.jsonl")}
    monkeypatch.chdir(tmp_path)
    assert config.defaults(settings, ("serve",), serve) == {"journal": "j.jsonl"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("prot = 1", "unknown key in [serve]: 'prot' is not usable, expected 'port': did you mean"),
        ("colour = 1", "expected one that there is: mockex serve --help"),
        ("what = 'x'", "unknown key in [serve]: 'what'"),
        ("once = true", "unknown key in [serve]: 'once'"),
        ("help = true", "unknown key in [serve]: 'help'"),
        ("port = '80'", "[serve] port: '80' is not usable, expected a whole number"),
        ("port = true", "[serve] port: True is not usable, expected a whole number"),
        ("port = 1.0", "expected a whole number"),
        ("port = 70000", "70000 is not usable, expected a number in the range 0<=x<=65535"),
        ("speed = 'fast'", "expected a number"),
        ("speed = true", "expected a number"),
        ("loop = 1", "expected true or false"),
        ("wait = 'maybe'", "'maybe' is not usable, expected one of 'seen', 'no'"),
        ("wait = 1", "expected a text in quotes"),
        ("case = 'CONN-*'", "'CONN-*' is not usable, expected a list: each a text in quotes"),
        ("case = ['a', 1]", "expected a list: each a text in quotes"),
        ("admin = ['a']", "expected a text in quotes"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line_and_what_would_be_right(
    write: Write, line: str, said: str
) -> None:
    settings = write(f"# ours\n[serve]\n\n{line}\n")
    message = refusal(lambda: config.defaults(settings, ("serve",), serve))
    assert message.startswith(f"{settings.file}:4: ")
    assert said in message


# --- where each value comes from ------------------------------------------------------------------


def test_a_variable_is_named_after_the_flag_not_after_the_parameter() -> None:
    by_key = config.options(serve)
    assert config.variables(("serve",), by_key["case"]) == ["MOCKEX_SERVE_CASE"]
    assert config.variables(("faults", "add"), by_key["rest-port"]) == [
        "MOCKEX_FAULTS_ADD_REST_PORT"
    ]
    assert config.variables(("serve",), by_key["admin"]) == [
        "MOCKEX_ADMIN_URL",
        "MOCKEX_SERVE_ADMIN",
    ]


def test_a_variable_goes_before_the_file_and_that_before_the_default(write: Write) -> None:
    settings = write("[serve]\nport = 1\nrest_port = 2\n\n[faults.add]\nwithin = 3\n")
    environ = {"MOCKEX_SERVE_PORT": "9", "MOCKEX_SERVE_SPEED": ""}
    commands = [(("serve",), serve), *config.leaves(("faults",), faults)]
    found = {
        (one.command, one.key): (one.value, one.where)
        for one in config.sources(settings, commands, environ)
    }
    assert found["serve", "port"] == ("9", "MOCKEX_SERVE_PORT")
    assert found["serve", "rest-port"] == (2, f"{settings.file}:3")
    assert found["serve", "speed"] == (1.0, "default")
    assert found["serve", "wait"] == (None, "default")
    assert found["faults add", "within"] == (3, f"{settings.file}:6")


def test_without_a_file_all_comes_from_variables_and_defaults() -> None:
    found = config.sources(None, [(("serve",), serve)], {"MOCKEX_ADMIN_URL": "http://x"})
    assert {one.key: one.where for one in found if one.where != "default"} == {
        "admin": "MOCKEX_ADMIN_URL"
    }
