"""The shims: short, started where their toolchain is, and right enough to begin with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mockex.cli import run as mockex
from mockex_conformance.explore import Step, play
from mockex_conformance.harness.load import load, own_testees
from mockex_conformance.report.record import read_record
from mockex_conformance.verdict import Verdict

SHIMS = own_testees() / "shims"
LANGUAGES = ("python", "javascript", "go", "rust", "java")
SOURCES = (".py", ".js", ".go", ".rs", ".java")
BUILT = {"bin", "node_modules", "__pycache__"}
LEVELS = {"python": 2, "go": 2, "javascript": 1, "rust": 1, "java": 1}


def sources(language: str) -> list[Path]:
    """The files that a person reads."""
    files = (SHIMS / language).rglob("*")
    return [f for f in files if f.suffix in SOURCES and not BUILT & set(f.parts)]


def needs_tools(language: str) -> None:
    """Skip, by name, where a program is missing that builds or runs the shim."""
    testee = load(SHIMS / language)
    for tool in {*testee.build[:1], *testee.command[:1]}:
        if "/" not in tool and "{" not in tool and shutil.which(tool) is None:
            pytest.skip(f"{language}: {tool!r} is not on PATH")


def test_there_is_a_shim_for_each_language() -> None:
    assert {path.parent.name for path in SHIMS.glob("*/testee.toml")} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_file_of_a_shim_has_more_than_80_lines(language: str) -> None:
    for source in sources(language):
        assert len(source.read_text().splitlines()) <= 80, source.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shim_declares_the_level_that_its_language_reaches(language: str) -> None:
    testee = load(SHIMS / language)
    assert (testee.level, testee.name) == (LEVELS[language], f"shim-{language}")
    assert testee.profiles == ["spot", "usdm"]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shim_holds_one_delivery_and_all_its_streams(language: str, tmp_path: Path) -> None:
    needs_tools(language)
    args = ["conform", str(SHIMS / language), "--case", "CONN-01", "--case", "SUB-02"]
    assert mockex([*args, "--profile", "usdm", "--out", str(tmp_path)]) == 0
    verdicts = read_record(tmp_path).verdicts
    assert {v.number: v.verdict for v in verdicts} == {
        "CONN-01": Verdict.PASS,
        "SUB-02": Verdict.PASS,
    }


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_python_shim_passes_whatever_is_required(tmp_path: Path) -> None:
    args = ["conform", str(SHIMS / "python"), "--ground", "virtual", "--out", str(tmp_path)]
    assert mockex(args) == 0
    passed = [v for v in read_record(tmp_path).verdicts if v.verdict is Verdict.PASS]
    assert len(passed) > 30


def test_the_notice_of_a_shutdown_is_no_event_of_a_stream() -> None:
    steps = [
        Step(0, "subscribe", {"streams": ["btcusdc@depth5@100ms"]}),
        Step(1, "ServerShutdown", {"lead_ms": 0}),
    ]
    verdict = play("shim-python", profile="spot", seed=194729, step_ms=100, steps=steps)
    assert not verdict.findings, verdict.findings


def test_a_missing_toolchain_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "out"
    args = ["conform", str(SHIMS / "go"), "--case", "CONN-01", "--profile", "usdm"]
    assert mockex([*args, "--out", str(out)]) == 7
    (verdict,) = read_record(out).verdicts
    assert verdict.verdict is Verdict.UNSUPPORTED
    assert verdict.reason == "its build needs 'go', which is not on PATH: install it"


def test_a_shim_that_cannot_be_built_where_it_is_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "testee.toml").write_text(
        '[testee]\nname = "fixed"\ncommand = ["true"]\nbuild = ["false"]\n'
    )
    writable = os.access

    def access(path: Path, mode: int) -> bool:
        """As on a file system that is mounted read-only, where root may not write either."""
        return path != tmp_path.resolve() and writable(path, mode)

    monkeypatch.setattr(os, "access", access)
    out = tmp_path / "out"
    args = ["conform", str(tmp_path), "--case", "CONN-01", "--profile", "usdm"]
    assert mockex([*args, "--out", str(out)]) == 7
    (verdict,) = read_record(out).verdicts
    assert verdict.reason.endswith("is read-only: copy it (a shim: `mockex init --lang …`)")
