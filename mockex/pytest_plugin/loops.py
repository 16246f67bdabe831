"""On which event loop a test runs, and why it cannot have its exchange.

In real time the fixtures are ordinary async ones, run by whichever plug-in runs the test. In
virtual time no plug-in may run it, because each would bring a loop of its own: before its setup the
collected item becomes an `OwnTest`, which opens the exchange and calls the test inside one
simulation. The same is done in real time where nobody else would run it. Its other fixtures are set
up before that, as for any test.
"""

from __future__ import annotations

import asyncio
import inspect
import unittest
from contextlib import AsyncExitStack
from typing import Any

import pytest

from mockex.errors import MockexError
from mockex.pytest_plugin.fixtures import FIXTURES, MANY, ONE, maker_of, one_of
from mockex.pytest_plugin.options import OPTIONS


class OwnTest(pytest.Function):
    """An `async def` test that has an event loop of its own, from its first line to its last."""

    def setup(self) -> None:
        """Set up its fixtures, but for the exchanges, which are opened on the loop of the test."""
        self.funcargs.update(dict.fromkeys(FIXTURES))
        super().setup()

    def runtest(self) -> None:
        """Run it. No other plug-in is asked: each would run it on a loop of its own."""
        import mockex.server.serving  # noqa: F401 - before anything is timed
        from mockex import sim

        options = self.stash[OPTIONS]
        arguments = {name: self.funcargs[name] for name in self._fixtureinfo.argnames}

        async def test() -> None:
            async with AsyncExitStack() as stack:
                for name, open_it in ((ONE, one_of), (MANY, maker_of)):
                    if name in arguments:
                        arguments[name] = await stack.enter_async_context(open_it(self))
                await self.obj(**arguments)

        if options.ground == "virtual":
            sim.run(test(), seed=options.seed)
        else:
            asyncio.run(test())

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


def run_by_others(item: pytest.Function) -> bool:
    """Whether another plug-in runs an `async def` test: pytest-asyncio those with its marker, which
    it gives all of them in its automatic mode, anyio those with a backend."""
    by_asyncio = item.config.pluginmanager.has_plugin("asyncio")
    asked = by_asyncio and item.get_closest_marker("asyncio") is not None
    return asked or "anyio_backend" in item.fixturenames


def not_virtual(item: pytest.Function) -> str | None:
    """Why a test cannot run in virtual time, if so."""
    if item.cls is not None and issubclass(item.cls, unittest.TestCase):
        return "ground 'virtual' is not for methods of unittest.TestCase"
    if not inspect.iscoroutinefunction(item.obj):
        return "ground 'virtual' needs an `async def` test; a `def` test can call mockex.sim.run"
    kind, name, ours = _bound(item)
    if kind == "async":
        return f"async fixture {name!r} cannot run in virtual time: it has another event loop"
    if kind:
        return (
            f"fixture {name!r} asks for {ours!r}: in virtual time only the test itself can,"
            " because the exchange opens with it"
        )
    return None


def not_own(item: pytest.Function) -> str | None:
    """Why a test cannot run in real time without another plug-in, if so."""
    if not inspect.iscoroutinefunction(item.obj):  # hypothesis stands before it
        return "nobody here runs an `async def` test of hypothesis: install pytest-asyncio"
    kind, name, _ = _bound(item)
    if kind:
        return (
            f"nobody here runs fixture {name!r}: install pytest-asyncio (asyncio_mode = auto, or"
            " the marker `asyncio`), or let the test do what it does"
        )
    return None


def _bound(item: pytest.Function) -> tuple[str, str, str]:
    """The first fixture of a test that is bound to another event loop: it is `async` itself, or
    `asks` for one of ours; its name, and that of ours."""
    fixtures = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest shows them nowhere else
    for name, found in fixtures.items():
        if name in FIXTURES:
            continue
        if _is_async_fixture(found[-1].func):
            return "async", name, ""
        for ours in FIXTURES:
            if ours in found[-1].argnames:
                return "asks", name, ours
    return "", "", ""


def not_real(item: pytest.Function) -> str | None:
    """Why a test cannot have an exchange in real time, if so."""
    wanted = next((name for name in FIXTURES if name in item.fixturenames), None)
    if wanted is None:
        return None
    inner = getattr(getattr(item.obj, "hypothesis", None), "inner_test", item.obj)
    if not inspect.iscoroutinefunction(inner):
        return (
            f"fixture {wanted!r} needs an `async def` test: the event loop of the exchange"
            " stands still while a `def` test runs. What blocks can be called in one with"
            " `await asyncio.to_thread(...)`"
        )
    asked = item.get_closest_marker("asyncio")
    if asked is not None and item.config.pluginmanager.has_plugin("asyncio"):
        of_test = asked.kwargs.get("loop_scope") or item.config.getini(
            "asyncio_default_test_loop_scope"
        )
        of_fixture = item.config.getini("asyncio_default_fixture_loop_scope") or "function"
        if of_test != of_fixture:
            return (
                f"fixture {wanted!r} has the event loop of the {of_fixture}, the test that of the"
                f" {of_test}: set asyncio_default_fixture_loop_scope = {of_test}"
            )
    return None
