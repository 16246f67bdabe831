"""The same link twice: of a real Toxiproxy, and of the simulated network."""

from __future__ import annotations

import asyncio
from typing import Protocol

from mockex.faults import LinkFault, LinkTerms, Refused
from mockex.faults import toxiproxy as proxied
from mockex.sim import SimLoop


class Linked(Protocol):
    """A link to a port."""

    port: int

    async def inject(self, fault: LinkFault) -> None:
        """Do it; in place when this returns."""

    async def close(self) -> None:
        """Be gone."""


class Ground(Protocol):
    """Where links are made."""

    async def link(self, port: int, terms: LinkTerms) -> Linked:
        """One to a port."""


class _SimulatedLink:
    def __init__(self, port: int, terms: LinkTerms) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.port = port
        self._link = loop.network.link(port)
        self._link.stand(terms)

    async def inject(self, fault: LinkFault) -> None:
        self._link.inject(fault)

    async def close(self) -> None:
        """Nothing is left."""


class Simulated:
    """The network of the running loop."""

    async def link(self, port: int, terms: LinkTerms) -> Linked:
        return _SimulatedLink(port, terms)


class _ProxiedLink:
    def __init__(self, link: proxied.Link) -> None:
        self._link = link
        self._refuses: asyncio.Task[None] | None = None
        self.port = link.port

    async def inject(self, fault: LinkFault) -> None:
        if not isinstance(fault, Refused):
            await self._link.inject(fault)
            return
        await self._link.refuse()  # as the line of an exchange does it
        self._refuses = asyncio.create_task(self._accept_in(fault.ms / 1000))

    async def _accept_in(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._link.accept()

    async def close(self) -> None:
        if self._refuses is not None:
            await self._refuses
        await self._link.close()


class Proxied:
    """Links of one server."""

    def __init__(self, faults: proxied.ToxiproxyFaults) -> None:
        self._faults = faults

    async def link(self, port: int, terms: LinkTerms) -> Linked:
        return _ProxiedLink(await self._faults.link(port, terms=terms))
