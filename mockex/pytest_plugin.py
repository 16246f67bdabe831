"""The pytest plug-in: an exchange for each test, and tests that run in virtual time.

On the real ground `mockex` is an ordinary async fixture, run by whichever plug-in runs the test. On
the virtual ground no plug-in may run the test, because each would bring a loop of its own: before
its setup the collected item becomes a `VirtualTest`, which opens the exchange and calls the test
inside one simulation. Its other fixtures are set up before that, as for any test.
"""

from __future__ import annotations

import difflib
import inspect
import shlex
import unittest
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any, NoReturn

import pytest

from mockex import sim
from mockex.errors import MockexError
from mockex.faults import Fault
from mockex.profile import Profile
from mockex.server.exchange import DEFAULT_SYMBOLS, Exchange, serve

try:
    from pytest_asyncio import fixture as async_fixture  # its strict mode runs no other ones
except ImportError:
    async_fixture = pytest.fixture  # type: ignore[assignment]

FIXTURE = MARKER = "mockex"
GROUNDS = ("real", "virtual")
OPTIONS = pytest.StashKey["Options"]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the markers of one test ask for; each field is an argument of the marker."""

    profile: str | Profile = "spot"
    seed: int = 0
    symbols: Sequence[str] = DEFAULT_SYMBOLS
    market: str = "walk"
    step_ms: int = 100
    rate: float = 1.0
    volatility: float = 1.0
    loop: bool = True
    lenient: bool = False
    settings: Mapping[str, object] | None = None
    speed: float = 1.0
    faults: Sequence[Fault] = ()
    ground: str = "real"

    def __str__(self) -> str:
        return f"mockex: seed {self.seed}, ground {self.ground}"


def options_of(item: pytest.Item) -> Options:
    """What the markers of `item` ask for: argument by argument, the nearest one wins.

    Fails the test if one asks for what there is not.
    """
    known = [field.name for field in fields(Options)]
    asked: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers(MARKER))):
        if mark.args:
            _refuse(f"marker {MARKER} takes arguments by name, not {mark.args[0]!r}")
        for name in mark.kwargs:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
                _refuse(
                    f"marker {MARKER} takes no argument {name!r}; did you mean {near!r}?"
                    f" It takes {', '.join(known)}"
                )
        asked |= mark.kwargs
    options = Options(**asked)
    if options.ground not in GROUNDS:
        _refuse(f"marker {MARKER}: ground {options.ground!r} is neither 'real' nor 'virtual'")
    return options


def _refuse(why: str) -> NoReturn:
    pytest.fail(why, pytrace=False)


# --- both grounds ---


@asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Exchange]:
    """The exchange that `options` ask for, its faults injected, on the running loop."""
    async with serve(
        options.profile,
        seed=options.seed,
        symbols=options.symbols,
        market=options.market,
        step_ms=options.step_ms,
        rate=options.rate,
        volatility=options.volatility,
        loop=options.loop,
        lenient=options.lenient,
        settings=options.settings,
        speed=options.speed,
    ) as exchange:
        for fault in options.faults:
            exchange.inject(fault)
        yield exchange


@async_fixture(name=FIXTURE)
async def _exchange(request: pytest.FixtureRequest) -> AsyncIterator[Exchange]:
    """An exchange of the test's own, as `@pytest.mark.mockex(...)` asks for it."""
    async with opened(options_of(request.node)) as exchange:
        yield exchange


# --- the virtual ground ---


