"""Runs pytest on a module of tests that use the plug-in."""

from __future__ import annotations

import glob

import pytest

# Before pytest runs inside of pytest: what is first imported in there is forgotten behind it, and
# would be there twice.
import mockex.server.serving
import mockex.sim  # noqa: F401

HEAD = """
import asyncio, random, time, unittest
import pytest
from websockets.asyncio.client import connect
from mockex.faults import Latency, RefuseUpgrade, Reset
from mockex.names import parse
from mockex.server.journal import Attempted
from mockex.sim import SimLoop

STREAM = "/ws/ethusdc@depth5@100ms"
DAY = pytest.mark.mockex(ground="virtual", market="frozen", seed=7)
"""
# How a test may be run: pytest-asyncio in its two modes, and nothing that runs async tests.
STRICT, AUTO = ("--asyncio-mode=strict",), ("--asyncio-mode=auto",)
NONE = ("-p", "no:asyncio", "-p", "no:anyio")
WAYS = pytest.mark.parametrize("way", [STRICT, AUTO, NONE], ids=["strict", "auto", "none"])


def run(
    pytester: pytest.Pytester, body: str, *args: str, subprocess: bool = False
) -> pytest.RunResult:
    """What pytest says of a module of tests. Warnings are errors there too."""
    pytester.makepyfile(test_it=HEAD + body)
    plain = ["-W", "error"]
    plain += [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "randomly")]
    if "no:asyncio" not in args:
        plain += ["-o", "asyncio_default_fixture_loop_scope=function"]
    call = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
    return call(*plain, *(args or AUTO))


def said(result: pytest.RunResult, *lines: str) -> None:
    """Each line stands in the output, as part of one, in this order."""
    result.stdout.fnmatch_lines([f"*{glob.escape(line)}*" for line in lines])
