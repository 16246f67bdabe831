"""The wheel: three packages, one command, the testees of the suite."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mockex.profile import CURRENT

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_three_packages_and_nothing_else(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {t for t in top if not t.endswith(".dist-info")} == {
        "mockex",
        "mockex_adapter",
        "mockex_conformance",
    }


def test_each_package_is_typed(names: list[str]) -> None:
    typed = {name for name in names if name.endswith("py.typed")}
    assert typed == {
        f"{package}/py.typed" for package in ("mockex", "mockex_adapter", "mockex_conformance")
    }


def test_testees_and_template_travel_and_what_was_built_does_not(names: list[str]) -> None:
    assert "mockex_conformance/testees/reference/testee.toml" in names
    assert "mockex_conformance/testees/mutants/mutants.py" in names
    assert "mockex_conformance/testees/incident/go/main.go" in names
    for file in ("python/testee.py", "javascript/package-lock.json", "go/go.sum",
                 "rust/src/trades.rs", "java/Trades.java", "other.toml"):  # fmt: skip
        assert f"mockex_conformance/testees/shims/{file}" in names
    assert any(name.endswith("report.html.j2") for name in names)
    made = ("/bin/", "__pycache__", "/node_modules/", "Cargo.lock")
    assert not [name for name in names if any(part in name for part in made)]


def test_the_profiles_travel(names: list[str]) -> None:
    for dated in CURRENT.values():
        assert f"mockex/profiles/{dated}.toml" in names


def test_the_command_is_there() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "mockex", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for command in ("serve", "conform", "judge", "cases", "demo", "init", "try", "schema"):
        assert command in done.stdout
