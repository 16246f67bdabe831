"""`mockex init`: what it writes, what it refuses, and that what it wrote is a testee."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from mockex.cli import run as mockex
from mockex_conformance import scaffold
from mockex_conformance.harness.load import load, own_testees

LANGUAGES = tuple(scaffold.LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_written_is_our_shim_under_the_name_of_its_folder(
    language: str, tmp_path: Path
) -> None:
    folder = tmp_path / "My Adapter"
    assert mockex(["init", "--lang", language, str(folder)]) == 0
    assert load(folder).name == "my-adapter"
    shim = own_testees() / "shims" / scaffold.LANGUAGES[language]
    written = sorted(f.relative_to(folder) for f in folder.rglob("*") if f.is_file())
    assert written
    said = 0
    for file in written:
        text = (folder / file).read_text()
        assert text == (shim / file).read_text().replace(f"shim-{shim.name}", "my-adapter")
        said += text.count("my-adapter")
    assert said == 2, "in testee.toml, and in what the testee says of itself"


def test_what_builds_have_made_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "testees" / "shims" / "go"
    shutil.copytree(own_testees() / "shims" / "go", shim, dirs_exist_ok=True)
    for made in ("bin/testee", "node_modules/ws/index.js", "__pycache__/testee.pyc", "Cargo.lock"):
        (shim / made).parent.mkdir(parents=True, exist_ok=True)
        (shim / made).write_text("made")
    monkeypatch.setattr(scaffold, "own_testees", lambda: tmp_path / "testees")
    written = scaffold.write("go", tmp_path / "mine")
    assert sorted(f.name for f in written) == [
        "feed.go", "go.mod", "go.sum", "main.go", "shim.go", "testee.toml", "trades.go",
    ]  # fmt: skip
    assert written[0].name == "testee.toml"


def test_nothing_is_overwritten_and_nothing_is_written_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "testee.py").write_text("mine")
    assert mockex(["init", "--lang", "python", str(tmp_path)]) == 4
    assert "a folder without 'testee.py'" in capsys.readouterr().err
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("testee.py", "mine")]


def test_a_folder_that_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert mockex(["init", "--lang", "go", str(tmp_path / "file" / "below")]) == 4
    assert "expected a folder that can be written to (Not a directory)" in capsys.readouterr().err


def test_what_to_do_next_is_said_and_a_missing_tool_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    assert mockex(["init", "--lang", "node"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Wrote testee.toml, package-lock.json, package.json, testee.js into {tmp_path}",
        "Install npm: it is not on PATH",
        "Install node: it is not on PATH",
        "Judge it:    mockex conform . --smoke",
        "Talk to it:  mockex try .",
        "Then put your adapter in its place: docs/writing-a-shim.md",
    ]


def test_a_language_that_we_have_no_shim_for_is_refused_with_those_that_we_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mockex(["init", "--lang", "cobol"]) == 4
    assert "'python', 'node', 'go', 'rust', 'java', 'other'" in capsys.readouterr().err


def test_for_another_language_a_description_alone_is_written_and_the_program_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mockex(["init", "--lang", "other", "my-adapter"]) == 0
    assert [file.name for file in Path("my-adapter").iterdir()] == ["testee.toml"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Wrote testee.toml into {tmp_path / 'my-adapter'}"
    assert len(said) == 6
    must = " ".join(said[1:4])
    for word in (
        "MOCKEX_WS_URL", "MOCKEX_STREAMS", "SIGTERM", "`hello`",
        "mockex schema testee-says", "docs/writing-a-shim.md",
    ):  # fmt: skip
        assert word in must, word
    assert said[4:] == [
        "Judge it:    mockex conform my-adapter --smoke",
        "Talk to it:  mockex try my-adapter",
    ]
    assert mockex(["init", "--lang", "other", "my-adapter"]) == 4, "nothing is overwritten"


def test_the_description_for_another_language_declares_nothing_but_defaults(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "My Adapter"
    scaffold.write("other", folder)
    written = load(folder)
    assert (written.name, written.command) == ("my-adapter", ["./my-adapter"])
    (folder / "testee.toml").write_text('[testee]\nname = "my-adapter"\ncommand = ["./my-adapter"]')
    assert written == load(folder)


def test_the_description_for_another_language_explains_each_key_to_decide(tmp_path: Path) -> None:
    scaffold.write("other", tmp_path)
    text = (tmp_path / "testee.toml").read_text()
    explained = re.findall(r"^# .*\.\n(?:# )?(\[?\w+\]?)(?: = .*)?$", text, re.MULTILINE)
    assert explained == [
        "[testee]", "command", "build", "level", "profiles", "modes", "scales_time",
        "[limits]", "reconnect_first_ms", "reconnect_cap_ms", "handshake_timeout_ms",
        "stall_detect_ms",
    ]  # fmt: skip
    assert max(map(len, text.splitlines())) <= 100


def test_a_description_whose_program_is_not_there_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scaffold.write("other", tmp_path / "mine")
    assert mockex(["try", str(tmp_path / "mine")]) != 0
    assert "cannot start './mine' in" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_written_passes_a_smoke_test_unchanged(language: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    scaffold.write(language, folder)
    if missing := scaffold.missing_tools(folder):
        pytest.skip(f"{language}: {' and '.join(missing)} not on PATH")
    assert mockex(["conform", str(folder), "--smoke", "--out", str(tmp_path / "out")]) == 0
