"""The parts of the admin API that say how things stand: `exchange`, `connections`, `streams`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from mockex.names import parse
from mockex.server.admin_journal import Cut
from mockex.server.desk import Desk
from mockex.server.views import Connection

MOST_CONNECTIONS = 1_000  # in one answer

State = Literal["pending", "live", "closing", "refused", "over"]


@dataclass(frozen=True, slots=True)
class ExchangeTold:
    """The exchange. `opened_at`: when it opened, in the time `t` of the journal's entries."""

    ws: str
    rest: str
    profile: str
    dated: str
    seed: int
    speed: float
    market: str
    opened_at: float
    now_s: float


@dataclass(frozen=True, slots=True)
class FlowTold:
    """What was written of one stream: to one connection, or to all of them."""

    events: int
    bytes: int
    last_s: float | None


@dataclass(frozen=True, slots=True)
class ConnectionTold:
    """One connection. Times are seconds since the exchange opened; `streams` are those that it has
    subscribed; of one that is never sent the flow is null."""

    number: int
    state: State
    target: str
    mode: str
    peer_port: int
    attempted_s: float
    upgraded_s: float | None
    ended_s: float | None
    ended_by: Literal["client", "server"] | None
    streams: dict[str, FlowTold | None]


@dataclass(frozen=True, slots=True)
class ConnectionsTold:
    """Connections since the last reset, oldest first; where there are more, they come after the
    number `next`."""

    connections: list[ConnectionTold]
    next: int


@dataclass(frozen=True, slots=True)
class StreamTold:
    """One stream: the live connections that deliver it, and what they were sent of it."""

    name: str
    deliveries: int
    connections: list[int]
    flow: FlowTold


@dataclass(frozen=True, slots=True)
class StreamsTold:
    """Streams that are delivered, those with the most deliveries first."""

    streams: list[StreamTold]


def add_views(router: APIRouter, desk: Desk, cut: Cut) -> None:
    """All of them."""
    exchange = desk.exchange

    @router.get("/exchange", tags=["exchange"], summary="Where and what it is")
    async def it() -> ExchangeTold:
        return ExchangeTold(
            ws=exchange.ws_url,
            rest=exchange.rest_url,
            profile=exchange.profile.name,
            dated=exchange.profile.dated,
            seed=exchange.seed,
            speed=exchange.clock.speed,
            market=exchange.market.kind,
            opened_at=exchange.clock.opened_at,
            now_s=round(exchange.loop_time() - exchange.clock.opened_at, 3),
        )

    @router.get("/connections", tags=["connections"], summary="Those since the last reset")
    async def connections(
        state: Annotated[State | None, Query(description="Only those that are so.")] = None,
        after: Annotated[int, Query(ge=0, description="`next` of the last answer.")] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_CONNECTIONS)] = MOST_CONNECTIONS,
    ) -> ConnectionsTold:
        found: list[ConnectionTold] = []
        following = max(after, cut.connection)
        for connection in islice(exchange.connections.all.values(), following, None):
            following = connection.number
            if state is None or _state(connection) == state:
                found.append(_told(desk, connection))
                if len(found) == limit:
                    break
        return ConnectionsTold(found, following)

    @router.get("/streams", tags=["streams"], summary="Those that are delivered")
    async def streams() -> StreamsTold:
        names = {name for c in exchange.connections.delivering() for name in c.streams}
        told = [_stream(desk, name) for name in sorted(names)]
        return StreamsTold(
            sorted((s for s in told if s.deliveries), key=lambda s: s.deliveries, reverse=True)
        )

    @router.get("/streams/{name}", tags=["streams"], summary="One, delivered or not")
    async def stream(name: str) -> StreamTold:
        parsed = parse(name)
        if parsed is None or not exchange.publisher.serves(parsed):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no stream is called {name!r} here")
        return _stream(desk, name)


def _state(connection: Connection) -> State:
    if connection.refused:
        return "refused"
    if connection.ended_at is not None:
        return "over"
    if connection.closing_at is not None:
        return "closing"
    return "live" if connection.live else "pending"


def _told(desk: Desk, connection: Connection) -> ConnectionTold:
    return ConnectionTold(
        number=connection.number,
        state=_state(connection),
        target=connection.target,
        mode=connection.mode,
        peer_port=connection.peer_port,
        attempted_s=_since(desk, connection.attempted_at) or 0.0,
        upgraded_s=_since(desk, connection.upgraded_at),
        ended_s=_since(desk, connection.ended_at),
        ended_by=connection.ended_by,
        streams={
            name: _flow(desk, name, [connection.number]) if served else None
            for name, served in connection.streams.items()
        },
    )


def _stream(desk: Desk, name: str) -> StreamTold:
    numbers = [c.number for c in desk.exchange.connections.delivering(name)]
    return StreamTold(name, len(numbers), numbers, _flow(desk, name, numbers))


def _flow(desk: Desk, name: str, numbers: list[int]) -> FlowTold:
    tallies = desk.exchange.deliveries.tallies
    found = [tally for n in numbers if (tally := tallies.get((n, name))) is not None]
    last = max((t.last_at for t in found if t.last_at is not None), default=None)
    return FlowTold(sum(t.events for t in found), sum(t.bytes for t in found), _since(desk, last))


def _since(desk: Desk, loop_time: float | None) -> float | None:
    return None if loop_time is None else round(loop_time - desk.exchange.clock.opened_at, 3)
