"""The pytest plug-in: exchanges for tests, tests in virtual time, and what happened at the exchange
beside each failure.

pytest finds hooks and fixtures by their names, here.
"""

from mockex.pytest_plugin.fixtures import MakeExchange, make_mockex, mockex
from mockex.pytest_plugin.hooks import (
    pytest_addoption,
    pytest_configure,
    pytest_report_header,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)

__all__ = [
    "MakeExchange",
    "make_mockex",
    "mockex",
    "pytest_addoption",
    "pytest_configure",
    "pytest_report_header",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
]
