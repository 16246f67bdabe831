"""Finding the Toxiproxy server: what was tried is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.errors import LinkError, ToxiproxyUnavailable
from mockex.faults.proxy_server import find_server, running

LINE = b"\x00mod\tgithub.com/Shopify/toxiproxy/v2\tv2.12.0\th1:x=\n"


def test_a_binary_is_known_by_the_module_line_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "server"
    binary.write_bytes(b"\x7fELF" + LINE)
    monkeypatch.setenv("MOCKEX_TOXIPROXY_BIN", str(binary))
    assert find_server() == binary.resolve()


def test_every_step_that_failed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "toxiproxy-server"
    other.write_bytes(LINE.replace(b"2.12.0", b"2.11.0"))
    other.chmod(0o755)
    monkeypatch.delenv("MOCKEX_TOXIPROXY_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToxiproxyUnavailable) as error:
        find_server()
    text = str(error.value)
    assert "MOCKEX_TOXIPROXY_BIN: not there" in text
    assert f"{other} is no Toxiproxy 2.12.0" in text
    assert "python3 ci/run.py test: builds it" in text


async def test_a_program_that_ends_at_once_is_a_dead_server(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="did not start 3 times in a row; its log: no flags here"):
        async with running(_script(tmp_path, "echo no flags here; exit 2")):
            pass


def _script(folder: Path, text: str) -> Path:
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program
