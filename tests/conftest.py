"""What every test starts from."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Generator
from pathlib import Path

import httpcore2  # noqa: F401 - see below
import pytest
from hypothesis import HealthCheck, settings

# What a test may take beyond its `timeout`, which ends it once, and is off when it has failed.
GRACE_S = 60.0
# What tests the pure packages, of which pyproject.toml names the files.
PURE = (
    "adapter/test_backoff.py",
    "adapter/test_book.py",
    "adapter/test_exchange.py",
    "adapter/test_lifecycle.py",
    "adapter/test_pacing.py",
    "adapter/test_sync.py",
    "conformance/checks",
    "conformance/test_rejudging.py",
    "faults/test_catalogue.py",
    "faults/test_positions.py",
    "faults/test_script.py",
    "market",
    "rest",
    "server",
    "session",
    "streams",
    "test_clock.py",
    "test_profile.py",
    "test_values.py",
)


@pytest.hookimpl(tryfirst=True)  # before anything is selected by its marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark it."""
    paths = {Path(__file__).parent / part for part in PURE}
    for item in items:
        if paths & {item.path, *item.path.parents}:
            item.add_marker("pure")


stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[stderr] = os.dup(2)  # while nothing captures it


def _limited(item: pytest.Item) -> Generator[None, object, object]:
    """End the process, with a stack of each thread, if this part of the test does not: it may wait
    for ever for what it has started."""
    marker = item.get_closest_marker("timeout")
    limit_s = GRACE_S + float(marker.args[0] if marker else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(limit_s, exit=True, file=item.config.stash[stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


_limit = pytest.hookimpl(wrapper=True, tryfirst=True)
pytest_runtest_setup = _limit(_limited)
pytest_runtest_call = _limit(_limited)
pytest_runtest_teardown = _limit(_limited)


# A shell without job control starts what is in its background with SIGINT ignored, and so would be
# every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long a draw takes says something of the machine, and nothing of what is tested.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

# httpx2 imports httpcore2 when it first asks for something, and remembers its errors. Where that is
# inside of a test of pytester, which forgets the modules that came with it, the next one to import
# it gets others, and an error is not known any more.
