"""docs/serve.md: its client gets events, its settings are settings, its table is of the hints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mockex.cli.hints import hints
from mockex.cli.serve import serve
from tests.programs import SERVE, ending, ready, serving

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")


def fence(title: str) -> str:
    found = re.search(rf"^```\w+ title={re.escape(title)}\n(.*?)^```$", PAGE, re.M | re.S)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("profile", ["usdm", "spot"])
def test_the_client_of_the_page_gets_an_event(profile: str, tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    client.write_text(fence("client.py"))
    with serving("--no-admin", "--profile", profile, "--exit-after", "60") as exchange:
        url = ready(exchange)["ws"]
        with ending(
            subprocess.Popen(
                [sys.executable, "-u", str(client), url], stdout=subprocess.PIPE, text=True
            )
        ) as program:
            assert program.stdout is not None
            event = json.loads(program.stdout.readline())
            program.kill()
    assert event["s"] == "ETHUSDC"


def test_the_settings_of_the_page_are_taken(tmp_path: Path) -> None:
    text = fence("mockex.toml")
    flags = {option for param in serve.params for option in param.opts}
    assert {f"--{key}" for key in tomllib.loads(text)["serve"]} <= flags
    free = re.sub(r"port = \d+", "port = 0", text)
    (tmp_path / "mockex.toml").write_text(free)
    done = subprocess.run(
        [*SERVE, "--exit-after", "0.1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert "ccxt.pro.binance({" in done.stdout


def test_the_table_of_the_page_has_each_hint_in_its_version() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE, re.M))
    assert list(rows) == list(hints())
    for name, by_profile in hints().items():
        cells = rows[name].split(" | ")
        for cell, hint in zip(cells, by_profile.values(), strict=True):
            assert cell.startswith(f"{hint.package} {hint.version}: ok")
