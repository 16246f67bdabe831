"""One connection through a link, a fault, and what both ends saw of it: one program for all
grounds.

It goes by phases of a fixed length, because much of what is to be seen is that nothing comes. In
each phase both ends write: some messages when they stream, one word after a while when they are
idle. Times are told in buckets: *at once* is below 0.3 s, and what is *late* comes half a second
after, or when something happened that it waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from mockex.faults import Direction, FinLink, LimitData, LinkTerms, Refused, ResetLink
from tests.links.grounds import Ground, Linked
from tests.links.peer import Peer, now
from tests.links.situation import UNEVEN, WORD, Situation

AT_ONCE_S = 0.3
PHASE_S = 1.0
CLOSE_S = 0.8
_LEAD_S = 0.1  # of a stream, before something happens
_WORD_AFTER_S = 0.1  # of the phase of an idle one
_MESSAGES, _EACH, _EVERY_S = 20, 80, 0.015  # of a stream in a phase
_LAST_WORD = 10  # of who answers a half-close
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Saw:
    """In words: how each end saw the connection end, what became of the bytes that were sent with
    the fault in place and after it was taken away, and what a further connection got."""

    client: str = ""
    server: str = ""
    down: str = ""
    up: str = ""
    down_after: str = ""
    up_after: str = ""
    also: str = ""
    meanwhile: str = ""
    next: str = ""


class Marks:
    """What happened when."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, str]] = []

    def set(self, name: str) -> None:
        """It happens now."""
        self._marks.append((now(), name))

    def at(self, name: str) -> float | None:
        """When it happened."""
        return next((at for at, one in self._marks if one == name), None)

    def bucket(self, at: float) -> str:
        """The last thing before it, and how long."""
        since, name = max(mark for mark in self._marks if mark[0] <= at)
        return f"{'late ' if at - since > AT_ONCE_S else ''}after the {name}"


class Stretch:
    """What both ends send in one phase."""

    def __init__(self, client: Peer, server: Peer, situation: Situation) -> None:
        self._ends = (client, server)
        self._traffic = situation.traffic
        self._word = situation.word
        self._by = situation.by
        self.since: tuple[int, int] = (0, 0)
        self.until: tuple[int, int] = (0, 0)
        self.ended_at = 0.0

    async def run(self, marks: Marks, begun: asyncio.Event | None = None) -> None:
        """Send, and see what comes; with `begun` only what is sent after it counts."""
        began = now()
        client, server = self._ends
        self.since = (len(client.sent), len(server.sent))
        if self._traffic == "idle":
            first, then = self._ends if self._by is Direction.DOWNSTREAM else self._ends[::-1]
            await asyncio.sleep(_WORD_AFTER_S)
            first.say(self._word)
            await asyncio.sleep(_WORD_AFTER_S)
            marks.set("word")
            then.say(self._word)
        else:
            await stream(self._ends, began, begun)
        self.until = (len(client.sent), len(server.sent))
        await until(began + PHASE_S)
        self.ended_at = now()

    def told(self, writer: Peer, reader: Peer, marks: Marks, *, exact: bool) -> str:
        """What became of what one end sent."""
        which = self._ends.index(writer)
        first, end = self.since[which], self.until[which]
        if first == end or (len(reader.got) <= first and writer.gone_by(self.ended_at)):
            return "–"
        return told(writer, reader, first, end, marks, exact=exact)


async def until(when: float) -> None:
    """Sleep until a loop time."""
    await asyncio.sleep(max(0.0, when - now()))


async def stream(ends: tuple[Peer, Peer], began: float, begun: asyncio.Event | None = None) -> None:
    """A number of messages from both ends; with `begun` so many after it was set."""
    number, left = 0, _MESSAGES
    while left:
        for end in ends:
            end.say(_EACH)
        number += 1
        left -= begun is None or begun.is_set()
        await until(began + number * _EVERY_S)


def told(
    writer: Peer, reader: Peer, first: int, end: int, marks: Marks, *, exact: bool = True
) -> str:
    """What became of the bytes from `first` to `end`."""
    count = min(end, len(reader.got)) - first
    if count <= 0:
        return "nothing"
    whole = "all" if count == end - first else f"{count} bytes" if exact else "a part"
    one, other = (_lateness(writer, reader, at, marks) for at in (first, first + count - 1))
    return f"{whole} {one}" if one == other else f"{whole}, the first {one}, the last {other}"


def _lateness(writer: Peer, reader: Peer, offset: int, marks: Marks) -> str:
    came, sent = reader.came_at(offset), writer.was_sent_at(offset)
    assert came is not None
    if came - sent <= AT_ONCE_S:
        return "at once"
    cleared = marks.at("clearing")
    if cleared is not None and sent < cleared <= came and came - cleared <= AT_ONCE_S:
        return "after the clearing"
    return "late"


