"""Faults of a link: what the real Toxiproxy does to bytes between a client and the exchange.

The one place that speaks to a Toxiproxy server, through `toxiproxy-python`. That library keeps the
server's address in a class, sets no time limits, obeys proxies of the environment and passes over
answers from 500 on; so its `requests` is replaced by a client of ours (in its module alone), the
address is set before each call under a lock, and each answer is compared with what was asked.

What was measured (Toxiproxy 2.12.0) decides how a link is changed under connections. To take a
toxic away waits for connections that have ended meanwhile, for 5 s each or for ever, and so does
any change of `bandwidth` and `slicer`. To update `latency` and `slow_close` does not: these two are
on every link from the beginning, with 0, and do all that begins and ends under connections.
`timeout` and `limit_data` are added when they are wanted. For everything else the proxy is replaced
by another one on the same port, and its connections end. What remains: an update hangs if a
connection ends in that very moment (once in some hundred updates with eight connections that come
and go). A server that does not answer is given up: whoever asked gets an error, never a link in an
unknown state.

A link that *ends* connections with a RST is *armed*: it carries `reset_peer` with toxicity 0 from
the beginning, which makes every end that passes it a RST (measured; the toxic itself never acts). A
RST of one end never passes an unarmed link: the other end sees a FIN.
"""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import requests
import toxiproxy.api
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from mockex.errors import FaultError, LinkError
from mockex.faults.link import (
    Bandwidth,
    BlackHole,
    ClearLink,
    Direction,
    FinLink,
    Hold,
    LastingFault,
    Latency,
    LimitData,
    LinkFault,
    LinkTerms,
    Release,
    ResetLink,
    Slice,
    SlowClose,
    directions,
    hold_to_ends,
)

HOST = "127.0.0.1"
_HTTP_S = (1.0, 3.0)  # connect, read
_CALL_S = 5.0
_FOR_EVER_MS = 3_600_000
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")  # a part of a path, and never .. of it
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

    @property
    def dead(self) -> str:
        """Why it was given up; empty while it was not."""
        return self._dead

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


@dataclass(frozen=True, slots=True)
class Toxic:
    """A toxic as it is asked for."""

    name: str
    type: str
    stream: Direction
    attributes: dict[str, int]
    toxicity: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """The body of the call that adds it."""
        return {
            "name": self.name,
            "type": self.type,
            "stream": str(self.stream),
            "toxicity": self.toxicity,
            "attributes": self.attributes,
        }


_ARM = Toxic("arm", "reset_peer", Direction.DOWNSTREAM, {}, toxicity=0.0)
_UPDATED = ("latency", "slow_close")  # on every link, and changed under connections
_ADDED = ("timeout", "limit_data")  # added under connections