class VirtualTest(pytest.Function):
    """An `async def` test that runs in virtual time from its first line to its last."""

    def setup(self) -> None:
        """Set up its fixtures, but for the exchange, which is opened inside the simulation."""
        self.funcargs[FIXTURE] = None
        super().setup()

    def runtest(self) -> None:
        """Run it. No other plug-in is asked: each would run it on a loop of its own."""
        options = self.stash[OPTIONS]
        arguments = {name: self.funcargs[name] for name in self._fixtureinfo.argnames}

        async def test() -> None:
            if FIXTURE not in arguments:
                await self.obj(**arguments)
                return
            async with opened(options) as exchange:
                await self.obj(**{**arguments, FIXTURE: exchange})

        sim.run(test(), seed=options.seed)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """As ever; but of an error that does not come out of the test the text says it all."""
        outside = all(entry.path != self.path for entry in excinfo.traceback)
        if isinstance(excinfo.value, MockexError) and outside:
            return self._repr_failure_py(excinfo, style="value")
        return super().repr_failure(excinfo)


def _is_async_fixture(function: object) -> bool:
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
        or hasattr(function, "_force_asyncio_fixture")  # pytest-asyncio 1.0 has wrapped it already
    )


def _not_virtual(item: pytest.Function) -> str | None:
    """Why a test cannot run in virtual time, if so."""
    if item.cls is not None and issubclass(item.cls, unittest.TestCase):
        return "ground 'virtual' is not for methods of unittest.TestCase"
    if not inspect.iscoroutinefunction(item.obj):
        return "ground 'virtual' needs an `async def` test; a `def` test can call mockex.sim.run"
    fixtures = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest shows them nowhere else
    for name, found in fixtures.items():
        if name == FIXTURE:
            continue
        if _is_async_fixture(found[-1].func):
            return f"async fixture {name!r} cannot run in virtual time: it has another event loop"
        if FIXTURE in found[-1].argnames:
            return (
                f"fixture {name!r} asks for {FIXTURE!r}: in virtual time only the test itself can,"
                " because the exchange opens with it"
            )
    return None


def _not_real(item: pytest.Function) -> str | None:
    """Why a test cannot have an exchange in real time, if so."""
    if FIXTURE not in item.fixturenames:
        return None
    inner = getattr(getattr(item.obj, "hypothesis", None), "inner_test", item.obj)
    if not inspect.iscoroutinefunction(inner):
        return (
            f"fixture {FIXTURE!r} needs an `async def` test: the event loop of the exchange"
            " stands still while a `def` test runs"
        )
    asked = item.get_closest_marker("asyncio")
    if asked is not None and item.config.pluginmanager.has_plugin("asyncio"):
        of_test = asked.kwargs.get("loop_scope") or item.config.getini(
            "asyncio_default_test_loop_scope"
        )
        of_fixture = item.config.getini("asyncio_default_fixture_loop_scope") or "function"
        if of_test != of_fixture:
            return (
                f"fixture {FIXTURE!r} has the event loop of the {of_fixture}, the test that of the"
                f" {of_test}: set asyncio_default_fixture_loop_scope = {of_test}"
            )
    return None


# --- hooks ---


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    names = ", ".join(field.name for field in fields(Options))
    config.addinivalue_line(
        "markers",
        f"{MARKER}({names}): the exchange of the fixture `{FIXTURE}`; with ground='virtual' the"
        " whole test runs in virtual time",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse what cannot be; give a test of the virtual ground its class.

    Only now are all markers known, and whether the test is skipped. (A usage error while tests are
    collected would stop sooner, but pytest-xdist loses its text.)
    """
    if not isinstance(item, pytest.Function):
        return
    if FIXTURE not in item.fixturenames and item.get_closest_marker(MARKER) is None:
        return
    options = options_of(item)
    virtual = options.ground == "virtual"
    why_not = _not_virtual(item) if virtual else _not_real(item)
    if why_not:
        _refuse(why_not)
    item.stash[OPTIONS] = options
    if virtual:
        item.__class__ = VirtualTest  # the same item, with all that other plug-ins know of it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with what seed a test failed, and how to see it again."""
    report = yield
    options = item.stash.get(OPTIONS, None)
    if report.failed and options is not None:
        again = f"again: pytest {shlex.quote(item.nodeid)}"
        report.sections.append((MARKER, f"{options}\n{again}"))
    return report
