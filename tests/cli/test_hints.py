"""Hints: that each formats, is of the run's ports, and is what `ci/hints.py` tests."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from mockex import cli
from mockex.cli import ExitCode
from mockex.cli.hints import DATA, Hint, hints

ROOT = Path(__file__).resolve().parents[2]
WS, REST = "ws://127.0.0.1:41873", "http://127.0.0.1:41874"
ALL = [hint for by_profile in hints().values() for hint in by_profile.values()]
SERVE = [sys.executable, "-m", "mockex", "serve", "--no-admin", "--exit-after", "0.1"]
NAMES = ["ccxt", "python-binance", "binance-sdk", "unicorn", "go-binance", "npm-binance"]


def named(hint: Hint) -> str:
    return f"{hint.name}-{hint.profile}"


@pytest.fixture(scope="module")
def ci_hints() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_hints", ROOT / "ci" / "hints.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_library_has_a_hint_for_both_profiles() -> None:
    assert list(hints()) == NAMES
    assert {tuple(by_profile) for by_profile in hints().values()} == {("spot", "usdm")}


@pytest.mark.parametrize("hint", ALL, ids=named)
def test_a_hint_is_of_the_ports_of_the_run_and_of_nothing_else(hint: Hint) -> None:
    text = hint.text(WS, REST)
    urls = set(re.findall(r"\b(?:https?|wss?)://[^/'\"?\s]+", text))
    assert WS in urls
    assert urls <= {WS, REST}
    assert "<ws>" not in text
    assert "<rest>" not in text


@pytest.mark.parametrize("hint", [h for h in ALL if h.language == "Python"], ids=named)
def test_a_hint_in_python_is_python(hint: Hint) -> None:
    ast.parse(hint.text(WS, REST))


@pytest.mark.parametrize("hint", ALL, ids=named)
def test_no_line_of_prose_is_wider_than_a_terminal(hint: Hint) -> None:
    comments = [line for line in hint.text(WS, REST).splitlines() if line.startswith(("#", "//"))]
    assert hint.version in comments[0]
    assert max(map(len, comments)) <= 91


@pytest.mark.parametrize("hint", ALL, ids=named)
def test_what_is_printed_is_what_is_run_against_the_library(
    hint: Hint, ci_hints: ModuleType
) -> None:
    code = [
        line
        for line in hint.text(WS, REST).splitlines()
        if line and not line.startswith(("# ", "// "))
    ]
    program = ci_hints.program(hint, WS, REST).splitlines()
    first = program.index(code[0])
    assert [line for line in program[first:] if line in code][: len(code)] == code


def test_a_client_that_goes_elsewhere_is_found_out(ci_hints: ModuleType) -> None:
    words = [
        "went to 127.0.0.1",
        "went to ::1",
        "went to api.binance.com",
        "go package net: hostLookupOrder(stream.binance.com) = cgo",
        "something else",
    ]
    assert ci_hints.elsewhere(ci_hints.hosts_in(words)) == ["api.binance.com", "stream.binance.com"]
    assert ci_hints.elsewhere(["localhost", "127.0.0.2", "10.0.0.1"]) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("done", "finding"),
    [
        ("await client.recv(); print('event', 1)", None),
        ("await client.recv()", "printed no event"),
        ("await client.recv(); print('event', 1)", "no request that was answered"),
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))", "192.0.2.1"),
        ("raise SystemExit('no')", "ended with 1: no"),
    ],
)
async def test_a_program_is_judged_by_the_journal_and_by_where_it_goes(
    done: str,
    finding: str | None,
    ci_hints: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ci_hints, "BEGINS_S", 0)
    asks = "" if finding and "request" in finding else "urllib.request.urlopen(REST).read()"
    around = f"""
import asyncio, socket, urllib.request
from websockets.asyncio.client import connect

async def main():
    async with connect(WS + "/ws/ethusdc@bookTicker") as client:
        {asks}
        {done}

asyncio.run(main())
"""
    monkeypatch.setitem(ci_hints.AROUND, ("ours", "spot"), around)
    monkeypatch.setattr(
        ci_hints,
        "command_of",
        lambda _hint, home, text: [sys.executable, "-c", text],
    )
    hint = Hint(
        name="ours", profile="spot", language="Python", package="ours", version="1", imports="",
        lines='WS, REST = "<ws>", "<rest>/api/v3/time"', know=(),
    )  # fmt: skip
    outcome = await ci_hints.run(hint, tmp_path)
    if finding is None:
        assert outcome.findings == []
        assert outcome.seen == "/ws/ethusdc@bookTicker with ethusdc@bookTicker; REST /api/v3/time"
    else:
        assert finding in outcome.findings[0]


# --- as they are asked for ------------------------------------------------------------------------


def serve(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SERVE, *flags], capture_output=True, text=True, timeout=30, check=False)


def test_hints_follow_the_ready_line_with_the_ports_of_this_run() -> None:
    done = serve("--profile", "spot", "--hints", "ccxt, go-binance")
    ready, blank, *lines = done.stdout.splitlines()
    match = re.match(r"mockex ready ws=(\S+) rest=(\S+) ", ready)
    assert match is not None
    assert blank == ""
    wanted = [hints()[name]["spot"].text(match[1], match[2]) for name in ("ccxt", "go-binance")]
    assert "\n".join(lines) == "\n\n".join(wanted)


def test_hints_follow_the_profile_also_of_a_file(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('base = "spot"\nping_interval_s = 5\n')
    assert "ccxt.pro.binance(" in serve("--profile", str(profile), "--hints", "ccxt").stdout
    assert "ccxt.pro.binanceusdm(" in serve("--profile", "usdm", "--hints", "ccxt").stdout


def test_as_json_hints_are_in_the_one_object() -> None:
    done = serve("--json", "--hints", "unicorn")
    facts = json.loads(done.stdout)
    assert facts["hints"] == {"unicorn": hints()["unicorn"]["usdm"].text(facts["ws"], "")}


def test_a_list_of_hints_names_them_all_and_starts_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["serve", "--hints", "list"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cxt", "Did you mean 'ccxt'?"),
        ("CCXT", "Did you mean 'ccxt'?"),
        ("python_binance", "Did you mean 'python-binance'?"),
        ("zzz", "`--hints list` names them all"),
    ],
)
def test_a_hint_that_is_not_there_is_refused_before_anything_is_started(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["serve", "--hints", name]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(err.split())


def test_a_hint_that_is_for_another_profile_says_for_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mockex.cli.hints.hints", lambda: {"ccxt": {"spot": ALL[0]}})
    assert cli.run(["serve", "--profile", "usdm", "--hints", "ccxt"]) == ExitCode.USAGE
    assert "ccxt has none for usdm, only for spot" in capsys.readouterr().err


def test_the_data_has_nothing_that_is_not_shown() -> None:
    known = {"package", "version", "imports", "lines", "know"}
    for library in tomllib.loads(DATA.read_text(encoding="utf-8")).values():
        assert library.pop("language") in {"Python", "Go", "JavaScript"}
        assert all(set(hint) == known for hint in library.values())