class Program:
    """One situation, once."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._servers: list[Peer] = []
        self._clients: list[Peer] = []
        self._accepted: list[Callable[[Peer], None]] = []

    async def run(self, ground: Ground) -> Saw:
        """Let it happen; what was seen."""
        listening = await asyncio.get_running_loop().create_server(self._serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        made = f"{self._situation.line},ends={self._situation.ends}"
        link = await ground.link(port, LinkTerms.parse(made))
        try:
            return await self._happen(link)
        finally:
            for end in (*self._clients, *self._servers):
                if end.made.done():
                    end.drop()
            listening.close()
            await link.close()
            await asyncio.sleep(0.01)

    def _serve(self) -> Peer:
        self._servers.append(self._peer())
        return self._servers[-1]

    def _peer(self) -> Peer:
        return Peer(_LAST_WORD if self._situation.act == "half-close" else 0)

    async def _connect(self, link: Linked) -> tuple[Peer, Peer | None]:
        """A connection; its server end if it got so far.

        Raises:
            ConnectionRefusedError: nobody listens.
        """
        known = len(self._servers)
        client = self._peer()
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", link.port)
        self._clients.append(client)
        async with asyncio.timeout(_PATIENCE_S):
            while len(self._servers) == known and not client.lost:
                await asyncio.sleep(0.001)
        if len(self._servers) == known:
            return client, None
        server = self._servers[-1]
        await server.made
        return client, server

    async def _happen(self, link: Linked) -> Saw:
        one, marks = self._situation, Marks()
        at_once = isinstance(one.fault, ResetLink | FinLink | Refused)
        if one.moment == "before":
            assert one.fault is not None
            await link.inject(one.fault)
        marks.set("connect")
        try:
            client, server = await self._connect(link)
        except ConnectionRefusedError:
            assert isinstance(one.fault, Refused)
            await asyncio.sleep(one.fault.ms / 1000 + PHASE_S)
            return Saw(client="refused", next=await self._again(link, marks))
        assert server is not None, "not accepted"
        stretch = Stretch(client, server, one)
        if one.fault is not None and one.moment == "during":
            await self._during(link, stretch, marks)
        else:
            await stretch.run(marks)
        meanwhile = ""
        if at_once:
            meanwhile = await self._again(link, marks)
        after = None
        if one.over is not None:
            marks.set("clearing")
            await link.inject(one.over)
            after = Stretch(client, server, one)
            await after.run(marks)
        marks.set("end")
        leaver = client if one.by is Direction.UPSTREAM else server
        leaver.leave(one.act)
        await asyncio.sleep(CLOSE_S)
        saw = self._saw(client, server, (stretch, after), marks)
        for end in (client, server):
            end.drop()
        again = await self._again(link, marks)
        return Saw(**{**saw, "meanwhile": meanwhile, "next": again})

    async def _during(self, link: Linked, stretch: Stretch, marks: Marks) -> None:
        """Put the fault on while the connection streams, or does nothing."""
        one = self._situation
        assert one.fault is not None
        if one.traffic == "idle":
            await asyncio.sleep(_LEAD_S)
            marks.set("fault")
            await link.inject(one.fault)
            await stretch.run(marks)
            return
        put_on = asyncio.Event()
        streaming = asyncio.create_task(stretch.run(marks, put_on))
        await asyncio.sleep(_LEAD_S)
        marks.set("fault")
        await link.inject(one.fault)
        client, server = self._clients[0], self._servers[0]
        since = (len(client.sent), len(server.sent))
        put_on.set()
        await streaming
        stretch.since = since

    def _saw(
        self, client: Peer, server: Peer, stretches: tuple[Stretch, Stretch | None], marks: Marks
    ) -> dict[str, str]:
        one = self._situation
        for writer, reader in ((client, server), (server, client)):
            assert reader.got == writer.sent[: len(reader.got)], "out of order, or with a hole"
        # While the fault is put on a stream, bytes pass that nobody can count.
        exact = not (one.traffic == "streaming" and one.moment == "during")
        exact = exact or not isinstance(one.fault, LimitData)
        saw = {"client": _end(client, marks), "server": _end(server, marks)}
        for stretch, suffix in zip(stretches, ("", "_after"), strict=True):
            if stretch is not None:
                saw[f"down{suffix}"] = stretch.told(server, client, marks, exact=exact)
                saw[f"up{suffix}"] = stretch.told(client, server, marks, exact=exact)
        if one.word == UNEVEN:
            reader = client if one.by is Direction.DOWNSTREAM else server
            saw["also"] = f"pieces of {reader.pieces()} bytes"
        if one.act == "half-close":
            left, stayed = (client, server) if one.by is Direction.UPSTREAM else (server, client)
            arrived = "arrives" if left.got == stayed.sent else "is lost"
            saw["also"] = f"the answer {arrived}" if stayed.answered else "no answer"
        return saw

    async def _again(self, link: Linked, marks: Marks) -> str:
        """What a further connection gets: one word each way."""
        try:
            client, server = await self._connect(link)
        except ConnectionRefusedError:
            return "refused"
        if server is None:
            return "ended"
        words = (client, server)
        for end in words if self._situation.by is Direction.DOWNSTREAM else words[::-1]:
            end.say(WORD)  # the one that the fault is about comes last
            await asyncio.sleep(_WORD_AFTER_S)
        await asyncio.sleep(CLOSE_S)
        down = told(server, client, 0, WORD, marks)
        up = told(client, server, 0, WORD, marks)
        for end in (client, server):
            end.drop()
        return "works" if down == up == "all at once" else f"down {down}; up {up}"


def _end(end: Peer, marks: Marks) -> str:
    if end.end is not None:
        return f"{end.end} {marks.bucket(end.end_at)}"
    return "ends it" if end.left else "open"


async def happen(situation: Situation, ground: Ground) -> Saw:
    """Let it happen on a ground; what was seen."""
    with suppress(asyncio.CancelledError):
        return await Program(situation).run(ground)
    raise asyncio.CancelledError
