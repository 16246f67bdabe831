"""An exchange that runs elsewhere, as a test uses one of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Literal, cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from mockex.errors import AdminError, ConfigError, FaultError, FaultUnseen
from mockex.faults import CloseWith, Outage, RefuseUpgrade, Reset, Stall
from mockex.faults.trigger import AfterEvents, Every
from mockex.remote import RemoteExchange, RemoteHandle
from mockex.server.journal import Attempted, Delivered, Ended, Faulted, Upgraded
from tests.programs import ready, serving

DEPTH = "ethusdc@depth5@100ms"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The admin URL of an exchange in a process of its own."""
    with serving("--profile", "spot", "--seed", "3") as process:
        yield ready(process)["admin"]


@pytest.fixture
def exchange(url: str) -> Iterator[RemoteExchange]:
    with RemoteExchange(url) as exchange:
        exchange.reset()
        yield exchange


def follow(exchange: RemoteExchange) -> connect:
    return connect(f"{exchange.ws_url}/ws/{DEPTH}", proxy=None, close_timeout=1)


async def read_on(ws: ClientConnection) -> None:
    async for _ in ws:
        pass


def test_it_says_what_it_is(exchange: RemoteExchange) -> None:
    assert exchange.ws_url.startswith("ws://127.0.0.1:")
    assert exchange.rest_url.startswith("http://127.0.0.1:")
    assert (exchange.seed, exchange.profile_name, exchange.dated) == (3, "spot", "spot-2026-11")
    assert exchange.profile.dated == "spot-2026-11"


async def test_deliveries_and_journal_are_those_of_the_exchange(exchange: RemoteExchange) -> None:
    assert exchange.live(DEPTH) == 0
    async with follow(exchange) as ws:
        await ws.recv()
        assert exchange.live(DEPTH) == 1
        assert len([*exchange.journal.of(Attempted)]) == 1
        (upgraded,) = exchange.journal.of(Upgraded)
        assert upgraded.target == f"/ws/{DEPTH}"


async def test_a_fault_is_seen_where_it_happened(exchange: RemoteExchange) -> None:
    async with follow(exchange) as ws:
        await ws.recv()
        handle = exchange.inject(CloseWith(code=1012))
        entry = await handle.seen(within_s=10)
        assert (entry.kind, entry.phase, entry.fault) == ("CloseWith", "seen", handle.id)
        assert handle.times_seen == 1
        await ws.wait_closed()
        assert ws.close_code == 1012


async def test_triggers_travel(exchange: RemoteExchange) -> None:
    async with follow(exchange) as ws:
        reading = asyncio.create_task(read_on(ws))
        handle = exchange.inject(Stall(when=AfterEvents(2)))
        await handle.seen(within_s=10)
        assert sum(isinstance(e, Delivered) for e in exchange.journal.entries) >= 2
        exchange.calm()
        await asyncio.wait_for(handle.ended(), 10)
        twice = exchange.inject(Stall(when=Every(0.05, times=2)))
        await twice.seen(times=2, within_s=10)
        reading.cancel()


async def test_a_fault_that_was_ended_before_it_was_seen_is_not_waited_for(
    exchange: RemoteExchange,
) -> None:
    handle = exchange.inject(RefuseUpgrade(status=503))
    exchange.calm()
    with pytest.raises(FaultUnseen) as unseen:
        await handle.seen(within_s=60)
    assert unseen.value.why == "it was ended before that"


class Growing:
    """A journal that says more the second time that it is asked."""

    def __init__(self, *phases: Literal["injected", "seen", "ended"]) -> None:
        self._all = [Faulted(t=0.0, fault=1, kind="RefuseUpgrade", phase=p) for p in phases]
        self._said = 0

    def of(self, kind: type[Faulted]) -> list[Faulted]:
        assert kind is Faulted
        self._said = len(self._all) if self._said else 1
        return self._all[: self._said]

    async def news(self) -> None:
        """There is more."""


async def test_what_is_said_while_it_is_asked_for_is_not_taken_for_an_end_in_vain() -> None:
    there = cast("RemoteExchange", SimpleNamespace(journal=Growing("injected", "seen", "ended")))
    handle = RemoteHandle(there, 1, RefuseUpgrade(status=503))
    assert (await handle.seen(within_s=1)).phase == "seen"


async def test_a_fault_that_is_not_seen_says_so_in_time(exchange: RemoteExchange) -> None:
    with pytest.raises(FaultUnseen, match=r"was not seen to happen within 0.05 s"):
        await exchange.inject(RefuseUpgrade(status=503)).seen(within_s=0.05)


def test_a_fault_that_hits_nobody_is_refused_as_everywhere(exchange: RemoteExchange) -> None:
    with pytest.raises(FaultError, match="Reset: nothing live delivers"):
        exchange.inject(Reset())


async def test_who_waits_for_an_entry_gets_the_first_that_comes(exchange: RemoteExchange) -> None:
    waiting = asyncio.create_task(exchange.journal.wait(lambda e: isinstance(e, Upgraded)))
    await asyncio.sleep(0.01)
    async with follow(exchange):
        entry = await asyncio.wait_for(waiting, 10)
    assert isinstance(entry, Upgraded)
    again = await exchange.journal.wait(lambda e: isinstance(e, Upgraded))
    assert again == entry


async def test_a_reset_begins_anew(exchange: RemoteExchange) -> None:
    exchange.inject(RefuseUpgrade(status=503, attempts=9))
    with pytest.raises(InvalidStatus, match="503"):
        await follow(exchange)
    exchange.reset()
    assert not [*exchange.journal.of(Attempted)]
    async with follow(exchange) as ws:
        await ws.recv()
    assert not [*exchange.journal.of(Faulted)]


async def test_a_journal_that_is_kept_does_not_grow(exchange: RemoteExchange) -> None:
    async with follow(exchange) as ws:
        await ws.recv()
        exchange.journal.keep()
        kept = len(exchange.journal.entries)
        await ws.recv()
    assert len(exchange.journal.entries) == kept > 0
    assert not [*exchange.journal.of(Ended)]


async def test_a_long_journal_comes_whole(
    exchange: RemoteExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockex.remote._PAGE", 2)
    async with follow(exchange) as ws:
        for _ in range(5):
            await ws.recv()
        entries = [*exchange.journal.entries]
    assert sum(isinstance(entry, Delivered) for entry in entries) >= 5
    assert len({id(entry) for entry in entries}) == len(entries)


def test_what_it_cannot_have_is_refused_by_name(exchange: RemoteExchange) -> None:
    with pytest.raises(AttributeError, match=r"that runs elsewhere has no 'market': only ws_url,"):
        getattr(exchange, "market")  # noqa: B009 - mypy knows that there is none


async def test_a_reset_waits_for_a_port_that_refuses(exchange: RemoteExchange) -> None:
    await exchange.inject(Outage(how="refuse", ms=500)).seen(within_s=10)
    exchange.reset()
    async with follow(exchange) as ws:
        await ws.recv()


def test_nobody_there_is_told_by_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConfigError, match=r"--mockex-url: .*nothing answers there"):
        RemoteExchange(address, "--mockex-url")


def test_a_stream_that_is_none_is_refused(exchange: RemoteExchange) -> None:
    with pytest.raises(AdminError, match="no stream is called 'nonsense' here"):
        exchange.live("nonsense")
