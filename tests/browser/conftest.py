"""Chromium, driven by Playwright. Where there is none, the tests are skipped by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")  # Playwright holds a running loop: no other test may run meanwhile
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; nothing is downloaded."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with (
        sync_playwright() as playwright,
        # Without its sandbox, which root cannot have; it opens only what we made.
        playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]) as opened,
    ):
        yield opened
