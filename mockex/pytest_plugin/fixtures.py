"""The fixtures: one exchange, several, or one that runs already.

All that a test had to do with is remembered in its stash, for the report of a failure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from mockex.pytest_plugin.options import OPTIONS, Options, asked_of, check_names, refuse
from mockex.pytest_plugin.running import check_wishes, url_of

try:
    from pytest_asyncio import fixture as async_fixture  # its strict mode runs no other ones
except ImportError:
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from mockex.remote import RemoteExchange
    from mockex.server.exchange import Exchange

    AnyExchange: TypeAlias = Exchange | RemoteExchange
MakeExchange: TypeAlias = "Callable[..., Awaitable[Exchange]]"

ONE, MANY = FIXTURES = ("mockex", "make_mockex")
OPENED = pytest.StashKey["list[AnyExchange]"]()


@asynccontextmanager
async def opened(item: pytest.Item, options: Options) -> AsyncIterator[Exchange]:
    """An exchange of the test's own, its faults injected, on the running loop."""
    from mockex.server.serving import DEFAULT_SYMBOLS, serve

    async with serve(
        options.profile,
        seed=options.seed,
        symbols=DEFAULT_SYMBOLS if options.symbols is None else options.symbols,
        market=options.market,
        step_ms=options.step_ms,
        rate=options.rate,
        volatility=options.volatility,
        loop=options.loop,
        lenient=options.lenient,
        settings=options.settings,
        speed=options.speed,
    ) as exchange:
        item.stash.setdefault(OPENED, []).append(exchange)
        for fault in options.faults:
            exchange.inject(fault)
        yield exchange


@asynccontextmanager
async def joined(item: pytest.Item, url: str) -> AsyncIterator[RemoteExchange]:
    """The exchange that runs at `url`, as if it were new, and left as it was found."""
    from mockex.remote import RemoteExchange

    with RemoteExchange(url, "--mockex-url") as exchange:
        check_wishes(exchange, asked_of(item))
        exchange.reset()
        item.stash.setdefault(OPENED, []).append(exchange)
        for fault in item.stash[OPTIONS].faults:
            exchange.inject(fault)
        try:
            yield exchange
        finally:
            exchange.journal.keep()  # for the report, as the next test clears it
            exchange.calm()


@asynccontextmanager
async def maker(item: pytest.Item, options: Options) -> AsyncIterator[MakeExchange]:
    """What opens exchanges until the block ends, and closes them then, the last one first."""
    async with AsyncExitStack() as stack:

        async def make(**asked: Any) -> Exchange:
            check_names(MANY, asked)
            if "ground" in asked:
                refuse(f"{MANY}: the ground is the test's, and stands in its marker")
            return await stack.enter_async_context(opened(item, replace(options, **asked)))

        yield make


def one_of(item: pytest.Item) -> AbstractAsyncContextManager[AnyExchange]:
    """The exchange of a test: one of its own, or the one that runs already; never that in virtual
    time, which is no time for anybody else."""
    options = item.stash[OPTIONS]
    url = None if options.ground == "virtual" else url_of(item.config)
    return opened(item, options) if url is None else joined(item, url)


def maker_of(item: pytest.Item) -> AbstractAsyncContextManager[MakeExchange]:
    """What makes exchanges for a test. Fails it if it is to use the one that runs already."""
    options = item.stash[OPTIONS]
    if options.ground != "virtual" and url_of(item.config) is not None:
        refuse(f"--mockex-url: fixture {MANY!r} opens exchanges of the test's own")
    return maker(item, options)


@async_fixture(name=ONE)
async def mockex(request: pytest.FixtureRequest) -> AsyncIterator[AnyExchange]:
    """An exchange of the test's own, as `@pytest.mark.mockex(...)` asks for it."""
    async with one_of(request.node) as exchange:
        yield exchange


@async_fixture(name=MANY)
async def make_mockex(request: pytest.FixtureRequest) -> AsyncIterator[MakeExchange]:
    """Opens an exchange each time it is called: `await make_mockex(profile="usdm", seed=3)`."""
    async with maker_of(request.node) as make:
        yield make
