"""What pytest calls."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mockex.pytest_plugin.failures import explain
from mockex.pytest_plugin.fixtures import FIXTURES, ONE
from mockex.pytest_plugin.loops import OwnTest, not_own, not_real, not_virtual, run_by_others
from mockex.pytest_plugin.options import (
    MARKER,
    NAMES,
    OPTIONS,
    add_settings,
    journal_dir,
    options_of,
    refuse,
    usual,
)
from mockex.pytest_plugin.running import check_workers, urls


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    add_settings(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse settings that cannot be."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}({', '.join(NAMES)}): the exchange of the fixture `{ONE}`; with ground='virtual'"
        " the whole test runs in virtual time",
    )
    usual(config)
    check_workers(config)


def pytest_report_header(config: pytest.Config) -> str:
    """With what tests run that do not say it themselves."""
    options = usual(config)
    said = f"mockex: seed {options.seed}, profile {options.profile}"
    if where := urls(config):
        said += f", exchange at {', '.join(where)}"
    if (folder := journal_dir(config)) is not None:
        said += f", journals of failed tests in {folder}"
    return said


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse what cannot be; give a test that nobody else may or would run its class.

    Only now are all markers known, and whether the test is skipped. (A usage error while tests are
    collected would stop sooner, but pytest-xdist loses its text.)
    """
    if not isinstance(item, pytest.Function):
        return
    asks = any(name in item.fixturenames for name in FIXTURES)
    if not asks and item.get_closest_marker(MARKER) is None:
        return
    options = options_of(item)
    virtual = options.ground == "virtual"
    own = virtual or (asks and not run_by_others(item))
    why_not = not_virtual(item) if virtual else not_real(item) or (own and not_own(item))
    if why_not:
        refuse(why_not)
    item.stash[OPTIONS] = options
    if own:
        item.__class__ = OwnTest  # the same item, with all that other plug-ins know of it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell more about a test that failed."""
    report = yield
    if report.failed and OPTIONS in item.stash:
        explain(item, report)
    return report
