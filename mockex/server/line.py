"""The way between clients and our ports: nothing, the simulated network, or a Toxiproxy.

The injector hands faults of a link to it. When such a fault is *seen* is the same for all of them,
and is read from the journal: bytes went its way, or a connection ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from mockex.errors import FaultError, LinkError
from mockex.faults.link import (
    ClearLink,
    FinLink,
    Hold,
    LastingFault,
    LimitData,
    LinkFault,
    LinkTerms,
    NeverAccept,
    Refused,
    Release,
    ResetLink,
    SlowClose,
    hold_to_ends,
)
from mockex.server.journal import AnyEntry, Delivered, Ended

if TYPE_CHECKING:
    from mockex.faults.toxiproxy import Link
    from mockex.server.exchange import Exchange
    from mockex.server.injector import Handle
    from mockex.server.wire import Listener
    from mockex.sim import SimLoop


class Line:
    """No link at all: clients come straight to our listeners."""

    name = ""

    def __init__(self) -> None:
        self._exchange: Exchange
        self._lasting: list[Handle] = []  # that are in place
        self._coming: list[Handle] = []  # that last, and are being put in place

    async def attach(self, exchange: Exchange) -> None:
        """The exchange whose line it is, before it listens."""
        self._exchange = exchange

    def listens_at(self, port: int) -> int:
        """Where the exchange itself is to listen, if clients are to come to `port`."""
        return port

    async def open(self, listener: Listener, port: int) -> int:
        """Where clients come to, to get to a listener. Streams first, then REST, then more."""
        del port
        return listener.port

    def inject(self, handle: Handle, fault: LinkFault) -> None:
        """Do `fault` now, or as soon as it can be done.

        Raises:
            FaultError: it cannot be done here.
        """
        del handle
        raise FaultError(
            f"{type(fault).__name__} is about bytes on a link, and there is none: "
            "`mockex serve --toxiproxy auto`, in Python serve(toxiproxy='auto'), puts one before "
            "the exchange, and in virtual time there is one"
        )

    def holds(self, handle: Handle) -> bool:
        """Whether a fault that lasts is in place, or about to be."""
        return handle in self._lasting or handle in self._coming

    def mend(self) -> None:
        """End what lasts: only what the terms say is done any more."""

    async def refuse(self) -> None:
        """Refuse attempts at the streams; the ports stay ours."""
        for listener in self._exchange.listeners:
            await listener.refuse()

    async def accept(self) -> None:
        """Accept again."""
        for listener in self._exchange.listeners:
            await listener.accept()

    async def check(self) -> None:
        """See that it is as we left it.

        Raises:
            LinkError: it is not, so nothing that was seen through it says anything.
        """

    async def close(self) -> None:
        """Be gone."""

    def _live(self) -> list[int]:
        return [c.number for c in self._exchange.connections.live()]

    def _watch(self, handle: Handle, fault: LinkFault, live: list[int]) -> None:
        """Say that a fault which is in place happened to what was `live`, once the journal shows
        it."""
        exchange = self._exchange
        match fault:
            case Release():
                self._over(Hold)
            case ResetLink() | FinLink() | ClearLink():
                if isinstance(fault, ClearLink):
                    self._over(LinkFault)
                handle.happened(live)
                return
            case _:
                self._lasting.append(handle)
        lasts = self.holds(handle)
        shows = Ended if isinstance(fault, SlowClose | LimitData) else Delivered

        def look(entry: AnyEntry) -> None:
            if isinstance(entry, shows) or gone():
                exchange.journal.unlisten(look)
                # Not from inside what is being journaled.
                exchange.timers.after(0, seen)

        def gone() -> bool:
            """Whether it was ended before it happened."""
            return lasts and not self.holds(handle)

        def seen() -> None:
            if not gone():
                handle.happened(live)

        exchange.journal.listen(look, replay=False)

    def _over(self, kind: type[LinkFault]) -> None:
        """Faults of a kind are in place no more."""
        for handle in [handle for handle in self._lasting if isinstance(handle.fault, kind)]:
            self._lasting.remove(handle)
            handle.let_go()

    async def probe(self, handle: Handle) -> None:
        """Say that attempts are refused, once one of our own was."""
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, "127.0.0.1", self._exchange.ws_port
            )
        except ConnectionRefusedError:
            handle.happened([], "our own probe was refused")
        else:
            transport.abort()


class SimulatedLine(Line):
    """The links of the simulated network to our ports."""

    name = "simulated"

    def __init__(self, loop: SimLoop, terms: LinkTerms | None) -> None:
        super().__init__()
        self._network = loop.network
        self._terms = terms
        self._ports: list[int] = []

    async def open(self, listener: Listener, port: int) -> int:
        """The same port; the terms are in place from now on."""
        if listener in self._exchange.listeners:
            self._ports.append(listener.port)
        link = self._network.link(listener.port)
        if self._terms is not None:
            link.stand(self._terms)
        return await super().open(listener, port)

    def inject(self, handle: Handle, fault: LinkFault) -> None:
        """Do `fault` now."""
        live = self._live()
        for port in self._ports:
            self._network.link(port).inject(fault)
        if isinstance(fault, Refused):
            self._exchange.spawn(self.probe(handle))

            def over() -> None:
                handle.under_way.discard(accept)
                handle.let_go()

            def accept() -> None:
                timer.cancel()
                for port in self._ports:
                    self._network.link(port).refused_until = 0.0
                over()

            timer = self._exchange.timers.after(fault.ms / 1000, over)
            handle.under_way.add(accept)
        else:
            self._watch(handle, fault, live)

    def mend(self) -> None:
        """End what lasts."""
        for port in self._ports:
            self._network.link(port).clear()
        self._over(LinkFault)


class ProxiedLine(Line):
    """Links of a real Toxiproxy before our ports. `where`: `auto`, or the URL of a server that
    runs already."""

    name = "toxiproxy"

    def __init__(self, where: str, terms: LinkTerms) -> None:
        super().__init__()
        self._where = where
        self._terms = terms
        self._stack = AsyncExitStack()
        self._streams: list[Link] = []
        self._lock = asyncio.Lock()  # what is done to links is done one after the other
        self._broken: LinkError | None = None

    async def attach(self, exchange: Exchange) -> None:
        """Start the server, or find it.

        Raises:
            LinkError: there is none, or it does not do what it should.
        """
        from mockex.faults.proxy_server import toxiproxy

        await super().attach(exchange)
        self._faults = await self._stack.enter_async_context(toxiproxy(self._where))

    @property
    def server_pid(self) -> int:
        """The process of the server; 0 if it is not ours."""
        return self._faults.pid

    def listens_at(self, port: int) -> int:
        """Anywhere: clients come to the link."""
        del port
        return 0

    async def open(self, listener: Listener, port: int) -> int:
        """The port of a link of its own."""
        seed = str(self._exchange.seed)
        link = await self._faults.link(listener.port, terms=self._terms, seed=seed, port=port)
        if listener in self._exchange.listeners:
            self._streams.append(link)
        return link.port

    def inject(self, handle: Handle, fault: LinkFault) -> None:
        """Do `fault` as soon as the server has done what came before."""
        hold_to_ends(fault, self._terms.ends)
        if isinstance(fault, NeverAccept):
            raise FaultError("NeverAccept: Toxiproxy accepts by itself; in virtual time it is done")
        if isinstance(fault, Refused):
            self._exchange.spawn(self._refuse(handle, fault.ms / 1000, handle.may_be_called_off()))
        else:
            if isinstance(fault, LastingFault):
                self._coming.append(handle)
            self._exchange.spawn(self._do(handle, fault))

    async def _refuse(self, handle: Handle, seconds: float, over: asyncio.Event) -> None:
        with self._told(handle):
            try:
                await self._each(lambda link: link.refuse())
                if not over.is_set():
                    await self.probe(handle)
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):  # what was asked for
                        await over.wait()
                await self._each(lambda link: link.accept())
            finally:
                handle.under_way.discard(over.set)
            handle.let_go()

    async def _do(self, handle: Handle, fault: LinkFault) -> None:
        with self._told(handle):
            async with self._lock:
                live = self._live()
                try:
                    for link in self._streams:
                        await link.inject(fault)
                finally:
                    if handle in self._coming:
                        self._coming.remove(handle)
            self._watch(handle, fault, live)

    def mend(self) -> None:
        """End what lasts."""
        self._exchange.spawn(self._clear())

    async def _clear(self) -> None:
        with self._told():
            await self._each(lambda link: link.inject(ClearLink()))
            self._over(LinkFault)

    async def refuse(self) -> None:
        """Refuse attempts at the streams, and end their connections."""
        with self._told():
            await self._each(lambda link: link.refuse())

    async def accept(self) -> None:
        """Accept again."""
        with self._told():
            await self._each(lambda link: link.accept())

    async def _each(self, act: Callable[[Link], Awaitable[None]]) -> None:
        async with self._lock:
            for link in self._streams:
                await act(link)

    @contextmanager
    def _told(self, handle: Handle | None = None) -> Iterator[None]:
        """That the server failed is said by `check`, and by the fault that needed it: nobody waits
        for what is done here."""
        try:
            yield
        except LinkError as error:
            self._broken = error
            if handle is not None:
                handle.failed(str(error))

    async def check(self) -> None:
        """See that nothing failed so far, and that the server has our links as we left them."""
        if self._broken is not None:
            raise self._broken
        async with self._lock:
            await self._faults.check()

    async def close(self) -> None:
        """Take the links away, and end the server if it is ours."""
        await self._stack.aclose()
