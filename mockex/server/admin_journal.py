"""The `journal` and `reset` parts of the admin API: what has happened, and a new beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from mockex.errors import FaultError
from mockex.server.desk import Desk
from mockex.server.exchange import Exchange
from mockex.server.journal import AnyEntry, Delivered, Faulted
from mockex.server.script_run import END_S

MOST_ENTRIES = 5_000  # in one answer
_MOST_LOOKED_AT = 50_000  # for one answer: the exchange goes on meanwhile
_CLOSE_S = 10.0  # until no connection is open
_KINDS = frozenset(kind.__struct_config__.tag for kind in AnyEntry.__args__)

After = Annotated[
    int | None, Query(ge=0, description="`next` of the last answer; without it, since the reset.")
]
Limit = Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="Most entries in the answer.")]
Within = Annotated[
    float, Query(ge=0, le=600, description="How long to wait for one if there is none, in seconds.")
]


@dataclass(slots=True)
class Cut:
    """Where the last reset was: what came before it is no business of whoever asks after it."""

    entries: int = 0
    connection: int = 0  # number of the last one before it


@dataclass(frozen=True, slots=True)
class JournalTold:
    """Entries, as they stand in a journal file. Where there may be more, one goes on at `next`,
    also when there is none yet; `cut` is where the last reset was, `end` how many there are.
    `opened_at`: when the exchange opened, in the time `t` of entries."""

    entries: list[dict[str, Any]]
    next: int
    cut: int
    end: int
    opened_at: float


@dataclass(frozen=True, slots=True)
class ResetTold:
    """What a reset has ended: numbers of faults and of connections. The journal is read from `cut`
    on, by whoever does not say otherwise."""

    cut: int
    faults: list[int]
    connections: list[int]


def journal_router(desk: Desk, cut: Cut) -> APIRouter:
    """`/journal`."""
    router = APIRouter(prefix="/journal", tags=["journal"])
    journal = desk.exchange.journal

    @router.get("", summary="What has happened")
    async def entries(
        after: After = None,
        limit: Limit = 1_000,
        kind: Annotated[list[str] | None, Query(description="Only this type. Repeatable.")] = None,
        conn: Annotated[
            int | None,
            Query(
                description="Only of this connection. Deliveries are of audiences, and left out."
            ),
        ] = None,
        stream: Annotated[str | None, Query(description="Only what names this stream.")] = None,
        within_s: Within = 0.0,
    ) -> JournalTold:
        for name in kind or ():
            if name not in _KINDS:
                known = ", ".join(sorted(_KINDS))
                raise HTTPException(
                    HTTPStatus.UNPROCESSABLE_ENTITY, f"kind: {name!r} is none of {known}"
                )
        wanted = _Wanted(frozenset(kind or ()), conn, stream)
        start = cut.entries if after is None else min(after, len(journal.entries))
        found, following = wanted.among(journal.entries, start, limit)
        if not found and within_s and following == len(journal.entries):
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await journal.wait(wanted.has, since=following)
            found, following = wanted.among(journal.entries, following, limit)
        return JournalTold(
            entries=[msgspec.to_builtins(entry) for entry in found],
            next=following,
            cut=cut.entries,
            end=len(journal.entries),
            opened_at=desk.exchange.clock.opened_at,
        )

    return router


@dataclass(frozen=True, slots=True)
class _Wanted:
    kinds: frozenset[str]
    conn: int | None
    stream: str | None

    def has(self, entry: AnyEntry) -> bool:
        return (
            (not self.kinds or entry.__struct_config__.tag in self.kinds)
            and (self.conn is None or self.conn in _connections_of(entry))
            and (self.stream is None or self.stream in _streams_of(entry))
        )

    def among(self, entries: list[AnyEntry], start: int, limit: int) -> tuple[list[AnyEntry], int]:
        """Entries that are wanted, and where to go on."""
        found: list[AnyEntry] = []
        following = start
        for entry in islice(entries, start, start + _MOST_LOOKED_AT):
            following += 1
            if self.has(entry):
                found.append(entry)
                if len(found) == limit:
                    break
        return found, following


def _connections_of(entry: AnyEntry) -> Iterable[int]:
    if isinstance(entry, Faulted):
        return entry.conns
    conn: int | None = getattr(entry, "conn", None)
    return () if conn is None else (conn,)


def _streams_of(entry: AnyEntry) -> Iterable[str]:
    if isinstance(entry, Delivered):
        return entry.streams
    streams: Iterable[str] = getattr(entry, "streams", ())
    return streams


def reset_router(desk: Desk, cut: Cut) -> APIRouter:
    """`/reset`."""
    router = APIRouter(prefix="/reset", tags=["reset"])

    @router.post(
        "",
        summary="A new beginning: every fault ended, every connection closed, nothing used up",
    )
    async def reset() -> ResetTold:
        exchange = desk.exchange
        faults = desk.calm()
        if left := await desk.until_over(faults, END_S):
            names = ", ".join(f"fault {number}" for number in left)
            raise FaultError(f"{names} was told to end, and has not within {END_S:g} s")
        connections = await _close_all(exchange)
        exchange.forgive()
        cut.entries = len(exchange.journal.entries)
        cut.connection = max(exchange.connections.all, default=0)
        return ResetTold(cut.entries, faults, connections)

    return router


async def _close_all(exchange: Exchange) -> list[int]:
    """Reset every connection, and who comes back meanwhile; their numbers. None is open then.

    Raises:
        FaultError: clients come back faster than they can be closed.
    """
    closed: list[int] = []
    for transport in tuple(exchange.rest_transports):
        transport.abort()
    try:
        async with asyncio.timeout(_CLOSE_S):
            while found := exchange.open_connections():
                over = [asyncio.get_running_loop().create_future() for _ in found]
                for connection, ended in zip(found, over, strict=True):
                    connection.when_ended(partial(ended.set_result, None))
                    connection.reset()
                closed += [connection.number for connection in found]
                await asyncio.gather(*over)
    except TimeoutError:
        raise FaultError(
            f"clients still connect after {_CLOSE_S:g} s of closing; end them first"
        ) from None
    return closed
