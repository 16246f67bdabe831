"""Faults of a link: what the real Toxiproxy does to bytes between a client and the exchange.

The one place that speaks to a Toxiproxy server, through `toxiproxy-python`. That library keeps the
server's address in a class, sets no time limits, obeys proxies of the environment and passes over
answers from 500 on; so its `requests` is replaced by a client of ours (in its module alone), the
address is set before each call under a lock, and each answer is compared with what was asked.

A link is *armed* from the beginning: it carries `reset_peer` with toxicity 0, which makes every
end that the proxy brings about a RST (measured; the toxic itself never acts).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import requests
import toxiproxy.api
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from mockex.errors import FaultError, LinkError
from mockex.faults.link import Direction, Latency, LinkFault, ResetLink

_HTTP_S = (1.0, 3.0)  # connect, read
_CALL_S = 5.0
_NAME_OF_LATENCY = "latency"
_library = threading.Lock()  # its address is state of a class


class _Http:
    """What `toxiproxy-python` takes for the module `requests`."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def _call(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", _HTTP_S)
        response = self._session.request(method, url, **kwargs)
        if response.status_code >= 500:
            raise LinkError(f"Toxiproxy answered {response.status_code}: {response.text[:300]}")
        return response

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        return self._call("GET", url, **kwargs)

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        return self._call("POST", url, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> requests.Response:
        return self._call("DELETE", url, **kwargs)


toxiproxy.api.requests = _Http()


class Api:
    """Calls to one server, in order, off the loop. After a time-out it is dead: a call that hangs
    cannot be taken back."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="toxiproxy")
        self._dead = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=not self._dead, cancel_futures=True)

    async def get(self, path: str) -> Any:
        """GET; the JSON of the answer."""
        return await self._call(lambda api: api.get(path).json())

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST, which also updates; the JSON of the answer."""
        return await self._call(lambda api: api.post(path, json=body).json())

    async def delete(self, path: str) -> None:
        """DELETE; what is gone already is no error."""

        def call(api: Any) -> None:
            try:
                api.delete(path)
            except NotFound:
                return

        await self._call(call)

    async def _call(self, call: Callable[[Any], Any]) -> Any:
        if self._dead:
            raise LinkError(f"the Toxiproxy server was given up: {self._dead}")

        def work() -> Any:
            with _library:
                consumer = toxiproxy.api.APIConsumer
                consumer.host, consumer.port = self._address
                return call(consumer)

        try:
            async with asyncio.timeout(_CALL_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (TimeoutError, requests.RequestException) as error:
            self._dead = f"{type(error).__name__}: {error}" if str(error) else "no answer in time"
            raise LinkError(f"the Toxiproxy server does not answer: {self._dead}") from None
        except (InvalidToxic, NotFound, ProxyExists) as error:
            raise LinkError(f"Toxiproxy refused the call: {error}") from None


def _hold_to(asked: dict[str, Any], answer: Any) -> None:
    """Raise unless the answer has what was asked: a misspelt attribute is accepted as zero."""
    for name, value in asked.items():
        got = answer.get(name) if isinstance(answer, dict) else None
        if isinstance(value, dict):
            _hold_to(value, got)
        elif got != value:
            raise LinkError(f"Toxiproxy was asked for {name}={value!r} and has {got!r}")


class Link:
    """One port that passes bytes to an upstream port, and what can be done to them."""

    def __init__(self, api: Api, name: str, port: int) -> None:
        self._api = api
        self._path = f"/proxies/{name}"
        self._latency: set[Direction] = set()
        self.port = port

    async def inject(self, fault: LinkFault) -> None:
        """Do `fault` now; it holds when this returns.

        Raises:
            FaultError: Toxiproxy cannot do it.
            LinkError: the server is dead or refused.
        """
        match fault:
            case Latency():
                await self._delay(fault)
            case ResetLink():
                await self._enable(on=False)
                await self._enable(on=True)
            case _:
                raise FaultError(f"{type(fault).__name__} is no fault that a link can do")

    async def clear(self) -> None:
        """No latency any more. Only while both ends read: a toxic is changed under way."""
        for direction in tuple(self._latency):
            await self._api.delete(f"{self._path}/toxics/{_NAME_OF_LATENCY}_{direction}")
            self._latency.discard(direction)

    async def close(self) -> None:
        """Give the port back; connections end with a RST."""
        await self._api.delete(self._path)

    async def _delay(self, fault: Latency) -> None:
        name = f"{_NAME_OF_LATENCY}_{fault.direction}"
        attributes = {"latency": fault.delay_ms, "jitter": fault.jitter_ms}
        if fault.direction in self._latency:
            asked: dict[str, Any] = {"attributes": attributes}
            answer = await self._api.post(f"{self._path}/toxics/{name}", asked)
        else:
            asked = {
                "name": name,
                "type": "latency",
                "stream": str(fault.direction),
                "toxicity": 1.0,
                "attributes": attributes,
            }
            answer = await self._api.post(f"{self._path}/toxics", asked)
            self._latency.add(fault.direction)
        _hold_to(asked, answer)

    async def _enable(self, *, on: bool) -> None:
        _hold_to({"enabled": on}, await self._api.post(self._path, {"enabled": on}))


class ToxiproxyFaults:
    """Links through one server; they are gone when the block ends.

    async with running() as server, ToxiproxyFaults(server.host, server.port) as faults:
        link = await faults.link(exchange.ws_port, name="ws")
        await link.inject(Latency(delay_ms=100))
    """

    def __init__(self, host: str, port: int) -> None:
        self._api = Api(host, port)
        self._links: list[Link] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for link in self._links:
                await link.close()
        except LinkError:
            if error is None:
                raise
        finally:
            await self._api.__aexit__(kind, error, trace)

    async def link(self, upstream_port: int, *, name: str) -> Link:
        """A new armed link to a port of this machine. `name`: letters, digits, `_`, `-`, `.`"""
        if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
            raise FaultError(f"{name!r} is no name of a link: use letters, digits, '_', '-', '.'")
        asked = {
            "name": name,
            "upstream": f"127.0.0.1:{upstream_port}",
            "enabled": True,
        }
        answer = await self._api.post("/proxies", {**asked, "listen": "127.0.0.1:0"})
        _hold_to(asked, answer)
        link = Link(self._api, name, int(answer["listen"].rpartition(":")[2]))
        self._links.append(link)
        arm = {"name": "arm", "type": "reset_peer", "stream": "downstream", "toxicity": 0.0}
        _hold_to(arm, await self._api.post(f"/proxies/{name}/toxics", {**arm, "attributes": {}}))
        return link
