"""The Toxiproxy server as a process that does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockex.errors import LinkError
from mockex.faults.proxy_server import running


async def test_a_program_that_ends_at_once_is_a_dead_server(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="did not start 3 times in a row; its log: no flags here"):
        async with running(_script(tmp_path, "echo no flags here; exit 2")):
            pass


def _script(folder: Path, text: str) -> Path:
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program