@dataclass(frozen=True, slots=True)
class State:
    """What is done to one direction."""

    delay_ms: int = 0
    fin_late_ms: int = 0
    rate_kb: int = 0  # 0: no limit
    slice_bytes: int = 0  # 0: none
    slice_gap_us: int = 0
    limit_bytes: int = 0  # 0: none
    held: bool = False
    swallows: bool = False

    def after(self, fault: LastingFault, delay_ms: int) -> State:
        """With one more fault; `delay_ms` is what was drawn for a latency."""
        match fault:
            case Latency():
                return replace(self, delay_ms=delay_ms)
            case Bandwidth(bytes_per_s=rate):
                return replace(self, rate_kb=rate // 1000)
            case Slice(bytes=size, gap_ms=gap_ms):
                return replace(self, slice_bytes=size, slice_gap_us=round(gap_ms * 1000))
            case Hold():
                return replace(self, held=True)
            case BlackHole():
                return replace(self, swallows=True)
            case SlowClose(delay_ms=late_ms):
                return replace(self, fin_late_ms=late_ms)
            case LimitData(bytes=most):
                return replace(self, limit_bytes=most)

    def toxics(self, stream: Direction) -> dict[str, Toxic]:
        """By name, in the order in which bytes meet them on a new link."""
        delay_ms = _FOR_EVER_MS if self.held else self.delay_ms
        late_ms = _FOR_EVER_MS if self.held or self.swallows else self.fin_late_ms
        slices = {
            "average_size": self.slice_bytes, "size_variation": 0, "delay": self.slice_gap_us,
        }  # fmt: skip
        some: list[tuple[object, str, dict[str, int]]] = [
            (True, "latency", {"latency": delay_ms, "jitter": 0}),
            (self.rate_kb, "bandwidth", {"rate": self.rate_kb}),
            (self.slice_bytes, "slicer", slices),
            (self.limit_bytes, "limit_data", {"bytes": self.limit_bytes}),
            (self.swallows, "timeout", {"timeout": 0}),
            (True, "slow_close", {"delay": late_ms}),
        ]
        names = {kind: f"{kind}_{stream}" for _, kind, _ in some}
        return {
            names[kind]: Toxic(names[kind], kind, stream, attributes)
            for wanted, kind, attributes in some
            if wanted
        }


class Link:
    """One port that passes bytes to an upstream port, and what can be done to them."""

    def __init__(
        self, api: Api, name: str, upstream_port: int, terms: LinkTerms, seed: str
    ) -> None:
        self._api = api
        self._name = name
        self._path = f"/proxies/{name}"
        self._upstream = f"{HOST}:{upstream_port}"
        self._terms = terms
        self._seed = seed
        self._turns = 0  # how often a latency began
        self._states = dict.fromkeys(Direction, State())
        self._present: dict[str, Toxic] = {}
        self._accepts = True
        self.port = 0

    async def open(self, port: int = 0) -> None:
        """Listen on 127.0.0.1, with what the terms say in place from the first connection on."""
        await self._create(port, self._stands())

    async def inject(self, fault: LinkFault) -> None:
        """Do `fault` now; it holds when this returns.

        Raises:
            FaultError: Toxiproxy cannot do it, or not on this link.
            LinkError: the server is dead or refused.
        """
        hold_to_ends(fault, self._terms.ends)
        match fault:
            case ResetLink() | FinLink():
                accepted = self._accepts
                await self.refuse()
                if accepted:
                    await self.accept()
            case ClearLink():
                await self._become(self._stands())
            case Release(backlog=backlog):
                released = {d: replace(s, held=False) for d, s in self._states.items()}
                await self._become(released, anew=backlog == "lose" and released != self._states)
            case (
                Latency() | Bandwidth() | Slice() | Hold() | BlackHole() | SlowClose() | LimitData()
            ):
                await self._become(self._with(self._states, fault))
            case _:
                raise FaultError(f"{type(fault).__name__} is no fault that Toxiproxy can do")

    async def refuse(self) -> None:
        """Refuse attempts, and end the connections that exist."""
        self._accepts = False
        await self._enable()

    async def accept(self) -> None:
        """Accept again, on the same port.

        Raises:
            LinkError: somebody else has it now.
        """
        self._accepts = True
        await self._enable()

    async def check(self) -> None:
        """See that the server has the link as we left it.

        Raises:
            LinkError: it does not answer, or has not.
        """
        answer = await self._api.get(self._path)
        left = {"enabled": self._accepts, "listen": f"{HOST}:{self.port}"}
        _hold_to({**left, "upstream": self._upstream}, answer)
        has = {toxic.pop("name"): toxic for toxic in answer.get("toxics", ())}
        for toxic in self._present.values():
            _hold_to(toxic.attributes, has.get(toxic.name, {}).get("attributes"))

    async def close(self) -> None:
        """Give the port back; connections end."""
        await self._api.delete(self._path)

    # --- toxics ---

    def _stands(self) -> dict[Direction, State]:
        states = dict.fromkeys(Direction, State())
        for fault in self._terms.faults:
            states = self._with(states, fault)
        return states

    def _with(self, states: dict[Direction, State], fault: LastingFault) -> dict[Direction, State]:
        self._turns += isinstance(fault, Latency)
        after = dict(states)
        for one in directions(fault.direction):
            delay_ms = 0
            if isinstance(fault, Latency):
                delay_ms = fault.drawn_ms(self._seed, one, self._turns)
            after[one] = after[one].after(fault, delay_ms)
        return after

    async def _become(self, states: dict[Direction, State], *, anew: bool = False) -> None:
        """Do no more and no less than this; with `anew` by another proxy in any case."""
        wanted = {n: t for one, state in states.items() for n, t in state.toxics(one).items()}
        before = self._present
        changed = [t for n, t in wanted.items() if n in before and before[n] != t]
        new = [t for n, t in wanted.items() if n not in before]
        if (
            anew
            or before.keys() - wanted.keys()
            or any(toxic.type not in _UPDATED for toxic in changed)
            or any(toxic.type not in _ADDED for toxic in new)
        ):
            await self._api.delete(self._path)
            await self._create(self.port, states)
            return
        self._states = states
        for toxic in [*new, *changed]:  # what swallows comes before what lets ends wait
            await self._put(toxic)

    async def _put(self, toxic: Toxic) -> None:
        path, asked = f"{self._path}/toxics", toxic.to_json()
        if toxic.name in self._present:
            path, asked = f"{path}/{toxic.name}", {"attributes": toxic.attributes}
        _hold_to(asked, await self._api.post(path, asked))
        self._present[toxic.name] = toxic

    async def _create(self, port: int, states: dict[Direction, State]) -> None:
        asked = {"name": self._name, "upstream": self._upstream, "enabled": False}
        # Every address is named: without one Toxiproxy listens on all of them.
        body = {**asked, "listen": f"{HOST}:{port}"}
        _hold_to(asked, await self._api.post("/proxies", body))
        self._states, self._present = states, {}
        if self._terms.ends == "reset":
            arm = _ARM.to_json()
            _hold_to(arm, await self._api.post(f"{self._path}/toxics", arm))
        for one, state in states.items():
            for toxic in state.toxics(one).values():
                await self._put(toxic)
        answer = await self._enable()
        self.port = int(answer["listen"].rpartition(":")[2])

    async def _enable(self) -> dict[str, Any]:
        asked = {"enabled": self._accepts}
        answer: dict[str, Any] = await self._api.post(self._path, asked)
        _hold_to({**asked, "upstream": self._upstream}, answer)
        return answer


class ToxiproxyFaults:
    """Links through one server; they are gone when the block ends.

    async with running() as server, ToxiproxyFaults(server.host, server.port) as faults:
        link = await faults.link(exchange.ws_port)
        await link.inject(Latency(delay_ms=100))
    """

    def __init__(self, host: str, port: int, *, pid: int = 0) -> None:
        """`pid`: of the server, if it is ours."""
        self.pid = pid
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
                if not self._api.dead:
                    await link.close()
        except LinkError:
            if error is None:
                raise
        finally:
            await self._api.__aexit__(kind, error, trace)

    async def link(
        self,
        upstream_port: int,
        *,
        name: str = "",
        terms: LinkTerms | None = None,
        seed: str = "0",
        port: int = 0,
    ) -> Link:
        """A new link to a port of this machine. `name`: letters, digits, `_`, `-`, `.`; none: one
        that nobody else has.

        Raises:
            FaultError: the name or a port is none.
            LinkError: the server is dead or refused: a name or a port that is taken.
        """
        name = name or f"mockex-{uuid.uuid4().hex}"
        if not _NAME.fullmatch(name):
            raise FaultError(f"{name!r} is no name of a link: use letters, digits, '_', '-', '.'")
        # Toxiproxy asks no upstream: nothing would arrive, and nobody would say why.
        if not (1 <= upstream_port < 1 << 16 and 0 <= port < 1 << 16):
            raise FaultError(f"no link from port {port} to {upstream_port}: no such ports")
        link = Link(self._api, name, upstream_port, terms or LinkTerms(), seed)
        await link.open(port)
        self._links.append(link)
        return link

    async def check(self) -> None:
        """See that the server answers, and for each link that it is there and open.

        Raises:
            LinkError: not so.
        """
        for link in self._links:
            await link.check()
