"""`--mockex-url`: the exchanges that run already, and which of them a test may use.

What one test does to an exchange, another one would see. So each worker of pytest-xdist needs one
of its own, and a test that asks for an exchange of another kind is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mockex.pytest_plugin.options import refuse, setting

if TYPE_CHECKING:
    from mockex.remote import RemoteExchange

_GIVEN = ("faults", "ground")  # what a marker may ask of an exchange that runs already


def urls(config: pytest.Config) -> list[str]:
    """All that were given."""
    return [part.strip() for part in (setting(config, "url") or "").split(",") if part.strip()]


def url_of(config: pytest.Config) -> str | None:
    """The one for the tests of this process; None: none was given. Fails the test if this worker
    has none left, because it replaces one that crashed."""
    given = urls(config)
    number = _worker(config)
    if not given:
        return None
    if number >= len(given):
        refuse(f"--mockex-url: worker gw{number} has no exchange; a worker before it crashed")
    return given[number]


def check_workers(config: pytest.Config) -> None:
    """Refuse workers that would share an exchange.

    Raises:
        pytest.UsageError: there are more workers than exchanges.
    """
    given, workers = urls(config), len(config.getoption("tx", None) or [])
    if given and workers > len(given):
        raise pytest.UsageError(
            f"mockex: {len(given)} running exchange{'s' if len(given) > 1 else ''} for {workers}"
            " workers of pytest-xdist: a fault of one test would hit the tests of another."
            f" Name {workers} (--mockex-url URL,URL…), or leave out -n"
        )


def _worker(config: pytest.Config) -> int:
    """The number of this worker of pytest-xdist; 0 without it."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    return int(str(told.get("workerid", "gw0")).removeprefix("gw"))


def check_wishes(exchange: RemoteExchange, asked: dict[str, Any]) -> None:
    """Fail the test if its markers ask for another exchange than the one that runs."""
    has: dict[str, Any] = {"profile": exchange.profile_name, "seed": exchange.seed}
    for name, wanted in asked.items():
        if name in _GIVEN:
            continue
        if name not in has:
            refuse(f"--mockex-url: {name}={wanted!r} is for an exchange of the test's own")
        wanted = getattr(wanted, "name", wanted)
        same = wanted in (exchange.dated, has[name]) if name == "profile" else wanted == has[name]
        if not same:
            refuse(
                f"--mockex-url: the test asks for {name} {wanted!r}, and the exchange at"
                f" {exchange.url} has {has[name]!r}"
            )
