"""A machine that has nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.bare import World, bare_machine


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return bare_machine(tmp_path, monkeypatch)
