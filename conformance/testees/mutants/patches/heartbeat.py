"""Wrong about silence and pings."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from mockex_adapter.errors import ConnectionLost
from mockex_adapter.link import Link, Socket
from mockex_adapter.supervisor import Supervisor
from patches import mutant


@mutant
def empty_pong() -> None:
    """Answers pings with an empty pong."""
    send_frame = Protocol.send_frame

    def emptied(self: Protocol, frame: Frame) -> None:
        send_frame(self, Frame(Opcode.PONG, b"") if frame.opcode is Opcode.PONG else frame)

    Protocol.send_frame = emptied


@mutant
def deaf() -> None:
    """Waits on a read without a limit."""

    async def never(self: Link, connection: Socket) -> None:
        await asyncio.Event().wait()

    Link._probe = never
    Supervisor._look_for_silence = lambda self, link, now: None


@mutant
def waits_for_fin() -> None:
    """Ends a silent connection with a FIN of its own, and makes no attempt before the peer's."""
    probe = Link._probe

    async def part(self: Link, connection: Socket) -> None:
        try:
            await probe(self, connection)
        except ConnectionLost:
            connection.transport.write_eof()
            await connection.wait_closed()
            raise

    Link._probe = part


@mutant
def pong_in_the_queue() -> None:
    """Pongs wait in the same queue as events, each of which takes a millisecond."""
    send_frame, process_event = Protocol.send_frame, Socket.process_event
    carry, take = Link.carry, Link._take

    def but_pongs(self: Protocol, frame: Frame) -> None:
        if frame.opcode is not Opcode.PONG:
            send_frame(self, frame)

    def line_up(self: Socket, event: Any) -> None:
        process_event(self, event)
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.queue.put_nowait(event)

    async def carry_in_line(self: Link, connection: Socket) -> None:
        self.queue = connection.queue
        worker = asyncio.create_task(work(self, connection))
        try:
            await carry(self, connection)
        finally:
            worker.cancel()

    async def work(link: Link, connection: Socket) -> None:
        while True:
            item = await connection.queue.get()
            if isinstance(item, Frame):
                with suppress(WebSocketException):
                    async with connection.send_context():
                        send_frame(connection.protocol, Frame(Opcode.PONG, item.data))
            else:
                await asyncio.sleep(0.001)
                take(link, item)

    made = Socket.__init__

    def made_with_queue(self: Socket, *settings: Any, **more: Any) -> None:
        made(self, *settings, **more)
        self.queue = asyncio.Queue()

    Protocol.send_frame = but_pongs
    Socket.__init__ = made_with_queue
    Socket.process_event = line_up
    Link.carry = carry_in_line
    Link._take = lambda self, data: self.queue.put_nowait(data)


@mutant
def quiet_is_dead() -> None:
    """Replaces a connection without data for two seconds, pings or not."""
    on_tick = Supervisor.on_tick

    def impatient(self: Supervisor, link: Link, now: float) -> None:
        on_tick(self, link, now)
        last = max(link.opened_at or now, *link.heard.values(), 0.0)
        if link is self._current and not link.polite and now - last >= 2.0:
            self._end(link)

    Supervisor.on_tick = impatient


@mutant
def inherits_verdict() -> None:
    """The time of the last message survives the connection, and pings do not count. A connection
    is looked at when it is half a second old."""
    on_message, on_tick = Supervisor.on_message, Supervisor.on_tick

    def noted(self: Supervisor, link: Link, message: Any) -> None:
        self.told_at = self._loop.time()
        on_message(self, link, message)

    def judged(self: Supervisor, link: Link, now: float) -> None:
        on_tick(self, link, now)
        old = now - (link.opened_at or now) >= 0.5
        silent = now - getattr(self, "told_at", now) >= self._timers.probe_after_s
        if link is self._current and old and silent and not link.polite:
            self._end(link)

    Supervisor.on_message = noted
    Supervisor.on_tick = judged


@mutant
def timers_pile_up() -> None:
    """An interval timer that fires once for each time it missed, and when it is late makes an
    attempt to see whether the exchange is there."""
    run = Supervisor.run
    interval_s, late_s = 0.5, 1.0

    async def try_once(line: Supervisor) -> None:
        rules = line._settings.rules
        with suppress(OSError, WebSocketException):
            async with Link(line._target, rules, line._timers, line, line._ids).open():
                pass

    async def with_timer(self: Supervisor) -> None:
        def fire(due: float) -> None:
            nonlocal timer
            if self._loop.time() - due > late_s:
                self._consumer._own(try_once(self))
            timer = self._loop.call_at(due + interval_s, fire, due + interval_s)

        begin = self._loop.time()
        timer = self._loop.call_at(begin, fire, begin)
        try:
            await run(self)
        finally:
            timer.cancel()

    Supervisor.run = with_timer
